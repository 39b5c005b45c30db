//! GRIP: WebSocket for an application that speaks HTTP.

use std::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

use crate::{
    app::{App, asked, ok},
    grip::{Script, answer, held, item},
    harness::{Client, Gateway},
    restart::{STATUS, waiting},
    websocket::{BINARY, CLOSE, HANDSHAKE, PING, PONG, TEXT, closed, message, read, text},
};

const EVENTS: &str = "Content-Type: application/websocket-events\r\n";

/// An answer of events.
pub fn events(headers: &str, body: &str) -> Vec<u8> {
    answer(&format!("{EVENTS}{headers}"), body)
}

/// The answer that opens, with grip, and says more.
pub fn opening(more: &str) -> Vec<u8> {
    events("Sec-WebSocket-Extensions: grip\r\n", &format!("OPEN\r\n{more}"))
}

/// An event with content.
pub fn event(kind: &str, content: &str) -> String {
    format!("{kind} {:x}\r\n{content}\r\n", content.len())
}

pub fn control(json: &str) -> String {
    event("TEXT", &format!("c:{json}"))
}

/// A gateway that speaks WebSocket for the application.
pub fn over_http(script: &Script, keys: &str) -> Gateway {
    script.gateway(&format!("push_grip_websocket = \"over_http\"\n{keys}"))
}

pub fn open(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    client.get("/socket?x", HANDSHAKE);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    client
}

fn body(script: &Script) -> String {
    String::from_utf8(script.asked().body).unwrap()
}

#[test]
fn messages_are_requests_and_answers_are_messages() {
    let meta = "Set-Meta-User: ann\r\n";
    let script = Script::new(vec![
        events(&format!("Sec-WebSocket-Extensions: grip\r\n{meta}"), "OPEN\r\n"),
        events("", &event("TEXT", "m:hi back")),
        events(
            "Set-Meta-User: \r\n",
            &(event("BINARY", "m:\x01\x02") + &event("TEXT", "unmarked")),
        ),
        events("", &(event("TEXT", "m:a") + &event("PING", "p"))),
    ]);
    let gateway = over_http(&script, "");
    let mut client = gateway.connect();
    let forged = "Meta-User: forged\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    client.get("/socket?x", &format!("{HANDSHAKE}{forged}Cookie: a=b\r\n"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let first = script.asked();
    assert_eq!(first.line(), "POST /socket?x HTTP/1.1");
    for (name, expected) in [
        ("content-type", Some("application/websocket-events")),
        ("accept", Some("application/websocket-events")),
        ("sec-websocket-extensions", Some("grip")),
        ("cookie", Some("a=b")),
        ("meta-user", None),
        ("upgrade", None),
        ("sec-websocket-key", None),
    ] {
        assert_eq!(first.header(name), expected, "{name}");
    }
    assert_eq!(first.body, b"OPEN\r\n");
    client.send(message(TEXT, b"hi"));
    assert_eq!(text(&mut client), "hi back");
    let second = script.asked();
    assert_eq!(second.body, b"TEXT 2\r\nhi\r\n");
    assert_eq!(second.header("meta-user"), Some("ann"));
    assert_eq!(second.header("connection-id").unwrap().len(), 36);
    assert_eq!(second.header("connection-id"), first.header("connection-id"));
    client.send(message(BINARY, b"\x00\xff"));
    assert_eq!(read(&mut client), (0x80 | BINARY, vec![1, 2]));
    assert_eq!(script.asked().body, b"BINARY 2\r\n\x00\xff\r\n");
    client.send(message(PING, b"x"));
    assert_eq!(text(&mut client), "a");
    assert_eq!(read(&mut client), (0x80 | PING, b"p".to_vec()));
    let last = script.asked();
    assert_eq!((&*last.body, last.header("meta-user")), (&b"PING 1\r\nx\r\n"[..], None));
}

#[test]
fn the_client_closes_and_the_application_answers_it() {
    let close = [&b"CLOSE 2\r\n"[..], &4001_u16.to_be_bytes(), b"\r\n"].concat();
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}Content-Length: {}\r\n\r\n", close.len());
    let echoes = [head.as_bytes(), &close].concat();
    for (answer, code) in [(echoes, 4001), (events("", ""), 4000)] {
        let script = Script::new(vec![opening(""), answer]);
        let gateway = over_http(&script, "");
        let mut client = open(&gateway);
        client.send(message(CLOSE, &[&4000_u16.to_be_bytes()[..], b"bye"].concat()));
        assert_eq!(closed(&mut client).0, code);
        client.assert_closed();
        assert_eq!(body(&script), "OPEN\r\n");
        let asked = script.asked().body;
        assert_eq!(asked, [&b"CLOSE 5\r\n"[..], &4000_u16.to_be_bytes(), b"bye\r\n"].concat());
        drop(gateway);
        script.assert_not_asked();
    }
}

#[test]
fn the_application_closes_and_hears_no_more_of_it() {
    // django-grip says 0 where it has no code.
    let zero = [&b"OPEN\r\nCLOSE 2\r\n"[..], &[0, 0], b"\r\n"].concat();
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}Content-Length: {}\r\n\r\n", zero.len());
    let script = Script::new(vec![[head.as_bytes(), &zero].concat()]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    assert_eq!(closed(&mut client).0, 1000);
    client.send(message(CLOSE, &1000_u16.to_be_bytes()));
    client.assert_closed();
    drop(gateway);
    assert_eq!(body(&script), "OPEN\r\n");
    script.assert_not_asked();
}

#[test]
fn a_client_that_vanishes_is_told() {
    let script = Script::new(vec![opening(""), events("", "")]);
    let gateway = over_http(&script, "");
    drop(open(&gateway));
    assert_eq!(body(&script), "OPEN\r\n");
    assert_eq!(body(&script), "DISCONNECT\r\n");
}

#[test]
fn a_client_that_breaks_the_protocol_is_sent_away_and_told() {
    let script = Script::new(vec![opening(""), events("", "")]);
    let gateway = over_http(&script, "push_websocket_max_message = \"10\"");
    let mut client = open(&gateway);
    client.send(message(TEXT, b"more than ten"));
    assert_eq!(closed(&mut client).0, 1009);
    assert_eq!(body(&script), "OPEN\r\n");
    assert_eq!(body(&script), "DISCONNECT\r\n");
}

#[test]
fn channels_come_and_go_as_the_application_says() {
    let subscribe = control(r#"{"type": "subscribe", "channel": "a", "filters": ["skip-self"]}"#)
        + &control(r#"{"type": "set-meta", "name": "user", "value": "me"}"#);
    let unsubscribe = control(r#"{"type": "unsubscribe", "channel": "a"}"#);
    let script = Script::new(vec![opening(&subscribe), events("", &unsubscribe)]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    held(&gateway, 1);
    item(&gateway, r#""meta": {"sender": "me"}, "ws-message": {"content": "own"}"#);
    item(&gateway, r#""http-stream": {"content": "for streams"}"#);
    item(&gateway, r#""ws-message": {"content": "one"}"#);
    assert_eq!(text(&mut client), "one");
    item(&gateway, r#""ws-message": {"content-bin": "AP8="}"#);
    assert_eq!(read(&mut client), (0x80 | BINARY, vec![0, 255]));
    item(&gateway, r#""ws-message": {"type": "pong", "content": "x"}"#);
    assert_eq!(read(&mut client), (0x80 | PONG, b"x".to_vec()));
    gateway.publish("/pub/?id=a", "ordinary");
    assert_eq!(text(&mut client), "ordinary");
    client.send(message(TEXT, b"leave"));
    held(&gateway, 0);
    item(&gateway, r#""ws-message": {"content": "not any more"}"#);
}

#[test]
fn what_is_known_of_a_client_is_bounded() {
    let set = |name: &str, bytes: usize| {
        let value = "x".repeat(bytes);
        control(&format!(r#"{{"type": "set-meta", "name": "{name}", "value": "{value}"}}"#))
    };
    let much = set("a", 10_000) + &set("a", 16_000) + &event("TEXT", "m:fine");
    let script = Script::new(vec![opening(&much), events("", &set("b", 1000)), events("", "")]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    assert_eq!(text(&mut client), "fine");
    client.send(message(TEXT, b"more"));
    assert_eq!(closed(&mut client).0, 1011);
    let many: String = (0..65).map(|number| set(&number.to_string(), 1)).collect();
    let script = Script::new(vec![opening(&many), events("", "")]);
    let gateway = over_http(&script, "");
    assert_eq!(closed(&mut open(&gateway)).0, 1011);
}

#[test]
fn who_publishes_may_close_and_the_application_is_told() {
    let subscribe = control(r#"{"type": "subscribe", "channel": "a"}"#);
    let script = Script::new(vec![opening(&subscribe), events("", "")]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    held(&gateway, 1);
    item(&gateway, r#""ws-message": {"action": "close", "code": 4002, "reason": "kicked"}"#);
    assert_eq!(closed(&mut client), (4002, "kicked".to_owned()));
    client.send(message(CLOSE, &4002_u16.to_be_bytes()));
    client.assert_closed();
    assert_eq!(body(&script), "OPEN\r\n");
    let told = script.asked().body;
    assert_eq!(told, [&b"CLOSE 2\r\n"[..], &4002_u16.to_be_bytes(), b"\r\n"].concat());
}

#[test]
fn a_refresh_asks_the_application_at_once() {
    let subscribe = control(r#"{"type": "subscribe", "channel": "a"}"#);
    let script = Script::new(vec![opening(&subscribe), events("", &event("TEXT", "m:news"))]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    held(&gateway, 1);
    item(&gateway, r#""ws-message": {"action": "refresh"}"#);
    assert_eq!(text(&mut client), "news");
    assert_eq!(body(&script), "OPEN\r\n");
    assert_eq!(body(&script), "");
}

#[test]
fn silence_is_broken_as_the_application_asks() {
    let keep_alive =
        control(r#"{"type": "keep-alive", "content": "k", "message-type": "ping", "timeout": 1}"#);
    let script = Script::new(vec![opening(&keep_alive)]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    for _ in 0..2 {
        assert_eq!(read(&mut client), (0x80 | PING, b"k".to_vec()));
    }
}

#[test]
fn a_detached_client_only_listens() {
    let orders =
        control(r#"{"type": "subscribe", "channel": "a"}"#) + &control(r#"{"type": "detach"}"#);
    let script = Script::new(vec![opening(&orders)]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    held(&gateway, 1);
    client.send(message(TEXT, b"nobody hears it"));
    client.send(message(PING, b"x"));
    assert_eq!(read(&mut client), (0x80 | PONG, b"x".to_vec()));
    item(&gateway, r#""ws-message": {"content": "hi"}"#);
    assert_eq!(text(&mut client), "hi");
    client.send(message(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(closed(&mut client).0, 1000);
    assert_eq!(body(&script), "OPEN\r\n");
    drop(gateway);
    script.assert_not_asked();
}

#[test]
fn a_handshake_may_be_handed_over_in_either_form() {
    let hand_over = b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /inside/?id=a\r\nSet-Cookie: s=1\r\n\
                      Content-Length: 0\r\n\r\n";
    let inside = "[[server.location]]\npath = \"/inside/\"\ninternal = true\n\
                  push_subscriber = [\"websocket\"]\npush_channel_id = \"$arg_id\"\n";
    for (word, line) in
        [("pass", "GET /socket?x HTTP/1.1"), ("over_http", "POST /socket?x HTTP/1.1")]
    {
        let script = Script::new(vec![hand_over.to_vec()]);
        let gateway = script.gateway(&format!("push_grip_websocket = \"{word}\"\n{inside}"));
        let mut client = gateway.connect();
        client.get("/socket?x", HANDSHAKE);
        let head = client.head();
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.contains("Set-Cookie: s=1\r\n"),
            "{head}"
        );
        assert_eq!(script.asked().line(), line);
        gateway.publish("/pub/?id=a", "handed over");
        assert_eq!(text(&mut client), "handed over");
        script.assert_not_asked();
    }
}

#[test]
fn a_handshake_is_passed_on_as_it_is_unless_something_else_is_said() {
    let accepts = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let app = App::start(move |client, _| {
        let asked = asked(client).unwrap();
        assert_eq!(asked.line(), "GET /socket?x HTTP/1.1");
        assert_eq!(asked.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        // It is still a request that the application knows as the gateway's.
        assert!(asked.header("grip-feature").is_some());
        client.send(accepts);
        assert_eq!(client.exactly(8), message(TEXT, b"hi"));
        client.send(b"\x81\x05hello");
        assert!(!client.has_more());
    });
    let gateway = app.gateway("push_grip = true");
    let mut client = open(&gateway);
    client.send(message(TEXT, b"hi"));
    assert_eq!(text(&mut client), "hello");
    drop(client);
    drop(gateway);
}

#[test]
fn what_does_not_open_is_an_answer() {
    let gateway = |first: Vec<u8>| {
        let script = Script::new(vec![first]);
        let gateway = over_http(&script, "");
        (script, gateway)
    };
    let (_script, own) =
        gateway(b"HTTP/1.1 403 No\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno".to_vec());
    let response = own.request("GET", "/", HANDSHAKE, "");
    assert_eq!((response.status, response.text(), response.header("x-a")), (403, "no", Some("b")));
    let (_script, own) = gateway(ok(b"a page"));
    assert_eq!(own.request("GET", "/", HANDSHAKE, "").text(), "a page");
    for (answer, status) in [(events("", "CLOSE\r\n"), 403), (events("", "garbage"), 502)] {
        let (_script, own) = gateway(answer);
        assert_eq!(own.request("GET", "/", HANDSHAKE, "").status, status);
    }
    let (script, own) = gateway(opening(""));
    let old = HANDSHAKE.replace("13", "8");
    assert_eq!(own.request("GET", "/", &old, "").status, 426);
    script.assert_not_asked();
}

#[test]
fn an_application_that_fails_ends_the_conversation() {
    for bad in [
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ok(b"a page"),
        events("", "garbage"),
        events("", &control("[]")),
        events("", &event("TEXT", &format!("m:{}", "x".repeat(1 << 20)))),
    ] {
        let script = Script::new(vec![opening(""), bad]);
        let gateway = over_http(&script, "");
        let mut client = open(&gateway);
        client.send(message(TEXT, b"hi"));
        assert_eq!(closed(&mut client).0, 1011);
    }
}

#[test]
fn an_application_that_restarts_is_waited_for() {
    let stopped = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stopped.local_addr().unwrap();
    drop(stopped);
    let location = format!(
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{address}\"\npush_grip = true\n\
         push_grip_websocket = \"over_http\"\n{STATUS}"
    );
    let gateway = Gateway::start_root("workers = 1", &location);
    let mut client = gateway.connect();
    client.get("/socket", HANDSHAKE);
    // The first attempt fails before there is somebody.
    waiting(&gateway, 1);
    let opens = opening(&event("TEXT", "m:back"));
    let _app = App::start_at(address, move |client, _| {
        while asked(client).is_some() {
            client.send(opens.clone());
        }
    });
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(text(&mut client), "back");
    drop(client);
    drop(gateway);
}

#[test]
fn an_event_is_told_once_to_an_application_that_leaves_over_it() {
    let (tell, hears) = mpsc::channel();
    let tell = Mutex::new(tell);
    let app = App::start(move |client, _| {
        let Some(opens) = asked(client) else { return };
        tell.lock().unwrap().send(opens.body).unwrap();
        client.send(opening(""));
        // The connection ends over what is told next.
        if let Some(told) = asked(client) {
            tell.lock().unwrap().send(told.body).unwrap();
        }
    });
    let location = format!(
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{}\"\npush_grip = true\n\
         push_grip_websocket = \"over_http\"\n",
        app.address
    );
    let gateway = Gateway::start_root("workers = 1", &location);
    let mut client = open(&gateway);
    client.send(message(TEXT, b"once"));
    // The conversation ends, as the application's word on it is not known.
    assert_eq!(closed(&mut client).0, 1011);
    drop(client);
    drop(gateway);
    drop(app);
    let told = event("TEXT", "once");
    let times = hears.iter().filter(|body| *body == told.as_bytes()).count();
    assert_eq!(times, 1);
}
