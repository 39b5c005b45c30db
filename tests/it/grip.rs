//! GRIP: an application has its requests held, and publishes what they are answered.

use std::{
    io::Write,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
};

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

use crate::{
    app::{self, App, Asked, ok},
    harness::{Client, Gateway, PATIENCE, Response},
};

/// An application that answers its requests one after the other with what it is given, and tells what
/// it was asked.
pub struct Script {
    pub app: App,
    asked: Receiver<Asked>,
}

impl Script {
    /// Answers with these, and with the last of them again and again.
    pub fn new(answers: Vec<Vec<u8>>) -> Self {
        let (tell, asked) = channel();
        let (left, tell) = (Mutex::new(answers), Mutex::new(tell));
        let answer = move |asked: Asked| {
            let mut left = left.lock().unwrap();
            let next = if left.len() > 1 { left.remove(0) } else { left[0].clone() };
            // Whoever asks late is not listened to any more.
            let _ = tell.lock().unwrap().send(asked);
            next
        };
        let app = App::start(move |client, _| {
            while let Some(asked) = app::asked(client) {
                // What is too large is not read to its end.
                if client.stream.write_all(&answer(asked)).is_err() {
                    return;
                }
            }
        });
        Self { app, asked }
    }

    /// The next request.
    pub fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// Nothing has been asked beside what was looked at.
    pub fn assert_not_asked(&self) {
        assert!(self.asked.try_recv().is_err());
    }

    /// A gateway in front of it that takes items, and has ordinary locations of the same channels.
    pub fn gateway(&self, keys: &str) -> Gateway {
        gateway(&self.app, keys)
    }
}

/// As [`Script::gateway`], in front of any application.
pub fn gateway(app: &App, keys: &str) -> Gateway {
    let held = format!("push_grip = true\npush_channel_timeout = \"1m\"\n{keys}");
    let locations = format!("{}{ITEMS}{ORDINARY}", app.location(&held));
    Gateway::start_root("workers = 1\nshutdown_timeout = \"2s\"", &locations)
}

const ITEMS: &str = "[[server.location]]\npath = \"/grip/publish/\"\npush_grip_publish = true\n";
const ORDINARY: &str = "[[server.location]]\npath = \"/pub/\"\npush_publisher = true\n\
                        push_channel_id = \"$arg_id\"\n\
                        [[server.location]]\npath = \"/listen/\"\npush_subscriber = [\"long-poll\"]\n\
                        push_channel_id = \"$arg_id\"\n";

/// An answer with header lines.
pub fn answer(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into()
}

/// An answer that holds for `a`.
pub fn hold(mode: &str, headers: &str, body: &str) -> Vec<u8> {
    answer(&format!("Grip-Hold: {mode}\r\nGrip-Channel: a\r\n{headers}"), body)
}

pub fn publish(gateway: &Gateway, items: &str) -> Response {
    let body = format!("{{\"items\": [{items}]}}");
    gateway.request("POST", "/grip/publish/", "Content-Type: application/json\r\n", &body)
}

/// Publishes an item to `a`.
pub fn item(gateway: &Gateway, fields: &str) {
    let answer = publish(gateway, &format!("{{\"channel\": \"a\", {fields}}}"));
    assert_eq!((answer.status, answer.text()), (200, "Published\n"), "{fields}");
}

pub fn stream(content: &str) -> String {
    format!("\"http-stream\": {{\"content\": \"{content}\"}}")
}

/// An item with its own id, and that of the one before it.
fn numbered(gateway: &Gateway, id: usize) {
    let content = stream(&format!("{id};"));
    item(gateway, &format!("\"id\": \"{id}\", \"prev-id\": \"{}\", {content}", id - 1));
}

/// Waits until so many wait for `a`.
pub fn held(gateway: &Gateway, number: usize) {
    gateway.wait_for_subscribers("/pub/?id=a", number);
}

pub fn get(gateway: &Gateway, target: &str) -> Client {
    let mut client = gateway.connect();
    client.get(target, "");
    client
}

/// A client whose stream has begun with a body.
pub fn begun(gateway: &Gateway, body: &str) -> Client {
    let mut client = get(gateway, "/");
    client.head();
    assert_eq!(client.exactly_chunked(body.len()), body.as_bytes());
    client
}

#[test]
fn a_request_is_held_for_its_answer() {
    let script = Script::new(vec![hold("response", "X-Own: 1\r\n", "none")]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/wait");
    let asked = script.asked();
    assert_eq!(asked.line(), "GET /wait HTTP/1.1");
    assert!(asked.header("grip-feature").unwrap().contains("link:next, link:gone"));
    held(&gateway, 1);
    item(&gateway, &stream("for streams alone"));
    item(
        &gateway,
        r#""http-response": {"code": 201, "reason": "Made", "body": "hi",
            "headers": {"Content-Type": "text/x", "X-A": "b", "Transfer-Encoding": "chunked"}}"#,
    );
    let response = client.response();
    assert!(response.head.starts_with("HTTP/1.1 201 Made\r\n"), "{}", response.head);
    assert_eq!((response.text(), response.header("x-a")), ("hi", Some("b")));
    assert_eq!(response.header("content-type"), Some("text/x"));
    assert_eq!(response.header("x-own"), None);
    // And the connection goes on.
    client.get("/again", "");
    held(&gateway, 1);
    item(&gateway, r#""http-response": {"body": "again"}"#);
    assert_eq!(client.response().text(), "again");
}

#[test]
fn time_is_up_with_the_answer_of_the_application() {
    let timeout = "Grip-Timeout: 5\r\nX-Own: 1\r\n";
    let status = format!("{timeout}Grip-Status: 304 Nothing\r\n");
    let script =
        Script::new(vec![hold("response", timeout, "none"), hold("response", &status, "")]);
    let gateway = script.gateway("");
    let mut one = get(&gateway, "/");
    script.asked();
    let mut two = get(&gateway, "/");
    let response = one.response();
    assert_eq!((response.status, response.text()), (200, "none"));
    assert_eq!(response.header("x-own"), Some("1"));
    assert!(!response.head.to_lowercase().contains("grip-"), "{}", response.head);
    let response = two.response();
    assert!(response.head.starts_with("HTTP/1.1 304 Nothing\r\n"), "{}", response.head);
}

#[test]
fn a_stream_goes_on_with_what_is_published() {
    let script = Script::new(vec![hold("stream", "Content-Type: text/plain\r\n", "begin\n")]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/");
    let head = client.head();
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("grip-") && !head.contains("Content-Length"), "{head}");
    assert_eq!(client.chunk().unwrap(), b"begin\n");
    item(&gateway, &stream("one\\n"));
    assert_eq!(client.chunk().unwrap(), b"one\n");
    item(&gateway, r#""http-stream": {"content-bin": "AAH/"}"#);
    assert_eq!(client.chunk().unwrap(), b"\x00\x01\xff");
    // A message of an ordinary publisher is a part of it, too.
    gateway.publish("/pub/?id=a", "plain");
    assert_eq!(client.chunk().unwrap(), b"plain");
    item(&gateway, r#""http-stream": {"action": "close"}"#);
    assert_eq!(client.chunk(), None);
    held(&gateway, 0);
}

#[test]
fn ordinary_subscribers_get_items_as_messages() {
    let script = Script::new(vec![ok(b"")]);
    let gateway = script.gateway("");
    item(&gateway, r#""http-response": {"body": "r", "headers": {"Content-Type": "text/x"}}"#);
    let response = gateway.request("GET", "/listen/?id=a", "", "");
    assert_eq!((response.text(), response.header("content-type")), ("r", Some("text/x")));
}

#[test]
fn silence_is_broken_as_the_application_asks() {
    let keep_alive = "Grip-Keep-Alive: :\\n\\n; format=cstring; timeout=1\r\n";
    let script = Script::new(vec![hold("stream", keep_alive, "begin\n")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin\n");
    for _ in 0..2 {
        assert_eq!(client.chunk().unwrap(), b":\n\n");
    }
    item(&gateway, &stream("x"));
    assert_eq!(client.chunk().unwrap(), b"x");
    assert_eq!(client.chunk().unwrap(), b":\n\n");
}

#[test]
fn pages_follow_each_other_and_then_what_is_published() {
    let next = "Grip-Link: <?page=2>; rel=next\r\nContent-Type: text/plain\r\n";
    let link =
        "Grip-Link: </rest>; rel=next\r\nGrip-Channel: a; prev-id=2\r\nGrip-Hold: stream\r\n";
    let script = Script::new(vec![answer(next, "one;"), answer(link, "two;")]);
    let gateway = script.gateway("");
    let mut client = gateway.connect();
    client.get(
        "/list?page=1",
        "Cookie: a=b\r\nGrip-Last: a; last-id=forged\r\nIf-Match: x\r\nLast-Event-ID: 1\r\n",
    );
    assert!(client.head().contains("Content-Type: text/plain\r\n"));
    assert_eq!(client.exactly_chunked(8), b"one;two;");
    let first = script.asked();
    assert_eq!((first.header("grip-last"), first.header("last-event-id")), (None, Some("1")));
    let asked = script.asked();
    assert_eq!(asked.line(), "GET /list?page=2 HTTP/1.1");
    assert_eq!((asked.header("cookie"), asked.header("if-match")), (Some("a=b"), None));
    // The link says where the client is, and not what it said at first.
    assert_eq!(asked.header("last-event-id"), None);
    numbered(&gateway, 3);
    assert_eq!(client.chunk().unwrap(), b"3;");
}

#[test]
fn what_was_never_published_the_application_tells() {
    let link = "Grip-Link: </next?x>; rel=next\r\nGrip-Hold: stream\r\n";
    let holding = |last| answer(&format!("{link}Grip-Channel: a; prev-id={last}\r\n"), "");
    let told = answer(&format!("{link}Grip-Channel: a; prev-id=4\r\n"), "3;4;");
    let script = Script::new(vec![holding(1), told, holding(9)]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/");
    client.head();
    script.asked();
    held(&gateway, 1);
    numbered(&gateway, 2);
    assert_eq!(client.chunk().unwrap(), b"2;");
    numbered(&gateway, 4);
    let asked = script.asked();
    assert_eq!(asked.line(), "GET /next?x HTTP/1.1");
    assert_eq!(asked.header("grip-last"), Some("a; last-id=2"));
    assert_eq!(client.exactly_chunked(4), b"3;4;");
    // What has been told is not sent again, and what comes twice neither.
    for id in [5, 4, 5, 6] {
        numbered(&gateway, id);
    }
    assert_eq!(client.exactly_chunked(4), b"5;6;");
    script.assert_not_asked();
}

#[test]
fn items_that_overtake_each_other_are_put_in_order() {
    let link = "Grip-Link: </next>; rel=next\r\n";
    let script = Script::new(vec![answer(
        &format!("{link}Grip-Hold: stream\r\nGrip-Channel: a; prev-id=1\r\n"),
        "begin;",
    )]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    script.asked();
    for id in [4, 3, 2] {
        numbered(&gateway, id);
    }
    assert_eq!(client.exactly_chunked(6), b"2;3;4;");
    script.assert_not_asked();
}

#[test]
fn what_is_kept_since_the_application_answered_is_sent_without_asking_it() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Hold: stream\r\n";
    let channel = "Grip-Channel: a; prev-id=2\r\n";
    let script = Script::new(vec![answer(&format!("{link}{channel}"), "begin;")]);
    let gateway = script.gateway("");
    for id in 1..=4 {
        numbered(&gateway, id);
    }
    let mut client = begun(&gateway, "begin;");
    assert_eq!(client.exactly_chunked(4), b"3;4;");
    script.asked();
    script.assert_not_asked();
}

#[test]
fn what_is_kept_no_more_the_application_is_asked_for() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Hold: stream\r\n";
    let channel = |last| format!("Grip-Channel: a; prev-id={last}\r\n");
    let first = answer(&format!("{link}{}", channel(2)), "begin;");
    let then = answer(&format!("{link}{}", channel(20)), "3-20;");
    let wait = |last| {
        answer(&format!("Grip-Hold: response\r\nGrip-Timeout: 5\r\n{}", channel(last)), "waited")
    };
    let script = Script::new(vec![first, then, wait(2), answer("X-Now: 1\r\n", "now")]);
    let gateway = script.gateway("");
    for id in 1..=20 {
        numbered(&gateway, id);
    }
    let mut client = begun(&gateway, "begin;");
    assert_eq!(client.exactly_chunked(5), b"3-20;");
    script.asked();
    assert_eq!(script.asked().header("grip-last"), Some("a; last-id=2"));
    // So does a request that waits for its answer.
    let response = gateway.request("GET", "/wait", "", "");
    assert_eq!((response.text(), response.header("x-now")), ("now", Some("1")));
    script.asked();
    let asked = script.asked();
    assert_eq!(
        (asked.line(), asked.header("grip-last")),
        ("GET /wait HTTP/1.1", Some("a; last-id=2"))
    );
}

#[test]
fn a_hint_lets_the_application_tell() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n";
    let script = Script::new(vec![
        answer(link, "begin;"),
        answer(link, "more;"),
        hold("response", "", ""),
        answer("", "told"),
    ]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    item(&gateway, r#""http-stream": {"action": "hint"}"#);
    assert_eq!(client.exactly_chunked(5), b"more;");
    drop(client);
    held(&gateway, 0);
    let mut client = get(&gateway, "/");
    held(&gateway, 1);
    item(&gateway, r#""http-response": {"action": "hint"}"#);
    assert_eq!(client.response().text(), "told");
}

#[test]
fn a_client_that_leaves_is_told_where_the_application_asked_for_it() {
    for mode in ["stream", "response"] {
        let gone = "Grip-Link: </gone?x>; rel=gone\r\nGrip-Timeout: 60\r\n";
        let script = Script::new(vec![hold(mode, gone, "begin;")]);
        let gateway = script.gateway("");
        let client = get(&gateway, "/");
        script.asked();
        held(&gateway, 1);
        drop(client);
        assert_eq!(script.asked().line(), "POST /gone?x HTTP/1.1", "{mode}");
        held(&gateway, 0);
    }
}

#[test]
fn filters_make_that_clients_read_different_things() {
    let channel = |user: &str| {
        format!(
            "Grip-Hold: stream\r\nGrip-Link: </n>; rel=next\r\n\
             Grip-Channel: a; prev-id=1; filter=build-id; filter=skip-users; filter=skip-self\r\n\
             Grip-Channel: b; filter=require-sub\r\n\
             Grip-Set-Meta: user=\"{user}\", id_format=\"a:%(a)s\"\r\n"
        )
    };
    let script = Script::new(vec![
        answer(&channel("one"), "id %I 100%%;"),
        answer(&channel("two"), "id %I 100%%;"),
    ]);
    let gateway = script.gateway("");
    let mut one = begun(&gateway, "id a:1 100%;");
    let mut two = begun(&gateway, "id a:1 100%;");
    let built = r#""http-stream": {"content": "%I;", "content-filters": ["build-id"]}"#;
    item(&gateway, &format!(r#""id": "2", "prev-id": "1", {built}"#));
    for client in [&mut one, &mut two] {
        assert_eq!(client.chunk().unwrap(), b"a:2;");
    }
    let skips = r#""meta": {"skip_users": "one,three"}"#;
    item(&gateway, &format!(r#""id": "3", "prev-id": "2", {skips}, {built}"#));
    item(&gateway, &format!(r#""id": "4", "prev-id": "3", "meta": {{"sender": "two"}}, {built}"#));
    assert_eq!(one.chunk().unwrap(), b"a:4;");
    assert_eq!(two.chunk().unwrap(), b"a:3;");
    // Written for other filters than theirs.
    let other = r#""http-stream": {"content": "%I", "content-filters": ["var-subst"]}"#;
    item(&gateway, &format!(r#""id": "5", "prev-id": "4", {other}"#));
    for (name, content) in [("c", "not"), ("a", "kick")] {
        let meta = format!(r#""meta": {{"require_sub": "{name}"}}"#);
        let answer =
            publish(&gateway, &format!(r#"{{"channel": "b", {meta}, {}}}"#, stream(content)));
        assert_eq!(answer.status, 200);
    }
    for client in [&mut one, &mut two] {
        assert_eq!(client.chunk().unwrap(), b"kick");
    }
}

#[test]
fn instructions_may_be_a_body() {
    let json = |json: &str| answer("Content-Type: application/grip-instruct\r\nX-Own: 1\r\n", json);
    let response = r#""response": {"code": 202, "headers": {"X-A": "b"}, "body": "late"}"#;
    let script = Script::new(vec![
        json(&format!(
            r#"{{"hold": {{"channels": [{{"name": "a"}}], "timeout": 5}}, {response}}}"#
        )),
        json(
            r#"{"hold": {"mode": "stream", "channels": [{"name": "a"}]}, "response": {"body": "x"}}"#,
        ),
        json(&format!("{{{response}}}")),
    ]);
    let gateway = script.gateway("");
    let mut waits = get(&gateway, "/");
    script.asked();
    let mut client = begun(&gateway, "x");
    item(&gateway, &stream("y"));
    assert_eq!(client.chunk().unwrap(), b"y");
    for response in [waits.response(), gateway.request("GET", "/", "", "")] {
        assert_eq!((response.status, response.text()), (202, "late"));
        assert_eq!((response.header("x-a"), response.header("x-own")), (Some("b"), None));
        assert_eq!(response.header("content-type"), None);
    }
}

#[test]
fn instructions_that_cannot_be_followed_are_an_error_with_a_reason() {
    let cases = [
        (answer("Grip-Hold: both\r\n", ""), "Grip-Hold is neither response nor stream."),
        (answer("Grip-Hold: stream\r\n", ""), "There is a hold and no channel."),
        (
            hold("response", "Grip-Timeout: soon\r\n", ""),
            "Grip-Timeout has a time that is no number of seconds.",
        ),
        (
            answer("Grip-Hold: response\r\nGrip-Channel: a; filter=x\r\n", ""),
            "Grip-Channel names a filter that there is not.",
        ),
        (
            answer("Content-Type: application/grip-instruct\r\n", "{\"hold\": 1}"),
            "hold is no object.",
        ),
    ];
    for (bad, why) in cases {
        let script = Script::new(vec![bad]);
        let gateway = script.gateway("");
        let response = gateway.request("GET", "/", "", "");
        let expected = format!("The application's GRIP instructions cannot be followed. {why}");
        assert_eq!((response.status, response.text()), (502, &*expected));
    }
}

#[test]
fn an_answer_that_is_too_large_to_be_held_is_refused() {
    let script = Script::new(vec![hold("response", "", &"x".repeat((1 << 20) + 1))]);
    let gateway = script.gateway("");
    let response = gateway.request("GET", "/", "", "");
    assert_eq!((response.status, response.text()), (502, "The application's answer is too large."));
}

#[test]
fn what_holds_nothing_is_passed_back_without_instructions() {
    let script =
        Script::new(vec![answer("Grip-Channel: a\r\nGrip-Set-Meta: a=b\r\nX-A: b\r\n", "page")]);
    let gateway = script.gateway("");
    for method in ["GET", "POST"] {
        let response = gateway.request(method, "/", "", "");
        assert_eq!((response.status, response.text()), (200, "page"), "{method}");
        assert!(!response.head.to_lowercase().contains("grip-"), "{}", response.head);
        assert_eq!(response.header("x-a"), Some("b"));
    }
    let script = Script::new(vec![
        b"HTTP/1.1 200 OK\r\nGrip-Hold: response\r\nGrip-Channel: a\r\n\r\n".to_vec(),
    ]);
    let gateway = script.gateway("");
    let mut client = gateway.connect();
    client.request("HEAD", "/", "", "");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn without_push_grip_headers_mean_nothing() {
    let script = Script::new(vec![hold("response", "", "now")]);
    let gateway = script.app.gateway("");
    let response = gateway.request("GET", "/", "Grip-Sig: forged\r\n", "");
    assert_eq!((response.text(), response.header("grip-hold")), ("now", Some("response")));
    assert_eq!(script.asked().header("grip-sig"), Some("forged"));
}

#[test]
fn requests_are_signed_and_what_clients_say_of_grip_is_dropped() {
    let script = Script::new(vec![ok(b"")]);
    let secret = "0123456789abcdef0123456789abcdef";
    let key = format!("push_grip_key = \"HS256 text:{secret}\"\npush_grip_issuer = \"me\"");
    let gateway = script.gateway(&key);
    let forged = "Grip-Sig: forged\r\nGrip-Feature: x\r\nGrip-Last: a\r\nAccept-Encoding: gzip\r\n";
    gateway.request("GET", "/", forged, "");
    let asked = script.asked();
    for name in ["grip-last", "accept-encoding"] {
        assert_eq!(asked.header(name), None);
    }
    let key = DecodingKey::from_secret(secret.as_bytes());
    let sig = asked.header("grip-sig").unwrap();
    let sig = decode::<Value>(sig, &key, &Validation::default()).unwrap();
    assert_eq!(sig.claims["iss"], "me");
}

#[test]
fn a_server_that_shuts_down_ends_what_is_held() {
    let script = Script::new(vec![
        hold("stream", "", "begin;"),
        hold("response", "Grip-Timeout: 60\r\n", "up"),
    ]);
    let mut gateway = script.gateway("");
    let mut streams = begun(&gateway, "begin;");
    let mut waits = get(&gateway, "/");
    held(&gateway, 2);
    gateway.stop();
    assert_eq!(streams.chunk(), None);
    assert_eq!(waits.response().text(), "up");
    gateway.join();
}

#[test]
fn a_deleted_channel_ends_what_is_held() {
    let script = Script::new(vec![hold("stream", "", "begin;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    assert_eq!(gateway.request("DELETE", "/pub/?id=a", "", "").status, 200);
    assert_eq!(client.chunk(), None);
}

#[test]
fn items_are_taken_all_or_none() {
    let script = Script::new(vec![hold("stream", "", "begin;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    let good = format!("{{\"channel\": \"a\", {}}}", stream("good;"));
    let bad = r#"{"channel": "a", "http-response": {"code": "body"}}"#;
    let response = publish(&gateway, &format!("{good}, {bad}"));
    let why = "items[1].http-response.code is no number from 0 on.";
    assert_eq!((response.status, response.text()), (400, why));
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(publish(&gateway, "").status, 200);
    assert_eq!(publish(&gateway, &format!("{good}, {good}")).status, 200);
    assert_eq!(client.exactly_chunked(10), b"good;good;");
    let response = gateway.request("GET", "/grip/publish/", "", "");
    assert_eq!((response.status, response.header("allow")), (405, Some("POST, OPTIONS")));
    let body = "{\"items\": []}";
    let json = "Accept: application/json\r\n";
    let response = gateway.request("POST", "/grip/publish/", json, body);
    assert_eq!(response.text(), "{\"message\":\"Published\"}\n");
    let foreign = "Origin: http://evil.example\r\n";
    assert_eq!(gateway.request("POST", "/grip/publish/", foreign, body).status, 403);
    let long = "x".repeat(1025);
    let long = format!("{{\"channel\": \"{long}\", {}}}", stream("x"));
    assert_eq!(publish(&gateway, &long).status, 403);
}

#[test]
fn with_a_key_publishers_have_to_show_it_and_no_grip_sig_does() {
    let secret = "0123456789abcdef0123456789abcdef";
    let script = Script::new(vec![ok(b"")]);
    let key = format!("push_grip_key = \"HS256 text:{secret}\"\n");
    let location = script.app.location(&format!("push_grip = true\n{key}"));
    let gateway = Gateway::start(&format!("{location}{ITEMS}{key}"));
    let post = |bearer: &str| {
        let authorization = format!("Authorization: Bearer {bearer}\r\n");
        let body = "{\"items\": []}";
        let response = gateway.request("POST", "/grip/publish/", &authorization, body);
        (response.status, response.text().to_owned())
    };
    let none = gateway.request("POST", "/grip/publish/", "", "{\"items\": []}");
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(post("wrong").0, 401);
    assert_eq!(post(secret).0, 200);
    // What pubcontrol signs; the issuer may have the gateway's name.
    let own = EncodingKey::from_secret(secret.as_bytes());
    let token = |claims: Value| encode(&Header::default(), &claims, &own).unwrap();
    let soon = pushgate::credentials::expires_in(60);
    assert_eq!(post(&token(json!({ "iss": "pushgate", "exp": soon }))).0, 200);
    assert_eq!(post(&token(json!({ "exp": soon }))).0, 200);
    assert_eq!(post(&token(json!({ "exp": 1 }))), (401, "The token has expired.".to_owned()));
    gateway.request("GET", "/", "", "");
    let asked = script.asked();
    let why = "The token is a Grip-Sig, which is for the application: publishers sign their own.";
    assert_eq!(post(asked.header("grip-sig").unwrap()), (401, why.to_owned()));
}

#[test]
fn an_application_that_fails_for_a_moment_is_asked_again_for_what_follows() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Hold: stream\r\nGrip-Channel: a\r\n";
    let script = Script::new(vec![
        answer(link, "begin;"),
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        answer(&link.replace("/next", "/last"), "again;"),
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    item(&gateway, r#""http-stream": {"action": "hint"}"#);
    assert_eq!(client.exactly_chunked(6), b"again;");
    item(&gateway, r#""http-stream": {"action": "hint"}"#);
    // Nobody may take this for the end.
    client.assert_closed();
    let lines: Vec<_> = (0..4).map(|_| script.asked().line().to_owned()).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let [first, next, last] = ["/", "/next", "/last"].map(|path| format!("GET {path} HTTP/1.1"));
    assert_eq!(lines, [&*first, &next, &next, &last]);
}

#[test]
fn a_client_that_reads_nothing_for_a_while_misses_nothing_that_is_kept() {
    let script = Script::new(vec![hold("stream", "", "begin;")]);
    let held_long = "push_max_message_buffer_length = 2000\n";
    let location = script.app.location("push_grip = true\n");
    let gateway =
        Gateway::start_root("workers = 1", &format!("{location}{ITEMS}{held_long}{ORDINARY}"));
    let mut client = begun(&gateway, "begin;");
    let filler = "x".repeat(20_000);
    let expected: Vec<String> = (0..600).map(|number| format!("{number} {filler};")).collect();
    for part in expected.chunks(20) {
        let items: Vec<_> =
            part.iter().map(|text| format!("{{\"channel\": \"a\", {}}}", stream(text))).collect();
        assert_eq!(publish(&gateway, &items.join(",")).status, 200);
    }
    for text in &expected {
        assert_eq!(client.exactly_chunked(text.len()), text.as_bytes());
    }
}

#[test]
fn what_is_published_while_the_application_is_asked_again_is_the_answer() {
    let (tell, told) = channel();
    let (permit, permits) = channel();
    let (tell, permits) = (Mutex::new(tell), Mutex::new(permits));
    let app = App::start(move |client, _| {
        while app::asked(client).is_some() {
            tell.lock().unwrap().send(()).unwrap();
            permits.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            client.send(hold("response", "Grip-Timeout: 300\r\n", "nothing"));
        }
    });
    let gateway = gateway(&app, "");
    let mut client = get(&gateway, "/wait");
    told.recv_timeout(PATIENCE).unwrap();
    permit.send(()).unwrap();
    held(&gateway, 1);
    item(&gateway, r#""http-response": {"action": "hint"}"#);
    told.recv_timeout(PATIENCE).unwrap();
    item(&gateway, r#""http-response": {"body": "meanwhile"}"#);
    permit.send(()).unwrap();
    assert_eq!(client.response().text(), "meanwhile");
}

/// An application whose connections can be cut.
pub struct Mortal {
    pub app: App,
    lines: Arc<Mutex<Vec<TcpStream>>>,
    asked: Receiver<Asked>,
}

impl Mortal {
    /// One at an address that always says the same.
    pub fn start(address: SocketAddr, answer: Vec<u8>) -> Self {
        let (tell, asked) = channel();
        let (tell, lines) = (Mutex::new(tell), Arc::default());
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::clone(&lines);
        let app = App::start_at(address, move |client, _| {
            open.lock().unwrap().push(client.stream.try_clone().unwrap());
            while let Some(asked) = app::asked(client) {
                tell.lock().unwrap().send(asked).unwrap();
                client.send(&answer);
            }
        });
        Self { app, lines, asked }
    }

    /// One at an address of its own.
    pub fn new(answer: Vec<u8>) -> Self {
        Self::start("127.0.0.1:0".parse().unwrap(), answer)
    }

    /// As [`Script::gateway`].
    pub fn gateway(&self, keys: &str) -> Gateway {
        gateway(&self.app, keys)
    }

    /// The next request.
    pub fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// Ends it with all of its connections, as the end of its process would.
    pub fn kill(self) {
        for line in self.lines.lock().unwrap().drain(..) {
            // It may have ended already.
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn who_is_held_does_not_notice_that_the_application_is_killed_and_comes_back() {
    const CLIENTS: usize = 50;
    let link = "Grip-Link: </next>; rel=next; timeout=300\r\n";
    let first = Mortal::new(hold("stream", link, "begin;"));
    let address = first.app.address;
    let gateway = first.gateway("proxy_connect_retry = 0\n");
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| begun(&gateway, "begin;")).collect();
    let mut waits = |text: &str| {
        for client in &mut clients {
            assert_eq!(client.exactly_chunked(text.len()), text.as_bytes());
        }
    };
    held(&gateway, CLIENTS);
    first.kill();
    assert_eq!(gateway.request("GET", "/", "", "").status, 502);
    for text in ["while;", "it is;", "away;"] {
        item(&gateway, &stream(text));
        waits(text);
    }
    // Who has to ask now is told nothing of it either.
    item(&gateway, r#""http-stream": {"action": "hint"}"#);
    assert_eq!(gateway.request("GET", "/", "", "").status, 502);
    let second = Mortal::start(address, hold("stream", link, "back;"));
    waits("back;");
    for _ in 0..CLIENTS {
        assert_eq!(second.asked().line(), "GET /next HTTP/1.1");
    }
    held(&gateway, CLIENTS);
    item(&gateway, &stream("and on;"));
    waits("and on;");
    assert!(second.asked.try_recv().is_err());
    second.kill();
}
