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
    scene::{PATIENCE, ROOT, all, locations, turn, watch},
};

const CROWD: usize = 100;
const ROUNDS: usize = 10;

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

/// Everyone comes at once; one is left, and gets the message.
fn race(concurrency: &str, way: Way, hold: &str) {
    let _turn = turn();
    let keys = format!("push_subscriber_concurrency = \"{concurrency}\"");
    let gateway = Gateway::start_root(ROOT, &locations(hold, &keys));
    let address = gateway.address;
    for round in 0..ROUNDS {
        let publisher = format!("/pub?c=c{round}");
        let ends = thread::scope(|scope| {
            let audience = scope.spawn(|| {
                watch(async {
                    let mut audience = JoinSet::new();
                    for _ in 0..CROWD {
                        audience.spawn(wait(address, way, format!("c{round}")));
                    }
                    let mut ends = Vec::new();
                    while audience.len() > 1 {
                        ends.push(audience.join_next().await.unwrap().unwrap());
                    }
                    gateway.wait_for_subscribers(&publisher, 1);
                    let told = gateway.publish(&publisher, "for one").status;
                    assert_eq!(told, 201);
                    gateway.request("DELETE", &publisher, "", "");
                    ends.extend(all(audience).await);
                    ends
                })
            });
            audience.join().unwrap()
        });
        let got = |end: &&End| matches!(end, End::Text(text) if text.contains("for one"));
        assert_eq!(ends.iter().filter(got).count(), 1, "{ends:?}");
        let conflict = |end: &&End| match end {
            End::Status(status) => *status == 409,
            End::Text(text) => text.contains("data: conflict"),
        };
        assert_eq!(ends.iter().filter(conflict).count(), CROWD - 1, "{ends:?}");
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
                    client.request(method, "/pub?c=a", "", "x");
                    let status = client.response().status;
                    assert!(matches!(status, 200..=202 | 404), "{status}");
                }
            });
        }
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
            over.store(true, Relaxed);
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
