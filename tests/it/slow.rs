//! Clients that do not read, or read late.

use socket2::{Domain, Socket, Type};

use crate::{
    harness::{Client, Gateway},
    site::{MODES, NOW, event, listen, start_root, wait},
};

const ROOM: &str = "push_max_reserved_memory = \"256M\"";
const KEEP: &str = "push_message_buffer_length = 1000";
/// More than the buffers of a socket of [`narrow`] take.
const MESSAGES: u64 = 100;

fn text(number: u64) -> String {
    format!("{number}-{}", "x".repeat(60_000))
}

/// Begins to listen with next to no room for what is not read.
fn narrow(gateway: &Gateway, target: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap();
    socket.connect(&gateway.address.into()).unwrap();
    let mut client = Client::new(socket);
    client.get(target, "Accept: text/event-stream\r\n");
    client.head();
    client.chunk();
    client
}

/// Reads events up to that of a tag; all of them in order, each once.
fn assert_events(events: &mut Client, tags: std::ops::Range<u64>) {
    let mut found = Vec::new();
    for tag in tags {
        let expected = event(tag, &text(tag));
        while found.len() < expected.len() {
            found.extend(events.chunk().unwrap());
        }
        let rest = found.split_off(expected.len());
        assert!(found == expected, "{tag}: {:?}", String::from_utf8_lossy(&found[..30]));
        found = rest;
    }
    assert!(found.is_empty());
}

#[test]
fn a_late_reader_gets_everything_and_delays_nobody() {
    for hold in MODES {
        let gateway = start_root(ROOM, hold, KEEP, "push_ping_interval = \"10s\"");
        let mut late = narrow(&gateway, "/sub?id=1");
        let silent = narrow(&gateway, "/sub?id=1");
        wait(&gateway, 2);
        for number in 0..MESSAGES {
            gateway.publish("/pub?id=1", &text(number));
        }
        let mut prompt = listen(&gateway, &format!("Last-Event-ID: {NOW}:{}\r\n", MESSAGES - 2));
        assert_events(&mut prompt, MESSAGES - 1..MESSAGES);
        assert_events(&mut late, 0..MESSAGES);
        gateway.publish("/pub?id=1", &text(MESSAGES));
        assert_events(&mut late, MESSAGES..MESSAGES + 1);
        drop(silent);
        wait(&gateway, 2);
    }
}

#[test]
fn a_late_reader_that_history_has_left_behind_is_told_of_the_gap_and_goes_on() {
    for hold in MODES {
        let keep = "push_message_buffer_length = 5";
        let gateway = start_root(ROOM, hold, keep, "push_gap_events = true");
        let mut late = narrow(&gateway, "/sub?id=1");
        wait(&gateway, 1);
        for number in 0..MESSAGES {
            gateway.publish("/pub?id=1", &text(number));
        }
        let mut found = Vec::new();
        let last = event(MESSAGES - 1, &text(MESSAGES - 1));
        while !found.ends_with(&last) {
            found.extend(late.chunk().unwrap());
        }
        let found = String::from_utf8(found).unwrap();
        let (mut next, mut gaps) = (0, 0);
        for part in found.split_terminator("\n\n") {
            if let Some(after) = part.strip_prefix("event: gap\ndata: {\"after\":\"") {
                let after: u64 = after.split([':', '"']).nth(1).unwrap().parse().unwrap();
                assert_eq!(after + 1, next, "{hold}");
                gaps += 1;
                next = u64::MAX;
                continue;
            }
            let tag = part.strip_prefix(&format!("id: {NOW}:")).unwrap();
            let tag: u64 = tag.split('\n').next().unwrap().parse().unwrap();
            assert!(next == tag || (next == u64::MAX), "{hold}: {tag} instead of {next}");
            assert_eq!(format!("{part}\n\n").as_bytes(), event(tag, &text(tag)));
            next = tag + 1;
        }
        assert!(gaps > 0 && next == MESSAGES, "{hold}: {gaps} gaps");
    }
}

#[test]
fn a_late_reader_of_merged_channels_gets_everything_in_order() {
    for hold in MODES {
        let split = "push_channel_id_split_delimiter = \",\"";
        let gateway = start_root(ROOM, hold, KEEP, split);
        let mut late = narrow(&gateway, "/sub?id=1,2,3");
        wait(&gateway, 1);
        for number in 0..MESSAGES {
            gateway.publish(&format!("/pub?id={}", number % 3 + 1), &text(number));
        }
        assert_events(&mut late, 0..MESSAGES);
    }
}

#[test]
fn a_large_poll_answer_is_finished_when_the_client_reads_and_the_next_request_follows() {
    for hold in MODES {
        let large = "client_max_body_size = \"32M\"";
        let gateway = start_root(ROOM, hold, large, "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 1);
        poll.get("/pub?id=1", "");
        let body = "y".repeat(8 << 20);
        gateway.publish("/pub?id=1", &body);
        gateway.publish("/pub?id=2", "others go on");
        assert!(poll.response().text() == body);
        assert!(poll.response().text().starts_with("queued messages: 1\r\n"));
    }
}

#[test]
fn a_client_that_closes_its_side_behind_a_request_is_still_answered() {
    for hold in MODES {
        let gateway = start_root("", hold, "", "");
        gateway.publish("/pub?id=1", "x");
        let requests = [
            "GET /sub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
            "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\ny",
            "POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n",
        ];
        for request in requests {
            for cut in [0, request.len() - 3] {
                let mut client = gateway.connect();
                client.send(&request[..cut]);
                client.send(&request[cut..]);
                client.finish();
                assert!(matches!(client.response().status, 200 | 202), "{request:?} {cut}");
                client.assert_closed();
            }
        }
        let mut client = gateway.connect();
        client.send(requests[0].repeat(3));
        client.finish();
        for _ in 0..3 {
            assert_eq!(client.response().text(), "x");
        }
        client.assert_closed();
    }
}
