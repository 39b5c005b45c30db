//! `push_publisher_upstream_request`: the application decides what is published.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Mutex, mpsc},
};

use crate::{
    app::{App, asked, ok},
    harness::Gateway,
    hooked::{Judge, handshake, start},
    site::{MODES, listen, wait},
};

const EDIT: &str = "push_publisher_upstream_request = \"/auth/edit?c=$push_channel_id\"";

/// Does what the message says.
fn editor() -> Judge {
    Judge::new(|asked| match &asked.body[..] {
        b"replace" => {
            b"HTTP/1.1 200 OK\r\nContent-Type: text/x-new\r\nContent-Length: 3\r\n\r\nnew".to_vec()
        }
        b"empty" => ok(b""),
        b"accepted" => b"HTTP/1.1 202 Accepted\r\nContent-Length: 1\r\n\r\na".to_vec(),
        b"drop" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        b"keep" => b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
        b"ask" => b"HTTP/1.1 200 OK\r\nX-Push-Reply: 1\r\nContent-Length: 5\r\n\r\nreply".to_vec(),
        b"ask more" => {
            let head = "HTTP/1.1 200 OK\r\nX-Push-Reply: 1\r\nContent-Length: 50000\r\n\r\n";
            format!("{head}{}", "x".repeat(50_000)).into()
        }
        b"refuse" => b"HTTP/1.1 422 No\r\nX-Why: rude\r\nContent-Length: 4\r\n\r\nrude".to_vec(),
        b"move" => b"HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n".to_vec(),
    })
}

/// What a poll gets behind the first message.
fn stored(gateway: &Gateway) -> Vec<(String, Option<String>)> {
    let mut client = gateway.connect();
    let mut cursor = String::new();
    let mut messages = Vec::new();
    for _ in 0..10 {
        client.get("/poll?id=1", &cursor);
        let answer = client.response();
        if answer.status != 200 {
            break;
        }
        let [etag, modified] = ["etag", "last-modified"].map(|name| answer.header(name).unwrap());
        cursor = format!("If-None-Match: {etag}\r\nIf-Modified-Since: {modified}\r\n");
        messages.push((answer.text().to_owned(), answer.header("content-type").map(str::to_owned)));
    }
    messages
}

/// A gateway with an interval poll at `/poll`.
fn gateway(judge: &Judge, hold: &str, publisher: &str) -> Gateway {
    let poll = "\n[[server.location]]\npath = \"= /poll\"\npush_subscriber = \"interval-poll\"\n\
                push_channel_id = \"$arg_id\"";
    judge.gateway(hold, publisher, poll)
}

#[test]
fn an_answer_replaces_keeps_drops_or_refuses_the_message() {
    let judge = editor();
    let gateway = gateway(&judge, "hall", EDIT);
    let publish = |body: &str| {
        let answer = gateway.request("POST", "/pub?id=1", "Content-Type: text/x-old\r\n", body);
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(publish("replace").0, 202);
    assert_eq!(publish("keep").0, 202);
    assert_eq!(publish("drop"), (204, String::new()));
    assert_eq!(publish("refuse"), (422, "rude".to_owned()));
    assert_eq!(publish("move").0, 303);
    let (status, why) = publish("too much");
    assert_eq!((status, &*why), (502, "The application's answer is too large."));
    assert_eq!(publish("accepted").0, 202);
    assert_eq!(publish("empty").0, 202);
    let kind = |kind: &str| Some(kind.to_owned());
    let expected = [
        ("new".to_owned(), kind("text/x-new")),
        ("keep".to_owned(), kind("text/x-old")),
        ("a".to_owned(), None),
        (String::new(), None),
    ];
    assert_eq!(stored(&gateway), expected);
}

#[test]
fn the_question_is_the_message() {
    let judge = editor();
    let gateway = judge.gateway("hall", EDIT, "");
    let headers = "Content-Type: text/x-old\r\nCookie: a=b\r\nX-Publisher-Type: forged\r\n";
    gateway.request("POST", "/pub?id=1", headers, "keep");
    let asked = judge.next();
    let mut lines: Vec<_> = asked.head.lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "POST /auth/edit?c=1 HTTP/1.1",
        "Content-Length: 4",
        "Content-Type: text/x-old",
        "Cookie: a=b",
        "Host: test",
        "X-Channel-Id: 1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
        "X-Original-Method: POST",
        "X-Original-Uri: /pub?id=1",
        "X-Publisher-Type: http",
    ];
    assert_eq!(lines, expected);
    assert_eq!(asked.body, b"keep");
    // A body in chunks arrives with its length.
    let mut client = gateway.connect();
    client.request("POST", "/pub?id=1", "Transfer-Encoding: chunked\r\n", "");
    client.send("2\r\nke\r\n2\r\nep\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 202);
    let asked = judge.next();
    assert_eq!(asked.header("content-length"), Some("4"));
    assert_eq!(asked.header("transfer-encoding"), None);
}

#[test]
fn what_publishes_nothing_asks_nothing() {
    let judge = editor();
    let gateway = judge.gateway("hall", EDIT, "");
    assert_eq!(gateway.request("PUT", "/pub?id=1", "", "").status, 200);
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 200);
    assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
    assert_eq!(judge.questions(), 0);
    // An empty message is one.
    assert_eq!(gateway.request("POST", "/pub?id=1", "", "").status, 502);
    assert_eq!(judge.next().header("content-length"), Some("0"));
}

#[test]
fn without_the_application_nothing_is_published() {
    let closed: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = start(closed, "hall", EDIT, "");
    assert_eq!(gateway.request("POST", "/pub?id=1", "", "x").status, 502);
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn a_publisher_that_leaves_has_published() {
    let judge = editor();
    let gateway = judge.gateway("hall", EDIT, "");
    let mut events = listen(&gateway, "");
    let mut client = gateway.connect();
    client.request("POST", "/pub?id=1", "", "replace");
    drop(client);
    let chunk = String::from_utf8(events.chunk().unwrap()).unwrap();
    assert!(chunk.ends_with("data: new\n\n"), "{chunk}");
}

/// The publisher's keys, and `/both`, a location of both roles with the same.
fn both() -> String {
    format!(
        "{EDIT}\n[[server.location]]\npath = \"= /both\"\npush_pubsub = true\n\
         push_channel_id = \"$arg_id\"\naccess = \"allow all\"\n{EDIT}"
    )
}

/// A masked text frame.
fn text(body: &str) -> Vec<u8> {
    let head = [0x81, 0x80 | u8::try_from(body.len()).unwrap(), 0, 0, 0, 0];
    [&head[..], body.as_bytes()].concat()
}

#[test]
fn what_a_socket_sends_is_decided_about_too_in_its_order() {
    for hold in MODES {
        let judge = editor();
        let gateway = judge.gateway(hold, &both(), "");
        let mut socket = gateway.connect();
        handshake(&mut socket, "/both?id=1", "Cookie: a=b\r\nUser-Agent: x\r\n");
        assert!(socket.head().starts_with("HTTP/1.1 101 "));
        for message in ["keep", "drop", "replace", "keep"] {
            socket.send(text(message));
        }
        assert_eq!(socket.exactly(17), b"\x81\x04keep\x81\x03new\x81\x04keep");
        let asked = judge.next();
        assert_eq!(asked.line(), "POST /auth/edit?c=1 HTTP/1.1");
        for (name, value) in [
            ("content-type", Some("text/plain; charset=utf-8")),
            ("content-length", Some("4")),
            ("cookie", Some("a=b")),
            ("x-publisher-type", Some("websocket")),
            ("x-original-method", Some("GET")),
            ("user-agent", None),
            ("sec-websocket-key", None),
        ] {
            assert_eq!(asked.header(name), value, "{name}");
        }
        socket.send(text("refuse"));
        let why = "The application does not take the message.";
        let close =
            [&[0x88, u8::try_from(why.len()).unwrap() + 2, 0x03, 0xf0], why.as_bytes()].concat();
        assert_eq!(socket.exactly(close.len()), close);
    }
}

#[test]
fn an_answer_may_be_for_the_publisher_alone() {
    for hold in MODES {
        let judge = editor();
        let gateway = judge.gateway(hold, &both(), "");
        let answer = gateway.request("POST", "/pub?id=1", "", "ask");
        assert_eq!((answer.status, answer.text()), (200, "reply"));
        assert_eq!(answer.header("x-push-reply"), None);
        let mut events = listen(&gateway, "");
        let mut socket = gateway.connect();
        handshake(&mut socket, "/both?id=1", "");
        assert!(socket.head().starts_with("HTTP/1.1 101 "));
        for message in ["ask", "keep", "ask"] {
            socket.send(text(message));
        }
        assert_eq!(socket.exactly(20), b"\x81\x05reply\x81\x04keep\x81\x05reply");
        let chunk = String::from_utf8(events.chunk().unwrap()).unwrap();
        assert!(chunk.ends_with("data: keep\n\n"), "{chunk}");
    }
}

#[test]
fn answers_that_nobody_reads_end_their_socket() {
    let judge = editor();
    let gateway = judge.gateway("hall", &both(), "");
    let mut socket = gateway.connect();
    handshake(&mut socket, "/both?id=1", "");
    socket.head();
    wait(&gateway, 1);
    for _ in 0..1000 {
        socket.send(text("ask more"));
    }
    wait(&gateway, 0);
    // What was sent before can be read, and behind it why there is no more.
    let rest = socket.rest();
    let why = b"Too many answers are not read.";
    assert!(rest.ends_with(why), "{:?}", &rest[rest.len().saturating_sub(60)..]);
    assert!(rest.len() < 1000 * 50_000);
}

#[test]
fn a_message_is_seen_once_by_an_application_that_leaves_over_it() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let app = App::start(move |client, _| {
        // Each connection stays after the first question, and ends over the second.
        for left in [true, false] {
            let Some(question) = asked(client) else { return };
            tell.lock().unwrap().send(question.body).unwrap();
            if left {
                client.send("HTTP/1.1 304 Not Modified\r\n\r\n");
            }
        }
    });
    let gateway = start(app.address, "hall", EDIT, "");
    let publish = |body| gateway.request("POST", "/pub?id=1", "", body).status;
    assert_eq!((publish("first"), publish("second")), (202, 502));
    drop(gateway);
    drop(app);
    assert_eq!(told.iter().collect::<Vec<_>>(), [&b"first"[..], b"second"]);
}
