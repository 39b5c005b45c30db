//! Signs of life: each location's own, at its own interval, whoever else listens to the channel.

use std::{
    fmt::Write as _,
    sync::mpsc::{Sender, channel},
    thread,
};

use crate::{
    frames::{FIN, HANDSHAKE, PING, PONG, TEXT, frame},
    harness::{Client, Gateway, PATIENCE},
    site::NOW,
    websocket::read,
};

/// What has signs of life: its keys, the headers that ask for it, the bytes of one.
const ALIVE: [(&str, &str, &str, &str); 8] = [
    ("events", "push_subscriber = [\"event-source\"]", "", ":\n\n"),
    (
        "events-of-push-stream",
        "push_subscriber = [\"event-source\"]\npush_dialect = \"push_stream\"",
        "",
        ": -1\n",
    ),
    ("iframe", "push_subscriber = [\"stream\"]\npush_stream_preset = \"iframe\"", "", "\n"),
    (
        "stream-of-push-stream",
        "push_subscriber = [\"stream\"]\npush_dialect = \"push_stream\"\n\
         push_message_template = \"~id~|~text~\\n\"",
        "",
        "-1| \n",
    ),
    ("cursorless", "push_subscriber = [\"long-poll\"]\npush_cursorless = true", "", " "),
    ("socket", "push_subscriber = [\"websocket\"]", HANDSHAKE, ""),
    (
        "socket-of-nchan",
        "push_subscriber = [\"websocket\"]\npush_dialect = \"nchan\"",
        HANDSHAKE,
        "",
    ),
    (
        "socket-of-push-stream",
        "push_subscriber = [\"websocket\"]\npush_dialect = \"push_stream\"",
        HANDSHAKE,
        "",
    ),
];

/// What has none: its keys, the headers that ask for it.
const SILENT: [(&str, &str, &str); 5] = [
    ("chunked", "push_subscriber = [\"chunked\"]", "TE: chunked\r\n"),
    ("raw", "push_subscriber = [\"raw\"]", ""),
    ("multipart", "push_subscriber = [\"multipart\"]", "Accept: multipart/mixed\r\n"),
    ("stream", "push_subscriber = [\"stream\"]", ""),
    ("poll", "push_subscriber = [\"long-poll\"]", ""),
];

/// A location with a short interval for each of them, and one with a long interval. Who does not
/// answer a ping until the next is gone, so the short one is as long as a busy machine may let a
/// client wait.
const SHORT: &str = "4s";
/// Nobody would wait so long, nor does the test take so long.
const LONG: &str = "10m";
/// Signs of life that are awaited: the second comes at the interval of the first.
const SIGNS: usize = 2;

fn locations(hold: &str) -> String {
    let alive = ALIVE.iter().map(|(name, keys, ..)| (name, keys));
    let silent = SILENT.iter().map(|(name, keys, _)| (name, keys));
    let mut toml = format!(
        "push_channel_id = \"$arg_c\"\npush_hold = \"{hold}\"\n\
         [[server.location]]\npath = \"/pub\"\npush_publisher = true\n"
    );
    for (name, keys) in alive.chain(silent) {
        for interval in [SHORT, LONG] {
            write!(
                toml,
                "[[server.location]]\npath = \"/{interval}/{name}\"\n\
                 push_ping_interval = \"{interval}\"\n{keys}\n"
            )
            .unwrap();
        }
    }
    toml
}

fn listen(gateway: &Gateway, interval: &str, name: &str, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get(&format!("/{interval}/{name}?c=c"), headers);
    client
}

/// Reads a head and, of event streams and the like, the opening.
fn opened(client: &mut Client, name: &str) {
    client.head();
    if name.starts_with("events") || name == "iframe" || name == "multipart" {
        client.chunk();
    }
}

/// The next frame or chunk.
fn next(client: &mut Client, name: &str) -> (u8, Vec<u8>) {
    if name.starts_with("socket") { read(client) } else { (0, client.chunk().unwrap()) }
}

fn sign(name: &str, bytes: &str) -> (u8, Vec<u8>) {
    (if name.starts_with("socket") { FIN | PING } else { 0 }, bytes.into())
}

/// The message "x", the first of the channel.
fn message(name: &str) -> (u8, Vec<u8>) {
    let text = match name {
        "events" | "events-of-push-stream" => format!("id: {NOW}:0\ndata: x\n\n"),
        "iframe" => "<script>parent.handle(\"x\")</script>\n".into(),
        "stream-of-push-stream" => "1|x\n".into(),
        "raw" => "x\n".into(),
        _ => "x".into(),
    };
    (if name.starts_with("socket") { FIN | TEXT } else { 0 }, text.into())
}

/// Reads so many signs of life, tells so, and goes on to the message; answers pings.
fn follow(mut client: Client, name: &str, bytes: &str, told: &Sender<()>) {
    opened(&mut client, name);
    for signs in 1.. {
        let found = next(&mut client, name);
        if signs > SIGNS && found == message(name) {
            return;
        }
        assert_eq!(found, sign(name, bytes), "{name}");
        if name.starts_with("socket") {
            client.send(frame(FIN | PONG, b""));
        }
        if signs == SIGNS {
            told.send(()).unwrap();
        }
    }
}

fn assert_own_pings(hold: &str) {
    let gateway = Gateway::start_with("workers = 1", &locations(hold), |settings| {
        settings.clock = Box::new(|| NOW);
    });
    // Who has none comes first, and so has waited for the longest when the message comes.
    let rare = ALIVE.map(|(name, _, headers, _)| (name, listen(&gateway, LONG, name, headers)));
    let silent = SILENT.map(|(name, _, headers)| (name, listen(&gateway, SHORT, name, headers)));
    let (told, signs) = channel();
    thread::scope(|scope| {
        for (name, _, headers, bytes) in ALIVE {
            let (client, told) = (listen(&gateway, SHORT, name, headers), told.clone());
            scope.spawn(move || follow(client, name, bytes, &told));
        }
        gateway.wait_for_subscribers("/pub?c=c", 2 * ALIVE.len() + SILENT.len());
        for _ in ALIVE {
            signs.recv_timeout(PATIENCE).unwrap();
        }
        gateway.publish("/pub?c=c", "x");
    });
    for (name, mut client) in rare.into_iter().chain(silent) {
        if name == "poll" {
            assert_eq!(client.response().text(), "x");
            continue;
        }
        opened(&mut client, name);
        let (first, bytes) = next(&mut client, name);
        if name == "multipart" {
            assert!(bytes.starts_with(b"\r\nLast-Modified: "), "{hold}");
        } else {
            assert_eq!((first, bytes), message(name), "{hold} {name}");
        }
    }
}

#[test]
fn each_location_pings_its_own_at_its_own_interval_in_its_own_bytes() {
    assert_own_pings("hall");
}

#[test]
fn each_location_pings_its_own_at_its_own_interval_in_its_own_bytes_as_bodies() {
    assert_own_pings("body");
}
