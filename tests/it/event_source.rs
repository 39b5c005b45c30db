//! Server-Sent Events: heads, lines, pings, ends.

use crate::{
    harness::Gateway,
    site::{MODES, NOW, event, listen, stable, start, start_clock, wait},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";

/// The head of a stream, without its time.
fn head(gateway: &Gateway, headers: &str) -> Vec<String> {
    let mut client = gateway.connect();
    client.get("/sub?id=1", &format!("{EVENTS}{headers}"));
    stable(&client.head())
}

#[test]
fn the_head_comes_at_once_and_says_that_nothing_may_be_buffered() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let expected = [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-cache",
            "Content-Type: text/event-stream; charset=utf-8",
            "Transfer-Encoding: chunked",
            "X-Accel-Buffering: no",
        ];
        assert_eq!(head(&gateway, ""), expected);
        assert_eq!(head(&gateway, "Origin: http://a.example\r\n"), expected);
    }
}

#[test]
fn an_allowed_origin_is_told_so_in_the_head() {
    for hold in MODES {
        let listed = "push_allowed_origins = [\"http://a.example\"]\npush_allow_credentials = true";
        let gateway = start(hold, "", listed);
        let head = head(&gateway, "Origin: http://a.example\r\n");
        for line in [
            "Access-Control-Allow-Origin: http://a.example",
            "Access-Control-Allow-Credentials: true",
            "Vary: Origin",
        ] {
            assert!(head.iter().any(|found| found == line), "{head:?}");
        }
        let gateway = start(hold, "", "push_allowed_origins = [\"*\"]");
        let head = self::head(&gateway, "");
        assert!(head.iter().any(|line| line == "Access-Control-Allow-Origin: *"));
    }
}

#[test]
fn a_head_request_is_answered_without_a_stream() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.request("HEAD", "/sub?id=1", EVENTS, "");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(head.contains("\r\nContent-Type: text/event-stream; charset=utf-8\r\n"));
        wait(&gateway, 0);
        client.get("/pub?id=1", "");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn every_line_of_a_message_is_a_line_of_data() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        gateway.request("POST", "/pub?id=1", "X-EventSource-Event: chat\r\n", "a\nb\r\nc\rd\n");
        let expected =
            format!("id: {NOW}:0\nevent: chat\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
        assert_eq!(String::from_utf8(events.chunk().unwrap()).unwrap(), expected);
        gateway.request("POST", "/pub?id=1", "Event-Type: other\r\n", "");
        assert_eq!(
            String::from_utf8(events.chunk().unwrap()).unwrap(),
            format!("id: {NOW}:1\nevent: other\ndata: \n\n")
        );
    }
}

#[test]
fn history_comes_before_what_is_live_without_a_seam() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        for number in 0..3 {
            gateway.publish("/pub?id=1", &format!("m{number}"));
        }
        let mut events = listen(&gateway, "");
        for number in 0..3 {
            assert_eq!(events.chunk().unwrap(), event(number, &format!("m{number}")));
        }
        for number in 3..40 {
            gateway.publish("/pub?id=1", &format!("m{number}"));
        }
        for number in 3..40 {
            assert_eq!(events.chunk().unwrap(), event(number, &format!("m{number}")));
        }
    }
}

#[test]
fn a_silent_stream_is_pinged() {
    for hold in MODES {
        let gateway = start(hold, "", "push_ping_interval = \"50ms\"");
        let mut events = listen(&gateway, "");
        assert_eq!(events.chunk().unwrap(), b":\n\n");
        assert_eq!(events.chunk().unwrap(), b":\n\n");
        gateway.publish("/pub?id=1", "x");
        let chunks = std::iter::from_fn(|| events.chunk());
        assert_eq!(chunks.into_iter().find(|chunk| chunk != b":\n\n").unwrap(), event(0, "x"));
    }
}

#[test]
fn a_stream_ends_cleanly_when_its_time_is_up() {
    for hold in MODES {
        let gateway = start(hold, "", "push_subscriber_timeout = \"50ms\"");
        let mut events = listen(&gateway, "");
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: timeout\n\n");
        assert_eq!(events.chunk(), None);
        events.get("/pub?id=1", "");
        assert!(events.response().text().ends_with("active subscribers: 0"));
    }
}

#[test]
fn a_deleted_channel_ends_its_streams() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: deleted\n\n");
        assert_eq!(events.chunk(), None);
        events.get("/pub?id=1", "");
        assert_eq!(events.response().status, 404);
    }
}

#[test]
fn the_connection_closes_behind_the_stream_if_the_client_asks_for_it() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.get("/sub?id=1", &format!("{EVENTS}Connection: close\r\n"));
        assert!(client.head().contains("\r\nConnection: close\r\n"));
        client.chunk();
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "x");
        gateway.request("DELETE", "/pub?id=1", "", "");
        let rest = std::iter::from_fn(|| client.chunk()).collect::<Vec<_>>().concat();
        assert_eq!(rest, [&event(0, "x")[..], b"event: close\ndata: deleted\n\n"].concat());
        client.assert_closed();
    }
}

#[test]
fn an_old_client_reads_to_the_end_of_the_connection() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        for connection in ["", "Connection: keep-alive\r\n"] {
            let mut client = gateway.connect();
            client.send(format!("GET /sub?id=1 HTTP/1.0\r\n{EVENTS}{connection}\r\n"));
            let head = client.head();
            assert!(!head.contains("Transfer-Encoding"), "{head}");
            assert!(!head.to_lowercase().contains("keep-alive"), "{head}");
            wait(&gateway, 1);
            gateway.publish("/pub?id=1", "x");
            gateway.request("DELETE", "/pub?id=1", "", "");
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(rest.starts_with("retry: 2000\n\nid: "), "{rest}");
            assert!(rest.ends_with("\ndata: x\n\nevent: close\ndata: deleted\n\n"), "{rest}");
        }
    }
}

#[test]
fn a_clock_that_steps_back_never_makes_ids_fall() {
    for hold in MODES {
        let (gateway, clock) = start_clock(hold, "", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        for now in [NOW, NOW + 5, NOW - 100, NOW + 6] {
            clock.store(now, std::sync::atomic::Ordering::Relaxed);
            gateway.publish("/pub?id=1", "x");
        }
        for id in [(NOW, 0), (NOW + 5, 0), (NOW + 5, 1), (NOW + 6, 0)] {
            let expected = format!("id: {}:{}\ndata: x\n\n", id.0, id.1);
            assert_eq!(events.chunk().unwrap(), expected.as_bytes());
        }
    }
}
