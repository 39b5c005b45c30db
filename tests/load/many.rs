//! Thousands of channels, and what is left of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Listener, Way},
    harness::{Client, Gateway},
    scene::{PATIENCE, ROOT, all, locations, turn, watch},
};

const CHANNELS: usize = 10_000;
const CONNECTIONS: usize = 4;

/// A message goes once it is read, and an empty channel after a second; there may be as many
/// channels as there are, so that whoever makes more finds out whether they have gone.
const LOCATIONS: &str = r#"
push_channel_id = "$arg_c"
push_min_message_buffer_length = 0
push_delete_oldest_received_message = true
push_channel_timeout = "1s"

[[server.location]]
path = "/pub"
push_publisher = true

[[server.location]]
path = "/keep"
push_publisher = true
push_channel_timeout = "1h"

[[server.location]]
path = "/poll"
push_subscriber = ["interval-poll"]
"#;

/// Runs something for each number, on a few connections at once.
fn each(gateway: &Gateway, work: impl Fn(&mut Client, usize) + Sync) {
    thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let work = &work;
            scope.spawn(move || {
                let mut client = gateway.connect();
                (first..CHANNELS).step_by(CONNECTIONS).for_each(|number| work(&mut client, number));
            });
        }
    });
}

#[test]
fn ten_thousand_channels_keep_their_messages_and_go_when_they_are_read() {
    let _turn = turn();
    let root = format!("workers = 2\npush_max_channels = {CHANNELS}");
    let gateway = Gateway::start_root(&root, LOCATIONS);
    let text = |number: usize| format!("only in {number}");
    each(&gateway, |client, number| {
        client.request("POST", &format!("/pub?c=c{number}"), "", &text(number));
        assert_eq!(client.response().status, 202);
    });
    assert_eq!(gateway.request("PUT", "/keep?c=more", "", "").status, 403);
    each(&gateway, |client, number| {
        client.get(&format!("/poll?c=c{number}"), "");
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, &*text(number)));
    });
    // Nobody asks for them by name: the reaper has to find them.
    let start = Instant::now();
    each(&gateway, |client, number| {
        loop {
            client.request("PUT", &format!("/keep?c=d{number}"), "", "");
            match client.response().status {
                200 => break,
                status => assert_eq!(status, 403),
            }
            assert!(start.elapsed() < PATIENCE, "{number} channels, and no more go");
            thread::sleep(Duration::from_millis(50));
        }
    });
    each(&gateway, |client, number| {
        client.get(&format!("/pub?c=c{number}"), "");
        assert_eq!(client.response().status, 404);
    });
}

/// Channels that are listened to, each by one client.
const HEARD: usize = 1500;

fn hear(hold: &str) {
    let _turn = turn();
    let keys = "push_store_messages = false\npush_grace = 0\npush_channel_timeout = \"1s\"";
    let gateway = Gateway::start_root(ROOT, &locations(hold, keys));
    let address = gateway.address;
    let text = |number: usize, turn: usize| format!("{turn} only in {number}");
    watch(async {
        let ways = Way::held();
        let mut listeners = Vec::new();
        for number in 0..HEARD {
            let way = ways[number % ways.len()];
            let mut listener = Listener::new(address, way, &format!("c{number}"));
            listener.begin().await.unwrap();
            listeners.push(listener);
        }
        for turn in 0..3 {
            let mut audience = JoinSet::new();
            for (number, mut listener) in std::mem::take(&mut listeners).into_iter().enumerate() {
                gateway.wait_for_subscribers(&format!("/pub?c=c{number}"), 1);
                gateway.publish(&format!("/pub?c=c{number}"), &text(number, turn));
                audience.spawn(async move {
                    let heard = timeout(PATIENCE, listener.next()).await.unwrap().unwrap().1;
                    assert_eq!(heard, text(number, turn), "{:?}", listener.way);
                    if listener.way.polls() {
                        listener.begin().await.unwrap();
                    }
                    (number, listener)
                });
            }
            let mut heard = all(audience).await;
            heard.sort_unstable_by_key(|(number, _)| *number);
            listeners = heard.into_iter().map(|(_, listener)| listener).collect();
        }
    });
    // Who has gone leaves no channel behind.
    let mut client = gateway.connect();
    let start = Instant::now();
    for number in 0..HEARD {
        loop {
            client.get(&format!("/pub?c=c{number}"), "");
            match client.response().status {
                404 => break,
                status => assert_eq!(status, 200),
            }
            assert!(start.elapsed() < PATIENCE, "channel {number} is still there");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn each_client_of_many_channels_hears_its_own() {
    hear("hall");
}

#[test]
fn each_client_of_many_channels_hears_its_own_as_bodies() {
    hear("body");
}
