//! One publisher, `/pub?id=`, and one subscriber, `/sub?id=`, with a clock that stands still.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::harness::{Client, Gateway};

/// Who waits: the hall, or a task with a response body. Both must look alike.
pub const MODES: [&str; 2] = ["hall", "body"];
/// The second of every message, `Tue, 22 Dec 2015 03:34:40 GMT`.
pub const NOW: u64 = 1_450_755_280;
/// The same as long polling says it.
pub const DATE: &str = "Tue, 22 Dec 2015 03:34:40 GMT";

/// Asks for the state of channel 1.
pub const GET: &str = "GET /pub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n";

/// The two locations, with keys of their own.
pub fn locations(hold: &str, publisher: &str, subscriber: &str) -> String {
    let keys = subscriber.split("[[").next().unwrap();
    let own = keys.contains("push_subscriber =");
    let transports = if own { "" } else { "push_subscriber = true" };
    format!(
        r#"
[[server.location]]
path = "= /pub"
push_publisher = true
push_channel_id = "$arg_id"
{publisher}

[[server.location]]
path = "= /sub"
{transports}
push_channel_id = "$arg_id"
push_hold = "{hold}"
{subscriber}
"#
    )
}

/// A gateway that serves them.
pub fn start(hold: &str, publisher: &str, subscriber: &str) -> Gateway {
    start_root("", hold, publisher, subscriber)
}

/// As [`start`], with keys of the root.
pub fn start_root(root: &str, hold: &str, publisher: &str, subscriber: &str) -> Gateway {
    let locations = locations(hold, publisher, subscriber);
    Gateway::start_with(root, &locations, |settings| settings.clock = Box::new(|| NOW))
}

/// As [`start`], with a clock that can be set.
pub fn start_clock(hold: &str, publisher: &str, subscriber: &str) -> (Gateway, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let reading = clock.clone();
    let locations = locations(hold, publisher, subscriber);
    let gateway = Gateway::start_with("", &locations, |settings| {
        settings.clock = Box::new(move || reading.load(Ordering::Relaxed));
    });
    (gateway, clock)
}

/// Waits for so many subscribers of channel `1`.
pub fn wait(gateway: &Gateway, number: usize) {
    gateway.wait_for_subscribers("/pub?id=1", number);
}

/// Begins to listen to channel `1` by events; the head and the opening have been read.
pub fn listen(gateway: &Gateway, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get("/sub?id=1", &format!("Accept: text/event-stream\r\n{headers}"));
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(client.chunk().unwrap(), b"retry: 2000\n\n");
    client
}

/// The message of that tag as an event.
pub fn event(tag: u64, text: &str) -> Vec<u8> {
    format!("id: {NOW}:{tag}\ndata: {text}\n\n").into_bytes()
}

/// The headers of an answer that do not tell when or how it was sent, in order.
pub fn stable(head: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        head.lines().filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

/// A gateway without keys of its own.
pub fn plain() -> Gateway {
    start("hall", "", "")
}

/// The next answer is this one.
pub fn assert_answer(client: &mut Client, status: u16, body: &str) {
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (status, body));
}
