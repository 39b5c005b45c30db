//! Where the output goes: to a terminal, or to somebody who does not read all of it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
};

use super::{command, ran};
use crate::{
    harness::{Gateway, PATIENCE},
    site::{plain, wait},
};

const ESCAPES: &str = "a\x1b[31mb\x07\u{9b}2Jc\td\ne\u{7f}";

/// Runs the program on a terminal of its own; what that shows.
fn on_terminal(words: &str) -> (Option<i32>, String) {
    let program = format!("{} {words}", env!("CARGO_BIN_EXE_pushgate"));
    let mut script = Command::new("script");
    let shown = script.args(["-qec", &program, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    (shown.status.code(), String::from_utf8(shown.stdout).unwrap())
}

fn listen(gateway: &Gateway, words: &str) -> String {
    format!("listen -q --count 1 {words} 'http://{}/sub?id=1'", gateway.address)
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let gateway = plain();
    gateway.publish("/pub?id=1", ESCAPES);
    let shown = on_terminal(&listen(&gateway, ""));
    assert_eq!(shown, (Some(0), "a\\x1B[31mb\\x07\\x9B2Jc\td\r\ne\\x7F\r\n".to_owned()));
    let (code, shown) = on_terminal(&listen(&gateway, "--json"));
    assert_eq!(code, Some(0));
    assert!(shown.contains("a\\u001b[31mb\\u0007\\u009b2Jc\\td\\ne\\u007f"), "{shown}");
    // What is piped stays as it is.
    ran(&listen(&gateway, "").replace('\'', "")).assert(0, &format!("{ESCAPES}\n"), "");
}

#[test]
fn a_terminal_that_nobody_types_into_is_no_message() {
    let (code, shown) = on_terminal("publish http://127.0.0.1:1/");
    assert_eq!(code, Some(2));
    assert!(shown.contains("TEXT is missing"), "{shown}");
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    for (transport, more) in [("event-source", false), ("long-poll", false), ("websocket", true)] {
        let gateway = plain();
        let words = format!("listen http://{}/sub?id=1 --transport {transport}", gateway.address);
        let mut child =
            command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut reading = BufReader::new(child.stdout.take().unwrap());
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "one");
        let mut line = String::new();
        reading.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        drop(reading);
        if more {
            gateway.publish("/pub?id=1", "two");
        }
        let (ended, end) = channel();
        let id = child.id();
        thread::spawn(move || ended.send(child.wait().unwrap()));
        let status = end.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            panic!("it goes on")
        });
        assert_eq!(status.code(), Some(0), "{transport}");
    }
}
