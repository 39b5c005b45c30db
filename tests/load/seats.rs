//! Who may wait, when many come at the same moment, and what becomes of those who wait when the
//! channel goes.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Conn, Way},
    harness::Gateway,
    scene::{PATIENCE, ROOT, SILENCE, all, locations, turn, watch},
};

/// Clients of a channel.
const CROWD: usize = 4;
const CHANNELS: usize = 50;
const ROUNDS: usize = 8;

/// How a wait ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    /// With this status, at once or later.
    Status(u16),
    /// With what came on an endless response.
    Text(String),
}

/// Asks, and waits for the end of it.
async fn wait(address: SocketAddr, way: Way, channel: String) -> End {
    let asked = async {
        let mut conn = Conn::open(address).await?;
        conn.get(&format!("{}?c={channel}", way.path()), "").await?;
        let (head, body) = if way == Way::LongPoll {
            conn.response().await?
        } else {
            let head = conn.head().await?;
            let mut body = Vec::new();
            while head.header("transfer-encoding").is_some()
                && let Some(chunk) = conn.chunk().await?
            {
                body.extend(chunk);
            }
            (head, body)
        };
        std::io::Result::Ok(match head.status {
            200 => End::Text(String::from_utf8(body).unwrap()),
            status => End::Status(status),
        })
    };
    match timeout(PATIENCE, asked).await.expect("a wait ends") {
        Ok(end) => end,
        // An answer on a connection that is not read to its end may be cut.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Status(0),
        Err(error) => panic!("{way:?} {error}"),
    }
}

/// Many channels, some clients of each at once; one of each is left, and gets the message.
fn race(concurrency: &str, way: Way, hold: &str) {
    let _turn = turn();
    let keys = format!("push_subscriber_concurrency = \"{concurrency}\"");
    let gateway = Gateway::start_root(ROOT, &locations(hold, &keys));
    for round in 0..ROUNDS {
        let names: Vec<String> = (0..CHANNELS).map(|number| format!("c{round}-{number}")).collect();
        let ends = watch(contest(&gateway, way, &names));
        for name in &names {
            let of = ends.iter().filter(|(channel, _)| channel == name).map(|(_, end)| end);
            let of: Vec<&End> = of.collect();
            let got = |end: &&&End| matches!(end, End::Text(text) if text.contains("for one"));
            let conflict = |end: &&&End| match end {
                End::Status(status) => *status == 409,
                End::Text(text) => text.contains("data: conflict") && !text.contains("for one"),
            };
            assert_eq!(of.iter().filter(got).count(), 1, "{of:?}");
            assert_eq!(of.iter().filter(conflict).count(), CROWD - 1, "{of:?}");
        }
    }
}

/// Lets the clients come; when all but one of each channel have gone, publishes.
async fn contest(gateway: &Gateway, way: Way, names: &[String]) -> Vec<(String, End)> {
    let address = gateway.address;
    let mut audience = JoinSet::new();
    for name in names {
        for _ in 0..CROWD {
            let name = name.clone();
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
struct Over<'a>(&'a AtomicBool);

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
            for way in Way::HELD {
                for number in 0..10 {
                    others.spawn(wait(address, way, format!("b{number}")));
                }
            }
            let (mut audience, mut ended) = (JoinSet::new(), 0);
            while ended < ENOUGH {
                while audience.len() < 60 {
                    let way = Way::HELD[(ended + audience.len()) % Way::HELD.len()];
                    // Short waits elsewhere, so that places of channels change hands.
                    audience.spawn(wait(address, way, "a".into()));
                }
                let end = audience.join_next().await.unwrap().unwrap();
                assert!(!matches!(end, End::Status(status) if status != 410), "{end:?}");
                ended += 1;
            }
            all(audience).await;
            assert!(others.try_join_next().is_none(), "a neighbour was sent away");
            for number in 0..10 {
                gateway.publish(&format!("/pub?c=b{number}"), "still here");
                gateway.request("DELETE", &format!("/pub?c=b{number}"), "", "");
            }
            for end in all(others).await {
                assert!(matches!(&end, End::Text(text) if text.contains("still here")), "{end:?}");
            }
        });
    });
}

#[test]
fn of_long_polls_that_come_at_once_the_last_is_left() {
    race("last", Way::LongPoll, "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_last_is_left() {
    race("last", Way::Events, "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_last_is_left_as_bodies() {
    race("last", Way::Events, "body");
}

#[test]
fn of_long_polls_that_come_at_once_the_first_is_left() {
    race("first", Way::LongPoll, "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_first_is_left() {
    race("first", Way::Events, "hall");
}

#[test]
fn of_event_sources_that_come_at_once_the_first_is_left_as_bodies() {
    race("first", Way::Events, "body");
}

#[test]
fn nobody_is_left_waiting_for_a_channel_that_was_deleted() {
    delete("hall");
}

#[test]
fn nobody_is_left_waiting_for_a_channel_that_was_deleted_as_bodies() {
    delete("body");
}
