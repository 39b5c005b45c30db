//! Servers that answer at once, over and over: they are not asked as often as they can.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Running, command, ran};
use crate::{
    app::{App, asked, ok},
    harness::Client,
};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 0\n\n";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";

/// Listens until it is told that the channel is gone, which is the answer of that number; how long that
/// takes.
fn lasting(
    words: &str,
    answers: usize,
    answer: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Duration {
    let asked_before = Arc::new(AtomicUsize::new(0));
    let app = App::start(move |client: &mut Client, _| {
        while asked(client).is_some() {
            if asked_before.fetch_add(1, Ordering::SeqCst) + 1 == answers {
                return client.send("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
            }
            let answer = answer();
            client.send(&answer);
            if answer == EVENTS.as_bytes() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let ended = ran(&format!("listen http://{}/ {words}", app.address));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    begun.elapsed()
}

#[test]
fn whoever_wants_no_wait_gets_one_that_grows() {
    // Halves at least of 0.1, 0.2, 0.4, 0.8 and 1.6 s.
    let least = Duration::from_millis(1550);
    for (words, answer) in [
        ("", EVENTS.as_bytes().to_vec()),
        ("", BUSY.as_bytes().to_vec()),
        ("--transport long-poll", BUSY.as_bytes().to_vec()),
        // A page without a place to ask after.
        ("--transport long-poll", ok(b"hello")),
    ] {
        let said = String::from_utf8_lossy(&answer).into_owned();
        let took = lasting(words, 6, move || answer.clone());
        assert!(took >= least, "{took:?}: {said}");
    }
}

#[test]
fn an_interval_poll_that_gets_the_same_again_rests_for_its_interval() {
    let head = "HTTP/1.1 200 OK\r\nLast-Modified: Thu, 01 Jan 1970 00:00:05 GMT\r\nEtag: 3\r\n";
    let placed = format!("{head}Content-Length: 1\r\n\r\nx").into_bytes();
    for (answers, answer) in [(3, ok(b"hello")), (4, placed)] {
        let words = "--transport interval-poll --interval 1";
        let took = lasting(words, answers, move || answer.clone());
        assert!(took >= Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn an_event_stream_that_works_is_asked_again_at_once() {
    let app = App::start(|client, number| {
        asked(client).unwrap();
        client.send(format!("{EVENTS}id: 5:{number}\ndata: {number}\n\n"));
    });
    let words = format!("listen -q http://{}/ --count 8", app.address);
    let begun = Instant::now();
    let running = Running::start(&mut command(&words));
    running.end().assert(0, "0\n1\n2\n3\n4\n5\n6\n7\n", "");
    // 0.1 s each at most, where waits that double would come to more than 6 s.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}
