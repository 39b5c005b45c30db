//! WebSockets that do not do what browsers do.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream as Blocking},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{io::AsyncWriteExt, net::TcpSocket, task::JoinSet, time::timeout};

use crate::{
    chaos::{all_closed, at_rest},
    client::{End, Listener, Way},
    conn::Conn,
    frames::{
        self, BINARY, CLOSE, CONTINUATION, DEFLATE, FIN, HANDSHAKE, PING, PONG, RSV1, TEXT,
        announced, frame,
    },
    harness::Gateway,
    ledger::{self, Ledger},
    scene::{PATIENCE, ROOT, STORE, all, locations, turn, watch},
    seats::Over,
};

/// Bytes of a message, about.
const SIZE: usize = 8 << 10;
/// Receive buffer of a client that does not read, in bytes.
const NARROW: u32 = 4 << 10;

fn publish(gateway: &Gateway, count: usize) {
    let mut client = gateway.connect();
    for number in 0..count {
        client.request("POST", "/pub?c=c", "", &ledger::text("c", 0, number, SIZE));
        assert!(matches!(client.response().status, 201 | 202));
    }
}

/// A client with next to no room for what it does not read.
async fn narrow(address: SocketAddr, way: Way) -> Listener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW).unwrap();
    let mut listener = Listener::new(address, way, "c");
    listener.conn = Some(Conn::new(socket.connect(address).await.unwrap()));
    listener.begin().await.unwrap();
    listener
}

/// Bytes of memory that are used now, and the most there ever were since the last call.
fn memory() -> (usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
    };
    let found = (line("VmRSS:"), line("VmHWM:"));
    // proc_pid_clear_refs(5): from now on it is the most again.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    found
}

#[test]
fn pings_of_clients_that_do_not_read_are_answered_once_they_do_and_cost_nothing() {
    const CLIENTS: usize = 10;
    const MESSAGES: usize = 800;
    const PINGS: usize = 20_000;
    /// Less than half of the pongs.
    const GROWTH: usize = 12 << 20;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations("hall", STORE));
    let address = gateway.address;
    let payload = |number: usize| format!("{number:0125}");
    watch(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(narrow(address, Way::Bare).await);
        }
        publish(&gateway, MESSAGES);
        let (before, _) = memory();
        for client in &mut clients {
            let conn = client.conn().await.unwrap();
            for start in (0..PINGS).step_by(100) {
                let pings = (start..start + 100).map(|n| frame(FIN | PING, payload(n).as_bytes()));
                let pings: Vec<u8> = pings.flatten().collect();
                timeout(PATIENCE, conn.stream.write_all(&pings)).await.unwrap().unwrap();
            }
        }
        for client in &mut clients {
            let conn = client.conn().await.unwrap();
            let (mut number, mut pong) = (0, None);
            while number < MESSAGES || pong < Some(PINGS - 1) {
                let (first, payload) =
                    timeout(PATIENCE, frames::read(conn)).await.unwrap().unwrap();
                let text = String::from_utf8(payload).unwrap();
                if first == FIN | TEXT {
                    assert!(text == ledger::text("c", 0, number, SIZE), "{number} is not whole");
                    number += 1;
                } else {
                    assert_eq!(first, FIN | PONG);
                    let answered = Some(text.parse::<usize>().unwrap());
                    assert!(answered > pong, "{answered:?} after {pong:?}");
                    pong = answered;
                }
            }
        }
        let (_, most) = memory();
        assert!(most < before + GROWTH, "{} bytes more", most - before);
    });
}

/// Sends frames without end until it is over; how many bytes.
fn flood(gateway: &Gateway, target: &str, first: &[u8], frames: &[u8], over: &AtomicBool) -> usize {
    let mut client = gateway.connect();
    client.get(target, &format!("{HANDSHAKE}{DEFLATE}"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut stream: &Blocking = &client.stream;
    stream.write_all(first).unwrap();
    let (mut sent, mut at) = (0, 0);
    while !over.load(Relaxed) {
        // Nobody may be cut within a frame.
        if let Ok(written) = stream.write(&frames[at..]) {
            sent += written;
            at = (at + written) % frames.len();
        }
    }
    sent
}

#[test]
fn floods_of_tiny_frames_hold_nobody_up() {
    const ROUNDS: usize = 50;
    /// What the slowest of all has to wait: far above what it takes.
    const LATE: Duration = Duration::from_secs(5);
    /// Bytes of each flood, at least.
    const FLOOD: usize = 100_000;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations("hall", "push_store_messages = false"));
    let (address, over) = (gateway.address, AtomicBool::new(false));
    let many = |frame: Vec<u8>| frame.repeat((64 << 10) / frame.len());
    let floods = [
        // The answers are never read.
        ("/any?c=c", vec![], many(frame(FIN | PING, b"are you there"))),
        ("/both?c=noise", vec![], many(frame(FIN | PONG, b""))),
        ("/both?c=noise", vec![], many(frame(FIN | TEXT, b"x"))),
        // A message that has no end, and does not grow.
        ("/both?c=noise", frame(TEXT, b"x"), many(frame(CONTINUATION, b""))),
    ];
    thread::scope(|scope| {
        let floods: Vec<_> = floods
            .iter()
            .map(|(target, first, frames)| {
                let (gateway, over) = (&gateway, &over);
                scope.spawn(move || flood(gateway, target, first, frames, over))
            })
            .collect();
        {
            let _over = Over(&over);
            watch(async {
                let mut listeners = Vec::new();
                for way in Way::endless() {
                    let mut listener = Listener::new(address, way, "c");
                    listener.begin().await.unwrap();
                    listeners.push(listener);
                }
                gateway.wait_for_subscribers("/pub?c=c", listeners.len() + 1);
                let mut delays = Vec::new();
                for number in 0..ROUNDS {
                    let begun = Instant::now();
                    gateway.publish("/pub?c=c", &number.to_string());
                    for listener in &mut listeners {
                        let next = timeout(PATIENCE, listener.next()).await.unwrap();
                        assert_eq!(next.unwrap().1, number.to_string());
                    }
                    delays.push(begun.elapsed());
                }
                delays.sort_unstable();
                println!("half {:?}, worst {:?}", delays[ROUNDS / 2], delays[ROUNDS - 1]);
                assert!(delays[ROUNDS - 1] < LATE, "{delays:?}");
            });
        }
        for flood in floods {
            let sent = flood.join().unwrap();
            assert!(sent > FLOOD, "that was no flood: {sent} bytes");
        }
    });
}

#[test]
fn who_vanishes_within_a_message_has_published_nothing_and_leaves_nothing() {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations("hall", STORE));
    let before = at_rest(&gateway);
    let half = |frame: Vec<u8>| frame[..frame.len() - 1].to_vec();
    let packed = frames::deflate(&[b'x'; 1000]);
    let shapes = [
        vec![FIN | TEXT],
        half(announced(FIN | TEXT, 70_000)),
        half(frame(FIN | TEXT, b"hello")),
        half(frame(FIN | BINARY, &vec![b'x'; 100_000])),
        frame(TEXT, b"the first of two"),
        [frame(TEXT, b"the first of two"), half(frame(FIN | CONTINUATION, b"last"))].concat(),
        [frame(TEXT, b"the first of two"), half(frame(FIN | PING, b"are you there"))].concat(),
        half(frame(FIN | RSV1 | TEXT, &packed)),
        frame(RSV1 | TEXT, &packed),
        announced(FIN | BINARY, 10 << 20),
    ];
    let mut clients = Vec::new();
    for round in 0..20 {
        for shape in &shapes {
            let mut client = gateway.connect();
            client.get("/both?c=c", &format!("{HANDSHAKE}{DEFLATE}"));
            assert!(client.head().starts_with("HTTP/1.1 101 "));
            client.send(shape);
            if round % 2 == 0 {
                SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            clients.push(client);
        }
    }
    gateway.wait_for_subscribers("/pub?c=c", clients.len());
    drop(clients);
    gateway.wait_for_subscribers("/pub?c=c", 0);
    let info = gateway.request("GET", "/pub?c=c", "", "");
    assert!(info.text().starts_with("queued messages: 0\r\n"), "{info:?}");
    all_closed(&gateway, before);
}

#[test]
fn a_close_within_the_backlog_is_answered_behind_a_whole_message() {
    const MESSAGES: usize = 1500;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations("hall", STORE));
    publish(&gateway, MESSAGES);
    watch(async {
        for way in [Way::Bare, Way::Socket, Way::Deflate] {
            let mut listener = narrow(gateway.address, way).await;
            let mut ledger = Ledger::new(format!("{way:?}")).all("c", 0, MESSAGES);
            let (id, text) = listener.next().await.unwrap();
            ledger.take(id, &text);
            let close = frame(FIN | CLOSE, b"\x03\xe8enough");
            listener.conn().await.unwrap().stream.write_all(&close).await.unwrap();
            let end = loop {
                match timeout(PATIENCE, listener.next()).await.unwrap() {
                    Ok((id, text)) => ledger.take(id, &text),
                    Err(end) => break end,
                }
            };
            assert!(matches!(&end, End::Over(said) if said == "1000 "), "{end:?}");
            assert!(!ledger.done(), "{way:?} has had everything before it was closed");
            // And then nothing.
            let rest = timeout(PATIENCE, listener.next()).await.unwrap();
            assert!(matches!(&rest, Err(end) if end.is_cut()), "{rest:?}");
        }
    });
    gateway.wait_for_subscribers("/pub?c=c", 0);
}

/// Slow readers of a channel that is deleted.
fn delete(hold: &str) {
    const MESSAGES: usize = 1200;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    let (address, seen) = (gateway.address, AtomicUsize::new(0));
    watch(async {
        let mut slow = Vec::new();
        for way in Way::endless() {
            slow.push(narrow(address, way).await);
        }
        publish(&gateway, MESSAGES);
        gateway.wait_for_subscribers("/pub?c=c", slow.len());
        gateway.request("DELETE", "/pub?c=c", "", "");
        let mut audience = JoinSet::new();
        for mut listener in slow {
            audience.spawn(async move {
                let way = listener.way;
                let mut ledger = Ledger::new(format!("{way:?}")).all("c", 0, MESSAGES);
                loop {
                    match timeout(PATIENCE, listener.next()).await.unwrap() {
                        Ok((id, text)) => ledger.take(id, &text),
                        Err(End::Over(why)) => return (way, why, ledger.seen),
                        Err(end) => panic!("{way:?}: {end:?}"),
                    }
                }
            });
        }
        for (way, why, count) in all(audience).await {
            let wanted = match way {
                Way::Events | Way::Gzip => "deleted",
                way if way.is_socket() => "4410 deleted",
                _ => "",
            };
            assert_eq!(why, wanted, "{way:?}");
            // Bodies read on to the end of what was there.
            assert!(count > 0 && (hold == "body" || count < MESSAGES), "{way:?} has had {count}");
            seen.fetch_add(1, Relaxed);
        }
    });
    assert_eq!(seen.into_inner(), Way::endless().len());
}

#[test]
fn slow_readers_of_a_deleted_channel_get_whole_messages_and_the_end() {
    delete("hall");
}

#[test]
fn slow_readers_of_a_deleted_channel_get_whole_messages_and_the_end_as_bodies() {
    delete("body");
}
