//! `push_channel_events`: a channel that is told what happens in others.

use crate::{
    harness::{Client, Gateway},
    hooked::{handshake, next},
    site::{MODES, locations, wait},
};

const EVENTS: &str = "push_channel_events = \"ev\"\n";

/// Both locations tell; `/events` listens to what they tell.
fn start(hold: &str, keys: &str) -> Gateway {
    let keys = format!("{EVENTS}{keys}");
    let listener = format!(
        "{keys}\n[[server.location]]\npath = \"= /events\"\npush_subscriber = true\n\
         push_channel_id = \"ev\"\npush_channel_group = \"meta\"\npush_first_message = \"newest\"\n{keys}\n\
         [[server.location]]\npath = \"= /both\"\npush_pubsub = true\naccess = \"allow all\"\n\
         push_channel_id = \"$arg_id\"\n{keys}"
    );
    Gateway::start_root("workers = 1", &locations(hold, &keys, &listener))
}

/// Begins to listen to what is told.
fn told(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    handshake(&mut client, "/events", "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client
}

#[test]
fn what_happens_is_told_in_its_order_in_nchans_words() {
    for hold in MODES {
        let gateway = start(hold, "");
        let mut events = told(&gateway);
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(poll.response().text(), "x");
        let happened: Vec<_> = (0..3).map(|_| next(&mut events)).collect();
        assert_eq!(happened[0], "subscriber_enqueue 1");
        let mut rest = happened[1..].to_vec();
        rest.sort_unstable();
        assert_eq!(rest, ["channel_publish 1", "subscriber_dequeue 1"]);
        // What is there at once is not waited for.
        poll.get("/sub?id=1", "");
        assert_eq!(poll.response().text(), "x");
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        assert_eq!(next(&mut events), "channel_delete 1");
        // What did not happen is not told.
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 404);
        assert_eq!(gateway.request("PUT", "/pub?id=1", "", "").status, 200);
        assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 200);
        gateway.publish("/pub?id=2", "x");
        assert_eq!(next(&mut events), "channel_publish 2");
    }
}

#[test]
fn a_socket_that_publishes_is_told_of_too() {
    for hold in MODES {
        let gateway = start(hold, "");
        let mut events = told(&gateway);
        let mut socket = gateway.connect();
        handshake(&mut socket, "/both?id=1", "");
        socket.head();
        assert_eq!(next(&mut events), "subscriber_enqueue 1");
        socket.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(next(&mut socket), "hi");
        assert_eq!(next(&mut events), "channel_publish 1");
        drop(socket);
        assert_eq!(next(&mut events), "subscriber_dequeue 1");
    }
}

#[test]
fn each_of_several_channels_is_told_of_in_words_of_ones_own() {
    for hold in MODES {
        let keys = "push_channel_id_split_delimiter = \",\"\n\
                    push_channel_event_string = \"<$push_channel_event> $arg_who@$push_channel_id\"";
        let gateway = start(hold, keys);
        let mut events = told(&gateway);
        let mut client = gateway.connect();
        client.get("/sub?id=a,b&who=ann", "Accept: text/event-stream\r\n");
        client.head();
        let happened: Vec<_> = (0..2).map(|_| next(&mut events)).collect();
        assert_eq!(happened, ["<subscriber_enqueue> ann@a", "<subscriber_enqueue> ann@b"]);
        drop(client);
        let happened: Vec<_> = (0..2).map(|_| next(&mut events)).collect();
        assert_eq!(happened, ["<subscriber_dequeue> ann@a", "<subscriber_dequeue> ann@b"]);
    }
}

#[test]
fn of_several_channels_each_is_told_of_with_its_own_message() {
    let keys = "push_channel_id_split_delimiter = \",\"\npush_channel_event_string = \
                \"$push_channel_event $push_channel_id $push_message_id\"";
    let gateway = start("hall", keys);
    let mut events = told(&gateway);
    for path in ["/pub?id=a", "/pub?id=b,a,c"] {
        gateway.publish(path, "x");
    }
    let happened: Vec<_> = (0..4).map(|_| next(&mut events)).collect();
    let mut expected = Vec::new();
    for (at, channel) in [(0, "a"), (1, "b"), (1, "a"), (1, "c")] {
        let mut client = gateway.connect();
        client.get(&format!("/sub?id={channel}"), "Accept: text/event-stream\r\n");
        client.head();
        client.chunk().unwrap();
        let skipped = if channel == "a" { at } else { 0 };
        let ids: Vec<_> = (0..=skipped).map(|_| client.chunk().unwrap()).collect();
        let id = String::from_utf8(ids[skipped].clone()).unwrap();
        let id = id.lines().next().unwrap().trim_start_matches("id: ").to_owned();
        expected.push(format!("channel_publish {channel} {id}"));
    }
    assert_eq!(happened, expected);
}

#[test]
fn those_who_listen_to_events_are_none_themselves() {
    let gateway = start("hall", "");
    let mut first = told(&gateway);
    let second = told(&gateway);
    drop(second);
    gateway.publish("/pub?id=1", "x");
    assert_eq!(next(&mut first), "channel_publish 1");
}
