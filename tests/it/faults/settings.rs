//! Settings belong to the request that they came with, however late its body comes, and whoever
//! publishes to the same channel meanwhile.

use std::thread;

use tokio::{task::JoinSet, time::timeout};

use super::{HOUSES, ROOM, run, spoken, start, waiting};
use crate::{
    client::Way,
    formats,
    frames::{FIN, HANDSHAKE, PING, PONG, TEXT, frame},
    harness::{Client, Gateway, PATIENCE},
    ledger::{self, Ledger},
    websocket::read,
};

/// Two publishers that differ in what a channel keeps, for how long.
const LOCATIONS: &str = r#"
push_channel_id = "$arg_c"

[[server.location]]
path = "/pub"
push_publisher = true

[[server.location]]
path = "/few"
push_pubsub = true
push_message_buffer_length = 3

[[server.location]]
path = "/many"
push_pubsub = true
push_message_buffer_length = 50

[[server.location]]
path = "/brief"
push_pubsub = true
push_message_timeout = "20ms"
push_message_buffer_length = 50
"#;

/// Messages to each channel.
const COUNT: usize = 10;

/// How a message is sent in two parts, of which the server has seen the first when `begin` returns.
#[derive(Clone, Copy, Debug)]
enum Late {
    Length,
    Chunks,
    Frame,
}

impl Late {
    fn begin(self, gateway: &Gateway, location: &str, channel: &str) -> Client {
        let mut client = gateway.connect();
        let target = format!("{location}?c={channel}");
        let headers = match self {
            Self::Length => "Content-Length: 4\r\n",
            Self::Chunks => "Transfer-Encoding: chunked\r\n",
            Self::Frame => {
                client.get(&target, HANDSHAKE);
                assert!(client.head().starts_with("HTTP/1.1 101 "));
                client.send([frame(TEXT, b"la"), frame(FIN | PING, b"?")].concat());
                while read(&mut client) != (FIN | PONG, b"?".to_vec()) {}
                return client;
            }
        };
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n{headers}\r\n"
        ));
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
        client
    }

    /// Returns when the message has been published.
    fn end(self, client: &mut Client) {
        match self {
            Self::Length => client.send("late"),
            Self::Chunks => client.send("4\r\nlate\r\n0\r\n\r\n"),
            Self::Frame => {
                client.send(frame(FIN, b"te"));
                // It listens, too, to this and to others.
                while read(client) != (FIN | TEXT, b"late".to_vec()) {}
                return;
            }
        }
        let answer = client.response();
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    }
}

fn kept(gateway: &Gateway, channel: &str) -> usize {
    let info = gateway.request("GET", &format!("/pub?c={channel}"), "", "");
    let first = info.text().lines().next().unwrap();
    first.strip_prefix("queued messages: ").unwrap().parse().unwrap()
}

#[test]
fn the_settings_of_a_publisher_are_its_own_however_late_its_body_comes() {
    for late in [Late::Length, Late::Chunks, Late::Frame] {
        let gateway = Gateway::start(LOCATIONS);
        for _ in 0..COUNT {
            let mut few = late.begin(&gateway, "/few", "few");
            let mut many = late.begin(&gateway, "/many", "many");
            gateway.publish("/many?c=many", "at once");
            gateway.publish("/few?c=few", "at once");
            late.end(&mut few);
            late.end(&mut many);
        }
        assert_eq!(kept(&gateway, "few"), 3, "{late:?}");
        assert_eq!(kept(&gateway, "many"), 2 * COUNT, "{late:?}");
    }
}

#[test]
fn messages_go_when_their_own_publisher_says_so() {
    for late in [Late::Length, Late::Chunks, Late::Frame] {
        let gateway = Gateway::start(LOCATIONS);
        let mut brief = late.begin(&gateway, "/brief", "brief");
        let mut many = late.begin(&gateway, "/many", "many");
        gateway.publish("/many?c=many", "at once");
        gateway.publish("/brief?c=brief", "at once");
        late.end(&mut brief);
        late.end(&mut many);
        while kept(&gateway, "brief") > 0 {
            std::thread::yield_now();
        }
        assert_eq!(kept(&gateway, "many"), 2, "{late:?}");
    }
}

/// Two publishers that differ in what a channel keeps, beside [`crate::locations`].
const SIZES: [usize; 2] = [3, 50];
/// Connections to each of them, and messages by each connection.
const CONNECTIONS: usize = 2;
const EACH: usize = 150;

/// What one publish was answered: its tag, the limit of its location, messages kept.
type Answer = (u64, usize, usize);

/// All publish at once to one channel; their answers in the order of the messages.
fn contend(gateway: &Gateway) -> Vec<Answer> {
    let publisher = |number: usize| {
        let (limit, mut client) = (SIZES[number % SIZES.len()], gateway.connect());
        let publish = move |message| {
            let text = ledger::text("c", number, message, 20);
            let target = format!("/keeps{limit}?c=c");
            client.request("POST", &target, "Accept: application/json\r\n", &text);
            let info: serde_json::Value = serde_json::from_str(client.response().text()).unwrap();
            let (_, tag) = formats::id(info["last_message_id"].as_str().unwrap());
            (tag, limit, usize::try_from(info["messages"].as_u64().unwrap()).unwrap())
        };
        (0..EACH).map(publish).collect::<Vec<_>>()
    };
    let mut answers = thread::scope(|scope| {
        let numbers = 0..SIZES.len() * CONNECTIONS;
        let threads: Vec<_> =
            numbers.map(|number| scope.spawn(move || publisher(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    answers.sort_unstable();
    answers
}

/// The rule: how many messages are kept is up to the latest one. It makes the channel forget those
/// above the limit of its own location, which no later one brings back.
fn assert_rule(answers: &[Answer], exact: bool) {
    assert_eq!(answers.len(), SIZES.len() * CONNECTIONS * EACH);
    let mut kept = 0;
    for (number, (tag, limit, messages)) in answers.iter().enumerate() {
        assert_eq!(*tag, number as u64, "an id was given twice, or none");
        kept = (*limit).min(kept + 1);
        // What somebody has not had yet is not forgotten.
        let range = if exact || *limit == SIZES[0] { kept..=kept } else { kept..=*limit };
        assert!(range.contains(messages), "{messages} are kept behind {tag}, and not {range:?}");
    }
}

fn contended(hold: &str, dialect: &str) -> Gateway {
    let publisher = |limit| {
        format!(
            "[[server.location]]\npath = \"/keeps{limit}\"\npush_publisher = true\n\
             push_message_buffer_length = {limit}\npush_dialect = \"push_module\"\n"
        )
    };
    start(ROOM, hold, &(spoken(dialect) + &SIZES.map(publisher).concat()))
}

#[test]
fn each_publisher_of_a_channel_has_its_own_limit_kept_however_they_race() {
    let gateway = contended("hall", "push_module");
    assert_rule(&contend(&gateway), true);
    for (limit, more) in [(50, 60), (3, 1), (50, 1)] {
        for _ in 0..more {
            gateway.publish(&format!("/keeps{limit}?c=c"), "x");
        }
        assert_eq!(kept(&gateway, "c"), if more > 1 { 50 } else { 3 + usize::from(limit == 50) });
    }
}

#[test]
fn nobody_who_waits_loses_a_message_when_publishers_with_other_limits_race() {
    for (hold, dialect) in HOUSES {
        let gateway = contended(hold, dialect);
        thread::scope(|scope| {
            let publishers = scope.spawn(|| {
                gateway.wait_for_subscribers("/pub?c=c", Way::endless().len());
                contend(&gateway)
            });
            run(async {
                let mut audience = JoinSet::new();
                for way in Way::endless() {
                    let mut listener = waiting(gateway.address, way, "c", Default::default()).await;
                    audience.spawn(async move {
                        let mut ledger = Ledger::new(format!("{way:?}"));
                        for publisher in 0..SIZES.len() * CONNECTIONS {
                            ledger = ledger.all("c", publisher, EACH);
                        }
                        while !ledger.done() {
                            let next = timeout(PATIENCE, listener.next()).await;
                            let next = next.unwrap_or_else(|_| panic!("nothing for {ledger:?}"));
                            let (id, text) = next.unwrap();
                            ledger.take(id, &text);
                        }
                        assert_eq!(listener.gaps, 0, "{way:?}");
                    });
                }
                audience.join_all().await;
            });
            assert_rule(&publishers.join().unwrap(), false);
        });
    }
}
