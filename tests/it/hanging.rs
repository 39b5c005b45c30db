//! Applications that hang, or say what is no answer, before thousands who want to listen: what they cost
//! is bounded, and comes back.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags},
    time::Timespec,
};

use crate::{
    app::{App, asked, ok},
    grip::answer,
    grip_socket::{control, events, open, opening},
    harness::{Client, Gateway, PATIENCE},
    hooked::{YES, silent, start},
    process::{Daemon, write},
    websocket::{CLOSE, TEXT, closed, message, text},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";
const LATE: &str = "The application did not answer in time.";
const BUSY: &str = "Too many requests wait for the application's word.";
/// Who wants to listen.
const LISTENERS: usize = 3000;
/// `push_hook_requests`.
const QUESTIONS: usize = 128;
const MEGABYTE: usize = 1 << 20;
/// What somebody who waits may take, in bytes.
const EACH: usize = 32 << 10;
/// How often an application says again what it says.
const PACE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What everybody asks, each of a channel of its own.
struct Asking {
    method: &'static str,
    path: &'static str,
    headers: &'static str,
    body: String,
    /// Whether the body comes when everybody has sent a head.
    late: bool,
    /// What each may take meanwhile, in bytes.
    each: usize,
}

const LISTENING: Asking = Asking {
    method: "GET",
    path: "/sub",
    headers: EVENTS,
    body: String::new(),
    late: false,
    each: EACH,
};

/// An application that says the same to everybody who asks, as often as it is taken.
struct Bad {
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bad {
    fn saying(first: Vec<u8>, then: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let (mut silent, mut streams): (Vec<TcpStream>, Vec<TcpStream>) = Default::default();
            while !told.load(Ordering::Relaxed) {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    silent.push(stream);
                }
                // Whoever has asked hears something.
                let mut bytes = [0; 4096];
                let asked = |stream: &mut TcpStream| stream.read(&mut bytes).is_ok();
                for mut stream in silent.extract_if(.., asked) {
                    // It may be gone already.
                    let _ = stream.write_all(&first);
                    streams.push(stream);
                }
                streams.retain_mut(|stream| match stream.write(&then) {
                    Ok(_) => true,
                    Err(error) => error.kind() == ErrorKind::WouldBlock,
                });
                // Somebody comes, somebody asks, or it is time to say it again.
                let mut waits = vec![PollFd::new(&listener, PollFlags::IN)];
                waits.extend(silent.iter().map(|stream| PollFd::new(stream, PollFlags::IN)));
                rustix::event::poll(&mut waits, Some(&PACE)).unwrap();
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// Everybody asks, and everybody is answered; returns the most that the daemon took meanwhile, in bytes,
/// and how many got each answer.
fn rush(daemon: &Daemon, asking: &Asking, number: usize) -> (usize, Vec<(u16, String)>) {
    let Asking { method, path, headers, body, late, .. } = asking;
    let mut clients: Vec<Client> = (0..number).map(|_| daemon.connect()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        if *late {
            let length = body.len();
            client.send(format!(
                "{method} {path}?id={at} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\
                 {headers}\r\n"
            ));
        } else {
            client.request(method, &format!("{path}?id={at}"), headers, body);
        }
    }
    for client in clients.iter_mut().filter(|_| *late) {
        client.send(body);
    }
    let mut most = daemon.memory();
    let answers = clients.iter_mut().map(|client| {
        let answer = client.response();
        most = most.max(daemon.memory());
        (answer.status, answer.text().to_owned())
    });
    let answers = answers.collect();
    (most, answers)
}

/// The same, and what it takes is bounded and comes back; returns how many got each answer.
fn flat(
    name: &str,
    daemon: &Daemon,
    asking: &Asking,
    number: usize,
) -> BTreeMap<(u16, String), usize> {
    // What it keeps for later it has by now.
    rush(daemon, asking, 100);
    let before = daemon.memory();
    let (most, answers) = rush(daemon, asking, number);
    let limit = number * asking.each;
    assert!(most - before < limit, "{name}: {before} bytes, then {most}");
    let (begin, mut client) = (Instant::now(), daemon.connect());
    let mut after = most;
    while after > before + 16 * MEGABYTE {
        assert!(begin.elapsed() < 2 * PATIENCE, "{name}: {before} bytes, at last {after}");
        // It goes on with its work meanwhile.
        client.get("/live", "");
        assert_eq!(client.response().text(), "ok");
        after = daemon.memory();
    }
    let mut kinds = BTreeMap::new();
    for answer in answers {
        *kinds.entry(answer).or_default() += 1;
    }
    println!("{name}: {before} bytes, {most}, {after}; {kinds:?}");
    kinds
}

/// With an application that has so many seconds for an answer.
fn daemon(app: &Bad, seconds: u32, directory: &tempfile::TempDir) -> Daemon {
    let address = &app.address;
    let location = |path: &str, keys: &str| {
        format!(
            "[[server.location]]\npath = \"{path}\"\nproxy_read_timeout = \"{seconds}s\"\n\
             push_channel_id = \"$arg_id\"\n{keys} = \"http://{address}/\"\n"
        )
    };
    let config = [
        format!("workers = 1\npush_hook_requests = {QUESTIONS}\n"),
        "[[server]]\nlisten = [\"127.0.0.1:0\"]\n".to_owned(),
        location("/sub", "push_subscriber = true\npush_authorize_request"),
        location("/come", "push_subscriber = true\npush_subscribe_request"),
        location("/pub", "push_publisher = true\npush_publisher_upstream_request"),
        location("/pass", "proxy_pass"),
        "[[server.location]]\npath = \"/live\"\npush_health = true\n".to_owned(),
    ];
    Daemon::start(&write(directory, &config.concat()))
}

#[test]
fn thousands_before_an_application_that_hangs_or_floods_cost_little_and_are_told() {
    let closing = "The application's answer";
    let large = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [&b"1000\r\n"[..], &[b'x'; 0x1000], b"\r\n"].concat();
    for (name, first, then, (status, why)) in [
        ("hangs", vec![], vec![], (504, LATE)),
        ("endless 1xx", vec![], b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), (504, LATE)),
        ("drips a body", large[..32].to_vec(), b"1".to_vec(), (504, LATE)),
        ("garbage", b"garbage\r\n\r\n".to_vec(), vec![b'\xff'; 1000], (502, closing)),
        ("endless", chunked, chunk, (502, closing)),
    ] {
        let app = Bad::saying(first, then);
        let directory = tempfile::tempdir().unwrap();
        // What answers, if badly, may take its time on a busy machine.
        let daemon = daemon(&app, if status == 504 { 3 } else { 60 }, &directory);
        let kinds = flat(name, &daemon, &LISTENING, LISTENERS);
        let asked = kinds.iter().filter(|((own, said), _)| *own == status && said.starts_with(why));
        let asked: usize = asked.map(|(_, number)| number).sum();
        let busy = kinds.get(&(503, BUSY.to_owned())).copied().unwrap_or_default();
        assert_eq!(asked + busy, LISTENERS, "{name}: {kinds:?}");
        assert!(asked >= QUESTIONS, "{name}: {asked}");
        if status == 504 {
            assert!(busy > 0, "{name}: nobody is turned away");
        }
        let mut client = daemon.connect();
        client.get("/live", "");
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn whatever_waits_for_an_application_that_hangs_costs_little_and_comes_back() {
    const BODY: usize = 16 << 10;
    let late = || (504, LATE.to_owned());
    // A body is kept once; what is passed on has a connection to the application at once, too.
    for (path, method, headers, body, late_body, each, number, turns) in [
        ("/come", "GET", EVENTS, 0, false, EACH, LISTENERS, true),
        ("/pub", "POST", "", BODY, false, EACH + BODY, LISTENERS, true),
        ("/pub", "POST", "", BODY, true, EACH + BODY, LISTENERS, true),
        ("/pass", "POST", "", BODY, false, 2 * EACH + BODY, LISTENERS / 3, false),
        ("/pass", "POST", "", BODY, true, 2 * EACH + BODY, LISTENERS / 3, false),
    ] {
        let (app, directory) = (Bad::saying(vec![], vec![]), tempfile::tempdir().unwrap());
        let daemon = daemon(&app, 3, &directory);
        let asking =
            Asking { method, path, headers, body: "x".repeat(body), late: late_body, each };
        let kinds = flat(path, &daemon, &asking, number);
        let asked = kinds.get(&late()).copied().unwrap_or_default();
        let busy = kinds.get(&(503, BUSY.to_owned())).copied().unwrap_or_default();
        assert_eq!(asked + busy, number, "{path}: {kinds:?}");
        // Questions take turns, and pages do not.
        assert_eq!((asked >= QUESTIONS, busy > 0), (true, turns), "{path}: {kinds:?}");
    }
}

#[test]
fn who_stays_or_publishes_is_refused_by_an_application_that_hangs() {
    let (app, told) = silent();
    let ask = "push_subscribe_request = \"http://APP/come\"\nproxy_read_timeout = \"300ms\"";
    let edit =
        "push_publisher_upstream_request = \"http://APP/edit\"\nproxy_read_timeout = \"300ms\"";
    let gateway = start(app.address, "hall", edit, ask);
    for (method, target, headers, body) in
        [("GET", "/sub?id=1", EVENTS, ""), ("POST", "/pub?id=1", "", "message")]
    {
        let answer = gateway.request(method, target, headers, body);
        assert_eq!((answer.status, answer.text()), (504, LATE), "{method}");
        assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
        assert_eq!(told.recv_timeout(PATIENCE), Ok("gone"));
    }
    // Nothing is published, and nobody has a seat.
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
    drop(gateway);
}

#[test]
fn an_application_that_hangs_holds_up_no_question_to_another() {
    let (hanging, told) = silent();
    let fine = App::answering(|_| YES.into());
    let location = |path: &str, app: &App| {
        format!(
            "[[server.location]]\npath = \"{path}\"\npush_subscriber = true\n\
             push_channel_id = \"$arg_id\"\npush_authorize_request = \"http://{}/may\"\n",
            app.address
        )
    };
    let locations = location("/hangs", &hanging) + &location("/fine", &fine);
    let gateway = Gateway::start_root("workers = 1\npush_hook_requests = 1", &locations);
    let mut waits = gateway.connect();
    waits.get("/hangs?id=1", EVENTS);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
    let mut client = gateway.connect();
    client.get("/fine?id=1", EVENTS);
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    drop((waits, client));
    drop(gateway);
}

#[test]
fn held_requests_take_turns_to_ask_an_application_that_hangs() {
    const HELD: usize = 6;
    const TURNS: usize = 2;
    let keys = "Grip-Keep-Alive: .; timeout=1\r\nGrip-Link: </next>; rel=next\r\n";
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    let app = App::start(move |client, _| {
        while let Some(question) = asked(client) {
            if question.line().starts_with("GET /next ") {
                let _ = tell.lock().unwrap().send(());
                let go = released.lock().unwrap().recv();
                client.send(if go.is_ok() { ok(b"end") } else { Vec::new() });
            } else {
                client.send(answer(keys, "begin"));
            }
        }
    });
    let root = format!("workers = 1\npush_hook_requests = {TURNS}");
    let gateway = Gateway::start_root(&root, &app.location("push_grip = true"));
    let mut clients: Vec<Client> = (0..HELD).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.get("/", "");
        assert!(client.head().starts_with("HTTP/1.1 200 "));
    }
    // Each waits and has a sign of life: it would have asked long ago.
    for client in &mut clients {
        for expected in ["begin", ".", "."] {
            assert_eq!(client.chunk().unwrap(), expected.as_bytes());
        }
    }
    assert_eq!(told.try_iter().count(), TURNS);
    for _ in 0..HELD {
        release.send(()).unwrap();
    }
    for client in &mut clients {
        while client.chunk().unwrap() != b"end" {}
        assert_eq!(client.chunk(), None);
    }
    assert_eq!(told.try_iter().count(), HELD - TURNS);
    drop((clients, gateway));
}

/// An application that opens each WebSocket, tells what its other events are, and answers them when it is
/// released; then a gateway in front of it that lets so many requests at a time through.
fn slow_sockets(
    turns: usize,
    more: String,
) -> (App, Gateway, mpsc::Receiver<String>, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, released) = (Mutex::new(tell), Mutex::new(released));
    let app = App::start(move |client, _| {
        while let Some(question) = asked(client) {
            if question.body == b"OPEN\r\n" {
                client.send(opening(&more));
                continue;
            }
            let said = String::from_utf8_lossy(&question.body).into_owned();
            let _ = tell.lock().unwrap().send(said);
            // In the end nobody has to wait any more.
            let _ = released.lock().unwrap().recv();
            client.send(events("", "TEXT 6\r\nm:done\r\n"));
        }
    });
    let root = format!("workers = 1\npush_hook_requests = {turns}");
    let held = app.location("push_grip = true\npush_grip_websocket = \"over_http\"");
    let gateway = Gateway::start_root(&root, &held);
    (app, gateway, told, release)
}

#[test]
fn events_of_web_sockets_take_turns_before_an_application_that_hangs() {
    const HELD: usize = 6;
    const TURNS: usize = 2;
    let beat = r#"{"type": "keep-alive", "content": ".", "timeout": 1, "mode": "interval"}"#;
    let (app, gateway, told, release) = slow_sockets(TURNS, control(beat));
    let mut clients: Vec<Client> = (0..HELD).map(|_| open(&gateway)).collect();
    for client in &mut clients {
        client.send(message(TEXT, b"hi"));
    }
    // Each has signs of life: it would have asked long ago.
    for client in &mut clients {
        for _ in 0..2 {
            assert_eq!(text(client), ".");
        }
    }
    assert_eq!(told.try_iter().count(), TURNS);
    for _ in 0..HELD {
        release.send(()).unwrap();
    }
    for client in &mut clients {
        while text(client) != "done" {}
    }
    assert_eq!(told.try_iter().collect::<Vec<_>>(), vec!["TEXT 2\r\nhi\r\n"; HELD - TURNS]);
    drop((release, clients, gateway, app));
}

#[test]
fn who_leaves_before_its_turn_waits_for_none_and_is_told_of_with_what_it_has_said() {
    let (app, gateway, told, release) = slow_sockets(1, String::new());
    let mut first = open(&gateway);
    first.send(message(TEXT, b"first"));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "TEXT 5\r\nfirst\r\n");
    // One closes in order, the other is just gone.
    let (mut closes, mut goes) = (open(&gateway), open(&gateway));
    closes.send([message(TEXT, b"bye"), message(CLOSE, &1000_u16.to_be_bytes())].concat());
    goes.send(message(TEXT, b"lost?"));
    assert_eq!(closed(&mut closes).0, 1011);
    drop((goes, closes));
    // Farewells wait for nobody's turn.
    let mut said: Vec<_> = (0..2).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    said.sort();
    let expected =
        ["TEXT 3\r\nbye\r\nCLOSE 2\r\n\u{3}\u{fffd}\r\n", "TEXT 5\r\nlost?\r\nDISCONNECT\r\n"];
    assert!(said.iter().all(|body| expected.contains(&body.as_str())), "{said:?}");
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    assert_eq!(text(&mut first), "done");
    drop((release, first, gateway, app));
}
