//! `pushgate listen` and a gateway that is as it should be.

use super::{KEPT, Running, TRANSPORTS, command, listening, ran};
use crate::{
    harness::Gateway,
    process::{Daemon, write},
    site::{locations, plain, start, wait},
};

fn url(gateway: &Gateway) -> String {
    format!("http://{}/sub?id=1", gateway.address)
}

#[test]
fn every_transport_brings_every_message_in_order() {
    let gateway = start("hall", KEPT, "");
    let bodies: Vec<String> = (0..40).map(|number| format!("message {number}")).collect();
    bodies[..20].iter().for_each(|body| drop(gateway.publish("/pub?id=1", body)));
    let mut running = Vec::new();
    for transport in TRANSPORTS {
        let words = format!("--transport {transport} --count 40 --interval 1");
        running.push((transport, listening(&gateway, &words)));
    }
    for (_, running) in &running {
        assert_eq!(running.line(), bodies[0]);
    }
    bodies[20..].iter().for_each(|body| drop(gateway.publish("/pub?id=1", body)));
    for (transport, running) in running {
        let said = format!("listening to {}/sub?id=1 by {transport}", gateway.address);
        let ended = running.end();
        ended.assert(0, &(bodies[1..].join("\n") + "\n"), &said);
    }
}

#[test]
fn lines_of_a_raw_stream_are_messages() {
    let gateway = start("hall", "", "push_subscriber = [\"raw\"]");
    gateway.publish("/pub?id=1", "one");
    gateway.publish("/pub?id=1", "two\nthree");
    let ended = ran(&format!("listen {} --transport raw --count 3", url(&gateway)));
    ended.assert(0, "one\ntwo\nthree\n", "by raw");
}

#[test]
fn json_says_what_each_transport_tells() {
    let gateway = plain();
    let headers = "Content-Type: a/b\r\nX-EventSource-Event: price\r\n";
    gateway.request("POST", "/pub?id=1", headers, "a\nb\u{9b}");
    gateway.publish("/pub?id=1", "");
    let mut client = gateway.connect();
    client.send(b"POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n\xff\n");
    assert_eq!(client.response().status, 202);
    let line = |tag: u64, kind: &str, event: &str, body: &str| {
        format!(
            "{{\"id\":\"1450755280:{tag}\",\"time\":1450755280,\"content_type\":{kind},\"event\":{event},{body}}}\n"
        )
    };
    let first = "\"text\":\"a\\nb\\u009b\"";
    let typed = [
        line(0, "\"a/b\"", "null", first),
        line(1, "null", "null", "\"text\":\"\""),
        line(2, "null", "null", "\"base64\":\"/wo=\""),
    ];
    let events = [
        line(0, "null", "\"price\"", first),
        line(1, "null", "null", "\"text\":\"\""),
        line(2, "null", "null", "\"text\":\"\u{fffd}\\n\""),
    ];
    for (transport, expected) in [
        ("event-source", &events),
        ("sse", &events),
        ("websocket", &typed),
        ("ws", &typed),
        ("long-poll", &typed),
        ("interval-poll", &typed),
        ("multipart", &typed),
    ] {
        let words = format!("listen {} -q --json --count 3 --transport {transport}", url(&gateway));
        ran(&words).assert(0, &expected.concat(), "");
    }
    let socket = url(&gateway).replace("http:", "ws:");
    ran(&format!("listen {socket} -q --json --count 1")).assert(0, &typed[0], "");
}

#[test]
fn the_json_poll_and_the_poll_without_a_cursor_are_read_too() {
    let keys = "push_subscriber = [\"long-poll\", \"interval-poll\"]\npush_poll_format = \"json\"\n\
                push_last_message_id = \"$arg_since\"\ndefault_type = \"application/json\"";
    let gateway = start("hall", "", keys);
    let all = "[1]\n[2]\n[3]\n";
    for number in 1..=3 {
        gateway.publish("/pub?id=1", &format!("[{number}]"));
    }
    let words = "--transport interval-poll --count 3";
    ran(&format!("listen {}&since=0 {words}", url(&gateway))).assert(0, all, "by interval-poll");
    let words = "--transport long-poll --count 3";
    ran(&format!("listen {} {words}", url(&gateway))).assert(0, all, "by long-poll");
}

#[test]
fn it_begins_where_it_is_told() {
    let gateway = plain();
    for body in ["one", "two", "three"] {
        gateway.publish("/pub?id=1", body);
    }
    for transport in TRANSPORTS {
        let from = |from: &str, count: usize| {
            let words =
                format!("--from {from} --count {count} --transport {transport} --interval 1");
            ran(&format!("listen {} {words}", url(&gateway)))
        };
        from("1450755280:0", 2).assert(0, "two\nthree\n", "");
        from("oldest", 3).assert(0, "one\ntwo\nthree\n", "");
        from("1450755280", 3).assert(0, "one\ntwo\nthree\n", "");
        let ended = from("yesterday", 1);
        ended.assert(1, "", "pushgate: 400 Bad Request: A message id is `time:tag`");
    }
    for transport in ["event-source", "websocket", "chunked", "multipart", "long-poll"] {
        let newest =
            listening(&gateway, &format!("--from newest --count 1 --transport {transport}"));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "new");
        newest.end().assert(0, "new\n", "");
        wait(&gateway, 0);
    }
}

#[test]
fn a_channel_that_is_deleted_ends_it_well() {
    for transport in ["event-source", "websocket", "long-poll"] {
        let gateway = plain();
        let running = listening(&gateway, &format!("--transport {transport}"));
        wait(&gateway, 1);
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        running.end().assert(0, "", "pushgate: the channel was deleted\n");
    }
}

#[test]
fn who_is_refused_is_told_why_and_does_not_try_again() {
    for transport in TRANSPORTS {
        let refused = |gateway: &Gateway, path: &str| {
            ran(&format!("listen http://{}{path} --transport {transport}", gateway.address))
        };
        let gateway = plain();
        refused(&gateway, "/nowhere").assert(1, "", "pushgate: 404 Not Found: No such location.\n");
        refused(&gateway, "/sub").assert(1, "", "404 Not Found: No channel id provided.\n");
        let gateway = start("hall", "", "push_authorized_channels_only = true");
        refused(&gateway, "/sub?id=1").assert(1, "", "pushgate: 403 Forbidden: ");
        if transport != "interval-poll" {
            let gateway = start("hall", "", "push_subscriber_concurrency = \"first\"");
            let _first = crate::site::listen(&gateway, "");
            refused(&gateway, "/sub?id=1").assert(1, "", "pushgate: 409 Conflict");
        }
    }
}

#[test]
fn who_loses_the_place_does_not_take_it_back() {
    for transport in ["event-source", "websocket", "long-poll"] {
        let gateway = start("hall", "", "push_subscriber_concurrency = \"last\"");
        let running = listening(&gateway, &format!("--transport {transport}"));
        wait(&gateway, 1);
        let _later = crate::site::listen(&gateway, "");
        running.end().assert(1, "", "409 Conflict");
    }
}

#[test]
fn a_transport_that_the_location_does_not_offer_is_told() {
    let gateway = start("hall", "", "push_subscriber = [\"long-poll\"]");
    gateway.publish("/pub?id=1", "x");
    for transport in ["event-source", "multipart", "chunked", "raw"] {
        let ended = ran(&format!("listen {} --transport {transport}", url(&gateway)));
        ended.assert(1, "", &format!(", not {transport}: the location does not offer that"));
    }
    let ended = ran(&format!("listen {} --transport websocket", url(&gateway)));
    ended.assert(1, "", "403 Forbidden: The location does not offer WebSocket.");
}

#[test]
fn a_stream_whose_time_is_over_is_asked_for_again() {
    for transport in ["event-source", "websocket", "multipart"] {
        let gateway = start("hall", "", "push_subscriber_timeout = \"1s\"\npush_retry = \"10ms\"");
        gateway.publish("/pub?id=1", "one");
        let running = listening(&gateway, &format!("--transport {transport} --count 2"));
        assert_eq!(running.line(), "one");
        running.until_said("trying again");
        gateway.publish("/pub?id=1", "two");
        running.end().assert(0, "two\n", "");
    }
}

#[test]
fn a_gap_is_told() {
    let keys = "push_max_message_buffer_length = 2";
    let gateway = start("hall", keys, "push_gap_events = true");
    for body in ["one", "two", "three", "four"] {
        gateway.publish("/pub?id=1", body);
    }
    for transport in ["event-source", "long-poll", "interval-poll"] {
        let words = format!("--from 1450755280:0 --count 2 --transport {transport}");
        let ended = ran(&format!("listen {} {words}", url(&gateway)));
        ended.assert(0, "three\nfour\n", "pushgate: messages after 1450755280:0 are lost");
        let words = format!("--from oldest --count 2 --transport {transport}");
        let ended = ran(&format!("listen {} {words}", url(&gateway)));
        ended.assert(0, "three\nfour\n", "");
        assert!(!ended.said.contains("lost"), "{ended:?}");
    }
}

#[test]
fn a_gateway_that_is_killed_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let serving = |address: &str| {
        format!("[[server]]\nlisten = [\"{address}\"]\n{}", locations("hall", "", ""))
    };
    let mut first = Daemon::start(&write(&directory, &serving("127.0.0.1:0")));
    let address = first.address.clone();
    let publish =
        |body: &str| ran(&format!("publish -q http://{address}/pub?id=1 {body}")).assert(0, "", "");
    publish("one");
    let running: Vec<Running> = TRANSPORTS
        .iter()
        .map(|transport| {
            let words = format!("--count 3 --interval 1 --transport {transport}");
            Running::start(&mut command(&format!("listen http://{address}/sub?id=1 {words}")))
        })
        .collect();
    for running in &running {
        assert_eq!(running.line(), "one");
    }
    first.signal("-KILL");
    first.child.wait().unwrap();
    for running in &running {
        running.until_said("trying again in ");
        running.until_said("cannot connect: ");
    }
    let _second = Daemon::start(&write(&directory, &serving(&address)));
    publish("two");
    for (transport, running) in TRANSPORTS.iter().zip(&running) {
        // These have no ids: what comes before they are back is not for them.
        if *transport == "chunked" {
            running.until_said("from now on");
        } else {
            assert_eq!(running.line(), "two");
        }
    }
    publish("three");
    for (transport, running) in TRANSPORTS.iter().zip(running) {
        if *transport == "chunked" {
            publish("four");
            let [one, two] = [running.line(), running.line()];
            assert!(
                ["two three", "three four"].contains(&format!("{one} {two}").as_str()),
                "{one} {two}"
            );
        } else {
            running.end().assert(0, "three\n", "");
        }
    }
}
