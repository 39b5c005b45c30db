//! What publishers send: sizes, chunks, types, and how too much of it is refused.

use std::fmt::Write as _;

use crate::{
    harness::{Client, Gateway},
    site::{MODES, event, listen, start, start_root, wait},
};

const TOO_LARGE: &str = "The message is larger than the location allows.";
const CHUNKED: &str = "POST /pub?id=1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

fn small() -> Gateway {
    start("hall", "client_max_body_size = \"1k\"", "")
}

fn next(gateway: &Gateway) -> Vec<u8> {
    gateway.request("GET", "/sub?id=1", "", "").body
}

/// A 413, and then an end that does not destroy it.
fn assert_too_large(client: &mut Client) {
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (413, TOO_LARGE));
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn a_declared_length_above_the_limit_is_refused_before_the_body_is_sent() {
    let gateway = small();
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = gateway.connect();
        client.send(format!(
            "POST /pub?id=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 1025\r\n{expect}\r\n"
        ));
        assert_too_large(&mut client);
    }
    assert_eq!(gateway.request("POST", "/pub?id=1", "", &"x".repeat(1024)).status, 202);
}

#[test]
fn a_client_that_goes_on_sending_still_reads_the_413() {
    let gateway = small();
    let mut client = gateway.connect();
    let length = 4 << 20;
    client
        .send(format!("POST /pub?id=1 HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"));
    client.send(vec![b'x'; length]);
    assert_too_large(&mut client);
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn a_chunked_body_above_the_limit_is_refused_while_it_is_sent() {
    let gateway = small();
    let mut client = gateway.connect();
    client.send(CHUNKED);
    client.send(format!("400\r\n{}\r\n", "x".repeat(1024)));
    client.send("1\r\ny\r\n");
    client.send(format!("10000\r\n{}\r\n0\r\n\r\n", "z".repeat(0x10000)));
    assert_too_large(&mut client);
}

#[test]
fn a_chunked_body_is_joined_whatever_its_extensions_and_trailers() {
    let gateway = start("hall", "", "");
    let body =
        "3;name=\"a;b\"\r\nabc\r\n1\r\nd\r\n00A ; x\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    let mut client = gateway.connect();
    client.send(format!("{CHUNKED}{body}"));
    assert_eq!(client.response().status, 202);
    assert_eq!(next(&gateway), b"abcd0123456789");
    gateway.request("DELETE", "/pub?id=1", "", "");
    client.drip(CHUNKED);
    client.drip(body);
    assert_eq!(client.response().status, 202);
    assert_eq!(next(&gateway), b"abcd0123456789");
}

#[test]
fn a_malformed_chunk_is_400_and_publishes_nothing() {
    let gateway = start("hall", "", "");
    for body in
        ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-1\r\n", "fffffffffffffffff\r\n"]
    {
        let mut client = gateway.connect();
        client.send(format!("{CHUNKED}{body}"));
        assert_eq!(client.response().status, 400, "{body:?}");
        client.assert_closed();
    }
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn a_body_that_ends_early_publishes_nothing() {
    let gateway = start("hall", "", "");
    for head in [CHUNKED, "POST /pub?id=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n"] {
        let mut client = gateway.connect();
        client.send(format!("{head}3\r\nab"));
        client.finish();
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "));
    }
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn an_empty_message_answers_polls_and_is_an_event() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 2);
        gateway.publish("/pub?id=1", "");
        let answer = poll.response();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
        assert_eq!(events.chunk().unwrap(), event(0, ""));
        assert_eq!(next(&gateway), b"");
        gateway.publish("/pub?id=1", "after");
        assert_eq!(events.chunk().unwrap(), event(1, "after"));
    }
}

#[test]
fn ten_megabytes_arrive_byte_by_byte_on_every_transport() {
    // No line ends: events would have them as lines of their own.
    let message: Vec<u8> = (0..10 << 20).map(|at: u32| b'0' + (at % 71) as u8).collect();
    for hold in MODES {
        let stream = r#"
[[server.location]]
path = "/stream"
push_subscriber = ["stream"]
push_channel_id = "$arg_id"
push_message_template = "<~text~>"
"#;
        let stream = format!("{stream}push_hold = \"{hold}\"");
        let publisher = "client_max_body_size = \"10M\"";
        let gateway = start_root("push_max_reserved_memory = \"64M\"", hold, publisher, &stream);
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        let mut events = listen(&gateway, "");
        let mut stream = gateway.connect();
        stream.get("/stream?id=1", "");
        stream.head();
        wait(&gateway, 3);
        let text = String::from_utf8(message.clone()).unwrap();
        gateway.publish("/pub?id=1", &text);
        assert!(poll.response().body == message, "long-poll, {hold}");
        let expected = event(0, &text);
        assert!(events.exactly_chunked(expected.len()) == expected, "event-source, {hold}");
        let expected = [b"<", &message[..], b">"].concat();
        assert!(stream.exactly_chunked(expected.len()) == expected, "stream, {hold}");
        assert!(next(&gateway) == message, "at once, {hold}");
    }
}

#[test]
fn the_content_type_travels_except_that_of_forms() {
    // The head of a cursorless poll goes ahead of the message and its type.
    let defaults = ["", "default_type = \"application/json\"\npush_cursorless = false"];
    for hold in MODES {
        for (default, fallback) in defaults.into_iter().zip([None, Some("application/json")]) {
            let gateway = start(hold, "", default);
            let types = [
                (
                    "Content-Type: text/plain; charset=KOI8-R\r\n",
                    Some("text/plain; charset=KOI8-R"),
                ),
                ("Content-Type: application/x-www-form-urlencoded\r\n", fallback),
                ("Content-Type: Application/X-WWW-form-urlencoded; charset=UTF-8\r\n", fallback),
                ("", fallback),
                ("Content-Type: \r\n", fallback),
            ];
            for (header, expected) in types {
                let mut poll = gateway.connect();
                poll.get("/sub?id=1", "");
                wait(&gateway, 1);
                gateway.request("POST", "/pub?id=1", header, "x=1");
                let held = poll.response();
                assert_eq!((held.header("content-type"), held.text()), (expected, "x=1"));
                let at_once = gateway.request("GET", "/sub?id=1", "", "");
                assert_eq!(at_once.header("content-type"), expected, "{header}");
                gateway.request("DELETE", "/pub?id=1", "", "");
            }
        }
    }
}

#[test]
fn a_slow_body_is_408() {
    let gateway = start("hall", "client_body_timeout = \"50ms\"", "");
    let mut client = gateway.connect();
    client.send("POST /pub?id=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc");
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (408, "The request took too long."));
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn a_hundred_messages_on_one_connection_keep_their_order() {
    let gateway = start(
        "hall",
        "push_message_buffer_length = 100",
        "push_poll_format = \"json\"\npush_subscriber = [\"interval-poll\"]",
    );
    let mut client = gateway.connect();
    let mut requests = String::new();
    for number in 0..100 {
        let body = format!("m{number}");
        let length = body.len();
        write!(
            requests,
            "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    }
    client.send(requests);
    for _ in 0..100 {
        assert_eq!(client.response().status, 202);
    }
    let document = String::from_utf8(next(&gateway)).unwrap();
    let places: Vec<_> = (0..100).map(|n| document.find(&format!("\"m{n}\"")).unwrap()).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "newest first");
}
