//! Handshakes of WebSockets: what is one, and what is agreed on.

use flate2::{Decompress, FlushDecompress};

use crate::{
    harness::{Client, Gateway, Response},
    site::{DATE, start, wait},
    websocket::{HANDSHAKE, TEXT, message, open_with, read, text},
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// The answer to a handshake that is refused; after it the same connection has one that is not.
fn refused(gateway: &Gateway, headers: &str) -> Response {
    let mut client = gateway.connect();
    client.get("/sub?id=1", headers);
    let answer = client.response();
    client.get("/sub?id=1", HANDSHAKE);
    assert!(client.head().starts_with("HTTP/1.1 101 "), "after {headers:?}");
    answer
}

#[test]
fn a_key_is_16_bytes_in_base64_and_there_once() {
    let gateway = start("hall", "", "");
    let invalid = "The Sec-WebSocket-Key is not 16 bytes in base64.";
    for (key, sentence) in [
        (String::new(), "The request has no Sec-WebSocket-Key."),
        ("Sec-WebSocket-Key: \r\n".into(), invalid),
        // 15 and 17 bytes, without padding, of other letters.
        ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n".into(), invalid),
        ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n".into(), invalid),
        ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n".into(), invalid),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n".into(), invalid),
        (format!("Sec-WebSocket-Key: {KEY}, {KEY}\r\n"), invalid),
        (
            format!("Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Key: {KEY}\r\n"),
            "The request has more than one Sec-WebSocket-Key.",
        ),
    ] {
        let own = HANDSHAKE.replace(&format!("Sec-WebSocket-Key: {KEY}\r\n"), &key);
        let answer = refused(&gateway, &own);
        assert_eq!((answer.status, answer.text()), (400, sentence), "{key:?}");
        assert_eq!(answer.header("sec-websocket-version"), None, "{key:?}");
    }
}

#[test]
fn a_version_is_13_and_another_is_told_so() {
    let gateway = start("hall", "", "");
    for version in ["0", "8", "12", "14", "013", "8, 13", "thirteen", ""] {
        let own = HANDSHAKE.replace(VERSION, &format!("Sec-WebSocket-Version: {version}\r\n"));
        let answer = refused(&gateway, &own);
        let sentence = "The location speaks WebSocket, version 13.";
        assert_eq!((answer.status, answer.text()), (426, sentence), "{version:?}");
        let told = ["sec-websocket-version", "upgrade", "connection"];
        let told = told.map(|name| answer.header(name));
        assert_eq!(told, [Some("13"), Some("websocket"), Some("Upgrade")], "{version:?}");
    }
    for (version, sentence) in [
        (String::new(), "The request has no Sec-WebSocket-Version."),
        (VERSION.repeat(2), "The request has more than one Sec-WebSocket-Version."),
    ] {
        let answer = refused(&gateway, &HANDSHAKE.replace(VERSION, &version));
        assert_eq!((answer.status, answer.text()), (400, sentence));
    }
}

#[test]
fn only_a_get_of_http_1_1_asks_for_a_websocket() {
    let all = start("hall", "", "push_subscriber = true");
    let mut client = all.connect();
    client.send(format!("GET /sub?id=1 HTTP/1.0\r\nHost: t\r\n{HANDSHAKE}\r\n"));
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (400, "A WebSocket needs HTTP/1.1."));
    // HEAD is that of the long poll, and of nothing where there is no other transport.
    let head = |gateway: &Gateway| {
        let mut client = gateway.connect();
        client.request("HEAD", "/sub?id=1", HANDSHAKE, "");
        let head = client.head();
        client.get("/pub?id=1", "");
        assert_eq!(client.response().status, 200, "{head}");
        head
    };
    all.publish("/pub?id=1", "hello");
    let polled = head(&all);
    assert!(polled.starts_with("HTTP/1.1 200 OK\r\n"), "{polled}");
    assert!(polled.contains(&format!("\r\nLast-Modified: {DATE}\r\n")), "{polled}");
    let alone = start("hall", "", "push_subscriber = ['websocket']");
    alone.publish("/pub?id=1", "hello");
    let upgrade = head(&alone);
    assert!(upgrade.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{upgrade}");
    for method in ["POST", "PUT", "DELETE"] {
        let answer = alone.request(method, "/sub?id=1", HANDSHAKE, "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
    // Where clients may publish a POST does, whatever protocol it would rather speak.
    let both = start("hall", "", "push_pubsub = true\naccess = ['allow all']");
    assert_eq!(both.request("POST", "/sub?id=1", HANDSHAKE, "hello").status, 202);
    assert_eq!(both.request("GET", "/sub?id=1", "", "").text(), "hello");
}

#[test]
fn the_protocol_is_found_at_any_position_and_on_any_line() {
    let gateway = start("hall", "", "push_websocket_protocols = ['chat', 'v2.chat']");
    let spoken = |lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("Sec-WebSocket-Protocol: {line}\r\n"));
        let (_, head) = open_with(&gateway, "/sub?id=1", &lines.collect::<String>());
        let mut found =
            head.lines().filter_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        let protocol = found.next().map(str::to_owned);
        assert_eq!(found.next(), None, "{head}");
        protocol
    };
    let strange = ["superchat", "CHAT", "chat2", "x"];
    for known in ["chat", "v2.chat", "ws+meta.nchan"] {
        for position in 0..=strange.len() {
            let mut offer = strange.to_vec();
            offer.insert(position, known);
            // In one line, in a line each, and split in two.
            assert_eq!(spoken(&[&offer.join(", ")]).as_deref(), Some(known), "{offer:?}");
            assert_eq!(spoken(&[&offer.join(" ,\t,")]).as_deref(), Some(known), "{offer:?}");
            assert_eq!(spoken(&offer).as_deref(), Some(known), "{offer:?}");
            let (one, two) = offer.split_at(2);
            let lines = [one.join(","), two.join(",")];
            assert_eq!(spoken(&[&lines[0], &lines[1]]).as_deref(), Some(known), "{offer:?}");
        }
    }
    // The client's order counts, over all lines.
    assert_eq!(spoken(&["x, v2.chat, chat"]).as_deref(), Some("v2.chat"));
    assert_eq!(spoken(&["x", "chat", "v2.chat"]).as_deref(), Some("chat"));
    // What nobody knows is left out, and the client decides (RFC 6455 section 4.1).
    assert_eq!(spoken(&["superchat, x"]), None);
    assert_eq!(spoken(&["", ","]), None);
}

const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What is answered to these offers, and whether the next message is compressed.
fn offered(gateway: &Gateway, lines: &[&str]) -> Option<String> {
    let lines = lines.iter().map(|line| format!("Sec-WebSocket-Extensions: {line}\r\n"));
    let (mut client, head) = open_with(gateway, "/echo", &lines.collect::<String>());
    let mut found = head.lines().filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let answer = found.next().map(str::to_owned);
    assert_eq!(found.next(), None, "{head}");
    assert_echoed(&mut client, answer.is_some());
    answer
}

fn assert_echoed(client: &mut Client, deflate: bool) {
    let body = "so much of the same ".repeat(50);
    client.send(message(TEXT, body.as_bytes()));
    if !deflate {
        assert_eq!(text(client), body);
        return;
    }
    // Each message by itself, as nothing is taken over (RFC 7692 section 7.2.2).
    let (first, mut payload) = read(client);
    assert_eq!(first, 0xc0 | TEXT);
    payload.extend(b"\0\0\xff\xff");
    let mut plain = Vec::with_capacity(2 * body.len());
    Decompress::new(false).decompress_vec(&payload, &mut plain, FlushDecompress::Sync).unwrap();
    assert_eq!(plain, body.as_bytes());
}

#[test]
fn an_offer_of_compression_is_taken_as_a_whole_or_not_at_all() {
    let gateway = Gateway::start(
        "[[server.location]]\npath = '/echo'\naccess = ['allow all']\npush_pubsub = true\n\
         push_subscriber = ['websocket']\npush_channel_id = '$connection'\n",
    );
    let offered = |lines: &[&str]| offered(&gateway, lines);
    let with = |parameter: &str| offered(&[&format!("permessage-deflate; {parameter}")]);
    for parameter in [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "client_max_window_bits",
        "client_max_window_bits=8",
        "client_max_window_bits=15",
        "client_max_window_bits=\"9\"",
        "client_no_context_takeover; server_no_context_takeover; client_max_window_bits",
    ] {
        assert_eq!(with(parameter).as_deref(), Some(DEFLATE), "{parameter}");
    }
    for bits in 9..=15 {
        let answer = format!("{DEFLATE}; server_max_window_bits={bits}");
        assert_eq!(with(&format!("server_max_window_bits={bits}")), Some(answer));
    }
    for parameter in [
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        // A window that the compressor does not have.
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=x",
        "client_max_window_bits; client_max_window_bits=9",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "x-unknown",
        "",
    ] {
        assert_eq!(with(parameter), None, "{parameter}");
        // The next that can be met counts, on the same line or another.
        let bad = format!("permessage-deflate; {parameter}");
        assert_eq!(offered(&[&format!("{bad}, permessage-deflate")]).as_deref(), Some(DEFLATE));
        assert_eq!(offered(&[&bad, "permessage-deflate"]).as_deref(), Some(DEFLATE));
    }
    for offer in ["x-webkit-deflate-frame", "permessage-bzip2", "permessage-deflate-", ",", ""] {
        assert_eq!(offered(&[offer]), None, "{offer}");
    }
}

#[test]
fn two_who_agreed_on_different_things_hear_the_same() {
    let gateway = start("hall", "", "push_websocket_protocols = ['chat']");
    let open = |offer: &str| open_with(&gateway, "/sub?id=1", offer).0;
    let mut plain = open("");
    let mut packed = open("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let mut small =
        open("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n");
    wait(&gateway, 3);
    let body = "to all of you ".repeat(500);
    gateway.publish("/pub?id=1", &body);
    assert_eq!(text(&mut plain), body);
    for client in [&mut packed, &mut small] {
        let (first, mut payload) = read(client);
        payload.extend(b"\0\0\xff\xff");
        let mut found = Vec::with_capacity(2 * body.len());
        Decompress::new(false).decompress_vec(&payload, &mut found, FlushDecompress::Sync).unwrap();
        assert_eq!((first, found), (0xc0 | TEXT, body.clone().into_bytes()));
    }
}
