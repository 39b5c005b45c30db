//! Who may wait, when many come at the same moment, and what becomes of those who wait when the
//! channel goes.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{End, Listener, Way},
    harness::Gateway,
    scene::{PATIENCE, ROOT, SILENCE, all, locations, turn, watch},
};

/// Clients of a channel.
const CROWD: usize = 4;
const CHANNELS: usize = 50;
const ROUNDS: usize = 8;

/// How a wait ended.
#[derive(Debug)]
struct Wait {
    way: Way,
    texts: String,
    /// None of a poll that was answered.
    end: Option<End>,
}

impl Wait {
    /// It got the message.
    fn got(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    /// It was sent away without any, in the way of its transport.
    fn was_told(&self, status: u16, reason: &str) -> bool {
        self.texts.is_empty()
            && match &self.end {
                None => false,
                Some(End::Status(told)) => *told == status,
                Some(End::Over(told)) => match self.way {
                    Way::Events | Way::Gzip => told == reason,
                    way if way.is_socket() => *told == format!("4{status} {reason}"),
                    _ => told.is_empty(),
                },
                // There is no other way to say that the message does not come.
                Some(cut) => self.way == Way::Cursorless && cut.is_cut(),
            }
    }
}

/// All that wait, in all forms.
fn all_ways() -> Vec<Way> {
    [&Way::held()[..], &Way::FORMS].concat()
}

/// Asks, and waits for the end of it.
async fn wait(address: SocketAddr, way: Way, channel: String) -> Wait {
    let (mut listener, mut texts) = (Listener::new(address, way, &channel), String::new());
    let asked = async {
        loop {
            match listener.next().await {
                Ok((_, text)) => texts.push_str(&text),
                Err(end) => return Some(end),
            }
            if way.polls() {
                return None;
            }
        }
    };
    let end = timeout(PATIENCE, asked).await.expect("a wait ends");
    Wait { way, texts, end }
}

/// Many channels, some clients of each at once; one of each is left, and gets the message.
fn race(concurrency: &str, ways: &[Way], hold: &str) {
    let _turn = turn();
    let keys = format!("push_subscriber_concurrency = \"{concurrency}\"");
    let gateway = Gateway::start_root(ROOT, &locations(hold, &keys));
    for round in 0..ROUNDS {
        let names: Vec<String> = (0..CHANNELS).map(|number| format!("c{round}-{number}")).collect();
        let ends = watch(contest(&gateway, ways, &names));
        for name in &names {
            let of = ends.iter().filter(|(channel, _)| channel == name).map(|(_, wait)| wait);
            let of: Vec<&Wait> = of.collect();
            let got = of.iter().filter(|wait| wait.got("for one")).count();
            let sent_away = of.iter().filter(|wait| wait.was_told(409, "conflict")).count();
            assert_eq!((got, sent_away), (1, CROWD - 1), "{of:?}");
        }
    }
}

/// Lets the clients come; when all but one of each channel have gone, publishes.
async fn contest(gateway: &Gateway, ways: &[Way], names: &[String]) -> Vec<(String, Wait)> {
    let address = gateway.address;
    let mut audience = JoinSet::new();
    for (channel, name) in names.iter().enumerate() {
        for number in 0..CROWD {
            let (name, way) = (name.clone(), ways[(channel + number) % ways.len()]);
            audience.spawn(async move { (name.clone(), wait(address, way, name).await) });
        }
    }
    let mut ends = Vec::new();
    while audience.len() > names.len() {
        let end = timeout(SILENCE, audience.join_next()).await;
        ends.push(end.expect("all but one have to go").unwrap().unwrap());
    }
    for name in names {
        let publisher = format!("/pub?c={name}");
        gateway.wait_for_subscribers(&publisher, 1);
        assert_eq!(gateway.publish(&publisher, "for one").status, 201);
        gateway.request("DELETE", &publisher, "", "");
    }
    ends.extend(all(audience).await);
    ends
}

/// Says that it is over, also when a test fails.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Subscribers, publishers and deleters of one channel; nobody is left behind.
fn delete(hold: &str) {
    const ENOUGH: usize = 1500;
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, "push_channel_timeout = \"1h\""));
    let (address, over) = (gateway.address, AtomicBool::new(false));
    thread::scope(|scope| {
        for method in ["POST", "DELETE", "DELETE"] {
            let (gateway, over) = (&gateway, &over);
            scope.spawn(move || {
                let mut client = gateway.connect();
                while !over.load(Relaxed) {
                    let body = if method == "POST" { "x" } else { "" };
                    client.request(method, "/pub?c=a", "", body);
                    let status = client.response().status;
                    assert!(matches!(status, 200..=202 | 404), "{status}");
                }
            });
        }
        let _over = Over(&over);
        // Of other channels, which deleting must not touch.
        watch(async {
            let mut others = JoinSet::new();
            for way in all_ways() {
                for number in 0..10 {
                    others.spawn(wait(address, way, format!("b{number}")));
                }
            }
            let (mut audience, mut ended, ways) = (JoinSet::new(), 0, all_ways());
            while ended < ENOUGH {
                while audience.len() < 60 {
                    let way = ways[(ended + audience.len()) % ways.len()];
                    // Short waits elsewhere, so that places of channels change hands.
                    audience.spawn(wait(address, way, "a".into()));
                }
                let wait: Wait = audience.join_next().await.unwrap().unwrap();
                assert!(wait.got("x") || wait.was_told(410, "deleted"), "{wait:?}");
                ended += 1;
            }
            all(audience).await;
            assert!(others.try_join_next().is_none(), "a neighbour was sent away");
            for number in 0..10 {
                gateway.publish(&format!("/pub?c=b{number}"), "still here");
                gateway.request("DELETE", &format!("/pub?c=b{number}"), "", "");
            }
            for wait in all(others).await {
                assert!(wait.got("still here"), "{wait:?}");
            }
        });
    });
}

#[test]
fn of_long_polls_that_come_at_once_the_last_is_left() {
    race("last", &[Way::LongPoll], "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_last_is_left() {
    race("last", &[Way::Events], "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_last_is_left_as_bodies() {
    race("last", &[Way::Events], "body");
}

#[test]
fn of_long_polls_that_come_at_once_the_first_is_left() {
    race("first", &[Way::LongPoll], "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_first_is_left() {
    race("first", &[Way::Events], "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_first_is_left_as_bodies() {
    race("first", &[Way::Events], "body");
}

#[test]
fn of_web_sockets_that_come_at_once_the_last_is_left() {
    race("last", &[Way::Socket], "hall");
}

#[test]
fn of_web_sockets_that_come_at_once_the_first_is_left() {
    race("first", &[Way::Socket], "hall");
}

#[test]
fn of_clients_of_all_transports_that_come_at_once_the_last_is_left() {
    race("last", &all_ways(), "hall");
}

#[test]
fn of_clients_of_all_transports_that_come_at_once_the_last_is_left_as_bodies() {
    race("last", &all_ways(), "body");
}

#[test]
fn of_clients_of_all_transports_that_come_at_once_the_first_is_left() {
    race("first", &all_ways(), "hall");
}

#[test]
fn of_clients_of_all_transports_that_come_at_once_the_first_is_left_as_bodies() {
    race("first", &all_ways(), "body");
}

#[test]
fn nobody_is_left_waiting_for_a_channel_that_was_deleted() {
    delete("hall");
}

#[test]
fn nobody_is_left_waiting_for_a_channel_that_was_deleted_as_bodies() {
    delete("body");
}
