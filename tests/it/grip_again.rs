//! GRIP: what comes while the application is asked again, and how often it is.

use std::{
    io::Write,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    app::{self, App, Asked},
    grip::{Mortal, Script, answer, gateway, get, held, hold, item, publish, stream},
    grip_socket::opening,
    harness::{Client, Gateway, PATIENCE},
    process::{Daemon, write},
    restart::STATUS,
    websocket::{HANDSHAKE, TEXT, closed, message},
};

const HINT: &str = r#""http-response": {"action": "hint"}"#;
const REPLY: &str = r#""http-response": {"body": "meanwhile"}"#;
const NEXT: &str = "Grip-Link: </next>; rel=next\r\n";

/// An application that tells each request, and answers it with what it is handed then.
struct Dialog {
    answers: Sender<Vec<u8>>,
    asked: Receiver<Asked>,
    app: App,
}

impl Dialog {
    fn new() -> Self {
        let ((tell, asked), (answers, handed)) = (channel(), channel::<Vec<u8>>());
        let (tell, handed) = (Mutex::new(tell), Mutex::new(handed));
        let app = App::start(move |client, _| {
            while let Some(question) = app::asked(client) {
                tell.lock().unwrap().send(question).unwrap();
                // Without one it hangs until the test is over.
                let Ok(answer) = handed.lock().unwrap().recv() else { return };
                // Who does not wait for it any more is gone.
                if client.stream.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        Self { answers, asked, app }
    }

    fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    fn answer(&self, answer: Vec<u8>) {
        self.answers.send(answer).unwrap();
    }

    /// The next request has this answer.
    fn answers(&self, answer: Vec<u8>) -> Asked {
        let asked = self.asked();
        self.answer(answer);
        asked
    }

    fn assert_not_asked(&self) {
        assert!(self.asked.try_recv().is_err());
    }

    /// A client whose poll is held.
    fn poll(&self, gateway: &Gateway) -> Client {
        let client = get(gateway, "/wait");
        self.answers(poll());
        held(gateway, 1);
        client
    }
}

fn poll() -> Vec<u8> {
    hold("response", "Grip-Timeout: 300\r\n", "nothing")
}

#[test]
fn a_reply_that_comes_while_the_application_hangs_is_the_answer_at_once() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let mut client = dialog.poll(&gateway);
    item(&gateway, HINT);
    dialog.asked();
    item(&gateway, &stream("of no interest"));
    item(&gateway, REPLY);
    assert_eq!(client.response().text(), "meanwhile");
    dialog.assert_not_asked();
    drop((client, gateway));
}

#[test]
fn a_reply_that_comes_while_a_lost_item_is_asked_for_is_the_answer_at_once() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let mut client = get(&gateway, "/wait");
    dialog.answers(answer(
        "Grip-Hold: response\r\nGrip-Timeout: 300\r\nGrip-Channel: a; prev-id=1, b\r\n",
        "nothing",
    ));
    held(&gateway, 1);
    item(&gateway, &format!(r#""id": "5", "prev-id": "4", {REPLY}"#));
    assert_eq!(dialog.asked().header("grip-last"), Some("a; last-id=1"));
    let reply = r#"{"channel": "b", "http-response": {"body": "of b"}}"#;
    assert_eq!(publish(&gateway, reply).status, 200);
    assert_eq!(client.response().text(), "of b");
    drop((client, gateway));
}

#[test]
fn a_reply_that_comes_while_the_application_is_dead_is_the_answer_at_once() {
    let app = Mortal::new(poll());
    let gateway = app.gateway("");
    let mut client = get(&gateway, "/wait");
    app.asked();
    held(&gateway, 1);
    app.kill();
    item(&gateway, HINT);
    item(&gateway, REPLY);
    assert_eq!(client.response().text(), "meanwhile");
}

/// Who waits by a transport, in all and in the channel.
fn waiting(gateway: &Gateway) -> (u64, u64) {
    let metrics = gateway.request("GET", "/status", "Accept: text/plain; version=0.0.4\r\n", "");
    let by = |transport: &str| {
        let line = format!("pushgate_subscribers{{transport=\"{transport}\"}} ");
        let value = metrics.text().lines().find_map(|text| text.strip_prefix(&line));
        value.unwrap().parse().unwrap()
    };
    (by("long-poll"), by("chunked"))
}

#[test]
fn what_comes_while_a_poll_becomes_a_stream_is_part_of_it() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, STATUS);
    let mut client = dialog.poll(&gateway);
    assert_eq!(waiting(&gateway), (1, 0));
    item(&gateway, HINT);
    dialog.asked();
    for text in ["one;", "two;"] {
        item(&gateway, &stream(text));
    }
    gateway.wait_for_subscribers("/pub/?id=a", 1);
    dialog.answer(hold("stream", "", "begin;"));
    client.head();
    assert_eq!(client.exactly_chunked(14), b"begin;one;two;");
    assert_eq!(waiting(&gateway), (0, 1));
    item(&gateway, &stream("three;"));
    assert_eq!(client.exactly_chunked(6), b"three;");
    drop((client, gateway));
}

#[test]
fn hints_that_come_during_a_question_are_one_question_more() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let mut client = dialog.poll(&gateway);
    item(&gateway, HINT);
    dialog.asked();
    for _ in 0..20 {
        item(&gateway, HINT);
    }
    dialog.answer(poll());
    dialog.asked();
    dialog.answer(poll());
    held(&gateway, 1);
    item(&gateway, REPLY);
    assert_eq!(client.response().text(), "meanwhile");
    dialog.assert_not_asked();
    drop((client, gateway));
}

#[test]
fn a_reply_behind_hints_goes_before_the_question() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let mut client = dialog.poll(&gateway);
    let item = |format: &str| format!("{{\"channel\": \"a\", {format}}}");
    let items: Vec<_> = (0..200).map(|_| item(HINT)).chain([item(REPLY)]).collect();
    assert_eq!(publish(&gateway, &items.join(",")).status, 200);
    // Of those that came before the rest of the request was read one may have been asked for.
    assert_eq!(client.response().text(), "meanwhile");
    assert!(dialog.asked.try_iter().count() <= 1);
    drop((client, gateway));
}

#[test]
fn hints_of_a_stream_that_come_during_a_question_are_one_question_more() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let page = |body: &str| hold("stream", NEXT, body);
    let mut client = get(&gateway, "/");
    dialog.answers(page("begin;"));
    client.head();
    assert_eq!(client.exactly_chunked(6), b"begin;");
    let hint = || item(&gateway, r#""http-stream": {"action": "hint"}"#);
    hint();
    dialog.asked();
    for number in 0..20 {
        hint();
        item(&gateway, &stream(&format!("{};", number % 10)));
    }
    dialog.answer(page("first;"));
    assert_eq!(dialog.answers(page("second;")).line(), "GET /next HTTP/1.1");
    assert_eq!(client.exactly_chunked(13), b"first;second;");
    assert_eq!(client.exactly_chunked(40), b"0;1;2;3;4;5;6;7;8;9;".repeat(2));
    item(&gateway, &stream("end;"));
    assert_eq!(client.exactly_chunked(4), b"end;");
    dialog.assert_not_asked();
    drop((client, gateway));
}

#[test]
fn what_a_page_has_told_is_not_sent_again() {
    let dialog = Dialog::new();
    let gateway = gateway(&dialog.app, "");
    let page = |last: usize, body: &str| {
        let channel = format!("Grip-Hold: stream\r\nGrip-Channel: a; prev-id={last}\r\n{NEXT}");
        dialog.answer(answer(&channel, body));
    };
    let numbered = |id: usize, format: &str| {
        format!("{{\"channel\": \"a\", \"id\": \"{id}\", \"prev-id\": \"{}\", {format}}}", id - 1)
    };
    let content = |id: usize| numbered(id, &stream(&format!("{id};")));
    let mut client = get(&gateway, "/");
    dialog.asked();
    page(1, "begin;");
    client.head();
    assert_eq!(client.exactly_chunked(6), b"begin;");
    let items = [numbered(2, r#""http-stream": {"action": "hint"}"#), content(3), content(4)];
    assert_eq!(publish(&gateway, &items.join(",")).status, 200);
    dialog.asked();
    page(3, "2-3;");
    assert_eq!(client.exactly_chunked(6), b"2-3;4;");
    // What has gone out by now it need not know of.
    assert_eq!(publish(&gateway, &content(5)).status, 200);
    assert_eq!(client.exactly_chunked(2), b"5;");
    dialog.assert_not_asked();
    drop((client, gateway));
}

#[test]
fn pages_that_bring_something_follow_at_once() {
    const PAGES: usize = 100;
    let page = |number: usize| {
        let link = format!("Grip-Link: </{}>; rel=next\r\n", number + 1);
        answer(&link, &format!("{number:03};"))
    };
    let mut pages: Vec<_> = (0..PAGES).map(page).collect();
    pages.push(answer("", "end;"));
    let script = Script::new(pages);
    let gateway = script.gateway("");
    let begin = Instant::now();
    let mut client = get(&gateway, "/0");
    client.head();
    let text = client.exactly_chunked(4 * (PAGES + 1));
    assert!(text.starts_with(b"000;001;") && text.ends_with(b"099;end;"));
    // With the pauses of empty pages it would have been a minute and a half.
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    drop((client, gateway));
}

#[test]
fn a_stream_that_cannot_be_held_is_refused_with_a_sentence() {
    for mode in ["stream", "response"] {
        let timeout = "Grip-Timeout: 60\r\n";
        let long = "x".repeat(2000);
        let script = Script::new(vec![
            hold(mode, timeout, "begin;"),
            hold(mode, timeout, "begin;"),
            answer(&format!("Grip-Hold: {mode}\r\nGrip-Channel: {long}\r\n"), "begin;"),
        ]);
        let gateway = script.gateway("push_max_channel_subscribers = 1\n");
        let client = get(&gateway, "/");
        held(&gateway, 1);
        let refused = gateway.request("GET", "/", "", "");
        let text = "The channel has as many subscribers as it may have.";
        assert_eq!((refused.status, refused.text()), (403, text), "{mode}");
        let refused = gateway.request("GET", "/", "", "");
        let text = "The application names a channel that is too long.";
        assert_eq!((refused.status, refused.text()), (502, text), "{mode}");
        held(&gateway, 1);
        drop((client, gateway));
    }
}

#[test]
fn the_last_link_that_is_named_is_told_that_a_client_has_left() {
    let gone = |path: &str| format!("Grip-Link: <{path}>; rel=gone\r\n");
    let next = |path: &str| format!("Grip-Link: <{path}>; rel=next; timeout=1\r\n");
    let script = Script::new(vec![
        answer(&next("/page"), "one;"),
        hold("stream", &(next("/more") + &gone("../first")), "two;"),
        hold("stream", &(next("/more") + &gone("../../second?x=..")), "three;"),
        hold("stream", "", "four;"),
    ]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/events/list");
    client.head();
    assert_eq!(client.exactly_chunked(19), b"one;two;three;four;");
    for path in ["/events/list", "/page", "/more", "/more"] {
        assert_eq!(script.asked().line(), format!("GET {path} HTTP/1.1"));
    }
    drop(client);
    assert_eq!(script.asked().line(), "POST /second?x=.. HTTP/1.1");
    held(&gateway, 0);
    script.assert_not_asked();
}

#[test]
fn one_fault_of_the_application_is_no_line_for_each_client() {
    const CLIENTS: usize = 50;
    let name = "x".repeat(2000);
    let app = App::answering(move |asked| match asked.line().split(' ').nth(1).unwrap() {
        "/long" => answer(&format!("Grip-Hold: stream\r\nGrip-Channel: {name}\r\n"), ""),
        "/gone" => hold("stream", "Grip-Link: </a b>; rel=gone\r\n", "begin;"),
        "/socket" if asked.body == b"OPEN\r\n" => opening(""),
        "/next" | "/socket" => b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => hold("stream", NEXT, "begin;"),
    });
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("error.log");
    let (path, held) = (log.display(), "push_grip = true\npush_grip_websocket = \"over_http\"\n");
    let config = format!(
        "workers = 1\nlog_format = \"json\"\nerror_log = \"{path}\"\n[[server]]\n\
         listen = [\"127.0.0.1:0\"]\n{}[[server.location]]\npath = \"/items/\"\n\
         push_grip_publish = true\naccess = [\"allow all\"]\n",
        app.location(held)
    );
    let begin = Instant::now();
    let mut daemon = Daemon::start_logging(&write(&directory, &config), "warn");
    let get = |target: &str, headers: &str| {
        let mut client = daemon.connect();
        client.get(target, headers);
        client
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| get("/", "")).collect();
    for client in &mut clients {
        client.head();
        assert_eq!(client.exactly_chunked(6), b"begin;");
    }
    let hint = r#"{"items": [{"channel": "a", "http-stream": {"action": "hint"}}]}"#;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(daemon.request("POST", "/items/", json, hint).status, 200);
    clients.iter_mut().for_each(Client::assert_closed);
    for _ in 0..CLIENTS {
        assert_eq!(get("/long", "").response().status, 502);
        get("/gone", "").head();
        let mut socket = get("/socket", HANDSHAKE);
        socket.head();
        socket.send(message(TEXT, b"x"));
        assert_eq!(closed(&mut socket).0, 1011);
    }
    daemon.signal("-TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let most = begin.elapsed().as_secs() + 2;
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (what, why) in [
        ("what follows a held answer cannot be had", "The application answers 404"),
        ("a request cannot be held", "The application names a channel that is too long."),
        ("that a client has left cannot be told", "The link \"/a b\" is none."),
        ("a WebSocket ends", "The application answers 404."),
    ] {
        let of = |line: &&Value| line.to_string().contains(what);
        let of: Vec<_> = lines.iter().filter(of).collect();
        assert!((1..=most).contains(&(of.len() as u64)), "{what}: {of:?}");
        let fields = &of[0]["fields"];
        assert!(fields["why"].as_str().unwrap().contains(why), "{fields}");
        assert_eq!(fields["times"], 1, "{fields}");
    }
}
