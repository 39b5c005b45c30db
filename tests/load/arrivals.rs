//! Subscribers that come while messages flow: backlog and live are one sequence.

use std::time::Duration;

use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{Listener, Way},
    harness::Gateway,
    ledger::Ledger,
    scene::{Dice, Publisher, ROOT, STORE, all, attend, locations, play, turn},
};

const CHANNELS: usize = 4;
const SUBSCRIBERS: u32 = 300;
const BACKLOG: usize = 50;
/// Time between two messages of a channel: 1,000 a second on all.
const EVERY: Duration = Duration::from_millis(4);

/// `rounds` messages go to every channel while the subscribers come.
fn arrive(way: Way, hold: &str, first: &str, rounds: usize) {
    let _turn = turn();
    let keys = format!("{STORE}\npush_first_message = \"{first}\"");
    let gateway = Gateway::start_root(ROOT, &locations(hold, &keys));
    let channels: Vec<String> = (0..CHANNELS).map(|number| format!("c{number}")).collect();
    let publisher =
        Publisher { channels, name: 0, numbers: 0..BACKLOG, every: Duration::ZERO, size: 0 };
    publisher.clone().run(&gateway);
    let total = BACKLOG + rounds;
    let live = Publisher { numbers: BACKLOG..total, every: EVERY, ..publisher };
    let span = EVERY * u32::try_from(rounds).unwrap();
    let address = gateway.address;
    play(&gateway, vec![live], async {
        let mut audience = JoinSet::new();
        for number in 0..SUBSCRIBERS {
            let channel = format!("c{}", number as usize % CHANNELS);
            let ledger = Ledger::new(format!("{way:?} {number}"));
            // Who comes for the newest must come before the last.
            let (ledger, come) = match first {
                "oldest" => (ledger.all(&channel, 0, total), span * number / SUBSCRIBERS),
                _ => (ledger.tail(&channel, 0, total), span * number / SUBSCRIBERS / 3),
            };
            audience.spawn(async move {
                sleep(come).await;
                attend(Listener::new(address, way, &channel), ledger, Dice::never()).await
            });
        }
        all(audience).await;
    });
}

macro_rules! arrivals {
    ($($name:ident: $way:ident, $hold:literal, $first:literal, $rounds:literal;)*) => {
        $(#[test]
        fn $name() {
            arrive(Way::$way, $hold, $first, $rounds);
        })*
    };
}

arrivals! {
    long_polls_in_the_hall_see_everything: LongPoll, "hall", "oldest", 60;
    long_polls_as_bodies_see_everything: LongPoll, "body", "oldest", 60;
    event_sources_in_the_hall_see_everything: Events, "hall", "oldest", 250;
    event_sources_as_bodies_see_everything: Events, "body", "oldest", 250;
    streams_in_the_hall_see_everything: Stream, "hall", "oldest", 250;
    streams_as_bodies_see_everything: Stream, "body", "oldest", 250;
    interval_polls_see_everything: Json, "hall", "oldest", 250;
    interval_polls_beside_bodies_see_everything: Json, "body", "oldest", 250;
    interval_polls_of_a_message_each_see_everything: Interval, "hall", "oldest", 60;
    event_sources_for_the_newest_miss_nothing_once_they_are_on: Events, "hall", "newest", 250;
    batches_in_documents_see_everything: BatchJson, "hall", "oldest", 60;
    batches_in_documents_as_bodies_see_everything: BatchJson, "body", "oldest", 60;
    batches_in_parts_see_everything: BatchMultipart, "hall", "oldest", 60;
    batches_in_parts_as_bodies_see_everything: BatchMultipart, "body", "oldest", 60;
    batches_in_lines_see_everything: BatchRaw, "hall", "oldest", 60;
    scripts_see_everything: Jsonp, "hall", "oldest", 60;
    scripts_as_bodies_see_everything: Jsonp, "body", "oldest", 60;
    polls_without_a_cursor_see_everything: Cursorless, "hall", "oldest", 40;
    polls_without_a_cursor_as_bodies_see_everything: Cursorless, "body", "oldest", 40;
    compressed_event_sources_see_everything: Gzip, "hall", "oldest", 250;
    compressed_event_sources_as_bodies_see_everything: Gzip, "body", "oldest", 250;
    compressed_long_polls_see_everything: Packed, "hall", "oldest", 60;
    compressed_long_polls_as_bodies_see_everything: Packed, "body", "oldest", 60;
    pages_see_everything: Iframe, "hall", "oldest", 250;
    pages_as_bodies_see_everything: Iframe, "body", "oldest", 250;
    multipart_responses_see_everything: Multipart, "hall", "oldest", 250;
    multipart_responses_as_bodies_see_everything: Multipart, "body", "oldest", 250;
    chunked_responses_see_everything: Chunked, "hall", "oldest", 250;
    chunked_responses_as_bodies_see_everything: Chunked, "body", "oldest", 250;
    raw_responses_see_everything: Raw, "hall", "oldest", 250;
    raw_responses_as_bodies_see_everything: Raw, "body", "oldest", 250;
    web_sockets_see_everything: Socket, "hall", "oldest", 250;
    compressed_web_sockets_see_everything: Deflate, "hall", "oldest", 250;
    bare_web_sockets_for_the_newest_miss_nothing_once_they_are_on: Bare, "hall", "newest", 250;
    polls_without_a_cursor_for_the_newest_miss_nothing_once_they_are_on:
        Cursorless, "hall", "newest", 40;
    long_polls_for_the_newest_miss_nothing_once_they_are_on: LongPoll, "body", "newest", 60;
}

/// Clients of all transports come while messages flow, and those that can go and come back, in the
/// words of a dialect.
fn arrive_speaking(dialect: &str, hold: &str) {
    const MESSAGES: usize = 250;
    let _turn = turn();
    let keys = format!("{STORE}\npush_dialect = \"{dialect}\"\npush_first_message = \"oldest\"");
    let gateway = Gateway::start_root(ROOT, &locations(hold, &keys));
    let address = gateway.address;
    let channels = vec!["c0".into(), "c1".into()];
    let publisher = Publisher { channels, name: 0, numbers: 0..MESSAGES, every: EVERY, size: 0 };
    play(&gateway, vec![publisher], async {
        let mut audience = JoinSet::new();
        for number in 0..2 * Way::ALL.len() {
            let way = Way::ALL[number % Way::ALL.len()];
            let ledger = Ledger::new(format!("{dialect} {way:?} {number}"));
            let ledger = ledger.all("c0", 0, MESSAGES).all("c1", 0, MESSAGES);
            // The number of a message, which the push stream module calls its id, says no place.
            let stays = !way.resumes() || (way, dialect) == (Way::Stream, "push_stream");
            let dice = if stays { Dice::never() } else { Dice::new(number, 1..100) };
            audience.spawn(async move {
                sleep(EVERY * u32::try_from(4 * number).unwrap()).await;
                attend(Listener::new(address, way, "c0,c1"), ledger, dice).await
            });
        }
        all(audience).await;
    });
}

#[test]
fn clients_of_nchan_see_everything() {
    arrive_speaking("nchan", "hall");
}

#[test]
fn clients_of_nchan_see_everything_as_bodies() {
    arrive_speaking("nchan", "body");
}

#[test]
fn clients_of_push_stream_see_everything() {
    arrive_speaking("push_stream", "hall");
}

#[test]
fn clients_of_push_stream_see_everything_as_bodies() {
    arrive_speaking("push_stream", "body");
}

/// Clients that send back what browsers send back, at 500 messages a second.
fn keep_up(hold: &str) {
    const MESSAGES: usize = 1000;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    let address = gateway.address;
    let every = Duration::from_millis(2);
    let channels = vec!["c0".into()];
    let publisher = Publisher { channels, name: 0, numbers: 0..MESSAGES, every, size: 0 };
    play(&gateway, vec![publisher], async {
        let mut audience = JoinSet::new();
        for number in 0..3 {
            let listener = Listener::new(address, Way::Cursorless, "c0");
            let ledger = Ledger::new(format!("browser {number}")).all("c0", 0, MESSAGES);
            audience.spawn(attend(listener, ledger, Dice::never()));
        }
        all(audience).await;
    });
}

#[test]
fn polls_without_a_cursor_keep_up_with_five_hundred_messages_a_second() {
    keep_up("hall");
}

#[test]
fn polls_without_a_cursor_keep_up_with_five_hundred_messages_a_second_as_bodies() {
    keep_up("body");
}
