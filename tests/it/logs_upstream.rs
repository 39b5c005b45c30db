//! What the logs say of requests that have to do with an application, and what no log says.

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    app::App,
    grip_socket::{event, opening},
    harness::{Client, PATIENCE},
    hooked::silent,
    process::{Daemon, write},
    websocket::{CLOSE, HANDSHAKE, TEXT, closed, message, text},
};

/// What no log may say.
const MARKER: &str = "body-of-a-message-1f9c";

/// An application that answers by the path.
fn app() -> App {
    App::start(|client, _| {
        while let Some(asked) = crate::app::asked(client) {
            let line = asked.line().to_owned();
            let path = line.split(' ').nth(1).unwrap();
            let answer = |head: &str, body: &str| {
                format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
            };
            let hold = |mode: &str| format!("Grip-Hold: {mode}\r\nGrip-Channel: g\r\n");
            client.send(match path {
                "/stream" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                              4\r\npage\r\n3\r\nend\r\n0\r\n\r\n"
                    .to_owned(),
                "/hand" => answer("X-Accel-Redirect: /inside/?id=h\r\n", ""),
                "/say" => answer("X-Accel-Redirect: /inside/pub/?id=s\r\n", ""),
                "/tunnel" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                              Connection: Upgrade\r\n\r\n"
                    .to_owned(),
                "/grip/wait" => answer(&hold("response"), "nothing"),
                "/grip/stream" => answer(&hold("stream"), "begin;"),
                "/grip/none" => answer(
                    &format!("{}Grip-Timeout: 1\r\nGrip-Status: 304\r\n", hold("response")),
                    "nothing",
                ),
                "/grip/socket" if asked.body == b"OPEN\r\n" => {
                    let answer = opening(&event("TEXT", &format!("m:{MARKER}")));
                    client.send(answer);
                    continue;
                }
                "/edit" => answer("", &format!("{MARKER} edited")),
                "/may" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                _ => answer("", &format!("{MARKER} page")),
            });
            if path == "/tunnel" {
                client.exactly(5);
                client.send("world!");
                assert!(!client.has_more());
                return;
            }
        }
    })
}

/// A daemon before it, both of whose logs are files.
fn start(app: &App, directory: &TempDir, level: &str) -> Daemon {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (access, errors) = (path("access.log"), path("error.log"));
    let address = app.address;
    let location = |path: &str, keys: &str| {
        format!("[[server.location]]\npath = \"{path}\"\npush_channel_id = \"$arg_id\"\n{keys}\n")
    };
    let passes = format!("proxy_pass = \"http://{address}\"\n");
    let held = format!("{passes}push_grip = true\n");
    let config = [
        format!(
            "workers = 1\nlog_format = \"json\"\naccess_log = \"{access}\"\nerror_log = \"{errors}\"\n\
             [[server]]\nlisten = [\"127.0.0.1:0\"]\n"
        ),
        location("/", &passes),
        location("/grip/", &held),
        location("= /grip/socket", &format!("{held}push_grip_websocket = \"over_http\"")),
        location("/items/", "push_grip_publish = true"),
        location("/inside/", "internal = true\npush_subscriber = true"),
        location("/inside/pub/", "internal = true\npush_publisher = true"),
        location("/pub/", "push_publisher = true"),
        location(
            "/edited/",
            "push_publisher = true\npush_publisher_upstream_request = \"/edit\"",
        ),
        location("/sub/", "push_subscriber = true\npush_authorize_request = \"/may\""),
        location("/both/", "push_pubsub = true\naccess = [\"allow all\"]"),
    ]
    .concat();
    Daemon::start_logging(&write(directory, &config), level)
}

fn publish(daemon: &Daemon, target: &str, body: &str) {
    let mut client = daemon.connect();
    client.request("POST", target, "", body);
    assert!((200..300).contains(&client.response().status), "{target}");
}

/// Publishes an item until somebody has got it.
fn items(daemon: &Daemon, format: &str) {
    publish(daemon, "/items/", &format!("{{\"items\": [{{\"channel\": \"g\", {format}}}]}}"));
}

/// Waits until somebody waits for a channel.
fn waits(daemon: &Daemon, id: &str) {
    daemon.wait_for_subscribers(&format!("/pub/?id={id}"), 1);
}

fn get(daemon: &Daemon, target: &str, headers: &str) -> Client {
    let mut client = daemon.connect();
    client.get(target, headers);
    client
}

/// One request of each kind that has to do with the application, each to its end.
fn scene(daemon: &Daemon) {
    assert_eq!(get(daemon, "/page", "").response().status, 200);
    assert_eq!(get(daemon, "/stream", "").response().text(), "pageend");
    let mut poll = get(daemon, "/hand", "");
    waits(daemon, "h");
    publish(daemon, "/pub/?id=h", MARKER);
    assert_eq!(poll.response().text(), MARKER);
    publish(daemon, "/say", MARKER);
    publish(daemon, "/edited/?id=e", MARKER);
    let mut tunnel = get(daemon, "/tunnel", HANDSHAKE);
    tunnel.head();
    tunnel.send("hello");
    assert_eq!(tunnel.exactly(6), b"world!");
    drop(tunnel);
    let mut held = get(daemon, "/grip/wait", "");
    waits(daemon, "g");
    items(daemon, &format!("\"http-response\": {{\"body\": \"{MARKER}\"}}"));
    assert_eq!(held.response().text(), MARKER);
    assert_eq!(get(daemon, "/grip/none", "").response().status, 304);
    let mut held = get(daemon, "/grip/stream", "");
    held.head();
    waits(daemon, "g");
    items(daemon, &format!("\"http-stream\": {{\"content\": \"{MARKER}\"}}"));
    items(daemon, "\"http-stream\": {\"action\": \"close\"}");
    while held.chunk().is_some() {}
    let mut socket = get(daemon, "/grip/socket", HANDSHAKE);
    socket.head();
    assert_eq!(text(&mut socket), MARKER);
    socket.send(message(TEXT, MARKER.as_bytes()));
    assert_eq!(closed(&mut socket).0, 1011);
    socket.send(message(CLOSE, &1011_u16.to_be_bytes()));
    socket.assert_closed();
    let mut both = get(daemon, "/both/?id=b", HANDSHAKE);
    both.head();
    both.send(message(TEXT, MARKER.as_bytes()));
    assert_eq!(text(&mut both), MARKER);
    drop(both);
    publish(daemon, "/pub/?id=p", MARKER);
    let mut events = get(daemon, "/sub/?id=p", "Accept: text/event-stream\r\n");
    events.until(MARKER.as_bytes());
}

/// Lines of a log, once the daemon has stopped.
fn lines(daemon: &mut Daemon, log: &Path) -> Vec<Value> {
    daemon.signal("-TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_says_how_a_request_was_answered_and_how_long_the_application_took() {
    let (app, directory) = (app(), tempfile::tempdir().unwrap());
    let mut daemon = start(&app, &directory, "info");
    scene(&daemon);
    let lines = lines(&mut daemon, &directory.path().join("access.log"));
    let page = MARKER.len() + " page".len();
    for (uri, status, bytes, transport, channels, asked) in [
        ("/page", 200, Some(page), None, json!([]), true),
        ("/stream", 200, Some(7), None, json!([]), true),
        ("/hand", 200, Some(MARKER.len()), Some("long-poll"), json!(["h"]), true),
        ("/say", 202, None, None, json!(["s"]), true),
        ("/edited/?id=e", 202, None, None, json!(["e"]), true),
        ("/tunnel", 101, Some(6), None, json!([]), true),
        ("/grip/wait", 200, Some(MARKER.len()), Some("long-poll"), json!(["g"]), true),
        ("/grip/none", 304, Some(0), Some("long-poll"), json!(["g"]), true),
        ("/grip/stream", 200, Some(6 + MARKER.len()), Some("chunked"), json!(["g"]), true),
        ("/grip/socket", 101, Some(2 + MARKER.len() + 4), Some("websocket"), json!([]), true),
        ("/sub/?id=p", 200, None, Some("event-source"), json!(["p"]), true),
    ] {
        let of: Vec<_> = lines.iter().filter(|line| line["uri"] == uri).collect();
        let [line] = of[..] else { panic!("{uri}: {of:?}") };
        assert_eq!(line["status"], status, "{line}");
        if let Some(bytes) = bytes {
            assert_eq!(line["bytes"], bytes, "{line}");
        }
        assert_eq!(line["transport"], json!(transport), "{line}");
        assert_eq!(line["channels"], channels, "{line}");
        assert_eq!(line["upstream_seconds"].is_number(), asked, "{line}");
        if asked {
            assert!(line["upstream_seconds"].as_f64() <= line["seconds"].as_f64(), "{line}");
        }
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_has_waited_so_long() {
    let ((app, told), directory) = (silent(), tempfile::tempdir().unwrap());
    let mut daemon = start(&app, &directory, "off");
    let asking = [
        ("GET", "/page", ""),
        ("GET", "/sub/?id=p", ""),
        ("GET", "/grip/wait", ""),
        ("GET", "/grip/socket", HANDSHAKE),
    ];
    for (method, target, headers) in asking {
        let mut client = daemon.connect();
        client.request(method, target, headers, "");
        assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"), "{target}");
        drop(client);
        assert_eq!(told.recv_timeout(PATIENCE), Ok("gone"), "{target}");
    }
    let lines = lines(&mut daemon, &directory.path().join("access.log"));
    assert_eq!(lines.len(), asking.len(), "{lines:?}");
    for (line, (_, target, _)) in lines.iter().zip(asking) {
        assert_eq!((&line["uri"], &line["status"]), (&json!(target), &json!(499)), "{line}");
        assert!(line["upstream_seconds"].is_number(), "{line}");
        assert!(line["upstream_seconds"].as_f64() <= line["seconds"].as_f64(), "{line}");
    }
}

#[test]
fn a_client_that_leaves_while_it_is_held_has_a_line() {
    let (app, directory) = (app(), tempfile::tempdir().unwrap());
    let mut daemon = start(&app, &directory, "off");
    for target in ["/grip/wait", "/grip/stream"] {
        let mut client = get(&daemon, target, "");
        waits(&daemon, "g");
        if target == "/grip/stream" {
            client.until(b"begin;");
        }
        drop(client);
        daemon.wait_for_subscribers("/pub/?id=g", 0);
    }
    let lines = lines(&mut daemon, &directory.path().join("access.log"));
    let lines: Vec<_> =
        lines.iter().filter(|line| line["uri"].as_str().unwrap().starts_with("/grip/")).collect();
    let expected = [("/grip/wait", 499, 0, "long-poll"), ("/grip/stream", 200, 6, "chunked")];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, (uri, status, bytes, transport)) in lines.iter().zip(expected) {
        assert_eq!((&line["uri"], &line["status"]), (&json!(uri), &json!(status)), "{line}");
        assert_eq!((&line["bytes"], &line["channels"]), (&json!(bytes), &json!(["g"])), "{line}");
        assert_eq!(line["transport"], transport, "{line}");
    }
}

#[test]
fn no_log_says_what_a_message_says_however_much_it_says() {
    let (app, directory) = (app(), tempfile::tempdir().unwrap());
    let mut daemon = start(&app, &directory, "trace");
    scene(&daemon);
    let said = lines(&mut daemon, &directory.path().join("error.log"));
    assert!(!said.is_empty());
    for name in ["access.log", "error.log"] {
        let text = fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(!text.contains(MARKER), "{name}: {text}");
    }
}

#[test]
fn the_log_of_the_daemon_is_json_too_and_says_as_much_as_it_is_asked_to() {
    for (level, warned) in [("warn", true), ("error", false), ("off", false)] {
        let (app, directory) = (app(), tempfile::tempdir().unwrap());
        let mut daemon = start(&app, &directory, level);
        // It opens no WebSocket, and is asked for one that it speaks no more.
        let mut socket = get(&daemon, "/grip/socket", HANDSHAKE);
        socket.head();
        text(&mut socket);
        socket.send(message(TEXT, b"x"));
        assert_eq!(closed(&mut socket).0, 1011);
        drop(socket);
        let said = lines(&mut daemon, &directory.path().join("error.log"));
        assert_eq!(!said.is_empty(), warned, "{level}: {said:?}");
        for line in &said {
            assert_eq!(line["level"], "WARN", "{line}");
            assert!(line["timestamp"].is_string() && line["fields"]["message"].is_string());
        }
    }
}

#[test]
fn a_server_that_fails_has_a_line_a_second_however_many_ask_it() {
    const ASKED: u64 = 50;
    let app = App::start(|client, _| {
        crate::app::asked(client);
    });
    let directory = tempfile::tempdir().unwrap();
    let mut daemon = start(&app, &directory, "warn");
    let begun = Instant::now();
    for _ in 0..ASKED {
        let mut client = get(&daemon, "/", "");
        assert_eq!(client.response().status, 502);
    }
    let seconds = begun.elapsed().as_secs() + 1;
    let said = lines(&mut daemon, &directory.path().join("error.log"));
    let times: Vec<u64> =
        said.iter().map(|line| line["fields"]["times"].as_u64().unwrap()).collect();
    assert!((1..=seconds).contains(&(times.len() as u64)), "{seconds} s: {said:?}");
    assert_eq!(times[0], 1);
    assert!(times.iter().sum::<u64>() <= ASKED, "{said:?}");
}

#[test]
fn what_is_left_to_be_told_when_time_is_up_has_one_line() {
    let (app, asked) = silent();
    let directory = tempfile::tempdir().unwrap();
    let errors = directory.path().join("error.log");
    let config = format!(
        "workers = 1\nerror_log = \"{}\"\nshutdown_timeout = \"1s\"\n[[server]]\n\
         listen = [\"127.0.0.1:0\"]\n[[server.location]]\npath = \"/\"\npush_subscriber = true\n\
         push_channel_id = \"$arg_id\"\npush_unsubscribe_request = \"http://{}/\"\n",
        errors.display(),
        app.address
    );
    let mut daemon = Daemon::start(&write(&directory, &config));
    let mut clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = daemon.connect();
            client.get("/?id=1", "Accept: text/event-stream\r\n");
            client.head();
            client
        })
        .collect();
    daemon.signal("-TERM");
    for client in &mut clients {
        client.rest();
    }
    assert_eq!(asked.recv_timeout(PATIENCE), Ok("asked"));
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(&errors).unwrap();
    let left: Vec<_> = log.lines().filter(|line| line.contains("time is up")).collect();
    assert!(left.len() == 1 && left[0].contains("queued=4 under_way=16"), "{log}");
}
