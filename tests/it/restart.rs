//! The application goes away and comes back: who waits, notices a pause at most.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use crate::{
    app::{App, Asked, asked, ok},
    farewells::notices,
    grip::{Mortal, begun, get, held, hold, item, stream},
    grip_socket::{event, events, open, opening},
    harness::{Client, Gateway, PATIENCE},
    hooked::{self, YES},
    websocket::{CLOSE, TEXT, closed, message, text},
};

pub const AWAY: &str = "The application cannot be reached.";

pub const ROOT: &str = "workers = 1\nshutdown_timeout = \"1h\"";
/// What [`waiting`] asks.
pub const STATUS: &str =
    "\n[[server.location]]\npath = \"= /status\"\npush_status = true\naccess = [\"allow all\"]\n";

/// An address that nobody listens on.
pub fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn location(address: SocketAddr, keys: &str) -> String {
    format!("[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{address}\"\n{keys}\n")
}

/// A gateway before an application that is not there.
pub fn before(address: SocketAddr, keys: &str) -> Gateway {
    Gateway::start_root(ROOT, &(location(address, keys) + STATUS))
}

/// One that is there now, says `back` to everybody, and tells what it was asked.
fn start(address: SocketAddr) -> (App, mpsc::Receiver<Asked>) {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let app = App::start_at(address, move |client, _| {
        while let Some(asked) = asked(client) {
            // A test that has seen enough is not interested in more.
            let _ = tell.lock().unwrap().send(asked);
            client.send(ok(b"back"));
        }
    });
    (app, told)
}

/// Waits until so many wait for an application that is not there.
pub fn waiting(gateway: &Gateway, number: usize) {
    let begin = Instant::now();
    loop {
        let answer = gateway.request("GET", "/status", "Accept: application/json\r\n", "");
        let status: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        let now = &status["application"]["waiting"];
        if *now == number {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{now} wait, and not {number}");
    }
}

#[test]
fn who_asks_while_it_restarts_is_answered_when_it_is_back() {
    let address = nowhere();
    let gateway = before(address, "proxy_connect_retry = \"1m\"");
    let mut waits: Vec<Client> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut waits {
        client.get("/page", "");
    }
    for (method, body) in [("PUT", "put"), ("POST", "posted")] {
        let mut client = gateway.connect();
        client.request(method, "/page", "", body);
        waits.push(client);
    }
    let mut leaves = gateway.connect();
    leaves.get("/left", "");
    waiting(&gateway, 23);
    drop(leaves);
    waiting(&gateway, 22);
    let (app, told) = start(address);
    for client in &mut waits {
        assert_eq!(client.response().text(), "back");
    }
    waiting(&gateway, 0);
    drop(gateway);
    drop(app);
    let lines: Vec<_> = told.iter().map(|asked| (asked.line().to_owned(), asked.body)).collect();
    assert_eq!(lines.len(), 22);
    for (method, body) in [("PUT", "put"), ("POST", "posted")] {
        assert!(lines.contains(&(format!("{method} /page HTTP/1.1"), body.into())), "{lines:?}");
    }
}

#[test]
fn it_is_waited_for_so_long_and_no_longer() {
    let gateway = before(nowhere(), "proxy_connect_retry = \"600ms\"");
    let begin = Instant::now();
    let answer = gateway.request("GET", "/", "", "");
    assert_eq!((answer.status, answer.text()), (502, AWAY));
    assert!(begin.elapsed() >= Duration::from_millis(600), "{:?}", begin.elapsed());
}

#[test]
fn so_many_wait_and_others_are_told_at_once() {
    const WAITERS: usize = 1024;
    let gateway = before(nowhere(), "proxy_connect_retry = \"1h\"");
    let mut waits: Vec<Client> = (0..WAITERS).map(|_| gateway.connect()).collect();
    for client in &mut waits {
        client.get("/", "");
    }
    waiting(&gateway, WAITERS);
    for method in ["GET", "POST"] {
        let answer = gateway.request(method, "/", "", "");
        assert_eq!((answer.status, answer.text()), (502, AWAY), "{method}");
    }
    // When one leaves, there is room for another.
    drop(waits.pop());
    waiting(&gateway, WAITERS - 1);
    let mut client = gateway.connect();
    client.get("/", "");
    waiting(&gateway, WAITERS);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_once_more() {
    let asks = Arc::new(AtomicUsize::new(0));
    let count = asks.clone();
    let app = App::start(move |client, _| {
        if asked(client).is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let gateway = app.gateway("proxy_connect_retry = \"1m\"");
    let answer = gateway.request("GET", "/", "", "");
    let why = "The application closed the connection without an answer.";
    assert_eq!((answer.status, answer.text()), (502, why));
    assert_eq!(asks.load(Ordering::SeqCst), 2);
    assert_eq!(gateway.request("POST", "/", "", "").status, 502);
    assert_eq!(asks.load(Ordering::SeqCst), 3);
}

#[test]
fn who_has_to_be_asked_about_waits_and_is_admitted_later() {
    let address = nowhere();
    let ask = format!("push_authorize_request = \"http://{address}/may\"\n");
    let gateway = hooked::start(address, "hall", "", &format!("{ask}proxy_connect_retry = \"1m\""));
    let mut client = gateway.connect();
    client.get("/sub?id=1", "Accept: text/event-stream\r\n");
    gateway.publish("/pub?id=1", "first");
    let app = App::start_at(address, |client, _| {
        while asked(client).is_some() {
            client.send(YES);
        }
    });
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    drop((gateway, app));
}

#[test]
fn a_poll_whose_application_is_away_when_it_is_asked_again_goes_on_waiting() {
    let wait = |timeout: u32| hold("response", &format!("Grip-Timeout: {timeout}\r\n"), "nothing");
    let first = Mortal::new(wait(300));
    let (address, gateway) = (first.app.address, first.gateway(""));
    let mut client = get(&gateway, "/wait");
    held(&gateway, 1);
    first.kill();
    item(&gateway, r#""http-response": {"action": "hint"}"#);
    held(&gateway, 1);
    let second = Mortal::start(address, wait(300));
    assert_eq!(second.asked().line(), "GET /wait HTTP/1.1");
    held(&gateway, 1);
    item(&gateway, r#""http-response": {"body": "after all"}"#);
    assert_eq!(client.response().text(), "after all");
    drop(gateway);
    second.kill();
}

#[test]
fn a_poll_whose_time_is_up_while_the_application_is_away_has_its_answer() {
    let first = Mortal::new(hold("response", "Grip-Timeout: 5\r\n", "nothing"));
    let gateway = first.gateway("");
    let mut client = get(&gateway, "/wait");
    held(&gateway, 1);
    first.kill();
    item(&gateway, r#""http-response": {"action": "hint"}"#);
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, "nothing"));
}

#[test]
fn a_stream_whose_application_is_away_gets_signs_of_life() {
    let link = "Grip-Link: </next>; rel=next; timeout=300\r\n";
    let alive = format!("{link}Grip-Keep-Alive: alive;; timeout=1\r\n");
    let first = Mortal::new(hold("stream", &alive, "begin;"));
    let (address, gateway) = (first.app.address, first.gateway(""));
    let mut client = begun(&gateway, "begin;");
    held(&gateway, 1);
    first.kill();
    item(&gateway, r#""http-stream": {"action": "hint"}"#);
    for _ in 0..3 {
        assert_eq!(client.exactly_chunked(5), b"alive");
    }
    let second = Mortal::start(address, hold("stream", link, "back;"));
    let mut seen = client.exactly_chunked(5);
    while seen == b"alive" {
        seen = client.exactly_chunked(5);
    }
    assert_eq!(seen, b"back;");
    item(&gateway, &stream("and on;"));
    assert_eq!(client.exactly_chunked(7), b"and on;");
    drop(gateway);
    second.kill();
}

#[test]
fn what_a_websocket_says_while_the_application_is_away_it_hears_later() {
    let first = Mortal::new(opening(""));
    let address = first.app.address;
    let gateway = first.gateway("push_grip_websocket = \"over_http\"");
    let mut client = open(&gateway);
    first.kill();
    client.send(message(TEXT, b"one"));
    client.send(message(TEXT, b"two"));
    let second = Mortal::start(address, events("", &event("TEXT", "m:heard")));
    assert_eq!(text(&mut client), "heard");
    let mut heard = Vec::new();
    while heard.len() < 2 * "TEXT 3\r\none\r\n".len() {
        heard.extend(second.asked().body);
    }
    assert_eq!(heard, b"TEXT 3\r\none\r\nTEXT 3\r\ntwo\r\n");
    drop(client);
    assert_eq!(second.asked().body, b"DISCONNECT\r\n");
    drop(gateway);
    second.kill();
}

#[test]
fn what_a_websocket_has_said_the_application_hears_though_it_has_left() {
    let first = Mortal::new(opening(""));
    let address = first.app.address;
    let keys = format!("push_grip_websocket = \"over_http\"\nproxy_connect_retry = \"1m\"{STATUS}");
    let gateway = first.gateway(&keys);
    let (mut closes, mut leaves) = (open(&gateway), open(&gateway));
    first.kill();
    // Who wants to go does not wait, ...
    closes.send(message(TEXT, b"I"));
    closes.send(message(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(closed(&mut closes).0, 1011);
    closes.assert_closed();
    leaves.send(message(TEXT, b"bye"));
    drop(leaves);
    // ... but what it has said does.
    notices(&gateway, "queued", 2);
    let second = Mortal::start(address, events("", ""));
    let mut heard = [second.asked().body, second.asked().body];
    heard.sort_unstable();
    assert_eq!(
        heard,
        [&b"TEXT 1\r\nI\r\nCLOSE 2\r\n\x03\xe8\r\n"[..], b"TEXT 3\r\nbye\r\nDISCONNECT\r\n"]
    );
    notices(&gateway, "told", 2);
    drop(gateway);
    second.kill();
}

#[test]
fn a_server_that_shuts_down_waits_with_nobody_who_has_left() {
    let first = Mortal::new(opening(""));
    let keys = format!("push_grip_websocket = \"over_http\"\nproxy_connect_retry = \"1h\"{STATUS}");
    let mut gateway = first.gateway(&keys);
    let mut leaves = open(&gateway);
    first.kill();
    leaves.send(message(TEXT, b"bye"));
    drop(leaves);
    notices(&gateway, "queued", 1);
    gateway.join();
}
