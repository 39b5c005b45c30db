//! How a gateway stops.

use std::io::Write as _;

use crate::site::{MODES, event, listen, start, start_root, wait};

const IFRAME: &str = "push_subscriber = [\"stream\", \"event-source\"]\n\
                      push_stream_preset = \"iframe\"\n";

#[test]
fn a_poll_that_waits_is_told_to_come_back() {
    for hold in MODES {
        let mut gateway = start(hold, "", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        gateway.stop();
        let answer = poll.response();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.header("connection"), Some("close"));
        poll.assert_closed();
        gateway.join();
    }
}

#[test]
fn streams_end_in_their_own_words() {
    for hold in MODES {
        let mut gateway = start(hold, "", IFRAME);
        let mut events = listen(&gateway, "");
        let mut frame = gateway.connect();
        frame.get("/sub?id=1", "");
        frame.head();
        frame.chunk();
        let mut old = gateway.connect();
        old.send("GET /sub?id=1 HTTP/1.0\r\n\r\n");
        old.head();
        wait(&gateway, 3);
        gateway.stop();
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: shutdown\n\n");
        assert_eq!(events.chunk(), None);
        assert_eq!(frame.chunk().unwrap(), b"</body></html>\n");
        assert_eq!(frame.chunk(), None);
        assert!(old.rest().ends_with(b"\n</body></html>\n"));
        events.assert_closed();
        frame.assert_closed();
        gateway.join();
    }
}

#[test]
fn what_was_published_before_the_end_still_arrives() {
    for hold in MODES {
        let mut gateway = start(hold, "push_store_messages = false", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 2);
        gateway.publish("/pub?id=1", "x");
        gateway.stop();
        let answer = poll.response();
        assert_eq!((answer.status, answer.text()), (200, "x"));
        let rest = std::iter::from_fn(|| events.chunk()).collect::<Vec<_>>().concat();
        assert_eq!(rest, [&event(0, "x")[..], b"event: close\ndata: shutdown\n\n"].concat());
        gateway.join();
    }
}

#[test]
fn who_asks_for_nothing_is_closed_and_does_not_keep_it_waiting() {
    let mut gateway = start("hall", "", "");
    let mut silent = gateway.connect();
    let mut used = gateway.connect();
    used.get("/pub?id=1", "");
    assert_eq!(used.response().status, 404);
    let begin = std::time::Instant::now();
    gateway.join();
    assert!(begin.elapsed() < std::time::Duration::from_secs(3));
    silent.assert_closed();
    used.assert_closed();
    assert!(std::net::TcpStream::connect(gateway.address).is_err());
}

#[test]
fn a_body_under_way_is_read_to_its_end_and_answered() {
    let mut gateway = start_root("workers = 1", "hall", "", "");
    let mut client = gateway.connect();
    client.send(
        "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    // Now it is under way.
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
    let mut poll = gateway.connect();
    poll.get("/sub?id=2", "");
    gateway.wait_for_subscribers("/pub?id=2", 1);
    gateway.stop();
    assert_eq!(poll.response().status, 503);
    client.send("ab");
    let answer = client.response();
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    client.assert_closed();
    gateway.join();
}

#[test]
fn a_body_that_never_comes_is_given_up() {
    let mut gateway = start_root("shutdown_timeout = \"200ms\"", "hall", "", "");
    let mut client = gateway.connect();
    client.send(
        "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
    client.stream.flush().unwrap();
    gateway.join();
    client.assert_closed();
}
