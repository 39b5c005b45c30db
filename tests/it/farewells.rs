//! GRIP: what the application is told of clients that have left, also where it is away or hangs.

use std::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

use crate::{
    app::{App, Asked, asked, ok},
    grip::{Mortal, Script, begun, held, hold},
    grip_socket::{event, events, open, opening, over_http},
    harness::{Client, Gateway, PATIENCE},
    restart::STATUS,
    websocket::{TEXT, message},
};

const GONE: &str = "Grip-Link: </gone>; rel=gone\r\n";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Waits until the gateway says this of its notices.
pub fn notices(gateway: &Gateway, field: &str, number: u64) {
    let begin = Instant::now();
    loop {
        let answer = gateway.request("GET", "/status", "Accept: application/json\r\n", "");
        let status: Value = serde_json::from_str(answer.text()).unwrap();
        let now = &status["application"]["notices"][field];
        if *now == number {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{field}: {now}, and not {number}");
    }
}

#[test]
fn an_application_that_hangs_has_few_farewells_at_a_time_and_gets_all() {
    const CLIENTS: usize = 100;
    const AT_ONCE: usize = 16;
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    let app = App::start(move |client, _| {
        while let Some(question) = asked(client) {
            if question.line() == "POST /gone HTTP/1.1" {
                tell.lock().unwrap().send(()).unwrap();
                released.lock().unwrap().recv().unwrap();
                client.send(ok(b""));
            } else {
                client.send(hold("stream", GONE, "begin;"));
            }
        }
    });
    let locations = app.location("push_grip = true") + STATUS;
    let gateway = Gateway::start_root("workers = 1", &locations);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| begun(&gateway, "begin;")).collect();
    drop(clients);
    notices(&gateway, "queued", (CLIENTS - AT_ONCE) as u64);
    // Of those that were asked for streams the connections were there already.
    for _ in 0..AT_ONCE {
        told.recv_timeout(PATIENCE).unwrap();
    }
    assert!(told.try_recv().is_err());
    for _ in 0..CLIENTS {
        release.send(()).unwrap();
    }
    notices(&gateway, "told", CLIENTS as u64);
    assert_eq!(told.try_iter().count(), CLIENTS - AT_ONCE);
    drop(gateway);
}

#[test]
fn an_application_that_is_away_is_told_when_it_is_back() {
    let first = Mortal::new(hold("stream", GONE, "begin;"));
    let address = first.app.address;
    let key = std::str::from_utf8(KEY).unwrap();
    let gateway = first.gateway(&format!(
        "proxy_connect_retry = 0\npush_grip_key = \"HS256 text:{key}\"\n[[server.location]]\n\
         path = \"= /status\"\npush_status = true\n"
    ));
    let clients: Vec<Client> = (0..20).map(|_| begun(&gateway, "begin;")).collect();
    held(&gateway, 20);
    first.kill();
    drop(clients);
    held(&gateway, 0);
    let second = Mortal::start(address, ok(b""));
    for _ in 0..20 {
        let asked = second.asked();
        assert_eq!((asked.line(), &*asked.body), ("POST /gone HTTP/1.1", &b""[..]));
        assert_eq!(asked.header("content-length"), Some("0"));
        let sig = asked.header("grip-sig").unwrap();
        let key = DecodingKey::from_secret(KEY);
        jsonwebtoken::decode::<Value>(sig, &key, &Validation::default()).unwrap();
    }
    notices(&gateway, "told", 20);
    notices(&gateway, "lost", 0);
    drop(gateway);
    second.kill();
}

#[test]
fn a_server_that_shuts_down_tells_who_was_held_until_then() {
    let script = Script::new(vec![hold("stream", GONE, "begin;"), ok(b"")]);
    let mut gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    script.asked();
    gateway.stop();
    assert_eq!(client.chunk(), None);
    gateway.join();
    assert_eq!(script.asked().line(), "POST /gone HTTP/1.1");
}

#[test]
fn who_is_still_there_when_time_is_up_at_the_end_has_left_too() {
    let script = Script::new(vec![opening(""), events("", "")]);
    // It never answers the closing frame, and has two seconds.
    let mut gateway = over_http(&script, "");
    let client = open(&gateway);
    assert_eq!(script.asked().body, b"OPEN\r\n");
    gateway.join();
    assert_eq!(script.asked().body, b"DISCONNECT\r\n");
    drop(client);
}

#[test]
fn a_web_socket_is_gone_after_its_last_message_is_answered() {
    let (tell, told) = mpsc::channel::<Asked>();
    let (release, released) = mpsc::channel::<()>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    let app = App::start(move |client, _| {
        while let Some(question) = asked(client) {
            let opens = question.body == b"OPEN\r\n";
            let waits = question.body == b"TEXT 3\r\none\r\n";
            tell.lock().unwrap().send(question).unwrap();
            if waits {
                released.lock().unwrap().recv().unwrap();
            }
            client.send(if opens { opening("") } else { events("", "") });
        }
    });
    let location = app.location("push_grip = true\npush_grip_websocket = \"over_http\"");
    let gateway = Gateway::start_root("workers = 1", &(location + STATUS));
    let mut client = open(&gateway);
    let next = || String::from_utf8(told.recv_timeout(PATIENCE).unwrap().body).unwrap();
    assert_eq!(next(), "OPEN\r\n");
    client.send(message(TEXT, b"one"));
    assert_eq!(next(), event("TEXT", "one"));
    // It is read while the first is on its way.
    client.send(message(TEXT, b"two"));
    drop(client);
    // Whoever comes next is served after it.
    for _ in 0..10 {
        assert_eq!(gateway.request("GET", "/status", "", "").status, 200);
    }
    assert!(told.try_recv().is_err());
    release.send(()).unwrap();
    let mut heard = next();
    while !heard.ends_with("DISCONNECT\r\n") {
        heard += &next();
    }
    assert_eq!(heard, "TEXT 3\r\ntwo\r\nDISCONNECT\r\n");
    drop(gateway);
}
