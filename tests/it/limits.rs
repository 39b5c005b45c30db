//! Who may listen, and how many.

use crate::{
    harness::{Client, Gateway},
    site::{MODES, NOW, event, listen, start, start_root, wait},
    websocket::{HANDSHAKE, closed, open, text},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";

fn waiting(gateway: &Gateway, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get("/sub?id=1", headers);
    client
}

/// Where a client left off: behind the message of that tag.
fn from(tag: &str) -> String {
    format!("Last-Event-ID: {NOW}:{tag}\r\n")
}

fn refused(gateway: &Gateway, target: &str, headers: &str) -> (u16, String) {
    let answer = gateway.request("GET", target, headers, "");
    (answer.status, answer.text().to_owned())
}

#[test]
fn the_first_keeps_the_channel_and_later_ones_are_409() {
    for hold in MODES {
        let gateway = start(hold, "", "push_subscriber_concurrency = \"first\"");
        let mut first = waiting(&gateway, "");
        wait(&gateway, 1);
        let sentence = "Another subscriber has the channel.";
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=1", headers), (409, sentence.into()));
        }
        gateway.publish("/pub?id=1", "a");
        assert_eq!(first.response().text(), "a");
        // The place is free again.
        let mut events = listen(&gateway, "");
        assert_eq!(events.chunk().unwrap(), event(0, "a"));
        wait(&gateway, 1);
        assert_eq!(refused(&gateway, "/sub?id=1", "").0, 409);
        gateway.publish("/pub?id=1", "b");
        assert_eq!(events.chunk().unwrap(), event(1, "b"));
        drop(events);
        wait(&gateway, 0);
        // A WebSocket keeps it likewise.
        let mut socket = open(&gateway, "/sub?id=1", &from("1"));
        wait(&gateway, 1);
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=1", headers), (409, sentence.into()));
        }
        gateway.publish("/pub?id=1", "c");
        assert_eq!(text(&mut socket), "c");
    }
}

#[test]
fn the_last_takes_the_channel_and_earlier_ones_are_sent_away() {
    for hold in MODES {
        let gateway =
            start(hold, "push_store_messages = false", "push_subscriber_concurrency = \"last\"");
        let mut poll = waiting(&gateway, "");
        wait(&gateway, 1);
        let mut events = listen(&gateway, "");
        let answer = poll.response();
        assert_eq!((answer.status, answer.header("content-length")), (409, Some("0")));
        wait(&gateway, 1);
        let mut last = waiting(&gateway, "");
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: conflict\n\n");
        assert_eq!(events.chunk(), None);
        wait(&gateway, 1);
        assert_eq!(gateway.publish("/pub?id=1", "a").status, 201);
        assert_eq!(last.response().text(), "a");
        // From one WebSocket to another, and on.
        let mut first = open(&gateway, "/sub?id=1", "");
        wait(&gateway, 1);
        let mut second = open(&gateway, "/sub?id=1", "");
        assert_eq!(closed(&mut first), (4409, "conflict".into()));
        wait(&gateway, 1);
        let mut events = listen(&gateway, "");
        assert_eq!(closed(&mut second), (4409, "conflict".into()));
        wait(&gateway, 1);
        let mut last = open(&gateway, "/sub?id=1", "");
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: conflict\n\n");
        wait(&gateway, 1);
        assert_eq!(gateway.publish("/pub?id=1", "b").status, 201);
        assert_eq!(text(&mut last), "b");
        // Its connection is still good.
        poll.get("/pub?id=1", "");
        assert_eq!(poll.response().status, 200);
    }
}

#[test]
fn a_full_channel_is_403_until_somebody_leaves() {
    for hold in MODES {
        let gateway =
            start(hold, "push_store_messages = false", "push_max_channel_subscribers = 2");
        let mut poll = waiting(&gateway, "");
        let socket = open(&gateway, "/sub?id=1", "");
        wait(&gateway, 2);
        let full = (403, "The channel has as many subscribers as it may have.".to_owned());
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=1", headers), full);
        }
        wait(&gateway, 2);
        drop(socket);
        wait(&gateway, 1);
        let mut second = open(&gateway, "/sub?id=1", "");
        wait(&gateway, 2);
        assert_eq!(refused(&gateway, "/sub?id=1", HANDSHAKE), full);
        gateway.publish("/pub?id=1", "x");
        assert_eq!((poll.response().text(), &*text(&mut second)), ("x", "x"));
        wait(&gateway, 1);
    }
}

#[test]
fn groups_and_the_server_have_limits_of_their_own() {
    for hold in MODES {
        let group = "push_channel_group = \"$arg_g\"\n";
        let limited = format!("{group}push_group_max_subscribers = 1");
        let root = "push_max_subscribers = 2";
        let gateway = start_root(root, hold, group, &limited);
        let mut one = gateway.connect();
        one.get("/sub?id=1&g=a", EVENTS);
        gateway.wait_for_subscribers("/pub?id=1&g=a", 1);
        let sentence = "The channel group has as many subscribers as it may have.";
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=2&g=a", headers), (403, sentence.into()));
        }
        let _two = open(&gateway, "/sub?id=1&g=b", "");
        gateway.wait_for_subscribers("/pub?id=1&g=b", 1);
        let sentence = "The server has as many subscribers as it may have.";
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=1&g=c", headers), (403, sentence.into()));
        }
        drop(one);
        gateway.wait_for_subscribers("/pub?id=1&g=a", 0);
        let _three = open(&gateway, "/sub?id=2&g=a", "");
        gateway.wait_for_subscribers("/pub?id=2&g=a", 1);
    }
}

#[test]
fn groups_keep_channels_of_the_same_name_apart() {
    let group = "push_channel_group = \"$arg_g\"\n";
    let gateway = start("hall", group, group);
    gateway.publish("/pub?id=1&g=a", "of a");
    gateway.publish("/pub?id=1&g=b", "of b");
    gateway.publish("/pub?id=1", "of none");
    for (target, text) in [("&g=a", "of a"), ("&g=b", "of b"), ("", "of none")] {
        let answer = gateway.request("GET", &format!("/sub?id=1{target}"), "", "");
        assert_eq!((answer.text(), answer.header("etag")), (text, Some("0")));
    }
    // A group that contains the separator of nginx's push module is not another group's channel.
    assert_eq!(gateway.request("GET", "/pub?id=a/1", "", "").status, 404);
    gateway.request("DELETE", "/pub?id=1&g=a", "", "");
    assert_eq!(gateway.request("GET", "/pub?id=1&g=b", "", "").status, 200);
}

#[test]
fn the_number_of_channels_is_limited_in_a_group_and_in_all() {
    let group = "push_channel_group = \"$arg_g\"\npush_group_max_channels = 1\n";
    let gateway = start_root("push_max_channels = 2", "hall", group, group);
    gateway.publish("/pub?id=1&g=a", "x");
    for (method, target) in
        [("POST", "/pub?id=2&g=a"), ("PUT", "/pub?id=2&g=a"), ("GET", "/sub?id=2&g=a")]
    {
        let answer = gateway.request(method, target, "", "");
        assert_eq!(answer.status, 403, "{method} {target}");
        assert!(answer.text().ends_with('.'), "{}", answer.text());
    }
    gateway.publish("/pub?id=1&g=a", "y");
    gateway.publish("/pub?id=1&g=b", "x");
    assert_eq!(gateway.request("POST", "/pub?id=1&g=c", "", "x").status, 403);
    gateway.request("DELETE", "/pub?id=1&g=a", "", "");
    gateway.publish("/pub?id=1&g=c", "x");
}

#[test]
fn only_channels_that_exist_may_be_listened_to_where_that_is_asked() {
    for hold in MODES {
        let gateway = start(hold, "", "push_authorized_channels_only = true");
        let absent =
            (403, "The channel does not exist, and subscribers may not create it.".to_owned());
        for headers in ["", EVENTS, HANDSHAKE] {
            assert_eq!(refused(&gateway, "/sub?id=1", headers), absent);
        }
        assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
        gateway.request("PUT", "/pub?id=1", "", "");
        let mut poll = waiting(&gateway, "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(poll.response().text(), "x");
        let mut socket = open(&gateway, "/sub?id=1", "");
        assert_eq!(text(&mut socket), "x");
    }
}
