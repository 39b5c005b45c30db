//! `$push_message_id`, `$push_previous_message_id`, `$push_subscriber_count`: what each has, and where.

use crate::{
    app::Asked,
    harness::{Client, Gateway},
    hooked::{Judge, YES, handshake, next},
    site::{MODES, NOW, locations, wait},
    websocket::{TEXT, message},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";
const ALL: &str =
    "n=$push_subscriber_count&m=$push_message_id&p=$push_previous_message_id&i=$push_channel_id";

fn target(asked: &Asked) -> &str {
    asked.line().split(' ').nth(1).unwrap()
}

fn listen(gateway: &Gateway, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get("/sub?id=1", &format!("{EVENTS}{headers}"));
    client.head();
    client.chunk().unwrap();
    client
}

#[test]
fn questions_about_subscribers_say_how_many_there_are_and_where_they_go_on() {
    for hold in MODES {
        let judge = Judge::saying(YES);
        let keys = format!(
            "push_authorize_request = \"/auth/may?{ALL}\"\n\
             push_subscribe_request = \"/auth/in?{ALL}\"\n\
             push_unsubscribe_request = \"/auth/out?n=$push_subscriber_count&m=$push_message_id\"\n"
        );
        let gateway = judge.gateway(hold, "", &keys);
        gateway.publish("/pub?id=1", "x");
        let first = listen(&gateway, "");
        assert_eq!(target(&judge.next()), "/auth/may?n=0&m=&p=&i=1");
        assert_eq!(target(&judge.next()), "/auth/in?n=0&m=&p=&i=1");
        wait(&gateway, 1);
        let second = listen(&gateway, &format!("Last-Event-ID: {NOW}:0\r\n"));
        let id = format!("{NOW}%3A0");
        assert_eq!(target(&judge.next()), format!("/auth/may?n=1&m={id}&p={id}&i=1"));
        assert_eq!(target(&judge.next()), format!("/auth/in?n=1&m={id}&p={id}&i=1"));
        wait(&gateway, 2);
        // Who leaves says what it has got, and how many are left.
        drop(second);
        assert_eq!(target(&judge.next()), format!("/auth/out?n=1&m={id}"));
        drop(first);
        assert_eq!(target(&judge.next()), format!("/auth/out?n=0&m={id}"));
    }
}

#[test]
fn questions_about_messages_say_how_many_would_get_them() {
    let judge = Judge::saying("HTTP/1.1 304 Not Modified\r\n\r\n");
    let asks = "push_publisher_upstream_request = \"/auth/edit?n=$push_subscriber_count\"\n";
    let both = "\n[[server.location]]\npath = \"= /both\"\npush_pubsub = true\n\
                access = [\"allow all\"]\npush_channel_id = \"$arg_id\"\n";
    let gateway = judge.gateway("hall", asks, &format!("{both}{asks}"));
    gateway.publish("/pub?id=1", "x");
    assert_eq!(target(&judge.next()), "/auth/edit?n=0");
    let mut socket = gateway.connect();
    handshake(&mut socket, "/both?id=1", "");
    socket.head();
    wait(&gateway, 1);
    gateway.publish("/pub?id=1", "y");
    assert_eq!(target(&judge.next()), "/auth/edit?n=1");
    let _other = listen(&gateway, "");
    wait(&gateway, 2);
    // It was alone when it came.
    socket.send(message(TEXT, b"z"));
    assert_eq!(target(&judge.next()), "/auth/edit?n=2");
}

#[test]
fn events_say_how_many_there_are_when_they_are_told_and_of_which_message() {
    for hold in MODES {
        let keys = "push_channel_events = \"ev\"\npush_channel_event_string = \
                    \"$push_channel_event $push_subscriber_count $push_message_id;\"\n";
        let listener = format!(
            "{keys}\n[[server.location]]\npath = \"= /events\"\npush_subscriber = true\n\
             push_channel_id = \"ev\"\npush_channel_group = \"meta\"\n"
        );
        let gateway =
            Gateway::start_with("workers = 1", &locations(hold, keys, &listener), |settings| {
                settings.clock = Box::new(|| NOW);
            });
        let mut events = gateway.connect();
        handshake(&mut events, "/events", "");
        events.head();
        let id = format!("{NOW}:0");
        gateway.publish("/pub?id=1", "x");
        assert_eq!(next(&mut events), format!("channel_publish 0 {id};"));
        let client = listen(&gateway, &format!("Last-Event-ID: {id}\r\n"));
        assert_eq!(next(&mut events), format!("subscriber_enqueue 1 {id};"));
        drop(client);
        assert_eq!(next(&mut events), format!("subscriber_dequeue 0 {id};"));
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        assert_eq!(next(&mut events), "channel_delete 0 ;");
    }
}

/// What a client says is told as it says it, whatever it looks like.
#[test]
fn what_a_client_says_is_never_taken_for_what_comes_later() {
    let judge = Judge::saying(YES);
    let keys = "push_presence = \"$arg_u\"\npush_presence_grace = 0\npush_channel_events = \"ev\"\n\
         push_channel_event_string = \"$push_channel_event $push_identity \
         $push_subscriber_count $push_message_id;\"\n";
    let asks = "push_unsubscribe_request = \
         \"/auth/out/$push_subscriber_count?u=$arg_u&n=$push_subscriber_count&m=$push_message_id\"\n";
    let listener = [asks, keys, "\n[[server.location]]\npath = \"= /events\"\npush_subscriber = true\n\
         push_channel_id = \"ev\"\npush_channel_group = \"meta\"\n\n\
         [[server.location]]\npath = \"/auth/out/\"\ninternal = true\n\
         proxy_pass = \"http://APP/left/\"\nproxy_set_header = { X-Was = \"$arg_m of $arg_n: $args\" }\n"].concat();
    let gateway = judge.gateway("hall", "", &listener);
    let mut events = gateway.connect();
    handshake(&mut events, "/events", "");
    events.head();
    gateway.publish("/pub?id=1", "x");
    let (id, encoded) = (format!("{NOW}:0"), format!("{NOW}%3A0"));
    for who in ["18446744073709551557", "281474976710655:65535", "u18446744073709551557v"] {
        let mut client = gateway.connect();
        client.get(&format!("/sub?id=1&u={who}"), &format!("{EVENTS}Last-Event-ID: {id}\r\n"));
        client.head();
        client.chunk().unwrap();
        let mut told = |what: &str| loop {
            let event = next(&mut events);
            if event.starts_with(what) {
                break event;
            }
        };
        assert!(told("join").starts_with(&format!("join {who} ")));
        assert_eq!(told("subscriber_enqueue"), format!("subscriber_enqueue {who} 1 {id};"));
        drop(client);
        assert_eq!(told("subscriber_dequeue"), format!("subscriber_dequeue {who} 0 {id};"));
        let told = judge.next();
        let said = format!("u={}&n=0&m={encoded}", who.replace(':', "%3A"));
        assert_eq!(target(&told), format!("/left/0?{said}"));
        assert_eq!(told.header("x-was"), Some(&*format!("{id} of 0: {said}")));
    }
}
