//! Applications that hang, lie, leave or flood, and clients that do.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use crate::{
    app::{App, asked, ok},
    harness::{Client, Gateway, PATIENCE, Response},
};

/// The answer to a GET where the application sends these bytes and ends.
fn through(bytes: &'static [u8]) -> Response {
    let app = App::start(move |client, _| {
        if asked(client).is_some() {
            client.send(bytes);
        }
    });
    let gateway = app.gateway("");
    let answer = gateway.request("GET", "/", "", "");
    assert_eq!(app.connections(), 1, "{answer:?}");
    answer
}

fn assert_refused(answer: &Response, status: u16, sentence: &str) {
    assert_eq!((answer.status, answer.text()), (status, sentence));
}

/// An address that nobody listens on.
fn nowhere() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A gateway in front of an upstream of two servers, asked in this order.
fn two(first: &App, second: &App, upstream: &str, location: &str) -> Gateway {
    let (first, second) = (first.address, second.address);
    let upstream = format!(
        "workers = 1\n[[upstream]]\nname = \"app\"\nservers = [\"{first}\", \"{second}\"]\n{upstream}"
    );
    let location = format!("[[server.location]]\npath = \"/\"\nproxy_pass = \"app\"\n{location}");
    Gateway::start_root(&upstream, &location)
}

/// An application that reads requests and closes without a word.
fn silent() -> App {
    App::start(|client, _| {
        asked(client);
    })
}

#[test]
fn an_application_that_is_not_there_is_502_until_it_is() {
    let address = nowhere();
    let location =
        format!("[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{address}\"\n");
    let gateway = Gateway::start(&location);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.request("POST", "/", "", "x");
        assert_refused(&client.response(), 502, "The application cannot be reached.");
        client.get("/", "");
        assert_refused(&client.response(), 502, "The application cannot be reached.");
    }
    let app = App::start_at(address, |client, _| {
        while asked(client).is_some() {
            client.send(ok(b"back"));
        }
    });
    client.get("/", "");
    assert_eq!(client.response().text(), "back");
    assert_eq!(app.connections(), 1);
    drop(gateway);
}

#[test]
fn what_is_no_answer_is_502() {
    let closed = "The application closed the connection without an answer.";
    let malformed = "The application's answer cannot be understood.";
    for (bytes, sentence) in [
        (&b""[..], closed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", closed),
        (b"HTTP/1.1 100 Continue\r\n\r\n", closed),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", malformed),
        (b"SSH-2.0-OpenSSH_9.2\r\n", malformed),
        (b"HTTP/1.1 2000 OK\r\n\r\n", malformed),
        (b"HTTP/1.1 200 OK\r\nA b\r\n\r\n", malformed),
        (b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", malformed),
        (b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n", malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", malformed),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            malformed,
        ),
    ] {
        assert_refused(&through(bytes), 502, sentence);
    }
}

#[test]
fn a_head_that_is_too_large_is_502() {
    let app = App::start(|client, _| {
        asked(client);
        let line = format!("X: {}\r\n", "x".repeat(1000));
        // The gateway may hang up before the end.
        let _ = client.stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while client.stream.write_all(line.as_bytes()).is_ok() {}
    });
    let gateway = app.gateway("");
    let answer = gateway.request("GET", "/", "", "");
    assert_refused(&answer, 502, "The head of the application's answer is too large.");
}

#[test]
fn an_answer_with_both_lengths_is_sent_with_one() {
    let answer = through(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    assert_eq!((answer.status, answer.header("content-length"), answer.text()), (200, None, "hi"));
}

#[test]
fn an_answer_that_nobody_asked_for_is_nobodys() {
    let app = App::start(|client, number| {
        while let Some(asked) = asked(client) {
            let target = asked.line().split(' ').nth(1).unwrap();
            let stray = if number == 0 { ok(b"somebody else's") } else { Vec::new() };
            client.send([ok(target.as_bytes()), stray].concat());
        }
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    for target in ["/a", "/b", "/c"] {
        client.get(target, "");
        assert_eq!(client.response().text(), target);
    }
    assert_eq!(app.connections(), 2);
}

#[test]
fn an_application_that_hangs_is_504() {
    let app = App::start(|client, _| {
        asked(client);
        client.has_more();
    });
    let gateway = app.gateway("proxy_read_timeout = \"200ms\"");
    let begun = Instant::now();
    let answer = gateway.request("GET", "/", "", "");
    assert_refused(&answer, 504, "The application did not answer in time.");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn an_application_that_does_not_read_is_504() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let app = App::start(move |_, _| {
        let _ = held.lock().unwrap().recv();
    });
    let keys = "client_max_body_size = 0\nproxy_send_timeout = \"300ms\"\n";
    let gateway = app.gateway(keys);
    let mut client = gateway.connect();
    let length = 1_u64 << 40;
    client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"));
    let mut writer = client.stream.try_clone().unwrap();
    let block = vec![0; 65536];
    let uploading = std::thread::spawn(move || while writer.write_all(&block).is_ok() {});
    let answer = client.response();
    assert_refused(&answer, 504, "The application did not take the request in time.");
    assert_eq!(answer.header("connection"), Some("close"));
    client.stream.shutdown(Shutdown::Both).unwrap();
    uploading.join().unwrap();
    drop(release);
}

#[test]
fn an_application_that_takes_no_connections_is_504() {
    // A queue of one that nobody empties: further connections hang.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100))
    {
        queued.push(stream);
    }
    let gateway = Gateway::start(&format!(
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{address}\"\n\
         proxy_connect_timeout = \"200ms\"\n"
    ));
    let answer = gateway.request("GET", "/", "", "");
    assert_refused(&answer, 504, "The application did not take the connection in time.");
}

#[test]
fn an_answer_may_come_in_drops() {
    // Longer than the timeout in all; each as soon as the one before has arrived.
    let span = Duration::from_millis(1500);
    let (arrived, news) = mpsc::channel();
    let news = Mutex::new(news);
    let app = App::start(move |client, _| {
        asked(client);
        client.drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let begun = Instant::now();
        while begun.elapsed() < span {
            client.send("1\r\n.\r\n");
            news.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        client.send("0\r\n\r\n");
    });
    let gateway = app.gateway("proxy_read_timeout = \"1s\"");
    let mut client = gateway.connect();
    client.get("/", "");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    let begun = Instant::now();
    while let Some(drop) = client.chunk() {
        assert_eq!(drop, b".");
        arrived.send(()).unwrap();
    }
    assert!(begun.elapsed() > Duration::from_secs(1));
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    for (head, hangs) in [
        ("Content-Length: 10", false),
        ("Content-Length: 10", true),
        ("Transfer-Encoding: chunked", false),
        ("Transfer-Encoding: chunked", true),
    ] {
        let app = App::start(move |client, _| {
            asked(client);
            let chunked = head.starts_with("Transfer");
            let body = if chunked { "4\r\nhalf\r\n" } else { "half" };
            client.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"));
            if hangs {
                client.has_more();
            }
        });
        let gateway = app.gateway("proxy_read_timeout = \"200ms\"");
        let mut client = gateway.connect();
        client.get("/", "");
        client.head();
        let rest = client.rest();
        let expected = if head.starts_with("Transfer") { "4\r\nhalf\r\n" } else { "half" };
        assert_eq!(String::from_utf8(rest).unwrap(), expected, "{head} {hangs}");
    }
}

#[test]
fn an_answer_before_the_end_of_the_request_arrives() {
    let app = App::start(|client, _| {
        client.head();
        client
            .send("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nno!\n");
        // Closed with unread input: the kernel resets the connection.
    });
    let gateway = app.gateway("client_max_body_size = 0");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000000\r\n\r\n");
    let mut writer = client.stream.try_clone().unwrap();
    let uploading = std::thread::spawn(move || {
        let (mut left, block) = (100_000_000, vec![0; 100_000]);
        while left > 0 && writer.write_all(&block).is_ok() {
            left -= 100_000;
        }
    });
    let answer = client.response();
    assert_refused(&answer, 403, "no!\n");
    client.stream.shutdown(Shutdown::Both).unwrap();
    uploading.join().unwrap();
}

#[test]
fn a_client_that_does_not_send_its_body_is_408() {
    let app = App::mirror();
    let gateway = app.gateway("client_body_timeout = \"200ms\"\nproxy_send_timeout = \"50ms\"");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf");
    assert_refused(&client.response(), 408, "The request took too long.");
    client.finish();
    client.assert_closed();
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let (ended, ends) = mpsc::channel();
    let (told, tell) = mpsc::channel();
    let (ended, told) = (Mutex::new(ended), Mutex::new(told));
    let app = App::start(move |client, _| {
        let asked = asked(client).unwrap();
        told.lock().unwrap().send(()).unwrap();
        if asked.line().contains("/begun") {
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        // Nothing more comes, but the end.
        assert!(!client.has_more());
        ended.lock().unwrap().send(()).unwrap();
    });
    let gateway = app.gateway("");
    for target in ["/", "/begun"] {
        let mut client = gateway.connect();
        client.get(target, "");
        if target == "/begun" {
            client.head();
        }
        tell.recv_timeout(crate::harness::PATIENCE).unwrap();
        drop(client);
        ends.recv_timeout(crate::harness::PATIENCE).unwrap();
    }
}

/// What a side wrote before the other one took no more.
fn stuck(stream: &mut impl Write, wanted: usize) -> usize {
    let block = vec![b'x'; 64 << 10];
    let mut written = 0;
    while written < wanted {
        match stream.write(&block[..block.len().min(wanted - written)]) {
            Ok(length) => written += length,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    written
}

/// More than all buffers between application and client.
const LARGE: usize = 100 << 20;
/// More than buffers of the kernel take, and far less than all of it.
const BUFFERED: usize = 40 << 20;

#[test]
fn a_client_that_does_not_read_stops_the_application_and_gets_everything_later() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let app = App::start(move |client, _| {
        asked(client);
        client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let written = stuck(&mut client.stream, LARGE);
        told.lock().unwrap().send(written).unwrap();
        client.stream.set_write_timeout(Some(crate::harness::PATIENCE)).unwrap();
        stuck(&mut client.stream, LARGE - written);
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    client.get("/", "");
    let written = tell.recv_timeout(crate::harness::PATIENCE).unwrap();
    assert!(written < BUFFERED, "{written}");
    client.head();
    let mut body = vec![0; 1 << 20];
    let mut received = client.buffered();
    while received < LARGE {
        let length = client.stream.read(&mut body).unwrap();
        assert!(length > 0 && body[..length].iter().all(|byte| *byte == b'x'));
        received += length;
    }
    assert_eq!(received, LARGE);
}

#[test]
fn an_application_that_does_not_read_stops_the_client_and_gets_everything_later() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let app = App::start(move |client, _| {
        client.head();
        gone.lock().unwrap().recv().unwrap();
        let mut received = client.buffered();
        let mut body = vec![0; 1 << 20];
        while received < LARGE {
            received += client.stream.read(&mut body).unwrap();
        }
        client.send(ok(received.to_string().as_bytes()));
    });
    let gateway = app.gateway("client_max_body_size = 0");
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let written = stuck(&mut client.stream, LARGE);
    assert!(written < BUFFERED, "{written}");
    client.stream.set_write_timeout(Some(crate::harness::PATIENCE)).unwrap();
    go.send(()).unwrap();
    stuck(&mut client.stream, LARGE - written);
    assert_eq!(client.response().text(), LARGE.to_string());
}

#[test]
fn a_connection_that_ends_when_it_is_used_again_is_replaced() {
    for (method, body, status) in
        [("GET", "", 200), ("PUT", "x", 200), ("POST", "", 502), ("POST", "x", 502)]
    {
        // Its first connection answers once, and closes when it is asked again.
        let app = App::start(|client, number| {
            asked(client);
            client.send(ok(b"fine"));
            while let Some(asked) = asked(client) {
                if number == 0 {
                    return;
                }
                client.send(ok(&asked.body));
            }
        });
        let gateway = app.gateway("");
        let mut client = gateway.connect();
        client.get("/", "");
        assert_eq!(client.response().text(), "fine");
        client.request(method, "/", "", body);
        assert_eq!(client.response().status, status, "{method} {body}");
        let used = if status == 200 { 2 } else { 1 };
        assert_eq!(app.connections(), used, "{method} {body}");
    }
}

#[test]
fn an_idle_connection_that_ends_costs_nothing() {
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = closed.clone();
    let app = App::start(move |client, _| {
        asked(client);
        client.send(ok(b"once"));
        client.stream.shutdown(Shutdown::Both).unwrap();
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    for number in 1..=5 {
        client.request("POST", "/", "", "x");
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (200, "once"), "{number}");
        let begun = Instant::now();
        while closed.load(Ordering::SeqCst) < number {
            assert!(begun.elapsed() < crate::harness::PATIENCE);
            std::thread::yield_now();
        }
    }
    assert_eq!(app.connections(), 5);
}

#[test]
fn servers_take_turns() {
    let (first, second) = (App::answering(|_| ok(b"1")), App::answering(|_| ok(b"2")));
    let gateway = two(&first, &second, "", "");
    let mut client = gateway.connect();
    let mut all = String::new();
    for _ in 0..6 {
        client.get("/", "");
        all += client.response().text();
    }
    assert_eq!(all, "121212");
    assert_eq!((first.connections(), second.connections()), (1, 1));
}

#[test]
fn without_keepalive_each_request_has_a_connection_of_its_own() {
    let (first, second) = (App::answering(|_| ok(b"1")), App::answering(|_| ok(b"2")));
    let gateway = two(&first, &second, "keepalive = 0", "");
    for _ in 0..4 {
        assert_eq!(gateway.request("GET", "/", "", "").status, 200);
    }
    assert_eq!((first.connections(), second.connections()), (2, 2));
}

#[test]
fn a_server_that_fails_is_left_alone_for_a_while() {
    let (first, second) = (silent(), App::answering(|_| ok(b"fine")));
    let gateway = two(&first, &second, "fail_timeout = \"3s\"", "");
    for _ in 0..6 {
        assert_eq!(gateway.request("GET", "/", "", "").text(), "fine");
    }
    assert_eq!(first.connections(), 1);
    let begun = Instant::now();
    while first.connections() == 1 {
        assert!(begun.elapsed() < crate::harness::PATIENCE);
        assert_eq!(gateway.request("GET", "/", "", "").text(), "fine");
    }
    assert!(begun.elapsed() > Duration::from_millis(1500));
}

#[test]
fn when_all_have_failed_they_are_tried_all_the_same() {
    let (first, second) = (silent(), silent());
    let gateway = two(&first, &second, "fail_timeout = \"1h\"", "");
    for number in 1..=3 {
        let answer = gateway.request("GET", "/", "", "");
        assert_refused(&answer, 502, "The application closed the connection without an answer.");
        assert_eq!((first.connections(), second.connections()), (number, number));
    }
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let (first, second) = (silent(), App::answering(|asked| ok(&asked.body)));
    let gateway = two(&first, &second, "max_fails = 0", "");
    let answer = gateway.request("POST", "/", "", "x");
    assert_refused(&answer, 502, "The application closed the connection without an answer.");
    assert_eq!(second.connections(), 0);
    gateway.request("GET", "/", "", "");
    // It is the turn of the first, and this can be repeated.
    let answer = gateway.request("PUT", "/", "", "again");
    assert_eq!(answer.text(), "again");
    assert_eq!(first.connections(), 2);
}

#[test]
fn a_server_that_hangs_hands_over_to_the_next() {
    let first = App::start(|client, _| {
        asked(client);
        client.has_more();
    });
    let second = App::answering(|_| ok(b"fine"));
    let gateway = two(&first, &second, "", "proxy_read_timeout = \"200ms\"");
    assert_eq!(gateway.request("GET", "/", "", "").text(), "fine");
    assert_eq!((first.connections(), second.connections()), (1, 1));
}

#[test]
fn a_server_that_cannot_be_reached_takes_no_request_with_it() {
    let dead = nowhere();
    let app = App::answering(|asked| ok(&asked.body));
    let gateway = Gateway::start_root(
        &format!("[[upstream]]\nname = \"app\"\nservers = [\"{dead}\", \"{}\"]", app.address),
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"http://app\"\n",
    );
    for _ in 0..4 {
        assert_eq!(gateway.request("POST", "/", "", "x").text(), "x");
    }
}

#[test]
fn a_name_that_means_nothing_is_502() {
    let gateway = Gateway::start(
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"http://nobody.invalid:1\"\n",
    );
    let answer = gateway.request("GET", "/", "", "");
    assert_refused(&answer, 502, "The application cannot be reached.");
}

#[test]
fn requests_that_two_servers_could_read_differently_are_refused_or_made_plain() {
    let app = App::mirror();
    let gateway = app.gateway("");
    let send = |request: &str| {
        let mut client: Client = gateway.connect();
        client.send(request);
        client.finish();
        client.rest()
    };
    for (status, lines) in [
        (400, "Content-Length: 3\r\nContent-Length: 4"),
        (400, "Content-Length: 3, 4"),
        (400, "Content-Length: +3"),
        (400, "Content-Length: 0x3"),
        (400, "Content-Length: -1"),
        (400, "Transfer-Encoding: xchunked"),
        (400, "Transfer-Encoding: identity"),
        (400, "Transfer-Encoding: chunked, identity"),
        (501, "Transfer-Encoding: gzip, chunked"),
        (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding\u{b}: chunked"),
        (400, "Transfer-Encoding : chunked"),
        (400, "X: a\rTransfer-Encoding: chunked"),
        (400, "X: a\0b"),
        (400, "X: a\r\n Transfer-Encoding: chunked"),
        (400, "Host: other"),
    ] {
        let answer = send(&format!("POST / HTTP/1.1\r\nHost: t\r\n{lines}\r\n\r\nabcd"));
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{lines:?}: {text}");
        // One answer, and no second request.
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{lines:?}: {text}");
    }
    assert_eq!(app.connections(), 0);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n";
    for lines in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", smuggled.len() + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", smuggled.len() + 5),
    ] {
        let mut client = gateway.connect();
        client.send(format!("POST /a HTTP/1.1\r\nHost: t\r\n{lines}\r\n\r\n0\r\n\r\n{smuggled}"));
        let answer = client.response();
        let text = answer.text().to_ascii_lowercase();
        assert!(text.starts_with("post /a http/1.1\r\n"), "{text}");
        assert_eq!(text.matches("content-length").count() + text.matches("chunked").count(), 1);
        // The connection ends, so what follows is nobody's request.
        client.assert_closed();
    }
}
