//! The access log: a line for each request, when it is over.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{Client, PATIENCE},
    process::{Daemon, write},
    site::{MODES, locations},
};

const STATUS: &str = "\n[[server.location]]\npath = \"= /metrics\"\npush_status = true\n\
                      push_status_format = \"prometheus\"\n";

/// A daemon that logs to a file, which lies in the directory.
fn start(directory: &TempDir, root: &str, hold: &str, timeout: &str) -> (Daemon, PathBuf) {
    let log = directory.path().join(format!("{hold}.log"));
    let own = "real_ip_from = [\"127.0.0.1\"]";
    let config = format!(
        "workers = 1\naccess_log = \"{}\"\n{root}\n{own}\n[[server]]\nlisten = [\"127.0.0.1:0\"]\n{}{STATUS}",
        log.display(),
        locations(hold, "", &format!("push_subscriber_timeout = \"{timeout}\"")),
    );
    (Daemon::start(&write(directory, &config)), log)
}

/// The lines, once the daemon has stopped.
fn lines(mut daemon: Daemon, log: &Path) -> Vec<String> {
    daemon.signal("-TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let text = fs::read_to_string(log).unwrap();
    assert!(text.is_ascii() && text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn answered(client: &mut Client, status: u16) {
    assert_eq!(client.response().status, status);
}

/// One request after the other, each waiting for its end.
fn scene(daemon: &Daemon) {
    let mut client = daemon.connect();
    let agent = "User-Agent: odd \"agent\"\\\tx\r\nReferer: http://a/?b=\"c\"\r\n";
    client.request("POST", "/pub?id=a%22%0ab&secret=1", agent, "four");
    answered(&mut client, 202);
    client.get("/sub?id=a%22%0ab", "X-Forwarded-For: 10.1.2.3\r\n");
    answered(&mut client, 200);
    client.get("/nowhere\"\u{e4}", "User-Agent: \u{e4}\r\n");
    answered(&mut client, 404);
    // A wait that ends with nothing.
    client.get("/sub?id=1", "");
    answered(&mut client, 304);
    // A wait that ends with a message.
    let mut other = daemon.connect();
    client.get("/sub?id=2", "");
    let mut waits = false;
    while !waits {
        other.request("GET", "/pub?id=2", "Accept: application/json\r\n", "");
        waits = other.response().text().contains("\"subscribers\": 1,");
    }
    other.request("POST", "/pub?id=2", "", "message");
    answered(&mut other, 201);
    assert_eq!(client.response().text(), "message");
    client.request("HEAD", "/sub?id=2", "", "");
    client.head();
    client.get("/sub?id=2", "Accept: text/event-stream\r\n");
    client.head();
    while client.chunk().is_some() {}
}

/// The fields of a line of text: what no test can know is left out.
fn fields(line: &str) -> String {
    let (client, rest) = line.split_once(" - - [").unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert!(time.len() == 26 && time.ends_with(" +0000"), "{time}");
    let (before, rest) = rest.rsplit_once("\" 0.").unwrap();
    let (seconds, rest) = rest.split_once(' ').unwrap();
    assert!(seconds.len() == 3 && seconds.parse::<u16>().is_ok(), "{line}");
    let (peer, rest) = rest.split_once(' ').unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    format!("{client} {before}\" {rest}")
}

#[test]
fn text_is_combined_with_what_a_wait_was_for() {
    for hold in MODES {
        let directory = tempfile::tempdir().unwrap();
        let (daemon, log) = start(&directory, "", hold, "80ms");
        scene(&daemon);
        let lines: Vec<String> = lines(daemon, &log)
            .iter()
            .map(|line| fields(line))
            .filter(|line| !line.contains("GET /pub?id=2"))
            .collect();
        // Of 73 bytes each; hyper's own lines around chunks are not seen.
        let streamed = if hold == "hall" { 95 } else { 73 };
        let last = format!(
            "127.0.0.1 \"GET /sub?id=2 HTTP/1.1\" 200 {streamed} \"-\" \"-\" \"-\" event-source \"2\" -"
        );
        let expected = [
            "127.0.0.1 \"POST /pub?id=a%22%0ab&secret=1 HTTP/1.1\" 202 81 \
             \"http://a/?b=\\x22c\\x22\" \"odd \\x22agent\\x22\\x5C\\x09x\" \"-\" - \"a\\x22\\x0Ab\" -",
            "10.1.2.3 \"GET /sub?id=a%22%0ab HTTP/1.1\" 200 4 \"-\" \"-\" \"10.1.2.3\" long-poll \
             \"a\\x22\\x0Ab\" -",
            "127.0.0.1 \"GET /nowhere\\x22\\xC3\\xA4 HTTP/1.1\" 404 17 \"-\" \"\\xC3\\xA4\" \"-\" - \"-\" -",
            "127.0.0.1 \"GET /sub?id=1 HTTP/1.1\" 304 0 \"-\" \"-\" \"-\" long-poll \"1\" -",
            "127.0.0.1 \"POST /pub?id=2 HTTP/1.1\" 201 80 \"-\" \"-\" \"-\" - \"2\" -",
            "127.0.0.1 \"GET /sub?id=2 HTTP/1.1\" 200 7 \"-\" \"-\" \"-\" long-poll \"2\" -",
            "127.0.0.1 \"HEAD /sub?id=2 HTTP/1.1\" 200 0 \"-\" \"-\" \"-\" long-poll \"2\" -",
            &last,
        ];
        assert_eq!(lines, expected, "{hold}");
    }
}

#[test]
fn json_has_an_object_in_each_line() {
    for hold in MODES {
        let directory = tempfile::tempdir().unwrap();
        let (daemon, log) = start(&directory, "log_format = \"json\"", hold, "80ms");
        scene(&daemon);
        let lines: Vec<Value> = lines(daemon, &log)
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["uri"] != "/pub?id=2" || line["method"] != "GET")
            .collect();
        assert_eq!(lines.len(), 8, "{hold}");
        let keys: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
        let mut expected = [
            "time",
            "client",
            "peer",
            "method",
            "uri",
            "protocol",
            "referer",
            "user_agent",
            "forwarded_for",
            "transport",
            "status",
            "bytes",
            "seconds",
            "upstream_seconds",
            "channels",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        let first = &lines[0];
        assert_eq!((&first["method"], &first["status"]), (&"POST".into(), &202.into()));
        assert_eq!(first["uri"], "/pub?id=a%22%0ab&secret=1");
        assert_eq!(first["user_agent"], "odd \"agent\"\\\tx");
        assert_eq!(first["channels"], serde_json::json!(["a\"\nb"]));
        assert_eq!((&first["transport"], &first["forwarded_for"]), (&Value::Null, &Value::Null));
        let time = first["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.starts_with("20"), "{time}");
        assert_eq!(
            (&lines[1]["client"], &lines[1]["transport"]),
            (&"10.1.2.3".into(), &"long-poll".into())
        );
        assert_eq!(lines[2]["user_agent"], "\u{e4}");
        let waited = |line: &Value| line["seconds"].as_f64().unwrap();
        assert!(waited(&lines[3]) >= 0.08 && waited(&lines[3]) < 20.0, "{}", lines[3]);
        assert!(waited(&lines[7]) >= 0.08, "{}", lines[7]);
        assert_eq!(lines[7]["transport"], "event-source");
    }
}

#[test]
fn who_goes_before_the_answer_and_what_cannot_be_understood_have_a_line_too() {
    for hold in MODES {
        let directory = tempfile::tempdir().unwrap();
        let (daemon, log) = start(&directory, "log_format = \"json\"", hold, "1h");
        let mut other = daemon.connect();
        let mut until = |waiting: &str| loop {
            other.get("/pub?id=1", "Accept: application/json\r\n");
            if other.response().text().contains(waiting) {
                break;
            }
        };
        let mut poll = daemon.connect();
        poll.get("/sub?id=1", "");
        until("\"subscribers\": 1,");
        drop(poll);
        until("\"subscribers\": 0,");
        let mut odd = daemon.connect();
        odd.send("GET / HTTP/1.1\r\nno header\r\n\r\n");
        answered(&mut odd, 400);
        let mut endless = daemon.connect();
        endless.send(format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(40_000)));
        answered(&mut endless, 431);
        let lines = lines(daemon, &log);
        let of = |status: u16| {
            let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
            let found: Vec<Value> = lines.filter(|line: &Value| line["status"] == status).collect();
            assert_eq!(found.len(), 1, "{hold} {status} {found:?}");
            (found[0]["uri"].clone(), found[0]["transport"].clone())
        };
        assert_eq!(of(499), ("/sub?id=1".into(), "long-poll".into()));
        assert_eq!(of(400), (Value::Null, Value::Null));
        assert_eq!(of(431), (Value::Null, Value::Null));
    }
}

#[test]
fn sigusr1_opens_the_file_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, log) = start(&directory, "", "hall", "80ms");
    let mut client = daemon.connect();
    client.get("/before", "");
    answered(&mut client, 404);
    let wait = |done: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !done() {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    };
    // The line comes after the answer.
    wait(&|| fs::read_to_string(&log).unwrap().contains("/before "));
    let moved = directory.path().join("moved");
    fs::rename(&log, &moved).unwrap();
    daemon.signal("-USR1");
    wait(&|| log.exists());
    client.get("/after", "");
    answered(&mut client, 404);
    let after = lines(daemon, &log);
    assert!(after.len() == 1 && after[0].contains("GET /after "), "{after:?}");
    let before = fs::read_to_string(moved).unwrap();
    assert!(before.lines().count() == 1 && before.contains("GET /before "), "{before}");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "workers = 1\naccess_log = \"stdout\"\n[[server]]\nlisten = [\"127.0.0.1:0\"]\n{}{STATUS}",
        locations("hall", "", ""),
    );
    // The pipe is held and not read.
    let mut daemon = Daemon::start(&write(&directory, &config));
    let mut client = daemon.connect();
    let target = format!("/{}", "x".repeat(20_000));
    for _ in 0..200 {
        client.get(&target, "");
        answered(&mut client, 404);
    }
    client.get("/metrics", "");
    let page = client.response();
    let lost = page.text().lines().find(|line| line.starts_with("pushgate_lost_log_lines_total "));
    let lost: u64 = lost.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    // At most two queues and a pipe are on their way.
    assert!((80..200).contains(&lost), "{lost}");
    daemon.signal("-TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}
