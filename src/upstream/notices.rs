//! What the application is told and need not decide: `push_unsubscribe_request`, and the farewells of GRIP.
//!
//! Whoever has something to tell puts a notice into the worker's queue and goes on. A few notices to each
//! upstream are under way at a time, so that none waits for what another application does; one that fails
//! comes again, later each time, and is given up after a while. An application that is away (it cannot be
//! reached, does not answer in time, or somebody says so in front of it) is left alone meanwhile by all
//! notices; any other failure concerns one notice alone.
//! When the queue is full the oldest goes: what is true now matters more than what was.
//! When the server shuts down, it goes on as long as there is time.

mod queue;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use queue::{State, Waiting};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{
    Client,
    notice::{Notice, Outcome, is_away},
    quiet::Quiet,
};

/// The answer to one is read up to here, in bytes, and says nothing.
const MAX_ANSWER: usize = 64 << 10;

/// What has become of the notices of all workers.
#[derive(Debug, Default)]
pub struct NoticeCounts {
    /// They wait to be told.
    pub queued: AtomicUsize,
    /// The application has them.
    pub told: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// Given up, or thrown out of a queue that was full.
    pub lost: AtomicU64,
}

/// The notices of a worker.
#[derive(Debug)]
pub struct Notices {
    client: Client,
    /// `push_hook_queue`.
    most: usize,
    counts: Arc<NoticeCounts>,
    state: RefCell<State>,
    changed: Notify,
    idle: Notify,
    /// The last notices are taken.
    last_call: Notify,
    /// What the log is told of losses.
    quiet: Quiet,
}

/// Says what is left, unless nothing is.
struct TimeIsUp<'a>(&'a Notices);

impl Drop for TimeIsUp<'_> {
    fn drop(&mut self) {
        let state = self.0.state.borrow();
        let (queued, under_way) = (state.queued, state.under_way);
        if state.running && queued + under_way > 0 {
            warn!(
                queued,
                under_way, "time is up, and the application has not been told who has left"
            );
        }
    }
}

/// Somebody who will have something to tell, and is waited for at the end.
#[derive(Debug)]
pub(super) struct Owed(Rc<Notices>);

impl Owed {
    pub(super) fn new(notices: &Rc<Notices>) -> Self {
        notices.state.borrow_mut().owed += 1;
        Self(notices.clone())
    }

    /// Waits until it is time: nobody comes any more, and the last notices are taken.
    pub(super) async fn due(&self) {
        let last_call = self.0.last_call.notified();
        if !self.0.state.borrow().closing {
            last_call.await;
        }
    }

    /// Tells it.
    pub(super) fn put(&self, notice: Notice) {
        self.0.start();
        self.0.put(notice);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.state.borrow_mut().owed -= 1;
        if self.0.is_idle() {
            self.0.idle.notify_waiters();
        }
    }
}

impl Notices {
    /// A queue of so many notices at most.
    pub fn new(client: Client, most: usize, counts: Arc<NoticeCounts>) -> Self {
        Self {
            client,
            most,
            counts,
            state: RefCell::default(),
            changed: Notify::new(),
            idle: Notify::new(),
            last_call: Notify::new(),
            quiet: Quiet::default(),
        }
    }

    /// Begins to work, on the worker's own thread, unless it does already.
    pub fn start(self: &Rc<Self>) {
        if !std::mem::replace(&mut self.state.borrow_mut().running, true) {
            tokio::task::spawn_local(self.clone().run());
        }
    }

    /// Leaves a notice.
    pub fn put(&self, notice: Notice) {
        self.push(Waiting::new(notice, Instant::now()));
    }

    /// Waits until everything is told, or given up. Whoever waits no longer has the log told what is left.
    pub async fn settled(&self) {
        let _left = TimeIsUp(self);
        self.state.borrow_mut().close();
        self.last_call.notify_waiters();
        loop {
            let idle = self.idle.notified();
            if self.is_idle() {
                return;
            }
            self.changed.notify_one();
            idle.await;
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.state.borrow();
        let told = !state.running || (state.queued + state.under_way == 0);
        told && state.owed == 0
    }

    fn push(&self, waiting: Waiting) {
        let mut state = self.state.borrow_mut();
        let gone = state.make_room(waiting.notice.size(), self.most);
        self.counts.queued.fetch_sub(gone, Ordering::Relaxed);
        self.counts.queued.fetch_add(1, Ordering::Relaxed);
        state.push(waiting);
        drop(state);
        if gone > 0 {
            self.lose(gone, "the queue is full");
        }
        self.changed.notify_one();
    }

    fn lose(&self, number: usize, why: &str) {
        let number = number as u64;
        let lost = self.counts.lost.fetch_add(number, Ordering::Relaxed) + number;
        if self.quiet.speaks(Instant::now().into_std()).is_some() {
            warn!(lost, why, "the application cannot be told who has left");
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            let next = self.launch();
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Sends what is due; returns when there is more to do.
    fn launch(self: &Rc<Self>) -> Instant {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        while let Some(waiting) = state.next(now) {
            self.counts.queued.fetch_sub(1, Ordering::Relaxed);
            tokio::task::spawn_local(self.clone().tell(waiting));
        }
        let late = state.sweep(now);
        self.counts.queued.fetch_sub(late, Ordering::Relaxed);
        let next = state.due(now);
        drop(state);
        if late > 0 {
            self.lose(late, "it cannot be reached");
        }
        if self.is_idle() {
            self.idle.notify_waiters();
        }
        next
    }

    async fn tell(self: Rc<Self>, mut waiting: Waiting) {
        let upstream = waiting.notice.upstream;
        match self.attempt(&mut waiting.notice).await {
            Outcome::Lost => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.lose(1, "it does not answer");
            }
            Outcome::Again => self.again(waiting),
            Outcome::Told | Outcome::GoesOn => {
                self.counts.told.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.state.borrow_mut().done(upstream);
        if self.is_idle() {
            self.idle.notify_waiters();
        }
        self.changed.notify_one();
    }

    /// Sends the requests of a notice, until one fails.
    async fn attempt(&self, notice: &mut Notice) -> Outcome {
        loop {
            let Some(inquiry) = notice.inquiry() else { return Outcome::Told };
            let answer = self.client.inquire(&inquiry, notice.body(), MAX_ANSWER).await;
            self.state.borrow_mut().note(inquiry.upstream, !is_away(&answer));
            let outcome = notice.judge(&answer);
            if outcome != Outcome::GoesOn {
                return outcome;
            }
        }
    }

    fn again(&self, waiting: Waiting) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let again = self.state.borrow().again(waiting);
        match again {
            Some(waiting) => self.push(waiting),
            None => self.lose(1, "it does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, Method, header};

    use super::{
        queue::{AT_ONCE, MAX_BYTES, PATIENCE},
        *,
    };
    use crate::{
        config::{Address, Timeouts, Upstream},
        upstream::{Group, Inquiry},
    };

    fn inquiry(path: &str) -> Inquiry {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("app"));
        let (timeouts, method) = (Timeouts::default(), Method::GET);
        Inquiry { upstream: 0, timeouts, method, uri: path.parse().unwrap(), headers }
    }

    /// Notices for a server that is not there.
    fn notices(most: usize) -> Rc<Notices> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let upstream = Upstream {
            name: "app".into(),
            servers: vec![Address::Tcp(address.ip().to_string().into(), address.port())],
            max_fails: 0,
            fail_timeout: Duration::from_secs(1),
            keepalive: 0,
        };
        let client = Client::new([Group::new(&upstream)].into(), 1, Arc::default());
        Rc::new(Notices::new(client, most, Arc::default()))
    }

    fn lost(notices: &Notices) -> u64 {
        notices.counts.lost.load(Ordering::Relaxed)
    }

    #[test]
    fn the_oldest_goes_when_the_queue_is_full() {
        let notices = notices(2);
        for path in ["/1", "/2", "/3"] {
            notices.put(Notice::new(&inquiry(path)));
        }
        let state = notices.state.borrow();
        let paths: Vec<_> = state
            .waiting()
            .map(|waiting| waiting.notice.inquiry().unwrap().uri.to_string())
            .collect();
        assert_eq!(paths, ["/2", "/3"]);
        assert_eq!(lost(&notices), 1);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room_for_their_bytes() {
        let notices = notices(usize::MAX);
        let large = format!("/{}", "x".repeat(60 << 10));
        let fit = MAX_BYTES / Notice::new(&inquiry(&large)).size();
        for number in 0..fit + 10 {
            notices.put(Notice::new(&inquiry(&large.replace('/', &format!("/{}", number % 10)))));
            let state = notices.state.borrow();
            let bytes: usize = state.waiting().map(|waiting| waiting.notice.size()).sum();
            assert_eq!((state.bytes, bytes <= MAX_BYTES), (bytes, true));
        }
        assert!((10..=11).contains(&lost(&notices)), "{}", lost(&notices));
        for _ in 0..100_000 {
            notices.put(Notice::new(&inquiry("/")));
        }
        assert!(notices.state.borrow().bytes <= MAX_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_told_is_tried_again_and_given_up_after_a_while() {
        let all = async {
            let notices = notices(2);
            notices.start();
            notices.put(Notice::new(&inquiry("/")));
            let begin = Instant::now();
            while lost(&notices) == 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(begin.elapsed() < 2 * PATIENCE);
            }
            // 0.25, 0.5, 1, 2, 4, and then 8 seconds, or a half of each.
            let failed = notices.counts.failed.load(Ordering::Relaxed);
            assert!((12..=21).contains(&failed), "{failed}");
            assert_eq!(notices.state.borrow().queued, 0);
        };
        tokio::task::LocalSet::new().run_until(all).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_cannot_be_reached_is_left_alone_by_all_notices() {
        let all = async {
            let notices = notices(1000);
            notices.start();
            for _ in 0..1000 {
                notices.put(Notice::new(&inquiry("/")));
            }
            tokio::time::sleep(2 * PATIENCE).await;
            assert_eq!(lost(&notices), 1000);
            let failed = notices.counts.failed.load(Ordering::Relaxed);
            assert!(failed <= 22 * AT_ONCE as u64, "{failed}");
        };
        tokio::task::LocalSet::new().run_until(all).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_closes_tries_again_as_long_as_there_is_time() {
        let all = async {
            let notices = notices(100);
            notices.settled().await;
            notices.start();
            for _ in 0..50 {
                notices.put(Notice::new(&inquiry("/")));
            }
            // It is left alone for a while, and not once there is no time to lose.
            tokio::time::sleep(Duration::from_secs(10)).await;
            let before = notices.counts.failed.load(Ordering::Relaxed);
            let settled = tokio::time::timeout(Duration::from_secs(10), notices.settled());
            assert!(settled.await.is_err());
            let failed = notices.counts.failed.load(Ordering::Relaxed) - before;
            let rounds = failed / AT_ONCE as u64;
            assert!((10..=22).contains(&rounds), "{failed}");
            assert_eq!(notices.state.borrow().queued, 50);
            // What is given up is not waited for.
            let settled = tokio::time::timeout(PATIENCE, notices.settled());
            assert!(settled.await.is_ok());
            assert_eq!(lost(&notices), 50);
        };
        tokio::task::LocalSet::new().run_until(all).await;
    }
}
