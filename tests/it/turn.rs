//! What comes together: requests of several connections, and many of one.

use std::thread;

use crate::{
    harness::Client,
    process::{Daemon, write},
    site::locations,
};

fn daemon(keys: &str) -> (tempfile::TempDir, Daemon) {
    let directory = tempfile::tempdir().unwrap();
    let server = format!("workers = 1\n[[server]]\nlisten = [\"127.0.0.1:0\"]\n{keys}");
    let config = write(&directory, &format!("{server}{}", locations("hall", "", "")));
    let daemon = Daemon::start(&config);
    (directory, daemon)
}

/// Sends a request when another one has been sent before, and both are looked at together.
fn second(client: &mut Client, kind: &str, target: &str) {
    match kind {
        "chunks" => client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             6\r\nsecond\r\n0\r\n\r\n"
        )),
        "DELETE" => client.request(kind, target, "", ""),
        method => client.request(method, target, "", "second"),
    }
}

#[test]
fn requests_that_come_together_are_answered_in_the_order_in_which_they_came() {
    let (_directory, daemon) = daemon("");
    for (kind, statuses, then) in [
        ("POST", (201, 201), "data: second\n\n"),
        ("PUT", (201, 201), "data: second\n\n"),
        ("chunks", (201, 201), "data: second\n\n"),
        ("DELETE", (201, 200), "event: close\n"),
    ] {
        let target = format!("/pub?id={kind}");
        let mut subscriber = daemon.connect();
        subscriber.get(&format!("/sub?id={kind}"), "Accept: text/event-stream\r\n");
        daemon.wait_for_subscribers(&target, 1);
        let (mut one, mut other) = (daemon.connect(), daemon.connect());
        // Both are accepted, and wait.
        for client in [&mut one, &mut other] {
            client.get(&target, "");
            assert_eq!(client.response().status, 200);
        }
        // What has been read stays in the list of the kernel until it is looked at once more.
        assert_eq!(daemon.request("GET", &target, "", "").status, 200);
        daemon.signal("-STOP");
        one.request("POST", &target, "", "first");
        second(&mut other, kind, &target);
        daemon.signal("-CONT");
        assert_eq!((one.response().status, other.response().status), statuses, "{kind}");
        let seen = String::from_utf8(subscriber.until(then.as_bytes())).unwrap();
        let first = seen.find("data: first\n\n").unwrap_or_else(|| panic!("{kind}: {seen}"));
        assert!(seen[first..].find(then).is_some(), "{kind}: {seen}");
    }
}

#[test]
fn who_sends_far_ahead_is_answered_in_order_and_takes_little() {
    const REQUESTS: usize = 50_000;
    let (_directory, daemon) = daemon("");
    daemon.request("POST", "/pub?id=1", "", "kept");
    let known = |number: usize| (number * number) % 7 < 3;
    let mut client = daemon.connect();
    let mut writer = Client::new(client.stream.try_clone().unwrap());
    let before = daemon.memory();
    let sender = thread::spawn(move || {
        for number in 0..REQUESTS {
            let id = if known(number) { 1 } else { 2 };
            writer.get(&format!("/pub?id={id}"), "");
        }
    });
    let mut most = 0;
    for number in 0..REQUESTS {
        assert_eq!(client.response().status == 200, known(number), "{number}");
        if number % 1000 == 0 {
            most = most.max(daemon.memory());
        }
    }
    sender.join().unwrap();
    assert!(most < before + (8 << 20), "{before} bytes, then {most}");
}

#[test]
fn an_empty_line_behind_a_request_does_not_shorten_the_time_to_the_next() {
    let (_directory, daemon) =
        daemon("client_header_timeout = \"1s\"\nkeepalive_timeout = \"1m\"\n");
    daemon.request("POST", "/pub?id=1", "", "kept");
    let (mut client, mut half) = (daemon.connect(), daemon.connect());
    client.send("GET /pub?id=1 HTTP/1.1\r\nHost: test\r\n\r\n\r\n");
    assert_eq!(client.response().status, 200);
    half.send("GET /pub?id=1 HTTP/1.1\r\n");
    // So long the client is silent at least.
    assert_eq!(half.response().status, 408);
    client.get("/pub?id=1", "");
    assert_eq!(client.response().status, 200);
}

/// Messages of a second have the same ids in all channels, and go out together: each to its own.
#[test]
fn channels_that_get_messages_at_the_same_time_get_their_own() {
    const CHANNELS: usize = 100;
    let (_directory, daemon) = daemon("");
    // Some are more than is written in one go.
    let text = |round: usize, channel: usize| {
        let length = if channel % 10 == 3 { 200 << 10 } else { 10 };
        format!("{round} in {channel}.{}", "x".repeat(length))
    };
    let connect = |_| daemon.connect();
    let mut streams: Vec<_> = (0..CHANNELS).map(connect).collect();
    let mut polls: Vec<_> = (0..CHANNELS).map(connect).collect();
    let mut gone: Vec<_> = (0..CHANNELS).map(connect).collect();
    let mut publishers: Vec<_> = (0..CHANNELS).map(connect).collect();
    for channel in 0..CHANNELS {
        streams[channel].get(&format!("/sub?id={channel}"), "Accept: text/event-stream\r\n");
        streams[channel].head();
        gone[channel].get(&format!("/sub?id={channel}"), "Accept: text/event-stream\r\n");
        gone[channel].head();
    }
    let mut seen = vec![String::new(); CHANNELS];
    for round in 0..3 {
        for (channel, poll) in polls.iter_mut().enumerate() {
            poll.get(&format!("/sub?id={channel}"), &seen[channel]);
            let held = if gone.is_empty() { 2 } else { 3 };
            daemon.wait_for_subscribers(&format!("/pub?id={channel}"), held);
        }
        daemon.signal("-STOP");
        gone.clear();
        for (channel, publisher) in publishers.iter_mut().enumerate() {
            publisher.request("POST", &format!("/pub?id={channel}"), "", &text(round, channel));
        }
        daemon.signal("-CONT");
        for channel in 0..CHANNELS {
            assert!(matches!(publishers[channel].response().status, 201 | 202), "{channel}");
            let answer = polls[channel].response();
            assert_eq!(answer.text(), text(round, channel));
            let header = |name| answer.header(name).unwrap();
            let (date, tag) = (header("last-modified"), header("etag"));
            seen[channel] = format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n");
            let event = format!("data: {}\n\n", text(round, channel));
            let seen = String::from_utf8(streams[channel].until(event.as_bytes())).unwrap();
            assert_eq!(seen.matches("data: ").count(), 1, "{channel}");
        }
    }
}
