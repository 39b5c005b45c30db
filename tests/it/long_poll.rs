//! Long polling: answered at once or held, the same bytes.

use crate::{
    harness::{Gateway, Response},
    site::{DATE, MODES, stable, start, wait},
};

const LISTED: &str = r#"
push_allowed_origins = ["http://a.example"]
push_allow_credentials = true"#;
const ORIGIN: &str = "Origin: http://a.example\r\n";

/// The answers to one request, held and then at once.
fn both(gateway: &Gateway, headers: &str, publish: &str, body: &str) -> [Response; 2] {
    let mut poll = gateway.connect();
    poll.get("/sub?id=1", headers);
    wait(gateway, 1);
    assert_eq!(gateway.request("POST", "/pub?id=1", publish, body).status, 201);
    let held = poll.response();
    poll.get("/sub?id=1", headers);
    let at_once = poll.response();
    assert_eq!(stable(&held.head), stable(&at_once.head));
    assert_eq!(held.body, at_once.body);
    [held, at_once]
}

#[test]
fn an_answer_is_the_message_with_its_id_in_two_headers() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let [held, at_once] = both(&gateway, "", "Content-Type: a/b\r\n", "hello");
        let expected = [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-cache",
            "Content-Length: 5",
            "Content-Type: a/b",
            "Etag: 0",
            &format!("Last-Modified: {DATE}"),
            "Vary: If-None-Match, If-Modified-Since",
        ];
        assert_eq!(stable(&held.head), expected);
        assert_eq!(held.text(), "hello");
        for answer in [held, at_once] {
            assert!(answer.header("date").unwrap().ends_with(" GMT"));
        }
    }
}

#[test]
fn an_allowed_origin_reads_every_answer_also_those_of_the_hall() {
    for hold in MODES {
        let gateway = start(hold, "", LISTED);
        for answer in both(&gateway, ORIGIN, "", "x") {
            assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            let exposed = answer.header("access-control-expose-headers").unwrap();
            assert!(exposed.contains("Last-Modified, Etag"), "{exposed}");
            assert!(answer.head.contains("\r\nVary: If-None-Match, If-Modified-Since\r\n"));
            assert!(answer.head.contains("\r\nVary: Origin\r\n"), "{}", answer.head);
        }
        for headers in ["", "Origin: http://evil.example\r\n"] {
            let gateway = start(hold, "", LISTED);
            for answer in both(&gateway, headers, "", "x") {
                assert!(!answer.head.contains("Access-Control"), "{}", answer.head);
                assert!(answer.head.contains("\r\nVary: Origin\r\n"), "{}", answer.head);
            }
        }
    }
}

#[test]
fn any_origin_gets_a_star_and_no_origin_nothing() {
    for hold in MODES {
        let gateway = start(hold, "", r#"push_allowed_origins = ["*"]"#);
        for answer in both(&gateway, ORIGIN, "", "x") {
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
        let gateway = start(hold, "", "");
        for answer in both(&gateway, ORIGIN, "", "x") {
            assert!(!answer.head.contains("Access-Control") && !answer.head.contains("Origin"));
        }
    }
}

#[test]
fn a_refusal_and_a_farewell_can_be_read_across_origins() {
    for hold in MODES {
        let gateway = start(hold, "", LISTED);
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", ORIGIN);
        wait(&gateway, 1);
        gateway.request("DELETE", "/pub?id=1", "", "");
        let gone = poll.response();
        let malformed = gateway.request("GET", "/sub?id=1&last_event_id=x", ORIGIN, "");
        assert_eq!((gone.status, malformed.status), (410, 400));
        for answer in [gone, malformed] {
            assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
        }
    }
}

#[test]
fn a_poll_that_waits_too_long_is_304() {
    for hold in MODES {
        let gateway = start(hold, "", "push_subscriber_timeout = \"50ms\"");
        let mut poll = gateway.connect();
        for _ in 0..2 {
            poll.get("/sub?id=1", "");
            let answer = poll.response();
            assert_eq!((answer.status, answer.header("content-length")), (304, None));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
        }
        wait(&gateway, 0);
    }
}

#[test]
fn all_of_a_large_deleted_channel_are_told_and_nobody_who_asked_again() {
    // More than are told in one turn.
    const LISTENERS: usize = 700;
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut polls: Vec<_> = (0..LISTENERS).map(|_| gateway.connect()).collect();
        for poll in &mut polls {
            poll.get("/sub?id=1", "");
        }
        wait(&gateway, LISTENERS);
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        for poll in &mut polls {
            assert_eq!(poll.response().status, 410);
            poll.get("/sub?id=1", "");
        }
        wait(&gateway, LISTENERS);
        gateway.publish("/pub?id=1", "x");
        for poll in &mut polls {
            assert_eq!(poll.response().body, b"x");
        }
    }
}

#[test]
fn the_deleted_channels_listeners_are_told_410_and_may_ask_again() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut polls: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
        for poll in &mut polls {
            poll.get("/sub?id=1", "");
        }
        wait(&gateway, 5);
        let answer = gateway.request("DELETE", "/pub?id=1", "", "");
        assert!(answer.text().ends_with("active subscribers: 5"));
        for poll in &mut polls {
            let answer = poll.response();
            assert_eq!((answer.status, answer.header("content-length")), (410, Some("0")));
            poll.get("/sub?id=1", "");
        }
        wait(&gateway, 5);
        gateway.publish("/pub?id=1", "again");
        for poll in &mut polls {
            assert_eq!(poll.response().text(), "again");
        }
    }
}

#[test]
fn a_head_request_never_waits() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.request("HEAD", "/sub?id=1", "", "");
        assert!(client.head().starts_with("HTTP/1.1 304 "));
        gateway.publish("/pub?id=1", "hello");
        client.request("HEAD", "/sub?id=1", "", "");
        let head = client.head();
        client.get("/sub?id=1", "");
        let answer = client.response();
        assert_eq!(stable(&head), stable(&answer.head));
        assert_eq!(answer.header("content-length"), Some("5"));
    }
}

#[test]
fn a_client_that_asks_for_the_end_of_the_connection_gets_it() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        for answer in ["held", "at once"] {
            let mut poll = gateway.connect();
            poll.get("/sub?id=1", "Connection: close\r\n");
            if answer == "held" {
                wait(&gateway, 1);
                gateway.publish("/pub?id=1", "x");
            }
            let response = poll.response();
            assert_eq!(response.header("connection"), Some("close"), "{answer}");
            assert_eq!(response.text(), "x");
            poll.assert_closed();
        }
    }
}

#[test]
fn an_old_client_is_answered_and_its_connection_closed_or_kept() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        for connection in ["", "Connection: keep-alive\r\n"] {
            let mut poll = gateway.connect();
            poll.send(format!("GET /sub?id=1 HTTP/1.0\r\n{connection}\r\n"));
            wait(&gateway, 1);
            gateway.publish("/pub?id=1", "x");
            let response = poll.response();
            assert_eq!((response.status, response.text()), (200, "x"));
            assert_eq!(response.header("transfer-encoding"), None);
            if response.header("connection") == Some("keep-alive") {
                assert!(!connection.is_empty());
                poll.send("GET /pub?id=1 HTTP/1.0\r\n\r\n");
                assert_eq!(poll.response().status, 200);
            }
            poll.assert_closed();
        }
    }
}

#[test]
fn one_message_answers_each_poll_and_none_is_lost_between_two() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut poll = gateway.connect();
        for number in 0..5 {
            gateway.publish("/pub?id=1", &number.to_string());
        }
        let mut headers = String::new();
        for number in 0..8 {
            poll.get("/sub?id=1", &headers);
            if number >= 5 {
                wait(&gateway, 1);
                gateway.publish("/pub?id=1", &number.to_string());
            }
            let answer = poll.response();
            assert_eq!(answer.text(), number.to_string());
            let date = answer.header("last-modified").unwrap();
            let tag = answer.header("etag").unwrap();
            headers = format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n");
        }
    }
}

#[test]
fn what_was_published_before_the_end_of_a_channel_still_arrives() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        for _ in 0..100 {
            let mut poll = gateway.connect();
            poll.get("/sub?id=1", "");
            let mut events = crate::site::listen(&gateway, "");
            wait(&gateway, 2);
            let mut publisher = gateway.connect();
            publisher.send(
                "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx\
                 DELETE /pub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
            );
            let answer = poll.response();
            assert_eq!((answer.status, answer.text()), (200, "x"));
            let rest = std::iter::from_fn(|| events.chunk()).collect::<Vec<_>>().concat();
            let rest = String::from_utf8(rest).unwrap();
            assert!(rest.ends_with("\ndata: x\n\nevent: close\ndata: deleted\n\n"), "{rest}");
        }
    }
}
