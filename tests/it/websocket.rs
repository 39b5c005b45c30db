//! WebSocket: handshakes, frames both ways, ends.

use std::{io::Write, thread};

use crate::{
    frames,
    harness::{Client, Gateway},
    site::{MODES, NOW, start, wait},
};

pub const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// The answer to it that RFC 6455 section 1.3 gives.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A client's frame: masked, with the bits given (0x80: the last of a message).
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..0x1_0000 => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A whole message of a client.
pub fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload)
}

/// The next frame of the server: its first byte, and what it carries.
pub fn read(client: &mut Client) -> (u8, Vec<u8>) {
    let [first, second] = client.exactly(2)[..] else { unreachable!() };
    let length = match second {
        126 => u64::from(u16::from_be_bytes(client.exactly(2).try_into().unwrap())),
        127 => u64::from_be_bytes(client.exactly(8).try_into().unwrap()),
        length => length.into(),
    };
    (first, client.exactly(length.try_into().unwrap()))
}

/// The next frame is a whole text.
pub fn text(client: &mut Client) -> String {
    let (first, payload) = read(client);
    assert_eq!(first, 0x80 | TEXT);
    String::from_utf8(payload).unwrap()
}

/// The next frame is the closing one: its code and its reason.
pub fn closed(client: &mut Client) -> (u16, String) {
    let (first, payload) = read(client);
    assert_eq!((first, payload.len() >= 2), (0x80 | CLOSE, true), "{payload:?}");
    let (code, reason) = payload.split_at(2);
    let code = u16::from_be_bytes(code.try_into().unwrap());
    (code, String::from_utf8(reason.to_vec()).unwrap())
}

/// A WebSocket that is open.
pub fn open(gateway: &Gateway, target: &str, headers: &str) -> Client {
    let (client, _) = open_with(gateway, target, headers);
    client
}

/// The same, and the head of the answer.
pub fn open_with(gateway: &Gateway, target: &str, headers: &str) -> (Client, String) {
    let mut client = gateway.connect();
    client.get(target, &format!("{HANDSHAKE}{headers}"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    (client, head)
}

const ECHO: &str = "[[server.location]]\npath = \"/echo\"\naccess = [\"allow all\"]\n\
                    push_pubsub = true\npush_subscriber = [\"websocket\"]\n\
                    push_channel_id = \"$connection\"\npush_store_messages = false\n";

fn echo(keys: &str) -> Gateway {
    Gateway::start(&format!("{ECHO}{keys}"))
}

/// RFC 6455 section 1.2, but for the path.
const EXAMPLE: &str = "GET /sub?id=1 HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn the_handshake_is_the_example_of_the_rfc() {
    let keys = "push_websocket_protocols = [\"chat\"]\n\
                push_allowed_origins = [\"http://example.com\"]";
    for hold in MODES {
        let gateway = start(hold, "", keys);
        let mut client = gateway.connect();
        client.send(EXAMPLE);
        let head = client.head();
        let (answer, date) = head.split_once("Date: ").unwrap();
        let expected = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n"
        );
        assert_eq!(answer, expected, "{hold}");
        assert_eq!(date.lines().count(), 1, "{date}");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "Hello");
        assert_eq!(client.exactly(7), b"\x81\x05Hello");
    }
}

#[test]
fn the_protocol_is_the_first_of_the_offer_that_is_known() {
    let gateway = start("hall", "", "push_websocket_protocols = [\"chat\"]");
    let offer = "Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Protocol: x, chat\r\n";
    let (_, head) = open_with(&gateway, "/sub?id=1", offer);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{head}");
}

#[test]
fn messages_come_back_from_an_echo_to_their_sender_alone() {
    let gateway = echo("");
    let (mut one, mut two) = (open(&gateway, "/echo", ""), open(&gateway, "/echo", ""));
    one.send(message(TEXT, b"{\"a\":1}"));
    two.send(message(BINARY, b"\xff\x00"));
    assert_eq!(text(&mut one), "{\"a\":1}");
    assert_eq!(read(&mut two), (0x80 | BINARY, b"\xff\x00".to_vec()));
    // Several in one segment, the last in pieces, with a ping between two fragments.
    let mut burst = [message(TEXT, b""), message(TEXT, b"x"), frame(TEXT, b"fir")].concat();
    burst.extend(message(PING, b"are you there"));
    burst.extend(frame(0x80, b"st"));
    one.send(&burst[..burst.len() - 3]);
    one.drip(&burst[burst.len() - 3..]);
    let mut frames: Vec<_> = (0..4).map(|_| read(&mut one)).collect();
    // The pong need not wait for the messages.
    frames.sort_by_key(|(first, _)| *first == 0x80 | PONG);
    let texts = [&b""[..], b"x", b"first"].map(|text| (0x80 | TEXT, text.to_vec()));
    assert_eq!(frames[..3], texts);
    assert_eq!(frames[3], (0x80 | PONG, b"are you there".to_vec()));
}

#[test]
fn a_frame_right_behind_the_handshake_is_not_lost() {
    let gateway = echo("");
    let mut client = gateway.connect();
    let request = format!("GET /echo HTTP/1.1\r\nHost: t\r\n{HANDSHAKE}\r\n");
    client.send([request.as_bytes(), &message(TEXT, b"early")].concat());
    client.head();
    assert_eq!(text(&mut client), "early");
}

#[test]
fn a_client_that_closes_gets_its_own_code_back_and_the_end() {
    let gateway = echo("");
    for (said, answered) in
        [(&b"\x03\xe8bye"[..], &b"\x03\xe8"[..]), (b"", b""), (b"\x0b\xb8", b"\x0b\xb8")]
    {
        let mut client = open(&gateway, "/echo", "");
        client.send(message(CLOSE, said));
        assert_eq!(read(&mut client), (0x80 | CLOSE, answered.to_vec()));
        client.assert_closed();
    }
}

#[test]
fn what_breaks_the_protocol_is_told_and_ends_the_connection() {
    let gateway = echo("push_websocket_max_message = \"1k\"\n");
    let unmasked = [0x81, 0x01, b'x'];
    let announced = [&[0x82, 0xff][..], &(512_u64 << 20).to_be_bytes(), &[0; 4], &[1]].concat();
    for (bytes, code) in [
        (unmasked.to_vec(), 1002),
        (frame(0xc0 | TEXT, b"x"), 1002),
        (frame(0x83, b""), 1002),
        (frame(PING, b""), 1002),
        (message(PING, &[0; 126]), 1002),
        (message(0, b"x"), 1002),
        (message(CLOSE, b"\x03"), 1002),
        (message(CLOSE, b"\x03\xec"), 1002),
        (message(CLOSE, b"\x03\xe8\xff"), 1007),
        (message(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), 1007),
        (message(TEXT, b"\xce"), 1007),
        (announced, 1009),
        (message(TEXT, &[b'x'; 1025]), 1009),
        ([frame(TEXT, &[b'x'; 600]), frame(0x80, &[b'x'; 600])].concat(), 1009),
    ] {
        let mut client = open(&gateway, "/echo", "");
        client.send(&bytes);
        assert_eq!(closed(&mut client).0, code, "{bytes:?}");
        client.assert_closed();
    }
}

#[test]
fn a_message_may_have_a_mebibyte_and_no_byte_more_unless_the_location_says_otherwise() {
    const MOST: usize = 1 << 20;
    let gateway = echo("");
    let packed = |length| frame(0xc0 | TEXT, &frames::deflate(&vec![b'x'; length]));
    for offer in ["", frames::DEFLATE] {
        let mut client = open(&gateway, "/echo", offer);
        let whole = "x".repeat(MOST);
        let halves = [frame(TEXT, &vec![b'x'; MOST / 2]), frame(0x80, &vec![b'x'; MOST / 2])];
        let mut sent = vec![message(TEXT, whole.as_bytes()), halves.concat()];
        let mut above = vec![
            message(TEXT, &vec![b'x'; MOST + 1]),
            [&frame(TEXT, &vec![b'x'; MOST])[..], &frame(0x80, b"x")].concat(),
        ];
        if !offer.is_empty() {
            sent.push(packed(MOST));
            above.push(packed(MOST + 1));
        }
        for bytes in sent {
            client.send(bytes);
            let (first, payload) = read(&mut client);
            let plain = if first & 0x40 > 0 { frames::inflate(&payload) } else { payload };
            assert!(plain == whole.as_bytes());
        }
        for bytes in above {
            let mut client = open(&gateway, "/echo", offer);
            let mut writer = client.stream.try_clone().unwrap();
            // It is refused while it is being sent.
            let sending = thread::spawn(move || drop(writer.write_all(&bytes)));
            assert_eq!(closed(&mut client).0, 1009);
            client.assert_closed();
            drop(client);
            sending.join().unwrap();
        }
    }
}

#[test]
fn who_may_only_listen_is_told_so() {
    let gateway = start("hall", "", "");
    let mut client = open(&gateway, "/sub?id=1", "");
    client.send(message(TEXT, b"hi"));
    assert_eq!(closed(&mut client), (1008, "Messages are not taken here.".into()));
    client.assert_closed();
    wait(&gateway, 0);
}

#[test]
fn a_message_says_what_it_is_and_with_meta_which() {
    let gateway = start("hall", "", "");
    let offer = "Sec-WebSocket-Protocol: x, ws+meta.nchan\r\n";
    let (mut meta, head) = open_with(&gateway, "/sub?id=1", offer);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: ws+meta.nchan\r\n"), "{head}");
    let mut plain = open(&gateway, "/sub?id=1", "");
    wait(&gateway, 2);
    gateway.request("POST", "/pub?id=1", "Content-Type: text/x\r\n", "one");
    gateway.request("POST", "/pub?id=1", "Content-Type: application/octet-stream\r\n", "two");
    gateway.publish("/pub?id=1", "");
    assert_eq!(text(&mut meta), format!("id: {NOW}:0\ncontent-type: text/x\n\none"));
    let binary = format!("id: {NOW}:1\ncontent-type: application/octet-stream\n\ntwo");
    assert_eq!(read(&mut meta), (0x80 | BINARY, binary.into_bytes()));
    assert_eq!(text(&mut meta), format!("id: {NOW}:2\n\n"));
    assert_eq!(text(&mut plain), "one");
    assert_eq!(read(&mut plain), (0x80 | BINARY, b"two".to_vec()));
    assert_eq!(text(&mut plain), "");
}

#[test]
fn an_id_resumes_and_the_history_comes_before_what_is_new() {
    let gateway = start("hall", "", "");
    for number in 0..5 {
        gateway.publish("/pub?id=1", &number.to_string());
    }
    let mut client = open(&gateway, &format!("/sub?id=1&last_event_id={NOW}:1"), "");
    let mut named = open(&gateway, "/sub?id=1", &format!("Last-Event-ID: {NOW}:3\r\n"));
    wait(&gateway, 2);
    gateway.publish("/pub?id=1", "5");
    for number in 2..6 {
        assert_eq!(text(&mut client), number.to_string());
    }
    assert_eq!((text(&mut named), text(&mut named)), ("4".into(), "5".into()));
}

#[test]
fn the_server_ends_it_with_a_code_for_each_reason() {
    let gateway = start("hall", "", "");
    let mut client = open(&gateway, "/sub?id=1", "");
    wait(&gateway, 1);
    gateway.request("DELETE", "/pub?id=1", "", "");
    assert_eq!(closed(&mut client), (4410, "deleted".into()));
    client.send(message(CLOSE, b"\x03\xe9"));
    client.assert_closed();

    let gateway = start("hall", "", "push_subscriber_concurrency = \"last\"");
    let mut client = open(&gateway, "/sub?id=1", "");
    let _second = open(&gateway, "/sub?id=1", "");
    assert_eq!(closed(&mut client), (4409, "conflict".into()));

    let gateway = start("hall", "", "push_subscriber_timeout = \"200ms\"");
    let mut client = open(&gateway, "/sub?id=1", "");
    assert_eq!(closed(&mut client), (1000, "timeout".into()));

    let mut gateway = start("hall", "", "");
    let mut client = open(&gateway, "/sub?id=1", "");
    wait(&gateway, 1);
    gateway.stop();
    assert_eq!(closed(&mut client), (1012, "shutdown".into()));
    drop(client);
    gateway.join();
}

#[test]
fn a_client_that_answers_no_ping_is_given_up() {
    let gateway = start("hall", "", "push_ping_interval = \"200ms\"");
    let mut client = open(&gateway, "/sub?id=1", "");
    for _ in 0..3 {
        assert_eq!(read(&mut client), (0x80 | PING, Vec::new()));
        client.send(message(PONG, b""));
    }
    assert_eq!(read(&mut client), (0x80 | PING, Vec::new()));
    client.assert_closed();
    wait(&gateway, 0);
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let gateway = start("hall", "", "");
    let mut client = gateway.connect();
    client.get("/sub?id=1", &format!("{HANDSHAKE}Origin: http://evil.example\r\n"));
    assert_eq!(client.response().status, 403);
    open(&gateway, "/sub?id=1", "Origin: http://test\r\n");
}

#[test]
fn a_handshake_that_is_none_is_refused_with_a_reason() {
    let gateway = start("hall", "", "");
    for (headers, status) in [
        (HANDSHAKE.replace("13", "8"), 426),
        (HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400),
        (HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key"), 400),
    ] {
        let response = gateway.request("GET", "/sub?id=1", &headers, "");
        assert_eq!(response.status, status, "{response:?}");
        assert!(!response.body.is_empty());
        let version = response.header("sec-websocket-version");
        assert_eq!(version, (status == 426).then_some("13"));
    }
    let gateway = start("hall", "", "push_subscriber = [\"websocket\"]");
    let response = gateway.request("GET", "/sub?id=1", "", "");
    assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    let gateway = start("hall", "", "push_subscriber = [\"long-poll\"]");
    assert_eq!(gateway.request("GET", "/sub?id=1", HANDSHAKE, "").status, 403);
}

#[test]
fn nothing_is_compressed_where_the_location_will_not() {
    let gateway = echo("push_websocket_deflate = false");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (mut client, head) = open_with(&gateway, "/echo", offer);
    assert!(!head.contains("Sec-WebSocket-Extensions"), "{head}");
    client.send(message(TEXT, &[b'a'; 4000]));
    assert_eq!(read(&mut client), (TEXT | 0x80, vec![b'a'; 4000]));
    // What was not agreed on is an error (RFC 6455 section 5.2).
    client.send(frame(0xc0 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(closed(&mut client).0, 1002);
}

#[test]
fn messages_are_compressed_where_that_was_agreed_on() {
    let gateway = echo("");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (mut client, head) = open_with(&gateway, "/echo", offer);
    assert!(head.contains(
        "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
         client_no_context_takeover\r\n"
    ));
    // "Hello" as RFC 7692 section 7.2.3.1 compresses it; too short to be compressed by us.
    client.send(frame(0xc0 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(text(&mut client), "Hello");
    client.send(message(TEXT, &[b'a'; 4000]));
    let (first, payload) = read(&mut client);
    assert_eq!((first, payload.len() < 50), (0xc0 | TEXT, true));
    client.send(frame(0xc0 | TEXT, b"\xff\xff\xff"));
    assert_eq!(closed(&mut client).0, 1007);
}

const ROOM: &str = "[[server.location]]\npath = \"/room\"\naccess = [\"allow all\"]\n\
                    push_pubsub = true\npush_channel_id = \"$arg_id\"\n\
                    push_message_buffer_length = 10000\n";

#[test]
fn messages_before_the_end_of_a_connection_are_all_published() {
    let gateway = Gateway::start(&format!(
        "{ROOM}[[server.location]]\npath = \"/pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n"
    ));
    for (id, abrupt) in [(1, false), (2, true)] {
        let mut client = open(&gateway, &format!("/room?id={id}"), "");
        let messages: Vec<u8> = (0..1000).flat_map(|_| message(TEXT, b"x")).collect();
        client.send(&messages);
        if abrupt {
            client.send(message(CLOSE, b""));
        }
        client.finish();
        client.rest();
        let info = gateway.request("GET", &format!("/pub?id={id}"), "", "");
        assert!(info.text().starts_with("queued messages: 1000\r\n"), "{info:?}");
    }
}

#[test]
fn a_handshake_that_would_close_the_connection_opens_it_and_one_with_a_body_does_not() {
    let gateway = echo("");
    let mut client = gateway.connect();
    let head = HANDSHAKE.replace("keep-alive, Upgrade", "Upgrade, close");
    let request = format!("GET /echo HTTP/1.1\r\nHost: t\r\n{head}\r\n");
    client.send([request.as_bytes(), &message(TEXT, b"behind")].concat());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(text(&mut client), "behind");
    let mut client = gateway.connect();
    client.request("GET", "/echo", HANDSHAKE, "12345678");
    assert_eq!(client.response().status, 400);
}

#[test]
fn a_message_that_nobody_takes_is_not_collected_first() {
    let gateway = start("hall", "", "");
    let mut client = open(&gateway, "/sub?id=1", "");
    // The head of a message of 1 MB, of which nothing comes.
    client.send([0x81, 0x80 | 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4]);
    assert_eq!(closed(&mut client), (1008, "Messages are not taken here.".into()));
}
