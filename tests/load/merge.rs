//! Several channels in one subscription, several publishers on one channel, clients that come back,
//! and messages that are not stored.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    client::{Listener, Way},
    harness::Gateway,
    ledger::Ledger,
    scene::{Dice, Publisher, ROOT, STORE, all, attend, locations, play, turn},
};

const CHANNELS: [&str; 4] = ["c0", "c1", "c2", "c3"];
const EVERY: Duration = Duration::from_millis(4);

fn publisher(channels: &[&str], name: usize, numbers: std::ops::Range<usize>) -> Publisher {
    let channels = channels.iter().map(|&channel| channel.into()).collect();
    Publisher { channels, name, numbers, every: EVERY, size: 0 }
}

/// `count` subscribers of all channels, who hang up after so many messages and resume by one id.
fn merge(ways: &[Way], hold: &str, count: usize, rounds: usize, hang_ups: std::ops::Range<usize>) {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    Publisher { every: Duration::ZERO, ..publisher(&CHANNELS, 0, 0..25) }.run(&gateway);
    let total = 25 + rounds;
    let publishers = vec![
        publisher(&CHANNELS, 0, 25..total),
        publisher(&CHANNELS[..2], 1, 0..rounds),
        publisher(&CHANNELS[..1], 2, 0..rounds),
    ];
    let address = gateway.address;
    play(&gateway, publishers, async {
        let mut audience = JoinSet::new();
        for number in 0..count {
            let way = ways[number % ways.len()];
            let mut ledger = Ledger::new(format!("{way:?} {number}"));
            // Most take all channels; the rest see what merging must not change.
            let channels =
                if number / ways.len() % 4 == 3 { &CHANNELS[..1] } else { &CHANNELS[..] };
            for channel in channels {
                ledger = ledger.all(channel, 0, total);
            }
            for channel in &channels[..channels.len().min(2)] {
                ledger = ledger.all(channel, 1, rounds);
            }
            ledger = ledger.all(CHANNELS[0], 2, rounds);
            let listener = Listener::new(address, way, &channels.join(","));
            audience.spawn(attend(listener, ledger, Dice::new(number, hang_ups.clone())));
        }
        all(audience).await;
    });
}

/// Everyone waits before the first message, and nothing is kept for later: `come_back` says after
/// how many messages a client reconnects within the grace.
fn pass(ways: &[Way], hold: &str, keys: &str, every: Duration, come_back: std::ops::Range<usize>) {
    let (_turn, rounds) = (turn(), 100);
    let count = if ways.contains(&Way::LongPoll) { 36 } else { 60 };
    let gateway = Gateway::start_root(ROOT, &locations(hold, keys));
    let address = gateway.address;
    let publishers = vec![
        Publisher { every, ..publisher(&CHANNELS[..2], 0, 0..rounds) },
        Publisher { every, ..publisher(&CHANNELS[1..3], 1, 0..rounds) },
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (channel, number) in [("c0", 2), ("c1", 3), ("c2", 2)] {
                gateway.wait_for_subscribers(&format!("/pub?c={channel}"), number * count / 3);
            }
            for publisher in publishers {
                let gateway = &gateway;
                scope.spawn(move || publisher.run(gateway));
            }
        });
        crate::scene::watch(async {
            let mut audience = JoinSet::new();
            for number in 0..count {
                let way = ways[number / 3 % ways.len()];
                let ledger = Ledger::new(format!("{way:?} {number}"));
                // A third each: one channel alone, two of them, all.
                let (channels, ledger) = match number % 3 {
                    0 => ("c1", ledger),
                    1 => ("c0,c1,c2", ledger.all("c0", 0, rounds).all("c2", 1, rounds)),
                    _ => ("c2,c1,c0", ledger.all("c0", 0, rounds).all("c2", 1, rounds)),
                };
                let ledger = ledger.all("c1", 0, rounds).all("c1", 1, rounds);
                let dice = Dice::new(number, come_back.clone());
                audience.spawn(attend(Listener::new(address, way, channels), ledger, dice));
            }
            all(audience).await;
        });
    });
}

const NEVER: std::ops::Range<usize> = usize::MAX - 1..usize::MAX;
const NOTHING_STORED: &str = "push_store_messages = false";

#[test]
fn long_polls_of_many_channels_resume_by_one_id() {
    merge(&[Way::LongPoll], "hall", 24, 40, 1..40);
}

#[test]
fn long_polls_of_many_channels_resume_by_one_id_as_bodies() {
    merge(&[Way::LongPoll], "body", 24, 40, 1..40);
}

#[test]
fn event_sources_of_many_channels_resume_by_one_id() {
    merge(&[Way::Events], "hall", 60, 150, 1..120);
}

#[test]
fn event_sources_of_many_channels_resume_by_one_id_as_bodies() {
    merge(&[Way::Events], "body", 60, 150, 1..120);
}

#[test]
fn event_sources_that_come_back_after_every_few_messages_miss_none() {
    merge(&[Way::Events], "hall", 30, 50, 1..4);
}

#[test]
fn streams_of_many_channels_resume_by_one_id() {
    merge(&[Way::Stream], "hall", 60, 150, 1..120);
}

#[test]
fn streams_of_many_channels_resume_by_one_id_as_bodies() {
    merge(&[Way::Stream], "body", 60, 150, 1..120);
}

#[test]
fn interval_polls_of_many_channels_resume_by_one_id() {
    merge(&[Way::Json], "hall", 60, 150, 1..120);
}

#[test]
fn compressed_event_sources_of_many_channels_resume_by_one_id() {
    merge(&[Way::Gzip], "hall", 60, 150, 1..120);
}

#[test]
fn multipart_responses_of_many_channels_resume_by_one_id() {
    merge(&[Way::Multipart], "hall", 60, 150, 1..120);
}

#[test]
fn web_sockets_of_many_channels_resume_by_one_id() {
    merge(&[Way::Socket], "hall", 60, 150, 1..120);
}

#[test]
fn web_sockets_that_come_back_after_every_few_messages_miss_none() {
    merge(&[Way::Socket, Way::Deflate], "hall", 30, 50, 1..4);
}

#[test]
fn batches_of_many_channels_resume_by_one_id() {
    merge(&[Way::BatchJson, Way::BatchMultipart], "hall", 60, 150, 1..120);
}

#[test]
fn batches_of_many_channels_resume_by_one_id_as_bodies() {
    merge(&[Way::BatchJson, Way::BatchMultipart], "body", 60, 150, 1..120);
}

#[test]
fn polls_without_a_cursor_of_many_channels_go_on_where_they_were() {
    merge(&[Way::Cursorless], "hall", 24, 40, 1..40);
}

#[test]
fn polls_without_a_cursor_of_many_channels_go_on_where_they_were_as_bodies() {
    merge(&[Way::Cursorless], "body", 24, 40, 1..40);
}

#[test]
fn clients_of_all_transports_resume_side_by_side() {
    merge(&Way::resuming(), "hall", 44, 60, 1..60);
}

#[test]
fn clients_of_all_transports_resume_side_by_side_as_bodies() {
    merge(&Way::resuming(), "body", 44, 60, 1..60);
}

#[test]
fn who_waits_misses_nothing_that_is_not_stored() {
    for hold in ["hall", "body"] {
        let keys = format!("{NOTHING_STORED}\npush_grace = 0");
        pass(&Way::endless(), hold, &keys, Duration::ZERO, NEVER);
    }
}

#[test]
fn who_waits_misses_nothing_although_only_one_message_is_stored() {
    for hold in ["hall", "body"] {
        pass(&Way::endless(), hold, "push_message_buffer_length = 1", Duration::ZERO, NEVER);
    }
}

#[test]
fn polls_get_what_is_not_stored() {
    for hold in ["hall", "body"] {
        pass(&[Way::LongPoll, Way::Cursorless], hold, NOTHING_STORED, EVERY, NEVER);
    }
}

#[test]
fn batches_get_what_is_not_stored() {
    let ways = [Way::BatchJson, Way::BatchMultipart, Way::BatchRaw, Way::Jsonp];
    for hold in ["hall", "body"] {
        pass(&ways, hold, NOTHING_STORED, EVERY, NEVER);
    }
}

#[test]
fn who_comes_back_in_time_gets_what_is_not_stored() {
    let ways = [Way::Events, Way::Gzip, Way::Multipart, Way::Socket, Way::Deflate];
    for hold in ["hall", "body"] {
        pass(&ways, hold, NOTHING_STORED, EVERY, 1..60);
    }
}
