//! WebSocket and other protocols that an application speaks behind the gateway.

use std::{
    io::Write,
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    app::{App, asked, ok},
    harness::{Client, Gateway, PATIENCE},
    websocket::HANDSHAKE,
};

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX: 1\r\n";
/// Bytes that go each way.
const MUCH: usize = 1 << 20;

/// An application that takes the upgrade, with bytes right behind its answer, and goes on with `talk`.
fn app(talk: impl Fn(&mut Client) + Send + Sync + 'static) -> App {
    App::start(move |client, _| {
        let asked = asked(client).unwrap();
        assert_eq!(asked.header("upgrade"), Some("websocket"), "{asked:?}");
        assert_eq!(asked.header("connection"), Some("Upgrade"));
        assert_eq!(asked.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        client.send(format!("{SWITCHED}\r\nwelcome"));
        talk(client);
    })
}

/// A client for whom the protocol has changed, and who has sent bytes right behind its request.
fn open(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\nearly"));
    let head = client.head();
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("Date: ")).collect();
    lines[1..].sort_unstable();
    let expected = [
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Upgrade: websocket",
        "X: 1",
    ];
    assert_eq!(lines, expected);
    assert_eq!(client.exactly(7), b"welcome");
    client
}

fn pattern(seed: u8) -> Vec<u8> {
    (0..MUCH).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect()
}

/// Sends and receives at the same time.
fn exchange(client: &mut Client, sent: Vec<u8>, expected: &[u8]) {
    let mut writer = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || writer.write_all(&sent).unwrap());
    assert!(client.exactly(MUCH) == expected);
    sending.join().unwrap();
}

#[test]
fn a_megabyte_goes_each_way_and_each_side_ends_by_itself() {
    let app = app(|client| {
        assert_eq!(client.exactly(5), b"early");
        exchange(client, pattern(1), &pattern(2));
        // The client ends its side, and still hears.
        client.assert_closed();
        client.send("after the end");
        client.finish();
    });
    let gateway = app.gateway("");
    let mut client = open(&gateway);
    exchange(&mut client, pattern(2), &pattern(1));
    client.finish();
    assert_eq!(client.rest(), b"after the end");
}

#[test]
fn the_application_may_end_first() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let app = app(move |client| {
        assert_eq!(client.exactly(5), b"early");
        client.finish();
        told.lock().unwrap().send(client.rest()).unwrap();
    });
    let gateway = app.gateway("");
    let mut client = open(&gateway);
    client.assert_closed();
    client.send("still here");
    client.finish();
    assert_eq!(tell.recv_timeout(PATIENCE).unwrap(), b"still here");
}

#[test]
fn an_end_without_a_goodbye_reaches_the_other_side() {
    let (ended, ends) = mpsc::channel();
    let ended = Mutex::new(ended);
    let app = app(move |client| {
        assert_eq!(client.exactly(5), b"early");
        client.rest();
        ended.lock().unwrap().send(()).unwrap();
    });
    let gateway = app.gateway("");
    let client = open(&gateway);
    // Closed with unread input, if there is any: as by a process that dies.
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    ends.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_silent_tunnel_ends_after_proxy_read_timeout_and_a_busy_one_does_not() {
    let app = app(|client| {
        assert_eq!(client.exactly(5), b"early");
        while client.has_more() {
            let length = client.buffered();
            client.send(vec![b'y'; length]);
        }
    });
    let timeout = Duration::from_secs(1);
    let gateway = app.gateway("proxy_read_timeout = \"1s\"");
    let mut client = open(&gateway);
    // Longer than the timeout in all, to and fro without a pause.
    let begun = Instant::now();
    while begun.elapsed() < timeout * 3 / 2 {
        client.send("x");
        assert_eq!(client.exactly(1), b"y");
    }
    let silent = Instant::now();
    client.assert_closed();
    // The timer begins when the last byte passes, a little before it is here.
    assert!(silent.elapsed() > timeout * 9 / 10, "{:?}", silent.elapsed());
}

#[test]
fn one_side_that_does_not_read_stops_the_other() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let app = app(move |_| {
        let _ = held.lock().unwrap().recv();
    });
    let gateway = app.gateway("");
    let mut client = open(&gateway);
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let block = vec![0; 1 << 20];
    let mut written = 0;
    while let Ok(length) = client.stream.write(&block) {
        written += length;
        assert!(written < 40 << 20, "nothing stops it");
    }
    drop(release);
}

#[test]
fn what_is_no_upgrade_is_an_answer_like_any_other() {
    let app = App::answering(|asked| {
        let upgrade = asked.header("upgrade").unwrap();
        let body = format!("no {upgrade}");
        let head = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.get("/", HANDSHAKE);
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (426, "no websocket"));
        assert_eq!(answer.header("upgrade"), None);
    }
    assert_eq!(app.connections(), 1);
}

#[test]
fn other_protocols_pass_but_not_those_that_bring_requests_past_the_rules() {
    let app = App::answering(|asked| ok(asked.header("upgrade").unwrap_or("none").as_bytes()));
    let gateway = app.gateway("");
    let asks = |protocol: &str, more: &str| {
        let headers = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n{more}");
        gateway.request("GET", "/", &headers, "").text().to_owned()
    };
    assert_eq!(asks("raw/1", ""), "raw/1");
    for protocol in ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0"] {
        assert_eq!(asks(protocol, "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), "none", "{protocol}");
    }
    // A body would be taken for what comes after the change.
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(gateway.request("POST", "/", headers, "x").text(), "none");
    assert_eq!(gateway.request("GET", "/", "Upgrade: websocket\r\n", "").text(), "none");
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.0\r\nHost: t\r\n{headers}\r\n"));
    assert_eq!(client.response().text(), "none");
}

#[test]
fn tunnels_do_not_hold_up_a_shutdown() {
    let app = app(|client| {
        client.rest();
    });
    let mut gateway = app.gateway("");
    let mut client = open(&gateway);
    let begun = Instant::now();
    gateway.join();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    client.assert_closed();
}

#[test]
fn a_tunnel_is_no_request_any_more() {
    // What looks like one goes through, and is neither answered nor judged by the gateway.
    let app = app(|client| {
        assert_eq!(client.exactly(5), b"early");
        let expected = b"GET /internal HTTP/1.1\r\nHost: t\r\n\r\n";
        assert_eq!(client.exactly(expected.len()), expected);
        client.send("seen");
    });
    let gateway = app.gateway("");
    let mut client = open(&gateway);
    client.send("GET /internal HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.rest(), b"seen");
}
