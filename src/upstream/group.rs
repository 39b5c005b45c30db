//! The servers of an upstream: whose turn it is, and who has failed lately.
//!
//! All workers share them, so that what one has found out the others know.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use tracing::warn;

use super::{
    UpstreamError,
    counts::{Counted, GroupFigures},
    grip::Faults,
    quiet::Quiet,
};
use crate::config::{Address, Upstream};

/// Between two look-ups of one name.
const LOOK_UP: Duration = Duration::from_secs(1);

/// An `[[upstream]]`, or the one address of a `proxy_pass`.
#[derive(Debug)]
pub struct Group {
    /// Its name, for the log.
    pub(super) name: Box<str>,
    /// Idle connections that each worker keeps.
    pub(super) keepalive: usize,
    peers: Box<[Peer]>,
    turn: AtomicUsize,
    max_fails: usize,
    fail_timeout: Duration,
    requests: AtomicU64,
    failures: AtomicU64,
    connections: Arc<AtomicUsize>,
    /// What the log is told of answers that are failures.
    quiet: Quiet,
    /// What it is told of those who are held.
    pub(super) held: Faults,
}

/// A server.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: Address,
    state: Mutex<State>,
    /// Its failures in the log.
    quiet: Quiet,
}

#[derive(Debug, Default)]
struct State {
    /// What its name meant when it was last looked up.
    resolved: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    /// Failures since the first of them, and when that and the last one were.
    fails: usize,
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Group {
    /// Prepares the servers of an upstream. Names are looked up, and again when connecting fails: one
    /// that means nothing now may do so later.
    pub fn new(upstream: &Upstream) -> Self {
        Self {
            name: upstream.name.clone(),
            keepalive: upstream.keepalive,
            peers: upstream.servers.iter().map(Peer::new).collect(),
            turn: AtomicUsize::new(0),
            max_fails: upstream.max_fails,
            fail_timeout: upstream.fail_timeout,
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            connections: Arc::default(),
            quiet: Quiet::default(),
            held: Faults::default(),
        }
    }

    /// What it is called: its name, or its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is.
    pub fn figures(&self) -> GroupFigures {
        let now = Instant::now();
        GroupFigures {
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            servers: self.peers.len(),
            unavailable: self.peers.iter().filter(|peer| peer.is_down(self, now)).count(),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    /// There is a request for it.
    pub(super) fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// There is a connection to it, until this is dropped.
    pub(super) fn connected(&self) -> Counted {
        Counted::among(&self.connections)
    }

    pub(super) fn peer(&self, number: usize) -> Option<&Peer> {
        self.peers.get(number)
    }

    /// The servers in the order in which one request tries them: from the one whose turn it is, those
    /// that have failed lately last.
    pub(super) fn order(&self) -> Vec<usize> {
        let number = self.peers.len();
        if number == 1 {
            return vec![0];
        }
        let now = Instant::now();
        let down = |peer: usize| self.peers[peer].is_down(self, now);
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<usize> =
            (0..number).map(|at| (start.wrapping_add(at)) % number).collect();
        order.sort_by_key(|peer| down(*peer));
        order
    }

    /// A server has failed. The log is not told for each who asks it: there is a line a second, with the
    /// number of failures since the last one.
    pub(super) fn failed(&self, peer: usize, error: &UpstreamError) {
        let (own, now) = (&self.peers[peer], Instant::now());
        own.failed(self, now);
        self.failures.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = own.quiet.speaks(now) {
            warn!(upstream = %self.name, server = %own.address, times, ?error, "{error}");
        }
    }

    /// Who is held asks for what follows, and it answers this; the log is told as of other failures.
    pub(super) fn fails(&self, status: StatusCode) {
        if let Some(times) = self.quiet.speaks(Instant::now()) {
            let (upstream, status) = (&*self.name, status.as_u16());
            let what = "the application fails where it is asked for what follows";
            warn!(upstream, status, times, "{what}");
        }
    }

    /// A server has answered.
    pub(super) fn answered(&self, peer: usize) {
        let mut state = self.peers[peer].state();
        state.fails = 0;
    }
}

impl Peer {
    fn new(address: &Address) -> Self {
        let mut state = State::default();
        if let Address::Tcp(host, port) = address {
            match (&**host, *port).to_socket_addrs() {
                Ok(found) => state.resolved = found.collect(),
                Err(error) => warn!(%address, %error, "cannot look up a server, trying later"),
            }
        }
        Self { address: address.clone(), state: Mutex::new(state), quiet: Quiet::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its name meant when it was last looked up.
    pub(super) fn resolved(&self) -> Vec<SocketAddr> {
        self.state().resolved.clone()
    }

    /// Whether its name may be looked up again: not at once, or a server that is down would make each
    /// request ask for it.
    pub(super) fn may_look_up(&self) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        let lately = |last: Instant| now.duration_since(last) < LOOK_UP;
        let may = !state.looked_up.is_some_and(lately);
        if may {
            state.looked_up = Some(now);
        }
        may
    }

    /// Its name means this now.
    pub(super) fn resolve(&self, addresses: Vec<SocketAddr>) {
        self.state().resolved = addresses;
    }

    fn failed(&self, group: &Group, now: Instant) {
        let mut state = self.state();
        let over = |since: Instant| now.duration_since(since) >= group.fail_timeout;
        if state.fails == 0 || state.since.is_none_or(over) {
            (state.fails, state.since) = (0, Some(now));
        }
        state.fails += 1;
        state.last = Some(now);
    }

    fn is_down(&self, group: &Group, now: Instant) -> bool {
        let state = self.state();
        let lately = |last: Instant| now.duration_since(last) < group.fail_timeout;
        group.max_fails > 0 && state.fails >= group.max_fails && state.last.is_some_and(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(servers: usize, max_fails: usize) -> Group {
        let address = |number| Address::Unix(format!("/{number}").into());
        Group::new(&Upstream {
            name: "app".into(),
            servers: (0..servers).map(address).collect(),
            max_fails,
            fail_timeout: Duration::from_secs(10),
            keepalive: 0,
        })
    }

    #[test]
    fn servers_take_turns() {
        let group = group(3, 1);
        let orders: Vec<_> = (0..4).map(|_| group.order()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn who_has_failed_comes_last_until_it_answers() {
        let group = group(3, 1);
        group.failed(0, &UpstreamError::Closed);
        assert_eq!(group.order(), [1, 2, 0]);
        assert_eq!(group.order(), [1, 2, 0]);
        group.answered(0);
        assert_eq!(group.order(), [2, 0, 1]);
        assert_eq!(group.order(), [0, 1, 2]);
    }

    #[test]
    fn failures_count_up_to_max_fails_and_for_fail_timeout() {
        let group = group(2, 2);
        let (peer, now) = (&group.peers[0], Instant::now());
        peer.failed(&group, now);
        assert!(!peer.is_down(&group, now));
        peer.failed(&group, now + Duration::from_secs(9));
        assert!(peer.is_down(&group, now + Duration::from_secs(18)));
        assert!(!peer.is_down(&group, now + Duration::from_secs(19)));
        // Those of long ago do not count.
        peer.failed(&group, now + Duration::from_secs(30));
        assert!(!peer.is_down(&group, now + Duration::from_secs(30)));
    }

    #[test]
    fn without_max_fails_nobody_is_left_alone() {
        let group = group(2, 0);
        group.failed(0, &UpstreamError::Closed);
        assert_eq!(group.order(), [0, 1]);
    }
}
