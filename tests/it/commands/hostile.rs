//! Servers that mean no good: each is found out, in bounded memory, and told.

use super::{
    Running, command,
    cut::{drain, flood},
    ran,
};
use crate::{
    app::{App, asked},
    harness::Client,
};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
/// More than anything that is kept.
const FLOOD: usize = 1 << 30;

/// Listens to a server that answers any request with `serve`.
#[track_caller]
fn assert_found_out(
    transport: &str,
    serve: impl Fn(&mut Client) + Send + Sync + 'static,
    out: &str,
    why: &str,
) {
    let app = App::start(move |client, _| {
        if asked(client).is_some() {
            serve(client);
            drain(client);
        }
    });
    let words = format!("listen http://{}/ --transport {transport}", app.address);
    ran(&words).assert(1, out, why);
    assert_eq!(app.connections(), 1, "{why}");
}

#[track_caller]
fn assert_told(transport: &str, answer: impl Into<Vec<u8>>, out: &str, why: &str) {
    let answer = answer.into();
    assert_found_out(transport, move |client| client.send(&answer), out, why);
}

#[test]
fn answers_that_are_none_are_told() {
    for transport in ["event-source", "websocket", "long-poll"] {
        assert_told(transport, "SSH-2.0-OpenSSH_9.2\r\n\r\n", "", "not of the protocol");
        assert_told(transport, b"\x16\x03\x01\x02\0\r\n\r\n".as_slice(), "", "not of the protocol");
        let two = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
        assert_told(transport, two, "", "a body of more than one length");
    }
    assert_told("event-source", "HTTP/1.1 200 OK\r\n\r\n", "", "not event-source");
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://h/\r\nContent-Length: 0\r\n\r\n";
    assert_told("event-source", moved, "", "301 Moved Permanently: https://h/");
    let forged = "HTTP/1.1 404 Nope\r\nContent-Length: 15\r\n\r\nNo\x1b[2J\x07 way\r\n\r\n";
    assert_told("event-source", forged, "", "404 Not Found: No\\x1B[2J\\x07 way\n");
}

#[test]
fn heads_and_messages_without_end_are_not_kept() {
    let line = vec![b'x'; 64 << 10];
    for (transport, head) in [
        ("event-source", "HTTP/1.1 200 OK\r\nX: ".to_owned()),
        ("event-source", EVENTS.to_owned() + "\r\ndata: "),
        ("event-source", EVENTS.to_owned() + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n:"),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n".to_owned()),
        ("raw", "HTTP/1.1 200 OK\r\n\r\n".to_owned()),
        ("long-poll", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n".to_owned()),
    ] {
        let line = line.clone();
        let serve = move |client: &mut Client| {
            client.send(&head);
            let sent = flood(client, &line, FLOOD);
            assert!(sent < FLOOD / 4, "{sent} bytes were taken");
        };
        assert_found_out(transport, serve, "", "pushgate: what comes is not of the protocol: ");
    }
}

#[test]
fn chunks_that_are_none_are_told_after_what_came_before() {
    let head = EVENTS.to_owned() + "Transfer-Encoding: chunked\r\n\r\n";
    for chunk in ["ffffffffffffffff\r\n", "-1\r\n", "\r\n", "2\r\nab!", "1;x=y\r\n"] {
        let answer = format!("{head}9\r\ndata: x\n\n\r\n{chunk}");
        assert_told("event-source", answer, "x\n", "in a chunked body");
    }
}

#[test]
fn websockets_that_break_the_protocol_are_told() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let wrong = format!("{head}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    assert_told("websocket", wrong, "", "is not answered with its key");
    assert_told("websocket", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", "200 OK");
    for (frame, why) in [
        (&b"\x81\x82\0\0\0\0hi"[..], "A server's frame is masked."),
        (b"\xc1\x00", "The frame must not be compressed."),
        (b"\x83\x00", "The opcode is reserved."),
        (b"\x81\x01\xff", "The text is not UTF-8."),
        (b"\x82\x7f\0\0\0\0\x7f\xff\xff\xff", "The message is too large."),
        (b"\x80\x00", "There is no message to continue."),
        (b"\x88\x02\x03\xea", "the WebSocket was closed: 1002"),
    ] {
        let frame = frame.to_vec();
        let app = App::start(move |client, _| {
            let request = asked(client).unwrap();
            let key = request.header("sec-websocket-key").unwrap().parse().unwrap();
            let accept = pushgate::websocket::accept_key(&key).unwrap();
            let accept = accept.to_str().unwrap();
            client.send(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n"));
            client.send([b"\x81\x02ok", &frame[..]].concat());
            drain(client);
        });
        ran(&format!("listen ws://{}/", app.address)).assert(1, "ok\n", why);
    }
}

#[test]
fn what_a_server_says_reaches_no_terminal_as_control_characters() {
    let length = EVENTS.to_owned() + "Content-Length: \u{9b}2J\r\n\r\n";
    assert_told("event-source", length, "", "\\x9B2J");
    let ended = EVENTS.to_owned() + "\r\nid: \u{9b}2J\x1b\ndata: x\n\nevent: gap\ndata: ";
    let gap = ended + "{\"after\":\"\\u009b\"}\n\nevent: close\ndata: conflict\n\n";
    assert_told("event-source", gap, "x\n", "messages after \\x9B are lost");
    let app = App::start(|client, number| {
        asked(client).unwrap();
        let event = ["retry: 0\n\nid: \u{9b}2J5\ndata: x\n\n", "event: close\ndata: deleted\n\n"];
        client.send(EVENTS.to_owned() + "\r\n" + event[number]);
    });
    ran(&format!("listen http://{}/", app.address)).assert(0, "x\n", ", after \\x9B2J5\n");
    let app = App::start(|client, _| {
        let key = asked(client).unwrap().header("sec-websocket-key").unwrap().parse().unwrap();
        let accept = pushgate::websocket::accept_key(&key).unwrap();
        let head = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ";
        client.send(format!("{head}{}\r\n\r\n", accept.to_str().unwrap()));
        client.send(b"\x88\x0b\x03\xf0\x1b[2J\xc2\x9bc\r\n");
        drain(client);
    });
    let ended = ran(&format!("listen ws://{}/", app.address));
    ended.assert(1, "", "the WebSocket was closed: 1008 \\x1B[2J\\x9Bc\n");
}

#[test]
fn a_websocket_answers_pings_and_goodbyes_with_masked_frames() {
    let app = App::start(|client, _| {
        let request = asked(client).unwrap();
        assert_eq!(request.header("sec-websocket-protocol"), Some("ws+meta.nchan"));
        let key = request.header("sec-websocket-key").unwrap().parse().unwrap();
        let accept = pushgate::websocket::accept_key(&key).unwrap();
        client.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            accept.to_str().unwrap()
        ));
        client.send(b"\x89\x02hi");
        let pong = client.exactly(8);
        assert_eq!(pong[..2], [0x8a, 0x82]);
        client.send(b"\x88\x02\x11\x3a");
        let close = client.exactly(8);
        assert_eq!(close[..2], [0x88, 0x82]);
        assert_eq!([close[6] ^ close[2], close[7] ^ close[3]], [0x11, 0x3a]);
    });
    ran(&format!("listen http://{}/ --transport ws", app.address)).assert(0, "", "was deleted");
}

#[test]
fn a_server_that_says_nothing_can_be_left() {
    let app = App::start(|client, _| drain(client));
    let running = Running::start(&mut command(&format!(
        "listen http://{}/ --transport long-poll",
        app.address
    )));
    running.until_said("listening to");
    running.signal("-TERM");
    let ended = running.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(15));
}
