//! Ids of messages that are not there, many messages in one second, and long ids of channels.

use std::{collections::HashSet, fmt::Write as _};

use tokio::{task::JoinSet, time::timeout};

use super::{HOUSES, ROOM, hear, request, run, spoken, start, waiting};
use crate::{
    client::{Id, Listener, Way},
    harness::{Gateway, PATIENCE},
    site::{DATE, MODES, NOW},
};

/// The largest id there is.
const LAST: Id = (274_877_906_943, 67_108_863);

/// Every way to say an id: arguments and headers.
fn places((time, tag): Id) -> [(String, String); 4] {
    let header = |text: String| (String::new(), text);
    [
        (format!("&last_event_id={time}:{tag}"), String::new()),
        header(format!("Last-Event-ID: {time}:{tag}\r\n")),
        header(format!("If-None-Match: \"{time}:{tag}\"\r\n")),
        header(format!(
            "If-Modified-Since: {}\r\nIf-None-Match: {tag}\r\n",
            // The last second that a date can say.
            httpdate::fmt_http_date(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(time.min(253_402_300_799))
            )
        )),
    ]
}

/// One client waits for a channel; a second comes with an id. Both get the next message.
async fn beside(gateway: &Gateway, way: Way, channel: &str, at_first: (String, String)) {
    let mut first = waiting(gateway.address, way, channel, Default::default()).await;
    let publisher = format!("/pub?c={channel}");
    gateway.wait_for_subscribers(&publisher, 1);
    let mut second = waiting(gateway.address, way, channel, at_first).await;
    gateway.wait_for_subscribers(&publisher, 2);
    gateway.publish(&publisher, "next");
    for listener in [&mut first, &mut second] {
        assert_eq!(hear(listener).await, "next", "{way:?}, {channel}");
    }
    // A poll of everything may come again.
    gateway.request("DELETE", &publisher, "", "");
}

#[test]
fn an_id_that_no_message_has_disturbs_nobody_who_waits() {
    let before = [(NOW - 1000, 5), (0, 0), (NOW - 1, 0)];
    let after = [(NOW, 99), (NOW + 1000, 0), LAST];
    for (hold, dialect) in HOUSES {
        let gateway = start(ROOM, hold, &spoken(dialect));
        run(async {
            for way in Way::held() {
                // Each id once, said in one way or another, where it has been said in all before.
                let all = (hold, dialect) == HOUSES[0];
                for (number, id) in before.into_iter().chain(after).enumerate() {
                    for (place, said) in places(id).into_iter().enumerate() {
                        if !all && place != number % 4 {
                            continue;
                        }
                        let channel = format!("{way:?}-{number}-{place}");
                        beside(&gateway, way, &channel, said).await;
                    }
                }
            }
        });
    }
}

#[test]
fn the_id_of_a_message_that_has_expired_disturbs_nobody_who_waits() {
    for (hold, dialect) in HOUSES {
        let gateway = start(ROOM, hold, &(spoken(dialect) + "push_message_timeout = \"20ms\""));
        run(async {
            for way in Way::held() {
                let channel = format!("{way:?}");
                let publisher = format!("/pub?c={channel}");
                let id = published(&gateway, &publisher, "old");
                let kept = "queued messages: 0";
                while !gateway.request("GET", &publisher, "", "").text().starts_with(kept) {
                    std::thread::yield_now();
                }
                for said in places(id) {
                    beside(&gateway, way, &channel, said).await;
                }
            }
        });
    }
}

/// Publishes; the id of the message.
fn published(gateway: &Gateway, publisher: &str, text: &str) -> Id {
    let told = gateway.request("POST", publisher, "Accept: application/json\r\n", text);
    let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    crate::formats::id(told["last_message_id"].as_str().unwrap())
}

#[test]
fn ids_do_not_begin_again_with_a_channel_that_was_deleted_or_has_expired() {
    let expiring = "push_message_timeout = \"20ms\"\npush_channel_timeout = \"10ms\"\n";
    for (hold, dialect) in HOUSES {
        for keys in ["", expiring] {
            let gateway = start(ROOM, hold, &format!("{}{keys}", spoken(dialect)));
            run(async {
                for (number, way) in Way::held().into_iter().enumerate() {
                    let channel = format!("{way:?}");
                    let publisher = format!("/pub?c={channel}");
                    let before = published(&gateway, &publisher, "before");
                    if keys.is_empty() {
                        assert_eq!(gateway.request("DELETE", &publisher, "", "").status, 200);
                    }
                    while gateway.request("GET", &publisher, "", "").status != 404 {
                        std::thread::yield_now();
                    }
                    let said = places(before)[number % 4].clone();
                    // Who has had the message of the channel before gets that of the next.
                    let mut listener = waiting(gateway.address, way, &channel, said.clone()).await;
                    gateway.wait_for_subscribers(&publisher, 1);
                    assert!(published(&gateway, &publisher, "after") > before, "{way:?}");
                    assert_eq!(hear(&mut listener).await, "after", "{way:?}");
                    if keys.is_empty() {
                        let mut late = waiting(gateway.address, way, &channel, said).await;
                        assert_eq!(hear(&mut late).await, "after", "{way:?}");
                    }
                }
            });
        }
    }
}

/// `m0` to `m9`, with the tags from `first` on.
fn ten(gateway: &Gateway, channel: &str, first: usize) {
    for number in 0..10 {
        let answer = gateway.publish(&format!("/pub?c={channel}"), &format!("m{number}"));
        assert_eq!(answer.status, 202, "{}", first + number);
    }
}

#[test]
fn quoted_and_weak_tags_and_a_date_alone_are_understood_by_all_transports() {
    for (hold, dialect) in HOUSES {
        let gateway = start(ROOM, hold, &spoken(dialect));
        run(async {
            for (number, way) in Way::ALL.into_iter().enumerate() {
                let (channel, first) = (format!("{way:?}"), 10 * number);
                ten(&gateway, &channel, first);
                let third = first + 3;
                for tag in [
                    format!("{third}"),
                    format!("\"{third}\""),
                    format!("W/\"{third}\""),
                    format!("W/{third}"),
                    format!("\"{third}\", \"x\""),
                ] {
                    let said = format!("If-Modified-Since: {DATE}\r\nIf-None-Match: {tag}\r\n");
                    let said = (String::new(), said);
                    let mut listener = waiting(gateway.address, way, &channel, said).await;
                    assert_eq!(hear(&mut listener).await, "m4", "{way:?} {tag}");
                }
                // The second before that of the messages.
                let before = "If-Modified-Since: Tue, 22 Dec 2015 03:34:39 GMT\r\n";
                let said = (String::new(), before.to_owned());
                let mut listener = waiting(gateway.address, way, &channel, said).await;
                assert_eq!(hear(&mut listener).await, "m0", "{way:?}");
            }
        });
    }
}

#[test]
fn a_date_alone_has_seen_its_second_on_all_transports() {
    for (hold, dialect) in HOUSES {
        let gateway = start(ROOM, hold, &spoken(dialect));
        run(async {
            for way in Way::held() {
                let channel = format!("{way:?}");
                gateway.publish(&format!("/pub?c={channel}"), "seen");
                let said = (String::new(), format!("If-Modified-Since: {DATE}\r\n"));
                let mut listener = waiting(gateway.address, way, &channel, said).await;
                gateway.wait_for_subscribers(&format!("/pub?c={channel}"), 1);
                gateway.publish(&format!("/pub?c={channel}"), "next");
                assert_eq!(hear(&mut listener).await, "next", "{way:?}");
            }
        });
    }
}

#[test]
fn long_ids_of_channels_are_ids_on_all_transports() {
    for (hold, dialect) in HOUSES {
        let gateway = start(ROOM, hold, &spoken(dialect));
        run(async {
            for way in Way::held() {
                for length in [254, 255, 256, 257, 300, 1024] {
                    let name = format!("{way:?}");
                    let channel = format!("{name}{}", "x".repeat(length - name.len()));
                    let mut listener =
                        waiting(gateway.address, way, &channel, Default::default()).await;
                    gateway.wait_for_subscribers(&format!("/pub?c={channel}"), 1);
                    gateway.publish(&format!("/pub?c={channel}"), &channel);
                    assert_eq!(hear(&mut listener).await, channel, "{way:?} {length}");
                }
                let mut client = gateway.connect();
                client.send(request(way, "GET", &"x".repeat(1025), ""));
                let answer = client.response();
                let refused = match dialect {
                    "push_stream" => (400, ""),
                    _ => (403, "The channel id is too long."),
                };
                assert_eq!((answer.status, answer.text()), refused);
            }
        });
    }
}

#[test]
fn an_id_of_a_message_of_300_bytes_is_400_on_all_transports() {
    let gateway = start(ROOM, "hall", "");
    let long = "1".repeat(300);
    for way in Way::ALL {
        for headers in [
            format!("Last-Event-ID: {long}\r\n"),
            format!("If-None-Match: \"{long}:1\"\r\n"),
            format!("If-Modified-Since: {DATE}\r\nIf-None-Match: {long}\r\n"),
        ] {
            let mut client = gateway.connect();
            client.send(request(way, "GET", "1", &headers));
            let answer = client.response();
            assert_eq!(answer.status, 400, "{way:?} {headers}: {answer:?}");
            assert!(answer.text().ends_with('.'), "{answer:?}");
        }
    }
}

/// Of one channel, in one second.
const MANY: usize = 40_000;
const PUBLISHERS: usize = 4;
/// Requests that are sent before an answer is read.
const AHEAD: usize = 500;
/// So often a message goes to the channel `few` as well.
const EVERY: usize = 200;

/// Publishes its share, and returns the ids that it is told, which rise.
fn publish(gateway: &Gateway, publisher: usize) -> Vec<Id> {
    let (mut client, mut ids) = (gateway.connect(), Vec::new());
    for start in (0..MANY / PUBLISHERS).step_by(AHEAD) {
        let mut requests = String::new();
        for number in start..start + AHEAD {
            let channels = if number % EVERY == 0 { "many,few" } else { "many" };
            let text = format!("{publisher} {number}");
            write!(
                requests,
                "POST /pub?c={channels} HTTP/1.1\r\nHost: t\r\nAccept: text/json\r\n\
                 Content-Length: {}\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
        client.send(requests);
        for _ in 0..AHEAD {
            let answer = client.response();
            assert!(matches!(answer.status, 201 | 202), "{answer:?}");
            let info: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            ids.push(crate::formats::id(info["last_message_id"].as_str().unwrap()));
        }
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{publisher}");
    ids
}

/// Every publisher's messages in order, every `step`th of them, with ids that rise.
async fn listen(mut listener: Listener, step: usize) {
    let (mut next, mut last) = ([0; PUBLISHERS], None);
    let way = listener.way;
    for _ in 0..MANY / step {
        let message = timeout(PATIENCE, listener.next()).await;
        let message = message.unwrap_or_else(|_| panic!("nothing comes to {way:?} at {next:?}"));
        let (id, text) = message.unwrap_or_else(|end| panic!("{way:?} at {next:?}: {end:?}"));
        let (publisher, number) = text.split_once(' ').unwrap();
        let next = &mut next[publisher.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next), "{way:?}");
        *next += step;
        assert!(id.is_none() || id > last, "{way:?}: {id:?} after {last:?}");
        last = id.or(last);
    }
    assert!(last.is_none_or(|(time, tag)| time == NOW && tag > 32_767), "{way:?}: {last:?}");
}

#[test]
fn forty_thousand_messages_in_one_second_are_all_told_apart_and_delivered() {
    // A message a poll is too slow for all of them.
    let single = |way: &Way| matches!(way, Way::LongPoll | Way::Cursorless | Way::Interval);
    for (half, hold) in MODES.into_iter().enumerate() {
        let gateway = start(ROOM, hold, "push_message_buffer_length = 40000");
        // Half of the transports each, because that is a lot.
        let halves = Way::ALL.into_iter().enumerate().filter(|(number, _)| number / 2 % 2 == half);
        let ways: Vec<Way> = halves.map(|(_, way)| way).collect();
        let ids = std::thread::scope(|scope| {
            let publishing = scope.spawn(|| {
                let waiting = ways.iter().copied().filter(|way| way.waits());
                let (few, many): (Vec<_>, Vec<_>) = waiting.partition(single);
                gateway.wait_for_subscribers("/pub?c=few", few.len());
                gateway.wait_for_subscribers("/pub?c=many", many.len());
                let all = (0..PUBLISHERS).map(|name| (name, &gateway));
                std::thread::scope(|scope| {
                    let all: Vec<_> = all
                        .map(|(name, gateway)| scope.spawn(move || publish(gateway, name)))
                        .collect();
                    all.into_iter().flat_map(|one| one.join().unwrap()).collect::<Vec<Id>>()
                })
            });
            run(async {
                let mut audience = JoinSet::new();
                for way in ways.clone() {
                    let (channel, step) = if single(&way) { ("few", EVERY) } else { ("many", 1) };
                    audience.spawn(listen(Listener::new(gateway.address, way, channel), step));
                }
                while let Some(ended) = audience.join_next().await {
                    ended.unwrap();
                }
            });
            publishing.join().unwrap()
        });
        assert_eq!(ids.into_iter().collect::<HashSet<Id>>().len(), MANY);
    }
}
