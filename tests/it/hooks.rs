//! `push_subscribe_request`, `push_unsubscribe_request`: who comes to stay is asked about, and who has
//! left is told.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Instant,
};

use crate::{
    app::{App, Asked, asked},
    harness::{Client, Gateway, PATIENCE},
    hooked::{Judge, YES, handshake, silent, start},
    site::{MODES, NOW, event, locations, wait},
};

const IN: &str = "push_subscribe_request = \"/auth/in?c=$push_channel_id\"\n";
const OUT: &str = "push_unsubscribe_request = \"/auth/out?c=$push_channel_id&u=$arg_u\"\n";
const EVENTS: &str = "Accept: text/event-stream\r\n";

fn both() -> String {
    [IN, OUT].concat()
}

/// A stream of events whose opening has been read.
fn listen(gateway: &Gateway, target: &str) -> Client {
    let mut client = gateway.connect();
    client.get(target, EVENTS);
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.chunk().unwrap(), b"retry: 2000\n\n");
    client
}

fn target(asked: &Asked) -> &str {
    asked.line().split(' ').nth(1).unwrap()
}

#[test]
fn who_comes_is_asked_about_before_the_first_message_and_who_leaves_is_told() {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let gateway = judge.gateway(hold, "", &both());
        gateway.publish("/pub?id=1", "x");
        let mut client = gateway.connect();
        let headers = "Cookie: a=b\r\nUser-Agent: u\r\nX-Message-Id: forged\r\n";
        client.get("/sub?id=1&u=ann", &format!("{EVENTS}{headers}"));
        client.head();
        client.until(&event(0, "x"));
        let asked = judge.next();
        assert_eq!(target(&asked), "/auth/in?c=1");
        assert_eq!(asked.header("user-agent"), Some("u"));
        assert_eq!(asked.header("x-message-id"), None);
        assert_eq!(asked.header("x-subscriber-type"), Some("event-source"));
        drop(client);
        let told = judge.next();
        let mut lines: Vec<_> = told.head.lines().collect();
        lines[1..].sort_unstable();
        let seen = format!("X-Message-Id: {NOW}:0");
        let expected = [
            "GET /auth/out?c=1&u=ann HTTP/1.1",
            "Cookie: a=b",
            "Host: test",
            "X-Channel-Id: 1",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: test",
            "X-Forwarded-Proto: http",
            &seen,
            "X-Original-Method: GET",
            "X-Original-Uri: /sub?id=1&u=ann",
            "X-Subscriber-Type: event-source",
        ];
        assert_eq!(lines, expected);
        wait(&gateway, 0);
    }
}

#[test]
fn who_is_refused_gets_the_applications_answer_and_has_not_left() {
    for hold in MODES {
        let judge = Judge::new(|asked| {
            if target(asked).contains("u=bob")
                || asked.header("x-original-uri").unwrap().contains("bob")
            {
                return b"HTTP/1.1 409 No\r\nContent-Length: 4\r\n\r\nfull".to_vec();
            }
            YES.into()
        });
        let gateway = judge.gateway(hold, "", &both());
        let answer = gateway.request("GET", "/sub?id=1&u=bob", EVENTS, "");
        assert_eq!((answer.status, answer.text()), (409, "full"));
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1&u=bob", "");
        assert_eq!(socket.response().status, 409);
        // Another one comes and goes, and nobody else has.
        drop(listen(&gateway, "/sub?id=1&u=ann"));
        let targets: Vec<_> = (0..4).map(|_| target(&judge.next()).to_owned()).collect();
        let expected = ["/auth/in?c=1", "/auth/in?c=1", "/auth/in?c=1", "/auth/out?c=1&u=ann"];
        assert_eq!(targets, expected);
    }
}

#[test]
fn who_polls_does_not_stay() {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let gateway = judge.gateway(hold, "", &both());
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(poll.response().status, 200);
        let mut head = gateway.connect();
        head.request("HEAD", "/sub?id=1", EVENTS, "");
        head.head();
        assert_eq!(judge.questions(), 0);
    }
}

#[test]
fn who_is_admitted_and_then_finds_no_seat_has_left() {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let keys = format!("{}push_max_channel_subscribers = 1", both());
        let gateway = judge.gateway(hold, "", &keys);
        let _first = listen(&gateway, "/sub?id=1&u=ann");
        assert_eq!(target(&judge.next()), "/auth/in?c=1");
        assert_eq!(gateway.request("GET", "/sub?id=1&u=bob", EVENTS, "").status, 403);
        assert_eq!(target(&judge.next()), "/auth/in?c=1");
        assert_eq!(target(&judge.next()), "/auth/out?c=1&u=bob");
    }
}

/// Whoever waits by one of these ways is ended by `end`, and told of once.
fn assert_told(keys: &str, end: impl Fn(&mut Gateway, Vec<Client>)) {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let keys = format!("{OUT}{keys}");
        let mut gateway = judge.gateway(hold, "", &keys);
        let mut clients = Vec::new();
        for (number, accept) in
            [EVENTS, "Accept: multipart/mixed\r\n", "TE: chunked\r\n"].into_iter().enumerate()
        {
            let mut client = gateway.connect();
            client.get(&format!("/sub?id=1&u={number}"), accept);
            client.head();
            clients.push(client);
        }
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1&u=3", "");
        socket.head();
        clients.push(socket);
        wait(&gateway, 4);
        end(&mut gateway, clients);
        let mut told: Vec<_> = (0..4).map(|_| target(&judge.next()).to_owned()).collect();
        told.sort_unstable();
        let expected: Vec<_> = (0..4).map(|number| format!("/auth/out?c=1&u={number}")).collect();
        assert_eq!(told, expected, "{hold}");
        gateway.join();
        assert_eq!(judge.questions(), 4, "{hold}");
    }
}

#[test]
fn whoever_leaves_is_told_of_once_however_it_leaves() {
    assert_told("", |_, clients| drop(clients));
    assert_told("", |gateway, clients| {
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        drop(clients);
    });
    assert_told("push_subscriber_timeout = \"500ms\"", |_, mut clients| {
        assert_eq!(clients[3].exactly(1), [0x88]);
        for client in &mut clients[..3] {
            client.until(b"0\r\n\r\n");
        }
    });
    assert_told("", |gateway, clients| {
        gateway.join();
        drop(clients);
    });
}

#[test]
fn a_client_that_leaves_while_it_is_asked_about_is_told_of_and_takes_no_seat() {
    let (app, told) = silent();
    for hold in MODES {
        let judge = Judge::saying(YES);
        let address = app.address;
        let keys = format!("{OUT}push_subscribe_request = \"http://{address}/\"\n");
        let gateway = judge.gateway(hold, "", &keys);
        gateway.publish("/pub?id=1", "x");
        let mut client = gateway.connect();
        client.get("/sub?id=1&u=ann", EVENTS);
        assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
        wait(&gateway, 0);
        drop(client);
        assert_eq!(told.recv_timeout(PATIENCE), Ok("gone"));
        assert_eq!(target(&judge.next()), "/auth/out?c=1&u=ann");
    }
}

#[test]
fn an_application_that_is_down_admits_nobody() {
    let closed: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for hold in MODES {
        let mut gateway = start(closed, hold, "", &both());
        assert_eq!(gateway.request("GET", "/sub?id=1", EVENTS, "").status, 502);
        // Nothing is left to be told, and the end does not wait for it.
        let begin = Instant::now();
        gateway.join();
        assert!(begin.elapsed() < PATIENCE / 3);
    }
}

#[test]
fn what_an_application_did_not_hear_it_is_told_again() {
    for hold in MODES {
        let down = Arc::new(AtomicBool::new(true));
        let broken = down.clone();
        let judge = Judge::new(move |_| {
            if broken.swap(false, Ordering::SeqCst) {
                return b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".to_vec();
            }
            YES.into()
        });
        let mut gateway = judge.gateway(hold, "", OUT);
        drop(listen(&gateway, "/sub?id=1&u=ann"));
        assert_eq!(target(&judge.next()), "/auth/out?c=1&u=ann");
        assert_eq!(target(&judge.next()), "/auth/out?c=1&u=ann");
        gateway.join();
        assert_eq!(judge.questions(), 2);
    }
}

#[test]
fn an_application_that_hangs_delays_no_message_and_no_end() {
    let (app, _told) = silent();
    for hold in MODES {
        let address = app.address;
        let keys = format!("push_unsubscribe_request = \"http://{address}/\"");
        let root = "workers = 1\nshutdown_timeout = \"500ms\"";
        let mut gateway = Gateway::start_root(root, &locations(hold, "", &keys));
        drop(listen(&gateway, "/sub?id=1"));
        let mut client = listen(&gateway, "/sub?id=1");
        gateway.publish("/pub?id=1", "x");
        client.until(b"data: x\n\n");
        drop(client);
        let begin = Instant::now();
        gateway.join();
        assert!(begin.elapsed() < PATIENCE / 3);
    }
}

#[test]
fn an_application_that_hangs_delays_nothing_that_another_is_told() {
    let (app, asked) = silent();
    let judge = Judge::saying(YES);
    let (hanging, sound) = (app.address, judge.app.address);
    let other = format!(
        "push_unsubscribe_request = \"http://{hanging}/\"\n\n[[server.location]]\n\
         path = \"= /other\"\npush_subscriber = true\npush_channel_id = \"$arg_id\"\n\
         push_unsubscribe_request = \"http://{sound}/$arg_u\"\n"
    );
    let root = "workers = 1\nshutdown_timeout = \"500ms\"";
    let _gateway = {
        let gateway = Gateway::start_root(root, &locations("hall", "", &other));
        let listening: Vec<_> = (0..2 * UNDER_WAY).map(|_| listen(&gateway, "/sub?id=1")).collect();
        let last = listen(&gateway, "/other?id=1&u=ann");
        drop(listening);
        for _ in 0..UNDER_WAY {
            assert_eq!(asked.recv_timeout(PATIENCE), Ok("asked"));
        }
        drop(last);
        assert_eq!(target(&judge.next()), "/ann");
        gateway
    };
}

#[test]
fn an_application_that_is_away_is_left_alone_whatever_says_so() {
    const LEAVE: usize = 300;
    let away = Arc::new(AtomicBool::new(true));
    let still = away.clone();
    let judge = Judge::new(move |_| {
        if still.load(Ordering::SeqCst) {
            return b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        YES.into()
    });
    let mut gateway = judge.gateway("hall", "", OUT);
    let listening: Vec<_> =
        (0..LEAVE).map(|number| listen(&gateway, &format!("/sub?id=1&u={number}"))).collect();
    drop(listening);
    // It is asked a few times for each pause.
    for _ in 0..4 * UNDER_WAY {
        judge.next();
    }
    away.store(false, Ordering::SeqCst);
    let mut told: HashMap<String, usize> = HashMap::new();
    while told.len() < LEAVE {
        *told.entry(target(&judge.next()).to_owned()).or_default() += 1;
    }
    gateway.join();
    let in_vain = judge.questions() - LEAVE;
    assert!(in_vain <= 8 * UNDER_WAY, "{in_vain}");
    let twice = told.values().filter(|times| **times > 1).count();
    assert!(twice <= 4 * UNDER_WAY, "{twice}");
}

#[test]
fn a_shutdown_waits_for_an_application_that_comes_back_in_time() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let keys = format!("push_unsubscribe_request = \"http://{address}/$arg_u\"");
    let root = "workers = 1\nshutdown_timeout = \"30s\"";
    let mut gateway = Gateway::start_root(root, &locations("hall", "", &keys));
    let mut clients: Vec<_> = (0..2 * UNDER_WAY)
        .map(|number| listen(&gateway, &format!("/sub?id=1&u={number}")))
        .collect();
    gateway.stop();
    // Whoever reads the end has left.
    for client in &mut clients {
        client.rest();
    }
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let _app = App::start_at(address, move |client, _| {
        while let Some(asked) = asked(client) {
            sender.lock().unwrap().send(target(&asked).to_owned()).unwrap();
            client.send(YES);
        }
    });
    let all: std::collections::HashSet<_> =
        clients.iter().map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(all.len(), clients.len());
    gateway.join();
}

/// How many, at most the descriptors allow.
const MANY: usize = 1000;

#[test]
fn a_thousand_who_leave_at_once_are_told_of_once_each() {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let mut gateway = judge.gateway(hold, "", OUT);
        let clients: Vec<_> = (0..MANY)
            .map(|number| {
                let mut client = gateway.connect();
                client.get(&format!("/sub?id=1&u={number}"), EVENTS);
                client
            })
            .collect();
        wait(&gateway, MANY);
        drop(clients);
        let mut told: HashMap<String, usize> = HashMap::new();
        for _ in 0..MANY {
            *told.entry(target(&judge.next()).to_owned()).or_default() += 1;
        }
        assert!(told.len() == MANY && told.values().all(|times| *times == 1));
        gateway.join();
        assert_eq!(judge.questions(), MANY);
    }
}

/// Notices that are under way at a time.
const UNDER_WAY: usize = 16;

#[test]
fn a_queue_that_is_full_forgets_the_oldest() {
    // The application answers nothing until it may.
    let (may, wait_until) = mpsc::channel::<()>();
    let (sender, told) = mpsc::channel();
    let (sender, wait_until) = (Mutex::new(sender), Mutex::new(wait_until));
    let app = App::start(move |client, _| {
        while let Some(asked) = asked(client) {
            sender.lock().unwrap().send(target(&asked).to_owned()).unwrap();
            // It ends when nobody is left to hold it up.
            let _ = wait_until.lock().unwrap().recv();
            client.send(YES);
        }
    });
    let address = app.address;
    let keys = format!("push_unsubscribe_request = \"http://{address}/$arg_u\"");
    let locations = locations("hall", "", &keys);
    let mut gateway = Gateway::start_root("workers = 1\npush_hook_queue = 5", &locations);
    let mut listening: Vec<_> = (0..UNDER_WAY + 12)
        .map(|number| listen(&gateway, &format!("/sub?id=1&u={number}")))
        .collect();
    let mut expected = Vec::new();
    for number in 0..UNDER_WAY {
        drop(listening.remove(0));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), format!("/{number}"));
    }
    while !listening.is_empty() {
        expected.push(format!("/{}", UNDER_WAY + expected.len()));
        drop(listening.remove(0));
        wait(&gateway, listening.len());
    }
    drop(may);
    gateway.join();
    let mut told: Vec<String> = told.try_iter().collect();
    told.sort_unstable();
    assert_eq!(told, expected[expected.len() - 5..]);
}
