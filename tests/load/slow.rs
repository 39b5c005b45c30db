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
    client::{Listener, Way},
    conn::Conn,
    harness::Gateway,
    ledger::{self, Ledger},
    scene::{PATIENCE, ROOT, all, locations, turn, watch},
};

/// Clients that read, and as many that hardly do, where all are of one kind.
const ALIKE: usize = 6;
/// Messages that they get.
const MESSAGES: usize = 1500;
/// Messages where they are of all kinds, which are more.
const FEWER: usize = 800;
const SIZE: usize = 8 << 10;
/// Messages that the channel keeps: far fewer than the slow ones are behind at the end.
const KEPT: usize = 100;
/// Receive buffer of a slow reader, in bytes.
const NARROW: u32 = 4 << 10;
/// Time between two bytes of a slow reader.
const DRIP: Duration = Duration::from_millis(100);
/// What nobody who reads may have to wait for a message: far above what it takes.
const LATE: Duration = Duration::from_secs(5);

/// Messages that the publisher may be ahead of the fast ones: they lose nothing because they read,
/// not because the publisher is slow.
const AHEAD: usize = 50;

/// How far everyone is.
struct Times {
    /// How many messages there are to be.
    messages: usize,
    /// When each message was handed in.
    published: Mutex<Vec<Instant>>,
    /// What each of the fast ones has seen.
    seen: Vec<AtomicUsize>,
}

/// Reads everything; how long each message took.
async fn fast(
    address: SocketAddr,
    way: Way,
    times: &'static Times,
    number: usize,
) -> Vec<Duration> {
    let mut listener = Listener::new(address, way, "c");
    let mut ledger = Ledger::new(format!("fast {way:?}")).all("c", 0, times.messages);
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
    listener.begin().await.unwrap();
    while times.published.lock().unwrap().len() < times.messages {
        let conn = listener.conn().await.unwrap();
        let mut byte = [0];
        if let Ok(read) = timeout(DRIP, conn.stream.read(&mut byte)).await {
            assert_eq!(read.unwrap(), 1);
            conn.push(byte[0]);
        }
        sleep(DRIP).await;
    }
    let mut ledger = Ledger::new(format!("slow {way:?}")).tail("c", 0, times.messages);
    let mut missed = 0;
    while !ledger.done() {
        let (id, text) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
        let missing = ledger.take_later(id, &text);
        missed += missing;
        // Whatever is told before a message is told of all that came in one read.
        assert!(!way.hears_of_gaps() || missing == 0 || listener.gaps > 0, "{ledger:?}");
    }
    if way.hears_of_gaps() {
        assert_eq!(listener.gaps > 0, missed > 0, "{way:?}: {missed} are missing");
    }
    missed
}

/// It takes more messages of them to fill a socket.
const COMPRESSED: [Way; 5] = [Way::Gzip, Way::Deflate, Way::Gzip, Way::Deflate, Way::Packed];

/// All others that wait.
fn plain() -> Vec<Way> {
    let mut ways = Way::held();
    ways.retain(|way| !COMPRESSED.contains(way));
    ways.push(Way::Iframe);
    ways
}

/// One client that reads, and one that hardly does, for each of the ways.
fn beside(ways: &[Way], hold: &str, messages: usize) {
    let _turn = turn();
    let root = format!("{ROOT}\nclient_max_body_size = \"1M\"");
    let keys = format!("push_message_buffer_length = {KEPT}\npush_grace = 0");
    let gateway = Gateway::start_root(&root, &locations(hold, &keys));
    let address = gateway.address;
    let seen = ways.iter().map(|_| AtomicUsize::new(0)).collect();
    let published = Mutex::default();
    let times: &'static Times = Box::leak(Box::new(Times { messages, published, seen }));
    thread::scope(|scope| {
        scope.spawn(|| {
            gateway.wait_for_subscribers("/pub?c=c", 2 * ways.len());
            let mut client = gateway.connect();
            for number in 0..messages {
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
            for (number, way) in ways.iter().enumerate() {
                slows.spawn(slow(address, *way, times));
                fasts.spawn(fast(address, *way, times, number));
            }
            let mut delays = all(fasts).await.concat();
            delays.sort_unstable();
            let p99 = delays[delays.len() * 99 / 100];
            println!("{ways:?} {hold}: p99 {p99:?}, worst {:?}", delays.last().unwrap());
            assert!(p99 < LATE, "{p99:?}");
            let missed = all(slows).await;
            println!("{ways:?} {hold}: the slow missed {missed:?}");
            assert!(missed.iter().all(|missed| *missed > 0), "it was not slow: {missed:?}");
        });
    });
}

#[test]
fn event_sources_are_not_held_up_by_others_that_hardly_read() {
    beside(&[Way::Events; ALIKE], "hall", MESSAGES);
}

#[test]
fn event_sources_are_not_held_up_by_others_that_hardly_read_as_bodies() {
    beside(&[Way::Events; ALIKE], "body", MESSAGES);
}

#[test]
fn streams_are_not_held_up_by_others_that_hardly_read() {
    beside(&[Way::Stream; ALIKE], "hall", MESSAGES);
}

#[test]
fn streams_are_not_held_up_by_others_that_hardly_read_as_bodies() {
    beside(&[Way::Stream; ALIKE], "body", MESSAGES);
}

#[test]
fn web_sockets_are_not_held_up_by_others_that_hardly_read() {
    beside(&[Way::Socket; ALIKE], "hall", MESSAGES);
}

#[test]
fn no_transport_is_held_up_by_any_that_is_hardly_read() {
    beside(&plain(), "hall", FEWER);
}

#[test]
fn no_transport_is_held_up_by_any_that_is_hardly_read_as_bodies() {
    beside(&plain(), "body", FEWER);
}

#[test]
fn compressed_transports_are_not_held_up_by_others_that_are_hardly_read() {
    beside(&COMPRESSED, "hall", MESSAGES);
}

#[test]
fn compressed_transports_are_not_held_up_by_others_that_are_hardly_read_as_bodies() {
    beside(&COMPRESSED, "body", MESSAGES);
}
