//! Compressed once a message, for however many who get it: counted by the process itself.

use std::{collections::HashSet, io::Read};

use flate2::read::GzDecoder;

use crate::{
    frames::{DEFLATE, FIN, HANDSHAKE, META, RSV1, TEXT, inflate},
    harness::Client,
    locations::locations,
    process::{self, Daemon},
    site::MODES,
    websocket::read,
};

/// Clients of a kind, in whatever worker they are.
const CLIENTS: usize = 24;
const MESSAGES: usize = 5;
const GZIP: &str = "Accept-Encoding: gzip\r\n";

fn text(number: usize) -> String {
    format!("{number} {}", "what repeats can be compressed, ".repeat(60))
}

fn config(hold: &str, keys: &str) -> String {
    format!(
        "workers = 2\n[[server]]\nlisten = [\"127.0.0.1:0\"]\n{}[[server.location]]\n\
         path = \"/status\"\npush_status = true\npush_status_format = \"json\"\n",
        locations(hold, keys)
    )
}

/// A process of its own, because the whole process is what is counted.
fn start(hold: &str) -> (Daemon, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let config = process::write(&directory, &config(hold, "gzip = true"));
    (Daemon::start(&config), directory)
}

fn compressions(daemon: &Daemon) -> u64 {
    let status = daemon.request("GET", "/status", "", "");
    let status: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    status["compressions"].as_u64().unwrap()
}

fn publish(daemon: &Daemon, channel: &str, messages: std::ops::Range<usize>) {
    for number in messages {
        let target = format!("/pub?c={channel}");
        assert_eq!(daemon.request("POST", &target, "", &text(number)).status, 201);
    }
}

fn ask(daemon: &Daemon, target: &str, headers: &str) -> Client {
    let mut client = daemon.connect();
    client.get(target, headers);
    client
}

/// An event stream whose head has been read, and what has come behind it.
fn events(daemon: &Daemon, channel: &str) -> (Client, Vec<u8>) {
    let mut client = ask(daemon, &format!("/events?c={channel}"), GZIP);
    assert!(client.head().contains("\r\nContent-Encoding: gzip\r\n"));
    let opening = client.chunk().unwrap();
    (client, opening)
}

/// What comes until a text is complete, decompressed.
fn unpack(client: &mut Client, packed: &mut Vec<u8>, end: &str) -> String {
    loop {
        packed.extend(client.chunk().unwrap());
        let mut plain = String::new();
        // The stream goes on: what there is ends in the middle of it.
        let _ = GzDecoder::new(&packed[..]).read_to_string(&mut plain);
        if plain.contains(end) {
            return plain;
        }
    }
}

fn assert_all(client: &mut Client, packed: &mut Vec<u8>, hold: &str) {
    let last = text(MESSAGES - 1);
    let plain = unpack(client, packed, &format!("data: {last}\n\n"));
    let texts: Vec<_> = plain.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(texts, (0..MESSAGES).map(text).collect::<Vec<_>>(), "{hold}");
}

#[test]
fn an_event_is_compressed_once_for_all_streams_that_are_there_or_come() {
    for hold in MODES {
        let (daemon, _directory) = start(hold);
        // All streams begin with the same bytes, too.
        let before = compressions(&daemon);
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| events(&daemon, "c")).collect();
        daemon.wait_for_subscribers("/pub?c=c", CLIENTS);
        assert_eq!(compressions(&daemon), before, "{hold}");
        publish(&daemon, "c", 0..MESSAGES);
        for (client, packed) in &mut clients {
            assert_all(client, packed, hold);
        }
        assert_eq!(compressions(&daemon) - before, MESSAGES as u64, "{hold}");
        for _ in 0..CLIENTS {
            let (mut client, mut packed) = events(&daemon, "c");
            assert_all(&mut client, &mut packed, hold);
        }
        assert_eq!(compressions(&daemon) - before, MESSAGES as u64, "{hold}");
    }
}

#[test]
fn a_sign_of_life_is_compressed_for_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let config = config("hall", "gzip = true\npush_ping_interval = \"50ms\"");
    let daemon = Daemon::start(&process::write(&directory, &config));
    let (mut client, mut packed) = events(&daemon, "c");
    let before = compressions(&daemon);
    unpack(&mut client, &mut packed, ":\n\n:\n\n:\n\n");
    assert_eq!(compressions(&daemon), before);
}

#[test]
fn the_answer_to_a_poll_is_compressed_once_for_all_who_wait_or_come() {
    for hold in MODES {
        let (daemon, _directory) = start(hold);
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| ask(&daemon, "/poll?c=c", GZIP)).collect();
        daemon.wait_for_subscribers("/pub?c=c", CLIENTS);
        let before = compressions(&daemon);
        publish(&daemon, "c", 0..1);
        for again in [true, false] {
            for client in &mut clients {
                let answer = client.response();
                assert_eq!(answer.header("content-encoding"), Some("gzip"));
                let mut plain = String::new();
                GzDecoder::new(&answer.body[..]).read_to_string(&mut plain).unwrap();
                assert_eq!(plain, text(0), "{hold}");
                if again {
                    client.get("/poll?c=c", GZIP);
                }
            }
        }
        assert_eq!(compressions(&daemon) - before, 1, "{hold}");
    }
}

#[test]
fn a_frame_is_compressed_once_for_all_web_sockets_that_agreed_on_the_same() {
    let (daemon, _directory) = start("hall");
    // The windows that there are, and messages with and without their ids.
    let narrow = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let terms = [
        DEFLATE.to_owned(),
        narrow.to_owned(),
        format!("{DEFLATE}{META}"),
        format!("{narrow}{META}"),
    ];
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let terms = &terms[number % terms.len()];
            let mut client = ask(&daemon, "/any?c=c", &format!("{HANDSHAKE}{terms}"));
            let head = client.head();
            assert!(head.contains("\r\nSec-WebSocket-Extensions: permessage-deflate"), "{head}");
            client
        })
        .collect();
    daemon.wait_for_subscribers("/pub?c=c", CLIENTS);
    let before = compressions(&daemon);
    publish(&daemon, "c", 0..MESSAGES);
    let mut frames = HashSet::new();
    for client in &mut clients {
        for number in 0..MESSAGES {
            let (first, payload) = read(client);
            assert_eq!(first, FIN | RSV1 | TEXT);
            let plain = String::from_utf8(inflate(&payload)).unwrap();
            assert!(plain.ends_with(&text(number)), "{plain}");
            frames.insert(payload);
        }
    }
    let different = (terms.len() * MESSAGES) as u64;
    assert_eq!((compressions(&daemon) - before, frames.len() as u64), (different, different));
}

#[test]
fn nothing_counts_as_compressed_before_there_is_a_message_for_somebody() {
    let (daemon, _directory) = start("hall");
    assert_eq!(compressions(&daemon), 0);
    let (mut stream, mut packed) = events(&daemon, "c");
    assert_eq!(compressions(&daemon), 0);
    publish(&daemon, "c", 0..1);
    unpack(&mut stream, &mut packed, &text(0));
    assert_eq!(compressions(&daemon), 1);
}
