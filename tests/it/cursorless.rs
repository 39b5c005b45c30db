//! The client that sends no cursor: what it gets, and what its browser sends back.

use crate::{
    harness::{Client, Gateway, Response},
    site::{DATE, MODES, NOW, start, start_clock, wait},
};

const JSON: &str = "default_type = \"application/json\"";

/// The tag of a response, as it is sent back.
fn tag(head: &str) -> String {
    let line = head.lines().find(|line| line.starts_with("Etag: ")).unwrap();
    format!("If-None-Match: {}\r\n", &line[6..])
}

/// Where the tag says that the poll waits.
fn position(head: &str) -> String {
    let line = head.lines().find(|line| line.starts_with("Etag: \"p")).unwrap();
    line[8..].split('.').next().unwrap().to_owned()
}

/// A poll that waits: its head has come.
fn poll(gateway: &Gateway, headers: &str) -> (Client, String) {
    let mut client = gateway.connect();
    client.get("/sub?id=1", headers);
    let head = client.head();
    assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
    (client, head)
}

fn body(client: &mut Client) -> String {
    let body: Vec<u8> = std::iter::from_fn(|| client.chunk()).flatten().collect();
    String::from_utf8(body).unwrap()
}

fn at_once(gateway: &Gateway, headers: &str) -> Response {
    let response = gateway.request("GET", "/sub?id=1", headers, "");
    assert_eq!((response.status, response.header("transfer-encoding")), (200, None));
    response
}

#[test]
fn what_comes_between_two_requests_is_kept_on_a_new_channel_too_however_small_the_buffer() {
    for hold in MODES {
        let gateway = start(hold, "push_message_buffer_length = 2", JSON);
        let (mut client, head) = poll(&gateway, "");
        wait(&gateway, 1);
        // With each request to a channel goes what is too old.
        drop(poll(&gateway, ""));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "0");
        assert_eq!(body(&mut client), "0");
        for number in 1..=30 {
            gateway.publish("/pub?id=1", &number.to_string());
        }
        let mut tagged = tag(&head);
        for number in 1..=30 {
            let answer = at_once(&gateway, &tagged);
            assert_eq!(answer.text(), number.to_string());
            tagged = tag(&answer.head);
        }
    }
}

#[test]
fn the_head_comes_at_once_and_the_message_ends_the_response() {
    for hold in MODES {
        let gateway = start(hold, "", JSON);
        let (mut client, head) = poll(&gateway, "");
        let expected = [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-cache, private",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
            "X-Accel-Buffering: no",
        ];
        let mut lines: Vec<_> = head.lines().collect();
        lines.retain(|line| !["Date", "Etag", "Last"].contains(&&line[..4]));
        lines[1..].sort_unstable();
        assert_eq!(lines, expected);
        wait(&gateway, 1);
        let answer = gateway.publish("/pub?id=1", "{\"messages\":[\"hi\"]}");
        assert_eq!(answer.status, 201);
        assert_eq!(body(&mut client), "{\"messages\":[\"hi\"]}");
        // The connection goes on.
        client.get("/sub?id=1", &tag(&head));
        assert_eq!(position(&client.head()), format!("{NOW}:0"));
        gateway.publish("/pub?id=1", "{}");
        assert_eq!(body(&mut client), "{}");
    }
}

#[test]
fn a_tag_that_comes_back_goes_on_behind_the_message_that_it_was_answered_with() {
    for hold in MODES {
        // Nothing is stored: what is sent between two polls is kept for push_grace.
        let gateway = start(hold, "push_store_messages = false", JSON);
        let (mut client, head) = poll(&gateway, "");
        wait(&gateway, 1);
        for text in ["1", "2", "3"] {
            gateway.publish("/pub?id=1", text);
        }
        assert_eq!(body(&mut client), "1");
        let second = at_once(&gateway, &tag(&head));
        assert_eq!((second.text(), position(&second.head)), ("2", format!("{NOW}:0")));
        assert_eq!(second.header("last-modified"), Some(DATE));
        assert_eq!(second.header("vary"), None);
        let third = at_once(&gateway, &tag(&second.head));
        assert_eq!((third.text(), position(&third.head)), ("3", format!("{NOW}:1")));
        let (mut client, _) = poll(&gateway, &tag(&third.head));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "4");
        assert_eq!(body(&mut client), "4");
    }
}

#[test]
fn a_tag_of_a_poll_that_still_waits_lets_another_tab_wait_beside_it() {
    let gateway = start("hall", "", JSON);
    let (mut one, head) = poll(&gateway, "");
    let (mut two, other) = poll(&gateway, &tag(&head));
    assert_ne!(tag(&head), tag(&other));
    let (mut three, _) = poll(&gateway, &tag(&other));
    wait(&gateway, 3);
    gateway.publish("/pub?id=1", "all");
    for tab in [&mut one, &mut two, &mut three] {
        assert_eq!(body(tab), "all");
    }
}

#[test]
fn tabs_wait_for_the_one_that_was_there_before_they_were_known_to_be_several() {
    let gateway = start("hall", "", JSON);
    let (mut one, head) = poll(&gateway, "");
    let (mut two, other) = poll(&gateway, &tag(&head));
    wait(&gateway, 2);
    gateway.publish("/pub?id=1", "first");
    for tab in [&mut one, &mut two] {
        assert_eq!(body(tab), "first");
    }
    two.get("/sub?id=1", &tag(&other));
    let latest = two.head();
    gateway.publish("/pub?id=1", "second");
    one.get("/sub?id=1", &tag(&latest));
    one.head();
    for tab in [&mut one, &mut two] {
        assert_eq!(body(tab), "second");
    }
}

#[test]
fn an_answer_that_may_be_compressed_varies_by_that_alone() {
    for hold in MODES {
        let text = "x".repeat(1000);
        for (keys, varies) in [("gzip = true\n", Some("Accept-Encoding")), ("", None)] {
            let gateway = start(hold, "", &format!("{keys}{JSON}"));
            gateway.publish("/pub?id=1", &text);
            for (headers, coding) in [("Accept-Encoding: gzip\r\n", Some("gzip")), ("", None)] {
                let answer = gateway.request("GET", "/sub?id=1", headers, "");
                let found: Vec<_> =
                    answer.head.lines().filter_map(|line| line.strip_prefix("Vary: ")).collect();
                assert_eq!((answer.status, found), (200, varies.into_iter().collect()));
                assert_eq!(answer.header("content-encoding"), coding.filter(|_| varies.is_some()));
            }
        }
    }
}

#[test]
fn blanks_keep_it_alive_and_no_timeout_ends_it() {
    for hold in MODES {
        let keys = "push_ping_interval = \"100ms\"\npush_subscriber_timeout = \"300ms\"";
        let gateway = start(hold, "", &format!("{JSON}\n{keys}"));
        let (mut client, _) = poll(&gateway, "");
        for _ in 0..6 {
            assert_eq!(client.chunk().unwrap(), b" ");
        }
        gateway.publish("/pub?id=1", "{}");
        assert_eq!(body(&mut client).trim_start(), "{}");
    }
}

#[test]
fn a_message_that_does_not_come_is_an_error_for_the_client() {
    for hold in MODES {
        let gateway = start(hold, "", JSON);
        let (mut client, _) = poll(&gateway, "");
        wait(&gateway, 1);
        gateway.request("DELETE", "/pub?id=1", "", "");
        // The last chunk never comes.
        client.assert_closed();
    }
}

#[test]
fn after_a_gap_nothing_is_taken_for_received() {
    let keys = format!("{JSON}\npush_grace = 0");
    let (gateway, _) = start_clock("hall", "push_max_message_buffer_length = 2", &keys);
    let (mut client, head) = poll(&gateway, "");
    wait(&gateway, 1);
    for text in ["1", "2", "3", "4"] {
        gateway.publish("/pub?id=1", text);
    }
    assert_eq!(body(&mut client), "1");
    let next = at_once(&gateway, &tag(&head));
    assert_eq!((next.text(), next.header("x-push-gap").is_some()), ("3", true));
}

#[test]
fn a_tag_of_another_process_has_been_answered_by_nobody_here() {
    let gateway = start("hall", "", JSON);
    gateway.publish("/pub?id=1", "1");
    let foreign = "If-None-Match: \"p5:0.1.1\"\r\n";
    assert_eq!(at_once(&gateway, foreign).text(), "1");
}

#[test]
fn tags_of_other_channels_or_made_up_take_nothing_from_the_tabs_of_a_browser() {
    let gateway = start("hall", "", JSON);
    let (mut one, first) = poll(&gateway, "");
    let (mut two, head) = poll(&gateway, &tag(&first));
    wait(&gateway, 2);
    gateway.publish("/pub?id=1", "1");
    assert_eq!([body(&mut one), body(&mut two)], ["1", "1"]);
    gateway.publish("/pub?id=1", "2");
    gateway.publish("/pub?id=2", "other");
    let theirs = tag(&head);
    let browser = theirs.trim_end().trim_end_matches('"').rsplit('.').next().unwrap();
    let made_up = format!("If-None-Match: \"p0:0.1.0.{browser}\"\r\n");
    for stranger in [&theirs, &made_up] {
        for _ in 0..3 {
            let answer = gateway.request("GET", "/sub?id=2", stranger, "");
            assert_eq!(answer.text(), "other");
        }
    }
    for tab in [&mut one, &mut two] {
        tab.get("/sub?id=1", &theirs);
        tab.head();
    }
    assert_eq!([body(&mut one), body(&mut two)], ["2", "2"]);
}

#[test]
fn who_names_an_id_polls_as_ever() {
    let gateway = start("hall", "", JSON);
    gateway.publish("/pub?id=1", "1");
    gateway.publish("/pub?id=1", "2");
    let headers = format!("If-Modified-Since: {DATE}\r\nIf-None-Match: 0\r\n");
    let response = at_once(&gateway, &headers);
    assert_eq!((response.text(), response.header("etag")), ("2", Some("1")));
    let gateway = start("hall", "", &format!("{JSON}\npush_cursorless = false"));
    gateway.publish("/pub?id=1", "1");
    assert_eq!(at_once(&gateway, "").header("etag"), Some("0"));
}

#[test]
fn a_head_request_is_told_the_tag_and_waits_for_nothing() {
    let gateway = start("hall", "", JSON);
    let mut client = gateway.connect();
    client.request("HEAD", "/sub?id=1", "", "");
    assert_eq!(position(&client.head()), "0:0");
    client.request("HEAD", "/sub?id=1", "", "");
    client.head();
    wait(&gateway, 0);
}
