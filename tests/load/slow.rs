//! Readers that hardly read, beside others on the same channel.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt,
    net::TcpSocket,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::{Conn, Id, Listener, Way},
    harness::Gateway,
    ledger::{self, Ledger},
    scene::{PATIENCE, ROOT, all, locations, turn, watch},
};

const FAST: usize = 6;
const SLOW: usize = 6;
const MESSAGES: usize = 1500;
const SIZE: usize = 8 << 10;
/// Messages that the channel keeps: far fewer than the slow ones are behind at the end.
const KEPT: usize = 100;
/// Receive buffer of a slow reader, in bytes.
const NARROW: u32 = 4 << 10;
/// Time between two bytes of a slow reader.
const DRIP: Duration = Duration::from_millis(100);
/// What nobody who reads may have to wait for a message: far above what it takes.
const LATE: Duration = Duration::from_secs(2);

/// Messages that the publisher may be ahead of the fast ones: they lose nothing because they read,
/// not because the publisher is slow.
const AHEAD: usize = 50;

/// How far everyone is.
#[derive(Default)]
struct Times {
    /// When each message was handed in.
    published: Mutex<Vec<Instant>>,
    /// What each of the fast ones has seen.
    seen: [AtomicUsize; FAST],
}

/// Reads everything; how long each message took.
async fn fast(
    address: SocketAddr,
    way: Way,
    times: &'static Times,
    number: usize,
) -> Vec<Duration> {
    let mut listener = Listener::new(address, way, "c");
    let mut ledger = Ledger::new(format!("fast {way:?}")).all("c", 0, MESSAGES);
    let mut delays = Vec::new();
    while !ledger.done() {
        let (id, text) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
        delays.push(times.published.lock().unwrap()[ledger.seen].elapsed());
        ledger.take(id, &text);
        times.seen[number].store(ledger.seen, Relaxed);
    }
    assert_eq!(listener.gaps, 0);
    delays
}

/// Reads a byte now and then until all is published, then everything. Returns how many messages
/// it missed.
async fn slow(address: SocketAddr, way: Way, times: &'static Times) -> usize {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW).unwrap();
    let mut listener = Listener::new(address, way, "c");
    listener.conn = Some(Conn::new(socket.connect(address).await.unwrap()));
    listener.start().await.unwrap();
    while times.published.lock().unwrap().len() < MESSAGES {
        let conn = listener.conn().await.unwrap();
        let mut byte = [0];
        if let Ok(read) = timeout(DRIP, conn.stream.read(&mut byte)).await {
            assert_eq!(read.unwrap(), 1);
            conn.push(byte[0]);
        }
        sleep(DRIP).await;
    }
    let mut ledger = Ledger::new(format!("slow {way:?}")).tail("c", 0, MESSAGES);
    let mut missed = 0;
    while !ledger.done() {
        let told = listener.gaps;
        let (id, text): (Id, String) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
        let missing = ledger.take_later(id, &text);
        missed += missing;
        // Whatever is told before a message is told of all that came in one read.
        assert!(way == Way::Stream || missing == 0 || listener.gaps > 0, "{told} {ledger:?}");
    }
    if way == Way::Events {
        assert_eq!(listener.gaps > 0, missed > 0, "{missed} are missing");
    }
    missed
}

fn beside(way: Way, hold: &str) {
    let _turn = turn();
    let root = format!("{ROOT}\nclient_max_body_size = \"1M\"");
    let keys = format!("push_message_buffer_length = {KEPT}");
    let gateway = Gateway::start_root(&root, &locations(hold, &keys));
    let address = gateway.address;
    let times: &'static Times = Box::leak(Box::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            gateway.wait_for_subscribers("/pub?c=c", FAST + SLOW);
            let mut client = gateway.connect();
            for number in 0..MESSAGES {
                while times.seen.iter().any(|seen| seen.load(Relaxed) + AHEAD < number) {
                    thread::yield_now();
                }
                times.published.lock().unwrap().push(Instant::now());
                client.request("POST", "/pub?c=c", "", &ledger::text("c", 0, number, SIZE));
                let response = client.response();
                // With the memory of those alone who read.
                assert_eq!(response.status, 201, "{response:?}");
            }
        });
        watch(async {
            let (mut fasts, mut slows) = (JoinSet::new(), JoinSet::new());
            for _ in 0..SLOW {
                slows.spawn(slow(address, way, times));
            }
            for number in 0..FAST {
                fasts.spawn(fast(address, way, times, number));
            }
            let mut delays = all(fasts).await.concat();
            delays.sort_unstable();
            let p99 = delays[delays.len() * 99 / 100];
            println!("{way:?} {hold}: p99 {p99:?}, worst {:?}", delays.last().unwrap());
            assert!(p99 < LATE, "{p99:?}");
            let missed = all(slows).await;
            println!("{way:?} {hold}: the slow missed {missed:?}");
            assert!(missed.iter().all(|missed| *missed > 0), "it was not slow: {missed:?}");
        });
    });
}

#[test]
fn event_sources_are_not_held_up_by_others_that_hardly_read() {
    beside(Way::Events, "hall");
}

#[test]
fn event_sources_are_not_held_up_by_others_that_hardly_read_as_bodies() {
    beside(Way::Events, "body");
}

#[test]
fn streams_are_not_held_up_by_others_that_hardly_read() {
    beside(Way::Stream, "hall");
}

#[test]
fn streams_are_not_held_up_by_others_that_hardly_read_as_bodies() {
    beside(Way::Stream, "body");
}
