//! HTTP/1 on the wire: what a connection may carry, in which order, and how it ends.

use crate::{
    harness::Client,
    site::{GET, MODES, assert_answer, listen, plain, start, wait},
};

const POST: &str = "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\n";
const POLL: &str = "GET /sub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n";
const STATE: &str =
    "queued messages: 0\r\nlast requested: 0 sec. ago (-1=never)\r\nactive subscribers: 0";

#[test]
fn pipelined_requests_are_answered_in_order_also_around_one_that_waits() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.send(format!("{GET}{POLL}{POLL}{GET}"));
        assert_answer(&mut client, 404, "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "a");
        assert_answer(&mut client, 200, "a");
        assert_answer(&mut client, 200, "a");
        assert!(client.response().text().starts_with("queued messages: 1\r\n"));
        client.send(POST);
        client.send("b");
        assert_eq!(client.response().status, 202);
    }
}

#[test]
fn requests_sent_while_one_waits_are_answered_after_it() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        let mut client = gateway.connect();
        client.send(POLL);
        wait(&gateway, 1);
        client.send(&GET[..20]);
        client.drip(&GET[20..]);
        client.send(format!("{POST}xGET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n"));
        gateway.publish("/pub?id=1", "a");
        assert_answer(&mut client, 200, "a");
        assert_answer(&mut client, 200, STATE);
        assert_eq!(client.response().status, 202);
        assert_answer(&mut client, 404, "No such location.");
    }
}

#[test]
fn any_number_of_bytes_may_be_sent_while_a_request_waits() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        let mut client = gateway.connect();
        client.send(POLL);
        wait(&gateway, 1);
        let requests = 4000;
        let mut sender = Client::new(client.stream.try_clone().unwrap());
        let sending = std::thread::spawn(move || sender.send(GET.repeat(requests)));
        gateway.publish("/pub?id=1", "a");
        assert_answer(&mut client, 200, "a");
        for _ in 0..requests {
            let answer = client.response();
            assert!(answer.text().starts_with("queued messages: 0\r\n"), "{answer:?}");
        }
        sending.join().unwrap();
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.drip(format!("{POST}x{POLL}{GET}"));
        assert_eq!(client.response().status, 202);
        assert_answer(&mut client, 200, "x");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn line_ends_may_be_bare_and_empty_lines_may_come_first() {
    let gateway = plain();
    let mut client = gateway.connect();
    client.send("GET /pub?id=1 HTTP/1.1\nHost: t\n\n");
    assert_answer(&mut client, 404, "");
    client.send(format!("\r\n\r\n{GET}\r\n"));
    assert_answer(&mut client, 404, "");
    client.drip(format!("\r\n\n{GET}"));
    assert_answer(&mut client, 404, "");
}

#[test]
fn the_body_is_asked_for_only_when_it_is_wanted() {
    let gateway = start(
        "hall",
        "access = [\"deny 127.0.0.1\"]\n[[server.location]]\npath = \"/open\"\npush_publisher = true\npush_channel_id = \"$arg_id\"",
        "",
    );
    let head = |path: &str| {
        format!(
            "POST {path}?id=1 HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
    };
    let mut client = gateway.connect();
    client.send(head("/open"));
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
    client.send("abc");
    assert_eq!(client.response().status, 202);
    client.send(head("/pub"));
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (403, "Access denied."));
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn a_refused_body_is_never_taken_for_a_request() {
    let gateway = start("hall", "access = [\"deny 127.0.0.1\"]", "");
    let bodies = [
        format!("Content-Length: {}\r\n\r\n{POLL}", POLL.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{POLL}\r\n0\r\n\r\n", POLL.len()),
        format!("Content-Length: 100000\r\n\r\n{POLL}"),
    ];
    for (number, body) in bodies.iter().enumerate() {
        let head = body.find("\r\n\r\n").unwrap() + 4;
        // Nothing is left of one that is all there.
        let cuts = if number == 0 { vec![head, head + 1] } else { vec![head, body.len()] };
        for cut in cuts {
            let mut client = gateway.connect();
            client.send(format!("POST /pub?id=1 HTTP/1.1\r\nHost: t\r\n{}", &body[..cut]));
            assert_answer(&mut client, 403, "Access denied.");
            client.send(&body[cut..]);
            client.assert_closed();
        }
    }
}

#[test]
fn a_connection_outlasts_a_refusal_if_the_body_came_with_the_head() {
    let closed = "access = [\"deny all\"]\n[[server.location]]\npath = \"= /open\"\n\
                  push_publisher = true\npush_channel_id = \"$arg_id\"";
    let gateway = start("hall", closed, "");
    let mut client = gateway.connect();
    let post = |target: &str| {
        let length = POLL.len();
        format!("POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{POLL}")
    };
    for (target, status, sentence) in [
        ("/pub?id=1", 403, "Access denied."),
        ("/open", 404, "No channel id provided."),
        ("/sub?id=1", 405, "The location takes GET, HEAD, OPTIONS."),
        ("/nowhere", 404, "No such location."),
    ] {
        client.send(format!("{}{}x", post(target), POST.replace("/pub", "/open")));
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (status, sentence));
        assert_eq!(answer.header("connection"), None);
        assert_eq!(client.response().status, 202);
    }
}

#[test]
fn the_body_of_a_get_is_never_taken_for_a_request() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        for target in ["/pub?id=1", "/sub?id=1", "/nowhere"] {
            let mut client = gateway.connect();
            let post = format!("{POST}x");
            let length = post.len();
            client.send(format!(
                "GET {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{post}"
            ));
            if target.starts_with("/sub") {
                wait(&gateway, 1);
                gateway.publish("/pub?id=1", "first");
            }
            assert!(matches!(client.response().status, 200 | 404));
            client.assert_closed();
        }
        assert!(gateway.request("GET", "/pub?id=1", "", "").text().contains("messages: 1\r\n"));
    }
}

#[test]
fn the_path_is_normalised_before_its_location_is_looked_for() {
    let gateway = plain();
    let mut client = gateway.connect();
    for target in
        ["/./pub?id=1", "//pub?id=1", "/x/../pub?id=1", "/%70ub?id=1", "http://h/pub?id=1"]
    {
        client.get(target, "");
        assert_answer(&mut client, 404, "");
    }
    for target in ["/", "/pub/", "/PUB?id=1", "/nowhere?id=1"] {
        client.get(target, "");
        assert_answer(&mut client, 404, "No such location.");
    }
}

#[test]
fn many_requests_use_one_connection() {
    let gateway = start("hall", "", "");
    let mut client = gateway.connect();
    for number in 0..500 {
        client.request("POST", "/pub?id=1", "", &number.to_string());
        assert_eq!(client.response().status, 202);
        client.get("/sub?id=1", &format!("If-None-Match: {}:{number}\r\n", crate::site::NOW - 1));
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_vanished_listener_is_no_longer_counted() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        let events = listen(&gateway, "");
        wait(&gateway, 2);
        poll.finish();
        wait(&gateway, 1);
        drop(events);
        wait(&gateway, 0);
        poll.assert_closed();
    }
}

#[test]
fn everything_that_was_asked_before_a_half_close_is_answered() {
    let gateway = plain();
    let mut client = gateway.connect();
    client.send(format!("{POST}x").repeat(100));
    client.finish();
    for _ in 0..100 {
        assert_eq!(client.response().status, 202);
    }
    client.assert_closed();
    let stored = gateway.request("GET", "/pub?id=1", "", "");
    assert!(stored.text().starts_with("queued messages: 10\r\n"), "{stored:?}");
}
