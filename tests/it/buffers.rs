//! What is kept, for how long, and what goes first.

use crate::{
    harness::Gateway,
    site::{MODES, NOW, event, listen, start, start_root, wait},
};

fn next(gateway: &Gateway, after: &str) -> (u16, String, Option<String>) {
    let target = format!("/sub?id=1&last_event_id={after}");
    let answer = gateway.request("GET", &target, "", "");
    let gap = answer.header("x-push-gap").map(str::to_owned);
    (answer.status, answer.text().to_owned(), gap)
}

fn stored(gateway: &Gateway) -> String {
    let text = gateway.request("GET", "/pub?id=1", "", "").text().to_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Polls until a condition holds that time brings.
fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it never happens");
        std::thread::yield_now();
    }
}

#[test]
fn the_oldest_message_makes_place_for_the_next() {
    let gateway = start("hall", "push_message_buffer_length = 2", "");
    for number in 0..5 {
        gateway.publish("/pub?id=1", &format!("m{number}"));
    }
    assert_eq!(stored(&gateway), "queued messages: 2");
    assert_eq!(next(&gateway, "").1, "m3");
}

#[test]
fn a_message_goes_when_its_time_is_up_and_the_channel_after_it() {
    let keep = "push_message_timeout = \"50ms\"\npush_channel_timeout = \"200ms\"\n";
    let poll = format!("{keep}push_subscriber = [\"interval-poll\"]");
    let gateway = start("hall", keep, &poll);
    gateway.publish("/pub?id=1", "x");
    eventually(|| stored(&gateway) != "queued messages: 1");
    assert_eq!(next(&gateway, "").0, 304);
    eventually(|| gateway.request("GET", "/pub?id=1", "", "").status == 404);
}

#[test]
fn a_channel_that_is_listened_to_does_not_go() {
    for hold in MODES {
        let keep =
            "push_store_messages = false\npush_grace = \"0\"\npush_channel_timeout = \"10ms\"";
        let gateway = start(hold, keep, "push_channel_timeout = \"10ms\"");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        let begin = std::time::Instant::now();
        eventually(|| begin.elapsed().as_millis() > 50);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(events.chunk().unwrap(), event(0, "x"));
        drop(events);
        eventually(|| gateway.request("GET", "/pub?id=1", "", "").status == 404);
    }
}

#[test]
fn what_is_not_stored_reaches_those_who_wait_and_no_newcomer() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "a");
        assert_eq!(poll.response().text(), "a");
        assert_eq!(stored(&gateway), "queued messages: 0");
        poll.request("HEAD", "/sub?id=1", "", "");
        assert!(poll.head().starts_with("HTTP/1.1 304 "));
    }
}

#[test]
fn who_comes_back_by_id_within_the_grace_gets_what_came_between() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false", "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        for text in ["a", "b", "c"] {
            gateway.publish("/pub?id=1", text);
        }
        for text in ["a", "b", "c"] {
            let answer = poll.response();
            assert_eq!((answer.text(), answer.header("x-push-gap")), (text, None));
            let (date, tag) = (answer.header("last-modified"), answer.header("etag"));
            let (date, tag) = (date.unwrap(), tag.unwrap());
            poll.get(
                "/sub?id=1",
                &format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n"),
            );
        }
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "d");
        assert_eq!(poll.response().text(), "d");
    }
}

#[test]
fn after_the_grace_what_came_between_is_a_gap() {
    let short = "push_store_messages = false\npush_grace = \"50ms\"\n";
    let gateway = start("hall", short, "push_subscriber = [\"interval-poll\"]");
    gateway.publish("/pub?id=1", "a");
    gateway.publish("/pub?id=1", "b");
    let first = format!("{NOW}:0");
    assert_eq!(next(&gateway, &first).1, "b");
    eventually(|| next(&gateway, &first).0 == 304);
    gateway.publish("/pub?id=1", "c");
    assert_eq!(next(&gateway, &first), (200, "c".into(), Some(first.clone())));
}

#[test]
fn the_oldest_received_message_is_deleted_where_that_is_asked() {
    for hold in MODES {
        let keep = "push_delete_oldest_received_message = true\npush_min_message_buffer_length = 1";
        let gateway = start(hold, keep, "");
        for text in ["a", "b", "c"] {
            gateway.publish("/pub?id=1", text);
        }
        assert_eq!(next(&gateway, "").1, "a");
        assert_eq!(stored(&gateway), "queued messages: 2");
        assert_eq!(next(&gateway, "").1, "b");
        assert_eq!(stored(&gateway), "queued messages: 1");
        for _ in 0..2 {
            assert_eq!(next(&gateway, "").1, "c");
        }
        assert_eq!(stored(&gateway), "queued messages: 1");
    }
}

#[test]
fn a_message_that_is_received_live_is_deleted_too() {
    for hold in MODES {
        let keep = "push_delete_oldest_received_message = true\npush_min_message_buffer_length = 0";
        let gateway = start(hold, keep, "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "a");
        assert_eq!(events.chunk().unwrap(), event(0, "a"));
        eventually(|| stored(&gateway) == "queued messages: 0");
    }
}

#[test]
fn a_message_larger_than_all_memory_is_507() {
    let gateway = start_root("push_max_reserved_memory = \"10k\"", "hall", "", "");
    let answer = gateway.request("POST", "/pub?id=1", "", &"x".repeat(20_000));
    assert_eq!((answer.status, answer.text()), (507, "The memory for messages is used up."));
    let mut client = gateway.connect();
    client.request("POST", "/pub?id=1", "", &"x".repeat(20_000));
    assert_eq!(client.response().status, 507);
    client.request("POST", "/pub?id=1", "", "x");
    assert_eq!(client.response().status, 202);
}

#[test]
fn the_oldest_history_goes_first_while_those_who_wait_get_everything() {
    for hold in MODES {
        let root = "push_max_reserved_memory = \"20k\"\nworkers = 2";
        let gateway = start_root(root, hold, "push_message_buffer_length = 1000", "");
        let mut events = listen(&gateway, "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=old", "x");
        // All of it fits into the socket: a reader that is too slow may lose something.
        let text = "y".repeat(500);
        let publishing = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut client = gateway.connect();
                for _ in 0..150 {
                    client.request("POST", "/pub?id=1", "", &text);
                    assert_eq!(client.response().status, 201);
                }
            });
            let mut found = Vec::new();
            let wanted: Vec<u8> = (1..151).flat_map(|tag| event(tag, &text)).collect();
            while found.len() < wanted.len() {
                found.extend(events.chunk().unwrap());
            }
            assert!(found == wanted, "{hold}");
            sender.join()
        });
        publishing.unwrap();
        // What waiting subscribers had yet to get goes a little later.
        eventually(|| {
            let left: usize = stored(&gateway)["queued messages: ".len()..].parse().unwrap();
            (5..=40).contains(&left)
        });
        let old = gateway.request("GET", "/pub?id=old", "", "");
        assert!(old.status == 404 || old.text().starts_with("queued messages: 0"), "{old:?}");
    }
}
