//! `push_authorize_request`: the application says who is served.

use std::{
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    app::header,
    harness::{Client, Gateway, PATIENCE},
    hooked::{Judge, YES, handshake, silent, start},
    site::{MODES, wait},
};

const AUTH: &str = "push_authorize_request = \"/auth?channel=$push_channel_id\"";

/// Refuses whoever has no cookie `user=ann`.
fn door() -> Judge {
    Judge::new(|asked| {
        if asked.header("cookie").is_some_and(|cookie| cookie.contains("user=ann")) {
            return YES.into();
        }
        "HTTP/1.1 403 Go Away\r\nContent-Type: text/x-why\r\nX-Why: unknown\r\nConnection: X-Hop\r\n\
         X-Hop: 1\r\nX-Accel-Redirect: /sub\r\nContent-Length: 3\r\n\r\nwho"
            .into()
    })
}

const ANN: &str = "Cookie: user=ann\r\n";

#[test]
fn who_is_admitted_listens_and_others_get_the_applications_answer() {
    for hold in MODES {
        let judge = door();
        let gateway = judge.gateway(hold, "", AUTH);
        gateway.publish("/pub?id=1", "x");
        let answer = gateway.request("GET", "/sub?id=1", ANN, "");
        assert_eq!((answer.status, answer.text()), (200, "x"));
        for accept in ["", "Accept: text/event-stream\r\n", "Accept: multipart/mixed\r\n"] {
            let answer = gateway.request("GET", "/sub?id=1", accept, "");
            assert_eq!((answer.status, answer.text()), (403, "who"));
            assert_eq!(answer.header("content-type"), Some("text/x-why"));
            assert_eq!(answer.header("x-why"), Some("unknown"));
            for hidden in ["x-hop", "x-accel-redirect"] {
                assert_eq!(answer.header(hidden), None, "{hidden}");
            }
        }
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1", "");
        assert_eq!(socket.response().status, 403);
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1", ANN);
        assert!(socket.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(socket.exactly(3), b"\x81\x01x");
        // The connection of who was refused goes on.
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        assert_eq!(client.response().status, 403);
        client.get("/sub?id=1", ANN);
        assert_eq!(client.response().text(), "x");
    }
}

#[test]
fn no_client_has_what_the_gateway_says_removed_and_none_says_anything_of_grip() {
    let judge = Judge::saying(YES);
    let gateway = judge.gateway("hall", "", AUTH);
    gateway.publish("/pub?id=1", "x");
    let headers = "Connection: X-Channel-Id, X-Subscriber-Type, X-Original-URI, Cookie\r\n\
                   Cookie: a=b\r\nGrip-Sig: forged\r\n";
    assert_eq!(gateway.request("GET", "/sub?id=1", headers, "").text(), "x");
    let asked = judge.next();
    let said = ["x-channel-id", "x-subscriber-type", "x-original-uri", "cookie", "grip-sig"];
    let said = said.map(|name| asked.header(name));
    assert_eq!(said, [Some("1"), Some("long-poll"), Some("/sub?id=1"), Some("a=b"), None]);
}

#[test]
fn the_question_has_the_clients_headers_and_what_it_is_about() {
    let judge = Judge::saying(YES);
    let gateway = judge.gateway("hall", "", AUTH);
    gateway.publish("/pub?id=a%20b%26c", "x");
    let headers = "Cookie: a=b\r\nAuthorization: Bearer t\r\nIf-None-Match: 0\r\n\
                   If-Modified-Since: Tue, 22 Dec 2015 03:34:39 GMT\r\nX-Channel-Id: other\r\n\
                   X-Subscriber-Type: forged\r\nX-Publisher-Type: forged\r\nX-Original-URI: /forged\r\n\
                   X-Forwarded-For: 192.0.2.1\r\nTE: trailers\r\nContent-Length: 0\r\n";
    assert_eq!(gateway.request("GET", "/sub?id=a%20b%26c", headers, "").text(), "x");
    let asked = judge.next();
    let mut lines: Vec<_> = asked.head.lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "GET /auth?channel=a%20b%26c HTTP/1.1",
        "Authorization: Bearer t",
        "Cookie: a=b",
        "Host: test",
        "X-Channel-Id: a b&c",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
        "X-Original-Method: GET",
        "X-Original-Uri: /sub?id=a%20b%26c",
        "X-Subscriber-Type: long-poll",
    ];
    assert_eq!(lines, expected);
    assert!(asked.body.is_empty());
}

#[test]
fn a_handshake_is_asked_about_by_a_plain_request_in_the_words_of_the_dialect() {
    let judge = Judge::saying(YES);
    let keys = format!("{AUTH}\npush_dialect = \"nchan\"");
    let gateway = judge.gateway("hall", "", &keys);
    let mut socket = gateway.connect();
    handshake(&mut socket, "/sub?id=1", "");
    assert!(socket.head().starts_with("HTTP/1.1 101 "));
    let asked = judge.next();
    assert_eq!(asked.header("upgrade"), None);
    assert_eq!(asked.header("connection"), None);
    assert_eq!(asked.header("sec-websocket-version"), Some("13"));
    assert_eq!(asked.header("x-subscriber-type"), Some("websocket"));
    let mut events = gateway.connect();
    events.get("/sub?id=1", "Accept: text/event-stream\r\n");
    events.head();
    assert_eq!(judge.next().header("x-subscriber-type"), Some("eventsource"));
}

#[test]
fn publishers_are_asked_about_before_their_body_is_read() {
    let judge = door();
    let gateway = judge.gateway("hall", AUTH, "");
    let refused = gateway.request("POST", "/pub?id=1", "Content-Type: text/x-mine\r\n", "x");
    assert_eq!((refused.status, refused.text()), (403, "who"));
    let asked = judge.next();
    assert_eq!(asked.header("x-publisher-type"), Some("http"));
    assert_eq!(asked.header("x-subscriber-type"), None);
    assert_eq!(asked.header("x-original-method"), Some("POST"));
    assert_eq!(asked.header("content-length"), None);
    assert!(asked.line().starts_with("GET ") && asked.body.is_empty());
    let mut slow = gateway.connect();
    slow.request("POST", "/pub?id=1", "Transfer-Encoding: chunked\r\n", "");
    assert_eq!(slow.response().status, 403);
    slow.assert_closed();
    for (method, status) in [("POST", 202), ("GET", 200), ("DELETE", 200)] {
        let body = if method == "POST" { "x" } else { "" };
        assert_eq!(gateway.request(method, "/pub?id=1", "", body).status, 403, "{method}");
        assert_eq!(gateway.request(method, "/pub?id=1", ANN, body).status, status, "{method}");
    }
}

#[test]
fn nobody_is_asked_about_a_preflight_or_what_is_refused_anyway() {
    let judge = Judge::saying(YES);
    let gateway = judge.gateway("hall", AUTH, AUTH);
    let asked = "Origin: http://o\r\nAccess-Control-Request-Method: GET\r\n";
    assert_eq!(gateway.request("OPTIONS", "/sub?id=1", asked, "").status, 200);
    assert_eq!(gateway.request("GET", "/sub", "", "").status, 404);
    assert_eq!(gateway.request("PATCH", "/pub?id=1", "", "").status, 405);
    let foreign = gateway.request("POST", "/pub?id=1", "Origin: http://evil.example\r\n", "x");
    assert_eq!(foreign.status, 403);
    // Outside nobody gets to where the question goes.
    assert_eq!(gateway.request("GET", "/auth", "", "").status, 404);
    assert_eq!(judge.questions(), 0);
}

#[test]
fn an_application_that_is_down_or_says_nothing_admits_nobody() {
    let closed: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (hanging, _told) = silent();
    for hold in MODES {
        let gateway = start(closed, hold, AUTH, AUTH);
        for (method, target) in [("GET", "/sub?id=1"), ("POST", "/pub?id=1")] {
            let answer = gateway.request(method, target, "", "");
            let expected = (502, "The application cannot be reached.");
            assert_eq!((answer.status, answer.text()), expected);
        }
        let gateway = start(hanging.address, hold, "", AUTH);
        let answer = gateway.request("GET", "/sub?id=1", "", "");
        let expected = (504, "The application did not answer in time.");
        assert_eq!((answer.status, answer.text()), expected);
    }
}

#[test]
fn what_is_no_verdict_admits_nobody() {
    let long = "x".repeat(70_000);
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    for (answer, status) in [
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), 502),
        ("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n".to_owned(), 302),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(), 500),
        ("nonsense\r\n\r\n".to_owned(), 502),
        (long, 502),
    ] {
        let told = answer.clone();
        let judge = Judge::new(move |_| told.clone().into());
        let gateway = judge.gateway("hall", "", AUTH);
        let said = gateway.request("GET", "/sub?id=1", "", "");
        assert_eq!(said.status, status, "{}", &answer[..20]);
    }
}

#[test]
fn the_application_may_be_asked_at_an_address_of_its_own() {
    let judge = door();
    let asks = "push_authorize_request = \"http://APP/may/$push_channel_id?$args\"\n\
                proxy_set_header = { X-Kind = \"$push_subscriber_type\" }";
    let gateway = judge.gateway("hall", "", asks);
    assert_eq!(gateway.request("GET", "/sub?id=a/b&x=%20", "", "").status, 403);
    let asked = judge.next();
    assert_eq!(asked.line(), "GET /may/a%2Fb?id=a/b&x=%20 HTTP/1.1");
    assert_eq!(header(&asked.head, "x-kind"), Some("long-poll"));
    // Ids that would lead elsewhere, or cannot be said in a header, are refused.
    for id in ["..", "a%0d%0aX-Admin:1"] {
        assert_eq!(gateway.request("GET", &format!("/sub?id={id}"), ANN, "").status, 400, "{id}");
    }
    assert_eq!(judge.questions(), 1);
}

#[test]
fn a_verdict_is_remembered_for_the_same_client_and_nobody_else() {
    let judge = door();
    let keys = "push_authorize_request = \"/auth\"\npush_authorize_cache = \"1h\"";
    let gateway = judge.gateway("hall", keys, keys);
    let status = |method: &str, target: &str, headers: &str| {
        gateway.request(method, target, headers, if method == "POST" { "x" } else { "" }).status
    };
    assert_eq!(status("POST", "/pub?id=1", ANN), 202);
    let after = |expected: usize| assert_eq!(judge.questions(), expected);
    after(1);
    for _ in 0..3 {
        assert_eq!(status("GET", "/sub?id=1", ANN), 200);
        assert_eq!(status("GET", "/sub?id=1", ""), 403);
    }
    after(3);
    // The cursor of a poll makes no difference.
    let polled =
        format!("{ANN}If-None-Match: 0\r\nIf-Modified-Since: Tue, 22 Dec 2015 03:34:39 GMT\r\n");
    assert_eq!(status("GET", "/sub?id=1", &polled), 200);
    after(3);
    // Anything that the application may have judged by does.
    let mut questions = 3;
    for (method, target, headers) in [
        ("GET", "/sub?id=1&token=x", ANN),
        ("HEAD", "/sub?id=1", ANN),
        ("GET", "/sub?id=1", "Cookie: user=ann; x=1\r\n"),
        ("GET", "/sub?id=1", "Cookie: user=ann\r\nAuthorization: x\r\n"),
        ("GET", "/sub?id=1", "Cookie: user=ann\r\nX-Api-Key: x\r\n"),
        ("GET", "/pub?id=1", ANN),
    ] {
        let mut client = gateway.connect();
        client.request(method, target, headers, "");
        client.head();
        questions += 1;
        after(questions);
    }
}

/// A connection from another address of this machine.
fn connect_from(gateway: &Gateway, address: &str) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&gateway.address.into()).unwrap();
    Client::new(socket)
}

#[test]
fn a_verdict_about_what_a_proxy_brings_is_none_about_who_comes_alone() {
    let judge = Judge::new(|asked| match asked.header("x-forwarded-for") {
        Some("127.0.0.3, 127.0.0.2") => YES.into(),
        _ => b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let keys = "push_authorize_request = \"http://APP/\"\npush_authorize_cache = \"1h\"\n\
                real_ip_from = [\"127.0.0.2\"]";
    let gateway = judge.gateway("hall", "", keys);
    gateway.publish("/pub?id=1", "x");
    // The address and all that they say are the same.
    for (from, status) in [("127.0.0.2", 200), ("127.0.0.3", 403)] {
        for _ in 0..2 {
            let mut client = connect_from(&gateway, from);
            client.get("/sub?id=1", "X-Forwarded-For: 127.0.0.3\r\n");
            assert_eq!(client.response().status, status, "{from}");
        }
    }
    assert_eq!(judge.questions(), 2);
    // What a client claims and the application never sees makes no difference.
    let mut client = connect_from(&gateway, "127.0.0.3");
    client.get("/sub?id=1", "X-Forwarded-For: 127.0.0.9\r\n");
    assert_eq!(client.response().status, 403);
    assert_eq!(judge.questions(), 2);
}

#[test]
fn who_is_sent_away_with_a_channel_is_asked_about_again() {
    for hold in MODES {
        let judge = door();
        let keys = format!("{AUTH}\npush_authorize_cache = \"1h\"");
        let gateway = judge.gateway(hold, "", &keys);
        let mut client = gateway.connect();
        for questions in 1..3 {
            client.get("/sub?id=1", ANN);
            wait(&gateway, 1);
            assert_eq!(judge.questions(), questions);
            assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
            assert_eq!(client.response().status, 410);
        }
    }
}

#[test]
fn a_verdict_is_forgotten_when_its_time_is_over() {
    let count = AtomicUsize::new(0);
    let judge = Judge::new(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            return YES.into();
        }
        b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let keys = format!("{AUTH}\npush_authorize_cache = \"20ms\"");
    let gateway = judge.gateway("hall", "", &keys);
    gateway.publish("/pub?id=1", "x");
    let begin = std::time::Instant::now();
    while gateway.request("GET", "/sub?id=1", "", "").status == 200 {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert_eq!(judge.questions(), 2);
}

#[test]
fn a_client_that_leaves_takes_its_question_with_it() {
    let (app, told) = silent();
    for hold in MODES {
        let keys = "push_authorize_request = \"http://APP/\"";
        let gateway = start(app.address, hold, "", keys);
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
        drop(client);
        assert_eq!(told.recv_timeout(PATIENCE), Ok("gone"));
        wait_for_nobody(&gateway);
    }
}

fn wait_for_nobody(gateway: &Gateway) {
    gateway.publish("/pub?id=1", "x");
    wait(gateway, 0);
}

#[test]
fn whoever_is_asked_about_delays_nobody_and_takes_no_seat() {
    for hold in MODES {
        let (app, told) = silent();
        let keys = "push_authorize_request = \"http://APP/\"\npush_max_channel_subscribers = 1";
        let locations = format!(
            "{keys}\n[[server.location]]\npath = \"= /open\"\npush_subscriber = true\n\
             push_channel_id = \"$arg_id\"\npush_max_channel_subscribers = 1\npush_hold = \"{hold}\""
        );
        let gateway = start(app.address, hold, "", &locations);
        let mut asked = gateway.connect();
        asked.get("/sub?id=1", "");
        assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
        let mut open = gateway.connect();
        open.get("/open?id=1", "");
        wait(&gateway, 1);
        // The channel may go meanwhile, and come back.
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        assert_eq!(open.response().status, 410);
        gateway.publish("/pub?id=1", "x");
        open.get("/open?id=1", "");
        assert_eq!(open.response().text(), "x");
    }
}

#[test]
fn a_refusal_may_be_read_by_pages_that_may_listen() {
    let judge = door();
    let keys = format!("{AUTH}\npush_allowed_origins = [\"http://o\"]");
    let gateway = judge.gateway("hall", "", &keys);
    let answer = gateway.request("GET", "/sub?id=1", "Origin: http://o\r\n", "");
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://o"));
}
