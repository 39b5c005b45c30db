//! Memory: whose messages are in it, who may claim it, and what becomes of everybody when it is full.

use std::fs;

use socket2::{Domain, Socket, Type};
use tokio::{net::TcpStream, time::timeout};

use super::{HOUSES, ROOM, hear, run, spoken, start, waiting};
use crate::{
    client::{Listener, Way},
    conn::Conn,
    frames::{BINARY, DEFLATE, FIN, HANDSHAKE, RSV1, announced},
    harness::{Gateway, PATIENCE},
    ledger::{self, Ledger},
    locations::locations,
};

/// Messages to the slow consumers at a time, more than are kept, and then to somebody else.
const ROUND: usize = 100;
const FOREIGN: usize = 1500;
/// So many never fit into the sockets of one client.
const FITTING: usize = 20_000;
/// Bytes of a message, about.
const SIZE: usize = 9000;

/// A client with next to no room for what it does not read.
async fn narrow(gateway: &Gateway, way: Way) -> Listener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&gateway.address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut listener = Listener::new(gateway.address, way, "own");
    listener.conn = Some(Conn::new(TcpStream::from_std(socket.into()).unwrap()));
    listener.begin().await.unwrap();
    listener
}

/// Reads to the end, and returns how many messages are missing.
async fn catch_up(listener: &mut Listener, total: usize) -> usize {
    let mut ledger = Ledger::new(format!("{:?}", listener.way)).tail("own", 0, total);
    let mut missed = 0;
    while !ledger.done() {
        let next = timeout(PATIENCE, listener.next()).await;
        let (id, text) = next.unwrap_or_else(|_| panic!("nothing comes to {ledger:?}")).unwrap();
        missed += ledger.take_later(id, &text);
    }
    missed
}

/// Tells of a channel how its subscribers keep up.
const CHANNELS: &str = "[[server.location]]\npath = \"/channels\"\npush_channels_status = true\n\
     push_dialect = \"push_module\"\n";

/// How many connections of the channel take no more now.
fn slow(gateway: &Gateway) -> usize {
    let answer = gateway.request("GET", "/channels?id=own", "", "");
    let document: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let rows = document["transports"].as_array().unwrap();
    let slow: u64 = rows.iter().filter_map(|row| row["slow"].as_u64()).sum();
    usize::try_from(slow).unwrap()
}

/// Publishes these messages to a channel.
fn publish(gateway: &Gateway, channel: &str, numbers: std::ops::Range<usize>) {
    let mut client = gateway.connect();
    for number in numbers {
        let text = ledger::text(channel, 0, number, SIZE);
        client.request("POST", &format!("/pub?c={channel}"), "", &text);
        let status = client.response().status;
        assert!(matches!(status, 201 | 202), "{status} for {channel} {number}");
    }
}

#[test]
fn a_slow_consumer_gets_its_own_messages_and_hears_of_those_that_are_gone() {
    let root = "workers = 2\npush_max_reserved_memory = \"2M\"";
    // Each mode and each dialect once.
    for (hold, dialect) in [HOUSES[0], HOUSES[2], HOUSES[3]] {
        // These clients answer no pings as long as they read nothing, and nothing is kept for one without
        // a cursor.
        let keys = "push_message_buffer_length = 20\npush_ping_interval = 0\npush_grace = 0";
        let gateway =
            Gateway::start_root(root, &(locations(hold, &(spoken(dialect) + keys)) + CHANNELS));
        run(async {
            let mut listeners = Vec::new();
            for way in Way::held() {
                listeners.push(narrow(&gateway, way).await);
            }
            gateway.wait_for_subscribers("/pub?c=own", listeners.len());
            // Until each is in the middle of a message of which the rest does not fit into the socket: a
            // busy gateway may have skipped some for those whose turn it was not.
            let mut own = 0;
            while slow(&gateway) < Way::endless().len() {
                assert!(own < FITTING, "{hold} {dialect}: {own} messages fit");
                publish(&gateway, "own", own..own + ROUND);
                own += ROUND;
            }
            publish(&gateway, "own", own..own + ROUND);
            own += ROUND;
            publish(&gateway, "foreign", 0..FOREIGN);
            for listener in &mut listeners {
                let missed = catch_up(listener, own).await;
                let way = listener.way;
                assert!(missed > 0, "{hold}: {way:?} has missed nothing, and was to be slow");
                let told = listener.gaps > 0;
                assert_eq!(told, way.hears_of_gaps(), "{hold}: {way:?} missed {missed}");
            }
        });
    }
}

#[test]
fn a_poll_without_cursor_that_history_has_left_behind_gets_what_is_left_once() {
    for (hold, dialect) in HOUSES {
        let keys = "push_message_buffer_length = 3\npush_grace = 0";
        let gateway = start(ROOM, hold, &(spoken(dialect) + keys));
        let mut listener = Listener::new(gateway.address, Way::Cursorless, "1");
        gateway.publish("/pub?c=1", "m0");
        run(async {
            assert_eq!(hear(&mut listener).await, "m0");
            for number in 1..10 {
                gateway.publish("/pub?c=1", &format!("m{number}"));
            }
            for number in 7..10 {
                assert_eq!(hear(&mut listener).await, format!("m{number}"), "{hold}");
            }
        });
    }
}

/// The bytes of the process's address space.
fn claimed() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

const ANNOUNCED: u64 = 512 << 20;
/// So many announce as much, a quarter of them in each of four ways.
const CLAIMS: usize = 120;
/// What other tests of this process may claim meanwhile; a way that took what is announced would take
/// twice as much.
const ALLOWANCE: usize = 8 << 30;

#[test]
fn an_announcement_of_512_mebibytes_takes_no_memory() {
    let keys = "push_websocket_max_message = \"1G\"";
    // One worker does one thing after another.
    let root = "workers = 1\nclient_max_body_size = \"1G\"";
    let gateway = Gateway::start_root(
        root,
        &format!(
            "push_channel_id = \"1\"\n{keys}\n[[server.location]]\npath = \"/\"\npush_pubsub = true\n"
        ),
    );
    let before = claimed();
    let mut claimants = Vec::new();
    for number in 0..CLAIMS {
        let mut client = gateway.connect();
        if number % 4 == 0 {
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n\
                 Content-Length: {ANNOUNCED}\r\n\r\n"
            ));
            assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
            client.send("x");
        } else {
            client.get("/", &format!("{HANDSHAKE}{DEFLATE}"));
            assert!(client.head().starts_with("HTTP/1.1 101 "));
            let first = [FIN | BINARY, BINARY, RSV1 | FIN | BINARY][number % 4 - 1];
            let mut bytes = announced(first, ANNOUNCED);
            bytes.push(b'x');
            assert_eq!(bytes.len(), 15);
            client.send(bytes);
        }
        claimants.push(client);
    }
    assert_eq!(gateway.publish("/", "others go on").status, 201);
    let taken = claimed().saturating_sub(before);
    assert!(taken < ALLOWANCE, "{taken} bytes");
}

#[test]
fn everybody_goes_on_when_the_memory_is_full() {
    const TEXT: usize = 5000;
    for (hold, dialect) in HOUSES {
        let gateway = start("push_max_reserved_memory = \"64k\"", hold, &spoken(dialect));
        let text = |number: usize| format!("{number} {}", "x".repeat(TEXT));
        run(async {
            let mut listeners = Vec::new();
            for way in Way::held() {
                let channel = format!("{way:?}");
                listeners.push(waiting(gateway.address, way, &channel, Default::default()).await);
            }
            for number in 0..20 {
                for listener in &mut listeners {
                    let publisher = format!("/pub?c={:?}", listener.way);
                    gateway.wait_for_subscribers(&publisher, 1);
                    let answer = gateway.publish(&publisher, &text(number));
                    assert_eq!(answer.status, 201, "{:?} {answer:?}", listener.way);
                    assert_eq!(hear(listener).await, text(number), "{:?}", listener.way);
                    if listener.way.polls() {
                        listener.begin().await.unwrap();
                    }
                }
            }
        });
    }
}
