//! Who waits for an application that cannot be reached, and who must not: `proxy_connect_retry`.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    app::{App, asked, ok},
    harness::{Gateway, PATIENCE},
    hooked::Judge,
    restart::{AWAY, ROOT, STATUS, before, nowhere, waiting},
    websocket::HANDSHAKE,
};

const UNTAKEN: &str = "The application did not take the connection in time.";

/// A publisher whose messages an application sees.
fn edited(address: SocketAddr) -> String {
    format!(
        "[[server.location]]\npath = \"/pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n\
         push_publisher_upstream_request = \"http://{address}/edit\"\nproxy_connect_retry = \"1h\"\n"
    )
}

/// A server that takes no connection: its queue is full.
fn full(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind(address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        queue.push(stream);
        assert!(queue.len() < 100, "it takes every connection");
    }
    (listener, queue)
}

/// Waits until somebody tries to connect to an address.
fn dialled(address: SocketAddr) {
    let begin = Instant::now();
    let (remote, connecting) = (format!(":{:04X}", address.port()), "02");
    let dials = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].ends_with(&remote) && fields[3] == connecting
    };
    while !fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).any(dials) {
        assert!(begin.elapsed() < PATIENCE, "nobody connects");
    }
}

#[test]
fn a_message_waits_for_who_decides_about_it_and_is_told_once() {
    let address = nowhere();
    let gateway = Gateway::start_root(ROOT, &(edited(address) + STATUS));
    let mut client = gateway.connect();
    client.request("POST", "/pub?id=1", "", "message");
    waiting(&gateway, 1);
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let app = App::start_at(address, move |client, _| {
        while let Some(asked) = asked(client) {
            tell.lock().unwrap().send(asked.body).unwrap();
            client.send("HTTP/1.1 304 Not Modified\r\n\r\n");
        }
    });
    assert_eq!(client.response().status, 202);
    drop(gateway);
    drop(app);
    assert_eq!(told.iter().collect::<Vec<_>>(), [b"message"]);
}

#[test]
fn a_server_that_shuts_down_answers_who_waits_at_once() {
    let address = nowhere();
    let keys =
        "proxy_connect_retry = \"1h\"\npush_grip = true\npush_grip_websocket = \"over_http\"\n";
    let mut gateway = before(address, &format!("{keys}{}", edited(address)));
    let asking = [
        ("GET", "/", "", ""),
        ("POST", "/", "", "body"),
        ("POST", "/pub?id=1", "", "message"),
        ("GET", "/socket", HANDSHAKE, ""),
    ];
    let mut clients = asking.map(|(method, target, headers, body)| {
        let mut client = gateway.connect();
        client.request(method, target, headers, body);
        client
    });
    waiting(&gateway, clients.len());
    gateway.stop();
    for client in &mut clients {
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (502, AWAY));
        client.assert_closed();
    }
    gateway.join();
}

#[test]
fn it_is_waited_for_though_the_last_server_that_was_tried_takes_no_connection() {
    let address = nowhere();
    let (listener, _queue) = full(nowhere());
    let root = format!(
        "{ROOT}\n[[upstream]]\nname = \"app\"\nservers = [\"{address}\", \"{}\"]\n",
        listener.local_addr().unwrap()
    );
    let location = "[[server.location]]\npath = \"/\"\nproxy_pass = \"app\"\n\
                    proxy_connect_timeout = \"50ms\"\nproxy_connect_retry = \"1h\"\n";
    let gateway = Gateway::start_root(&root, &format!("{location}{STATUS}"));
    let mut clients = ["POST", "GET"].map(|method| {
        let mut client = gateway.connect();
        client.request(method, "/", "", "");
        client
    });
    waiting(&gateway, 2);
    let app = App::start_at(address, |client, _| {
        while asked(client).is_some() {
            client.send(ok(b"back"));
        }
    });
    for client in &mut clients {
        assert_eq!(client.response().text(), "back");
    }
    drop(clients);
    drop(gateway);
    drop(app);
}

#[test]
fn a_server_that_shuts_down_does_not_wait_for_a_connection_that_is_not_taken() {
    let address = nowhere();
    let keys = "proxy_connect_timeout = \"1h\"\nproxy_connect_retry = \"1h\"";
    let mut gateway = before(address, keys);
    let mut client = gateway.connect();
    client.get("/", "");
    waiting(&gateway, 1);
    let _full = full(address);
    dialled(address);
    gateway.stop();
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (504, UNTAKEN));
    gateway.join();
}

#[test]
fn a_server_that_shuts_down_gives_a_first_try_a_little_time_to_connect() {
    let address = nowhere();
    let _full = full(address);
    let mut gateway = before(address, "proxy_connect_timeout = \"1h\"");
    let mut client = gateway.connect();
    client.get("/", "");
    dialled(address);
    let begin = Instant::now();
    gateway.stop();
    let answer = client.response();
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!((answer.status, answer.text()), (504, UNTAKEN));
    gateway.join();
}

#[test]
fn a_first_try_is_a_part_of_the_time_that_an_application_is_waited_for() {
    let address = nowhere();
    let _full = full(address);
    let gateway = before(address, "proxy_connect_timeout = \"3s\"\nproxy_connect_retry = \"3s\"");
    let begin = Instant::now();
    let answer = gateway.request("GET", "/", "", "");
    assert_eq!((answer.status, answer.text()), (504, UNTAKEN));
    // A second try would have taken as long again.
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    drop(gateway);
}

#[test]
fn an_answer_that_breaks_off_late_is_asked_for_once_more() {
    let app = App::start(|client, connection| {
        if asked(client).is_none() {
            return;
        }
        if connection == 0 {
            // Longer than an application is waited for.
            thread::sleep(Duration::from_millis(300));
        } else {
            client.send(ok(b"at last"));
        }
    });
    let gateway = before(app.address, "proxy_connect_retry = \"200ms\"");
    assert_eq!(gateway.request("GET", "/", "", "").text(), "at last");
    drop(gateway);
}

#[test]
fn a_server_that_shuts_down_lets_a_request_that_breaks_off_late_connect_again() {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    let app = App::start(move |client, connection| {
        while let Some(question) = asked(client) {
            if connection == 0 && question.line().starts_with("GET / ") {
                let _ = tell.lock().unwrap().send(());
                let _ = released.lock().unwrap().recv();
                return;
            }
            client.send(ok(b"fine"));
        }
    });
    let mut gateway = before(app.address, "");
    assert_eq!(gateway.request("GET", "/warm", "", "").text(), "fine");
    let mut client = gateway.connect();
    client.get("/", "");
    told.recv_timeout(PATIENCE).unwrap();
    gateway.stop();
    // Longer than a first try has to connect.
    thread::sleep(Duration::from_millis(2500));
    release.send(()).unwrap();
    assert_eq!(client.response().text(), "fine");
    gateway.join();
}

#[test]
fn a_request_that_the_application_may_have_seen_is_sent_again_if_that_is_harmless_and_once() {
    let app = Judge::leaving();
    let root = format!(
        "{ROOT}\n[[upstream]]\nname = \"app\"\nservers = [\"{}\", \"{}\"]\n",
        nowhere(),
        app.app.address
    );
    let location =
        "[[server.location]]\npath = \"/\"\nproxy_pass = \"app\"\nproxy_connect_retry = \"1h\"\n";
    let gateway = Gateway::start_root(&root, location);
    // Whichever of the two comes first.
    for times in 1..=4 {
        assert_eq!(gateway.request("POST", "/", "", "body").status, 502);
        assert_eq!(app.questions(), times);
    }
    for times in 1..=4 {
        assert_eq!(gateway.request("GET", "/", "", "").status, 502);
        assert_eq!(app.questions(), 4 + 2 * times);
    }
    drop(gateway);
}
