//! Connections that break in mid-stream: nothing is lost, nothing is doubled.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{KEPT, Running, command};
use crate::{
    app::{App, asked, ok},
    harness::{Client, Gateway},
    site::start,
};

/// A relay to a gateway that cuts its connections after so many bytes of the gateway's each; those after
/// the last stay.
fn cutting(gateway: &Gateway, cuts: &'static [usize]) -> App {
    let address = gateway.address;
    App::start(move |client, number| {
        let server = TcpStream::connect(address).unwrap();
        let (mut to, mut from) = (server.try_clone().unwrap(), client.stream.try_clone().unwrap());
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let most = cuts.get(number).map_or(u64::MAX, |cut| *cut as u64);
        let mut answer = server.take(most);
        // The program may be gone first.
        let _ = std::io::copy(&mut answer, &mut client.stream);
        for stream in [&client.stream, answer.get_ref()] {
            let _ = stream.shutdown(Shutdown::Both);
        }
        up.join().unwrap();
    })
}

#[test]
fn messages_come_once_and_in_order_wherever_connections_are_cut() {
    // Within a head, within a message, between messages, and just so.
    const CUTS: &[usize] = &[37, 500, 700, 901];
    for transport in ["event-source", "websocket", "long-poll", "interval-poll", "multipart"] {
        let gateway = start("hall", KEPT, "push_retry = \"50ms\"");
        let relay = cutting(&gateway, CUTS);
        let bodies: Vec<String> = (0..100).map(|number| format!("message {number}")).collect();
        bodies[..80].iter().for_each(|body| drop(gateway.publish("/pub?id=1", body)));
        let words = format!("--count 100 --interval 1 --transport {transport}");
        let url = format!("http://{}/sub?id=1", relay.address);
        let running = Running::start(&mut command(&format!("listen {url} {words}")));
        for body in &bodies[..80] {
            assert_eq!(&running.line(), body, "{transport}");
        }
        bodies[80..].iter().for_each(|body| drop(gateway.publish("/pub?id=1", body)));
        running.end().assert(0, &(bodies[80..].join("\n") + "\n"), "trying again in ");
        assert!(relay.connections() > CUTS.len(), "{transport}: {}", relay.connections());
    }
}

/// A relay to a gateway, and what cuts all of its connections.
fn severable(gateway: &Gateway) -> (App, impl Fn()) {
    let address = gateway.address;
    let streams = Arc::new(Mutex::new(Vec::new()));
    let kept = streams.clone();
    let relay = App::start(move |client, _| {
        let server = TcpStream::connect(address).unwrap();
        let (mut to, mut from) = (server.try_clone().unwrap(), client.stream.try_clone().unwrap());
        kept.lock().unwrap().extend([server.try_clone().unwrap(), from.try_clone().unwrap()]);
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut &server, &mut client.stream);
        let _ = client.stream.shutdown(Shutdown::Both);
        up.join().unwrap();
    });
    let sever = move || {
        for stream in streams.lock().unwrap().drain(..) {
            let _: std::io::Result<()> = stream.shutdown(Shutdown::Both);
        }
    };
    (relay, sever)
}

#[test]
fn who_is_cut_off_before_the_first_message_has_what_comes_meanwhile_and_nothing_else() {
    for (transport, from, first) in [
        ("event-source", "", "newest"),
        ("websocket", "", "newest"),
        ("multipart", "", "newest"),
        ("event-source", "--from newest", "oldest"),
        ("websocket", "--from newest", "oldest"),
    ] {
        let gateway = start("hall", KEPT, &format!("push_first_message = \"{first}\""));
        let (relay, sever) = severable(&gateway);
        gateway.publish("/pub?id=1", "old");
        let url = format!("http://{}/sub?id=1", relay.address);
        let words = format!("listen {url} --transport {transport} {from} --count 2");
        let running = Running::start(&mut command(&words));
        running.until_said("listening to");
        sever();
        let said = running.until_said("trying again in ");
        assert!(!said.contains("missed"), "{said}");
        gateway.publish("/pub?id=1", "meanwhile");
        assert_eq!(running.line(), "meanwhile", "{words}");
        gateway.publish("/pub?id=1", "later");
        running.end().assert(0, "later\n", ", after 1450755280:0");
    }
}

#[test]
fn a_long_poll_that_names_no_message_says_what_it_may_miss() {
    let gateway = start("hall", KEPT, "push_first_message = \"newest\"");
    let (relay, sever) = severable(&gateway);
    let url = format!("http://{}/sub?id=1", relay.address);
    let running = Running::start(&mut command(&format!("listen {url} --transport long-poll")));
    crate::site::wait(&gateway, 1);
    sever();
    running.until_said("; what comes meanwhile may be missed");
    // Nor do other servers say where a stream begins.
    let app = App::start(|client, _| {
        asked(client).unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n");
    });
    let running = Running::start(&mut command(&format!("listen http://{}/", app.address)));
    running.until_said("; what comes meanwhile may be missed");
}

#[test]
fn transports_without_ids_go_on_with_what_is_new() {
    let gateway = start("hall", KEPT, "");
    let relay = cutting(&gateway, &[1000]);
    for number in 0..40 {
        gateway.publish("/pub?id=1", &format!("{number:030}"));
    }
    let url = format!("http://{}/sub?id=1", relay.address);
    let running = Running::start(&mut command(&format!("listen {url} --transport chunked")));
    running.until_said("trying again in ");
    running.until_said("by chunked, from now on");
    gateway.publish("/pub?id=1", "new");
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "new") {
        lines.push(running.line());
    }
    let old: Vec<String> = (0..lines.len() - 1).map(|number| format!("{number:030}")).collect();
    assert_eq!(lines[..lines.len() - 1], old);
    assert!(old.len() < 40);
}

#[test]
fn an_event_stream_that_breaks_is_asked_for_after_its_last_id_and_when_it_says() {
    let app = App::start(|client, number| {
        let request = asked(client).unwrap();
        let expected = ["4:0".to_owned(), "5:0".to_owned(), "5:1".to_owned()];
        assert_eq!(request.header("last-event-id"), Some(&*expected[number]));
        assert_eq!(request.header("accept"), Some("text/event-stream"));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        client.send(format!(
            "{head}retry: 10\n\nid: 5:{number}\ndata: {number}\n\nid: 9:9\ndata: cut"
        ));
    });
    let words = format!("listen http://{}/ --from 4:0 --count 3", app.address);
    super::ran(&words).assert(0, "0\n1\n2\n", "; trying again in 0.1 s");
    assert_eq!(app.connections(), 3);
}

#[test]
fn servers_that_fail_are_asked_again_and_long_polls_name_what_they_had() {
    let app = App::start(|client, number| {
        let failed =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nBusy";
        let date = "Thu, 01 Jan 1970 00:00:05 GMT";
        let mut first = true;
        while let Some(request) = asked(client) {
            let after = [request.header("if-modified-since"), request.header("if-none-match")];
            match (number, first) {
                (0 | 1, _) => client.send(failed),
                (2, true) => {
                    assert_eq!(after, [None, None]);
                    let head = format!("Last-Modified: {date}\r\nEtag: 3\r\n");
                    client.send(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 3\r\n\r\none"));
                }
                // A connection that ends where it waits is made again at once.
                (2, false) => return,
                _ => {
                    assert_eq!(after, [Some(date), Some("3")]);
                    client.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
                }
            }
            if number < 2 {
                return;
            }
            first = false;
        }
    });
    let words = format!("listen http://{}/ --transport long-poll --count 2", app.address);
    let ended = super::ran(&words);
    ended.assert(0, "one\ntwo\n", "pushgate: 503 Service Unavailable: Busy; trying again in 0.1 s");
    assert_eq!(app.connections(), 4);
}

#[test]
fn a_poll_that_waits_for_nothing_is_not_asked_without_a_pause() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let app = App::answering(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
        _ => ok(b"x"),
    });
    let begun = Instant::now();
    let words =
        format!("listen http://{}/ --transport long-poll --count 1 --interval 1", app.address);
    super::ran(&words).assert(0, "x\n", "");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((polls.load(Ordering::SeqCst), app.connections()), (2, 1));
}

#[test]
fn a_poll_that_has_waited_is_asked_again_at_once() {
    let app = App::start(|client, _| {
        assert_eq!(asked(client).unwrap().header("last-event-id"), Some("5:3"));
        // It is held for so long.
        thread::sleep(Duration::from_millis(1200));
        client.send("HTTP/1.1 304 Not Modified\r\n\r\n");
        assert_eq!(asked(client).unwrap().header("last-event-id"), Some("5:3"));
        client.send(ok(b"x"));
    });
    let words = "--from 5:3 --transport long-poll --count 1 --interval 3600";
    super::ran(&format!("listen http://{}/ {words}", app.address)).assert(0, "x\n", "");
}

#[test]
fn what_is_newest_is_what_it_was_when_the_first_connection_was_made() {
    let app = App::start(|client, number| {
        let request = asked(client).unwrap();
        let after = ["253402300799:0", "1450755280"][number];
        assert_eq!(request.header("last-event-id"), Some(after));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        let date = "Date: Tue, 22 Dec 2015 03:34:40 GMT\r\n";
        let event = if number == 1 { "id: 5:0\ndata: x\n\n" } else { "retry: 10\n\n" };
        client.send(format!("{head}{date}\r\n{event}"));
    });
    let words = format!("listen http://{}/ --from newest --count 1", app.address);
    super::ran(&words).assert(0, "x\n", "by event-source, from now on");
}

/// Reads and throws away until the other side ends it.
pub fn drain(client: &mut Client) {
    let mut buffer = [0; 4096];
    while client.stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

/// Sends for as long as anybody takes it; how many bytes that were.
pub fn flood(client: &mut Client, piece: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most && client.stream.write_all(piece).is_ok() {
        sent += piece.len();
    }
    sent
}
