//! The clients of the push stream module and of Nchan, as those modules document them: what they send, and
//! that they lose and double nothing while they reconnect.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    harness::{Client, Gateway, Response},
    site::MODES,
    websocket::{open, open_with, text},
};

/// So many messages does a client have to get.
const MESSAGES: usize = 200;
/// In a transport that goes on a client reads so many before it is cut off.
const BEFORE_A_CUT: usize = 3;

/// A publisher and the location of a client, on the clock of this machine.
fn serve(hold: &str, keys: &str) -> Gateway {
    Gateway::start(&format!(
        "[[server.location]]\npath = '/pub'\npush_publisher = true\npush_channel_id = '$arg_id'\n\
         push_max_message_buffer_length = 1000\n\
         [[server.location]]\npath = '~ ^/sub/(.*)$'\npush_channel_id = '$1'\n\
         push_hold = '{hold}'\n{keys}"
    ))
}

/// What has been published, in order, and what a client has got of it.
struct Ledger<'a> {
    gateway: &'a Gateway,
    published: usize,
    got: Vec<String>,
}

impl<'a> Ledger<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, published: 0, got: Vec::new() }
    }

    /// Publishes some, to one of two channels in turn.
    fn publish(&mut self, count: usize) {
        for _ in 0..count.min(MESSAGES - self.published) {
            let channel = ["a", "b"][self.published % 2];
            self.gateway.publish(&format!("/pub?id={channel}"), &self.published.to_string());
            self.published += 1;
        }
    }

    fn is_complete(&self) -> bool {
        self.got.len() >= MESSAGES
    }

    fn assert_complete(&self) {
        let expected: Vec<_> = (0..MESSAGES).map(|number| number.to_string()).collect();
        assert_eq!(self.got, expected);
    }
}

// ---- The push stream module's ------------------------------------------------------------------

const PUSH_STREAM: &str = "push_dialect = 'push_stream'\npush_message_template = \
    '{\"id\":~id~,\"channel\":\"~channel~\",\"text\":\"~text~\",\"tag\":\"~tag~\",\
    \"time\":\"~time~\",\"eventid\":\"~event-id~\"}'\n";

/// What pushstream.js keeps between two requests.
#[derive(Default)]
struct PushStream {
    etag: Option<String>,
    last_modified: Option<String>,
    /// `messagesControlByArgument`: the cursor is in the URL, not in headers.
    by_argument: bool,
}

impl PushStream {
    /// The URL of its next request: the arguments of the cursor are always there, full or not.
    fn target(&self, path: &str) -> String {
        let mut target = format!("/sub/{path}?_=1795396661000&tag=");
        if self.by_argument {
            target.push_str(self.etag.as_deref().unwrap_or("0"));
        }
        target.push_str("&time=");
        if let (true, Some(time)) = (self.by_argument, &self.last_modified) {
            for byte in time.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => target.push(char::from(byte)),
                    _ => write!(target, "%{byte:02X}").unwrap(),
                }
            }
        }
        target + "&eventid="
    }

    /// A script has nothing better for a header that it has not got than `null`; the tag begins at 0.
    fn headers(&self) -> String {
        if self.by_argument {
            return String::new();
        }
        let tag = if self.last_modified.is_none() { Some("0") } else { self.etag.as_deref() };
        let [tag, date] = [tag, self.last_modified.as_deref()].map(|have| have.unwrap_or("null"));
        format!("If-None-Match: {tag}\r\nIf-Modified-Since: {date}\r\n")
    }

    /// Takes the cursor from the headers of every answer, or from the messages alone.
    fn take(&mut self, answer: &Response, got: &mut Vec<String>) {
        if !self.by_argument {
            self.etag = answer.header("etag").map(str::to_owned);
            self.last_modified = answer.header("last-modified").map(str::to_owned);
        }
        // Several may come one behind the other.
        for message in answer.text().replace("}{", "}\r\n{").split("\r\n") {
            if !message.is_empty() {
                got.push(self.read(message));
            }
        }
    }

    /// The text of a message, which says where it stands.
    fn read(&mut self, message: &str) -> String {
        let message: Value = serde_json::from_str(message).unwrap();
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        assert!(message["id"].as_i64().unwrap() > 0, "{message}");
        (self.etag, self.last_modified) = (Some(text("tag")), Some(text("time")));
        text("text")
    }
}

/// A second before every message: what `messagesPublishedAfter` begins with.
const EPOCH: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

#[test]
fn the_long_polls_of_push_streams_client_lose_and_double_nothing() {
    for hold in MODES {
        for by_argument in [false, true] {
            let keys = format!(
                "push_subscriber = ['long-poll']\npush_subscriber_timeout = '30ms'\n{PUSH_STREAM}"
            );
            let gateway = serve(hold, &keys);
            let mut ledger = Ledger::new(&gateway);
            // A client that looks for its place in messages alone has none before the first.
            let last_modified = by_argument.then(|| EPOCH.to_owned());
            let mut client = PushStream { last_modified, by_argument, ..PushStream::default() };
            let mut ended = 0;
            for round in 0.. {
                let mut poll = gateway.connect();
                poll.get(&client.target("a/b"), &client.headers());
                // While it waits, or else its time is over.
                if ledger.published == ledger.got.len() && round % 4 > 0 {
                    ledger.publish(1);
                }
                let answer = poll.response();
                ended += usize::from(answer.status == 304);
                assert!(matches!(answer.status, 200 | 304), "{answer:?}");
                client.take(&answer, &mut ledger.got);
                if ledger.is_complete() {
                    break;
                }
                // While it does not wait.
                ledger.publish(round % 3);
            }
            ledger.assert_complete();
            assert!(ended > 0);
        }
    }
}

/// The next messages of a response that goes on, as they are between its chunks.
fn pieces(client: &mut Client, between: &str, count: usize) -> Vec<String> {
    let mut all = String::new();
    while all.matches(between).count() < count {
        all.push_str(str::from_utf8(&client.chunk().unwrap()).unwrap());
    }
    all.split_inclusive(between).take(count).map(str::to_owned).collect()
}

/// The fields of an event: its data and its id.
fn event(event: &str) -> [&str; 2] {
    ["data: ", "id: "]
        .map(|field| event.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default())
}

/// A response that goes on, behind its head; of an event stream also behind what it begins with.
fn listen(gateway: &Gateway, target: &str, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get(target, headers);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    if headers.contains("event-stream") {
        client.until(b"retry: 2000\n\n\r\n");
    }
    client
}

/// Follows both channels by connections that are cut off after a few messages. `follow` makes one,
/// and reads so many messages from it.
fn through_cuts(
    ledger: &mut Ledger<'_>,
    mut follow: impl FnMut(&mut dyn FnMut(), usize) -> Vec<String>,
) {
    for cuts in 0.. {
        let gone = cuts % 5;
        // While there is no connection, and while there is one.
        ledger.publish(if cuts == 0 { 0 } else { gone });
        let count = BEFORE_A_CUT.min(MESSAGES - ledger.got.len());
        let lacking = (ledger.got.len() + count).saturating_sub(ledger.published);
        let got = follow(&mut || ledger.publish(lacking + gone), count);
        ledger.got.extend(got);
        if ledger.is_complete() {
            return ledger.assert_complete();
        }
    }
}

const EVENTS: &str = "Accept: text/event-stream\r\n";

#[test]
fn the_sockets_of_push_streams_client_lose_and_double_nothing() {
    let gateway = serve("hall", &format!("push_subscriber = true\n{PUSH_STREAM}"));
    let last_modified = Some(EPOCH.to_owned());
    let mut client = PushStream { last_modified, by_argument: true, ..PushStream::default() };
    through_cuts(&mut Ledger::new(&gateway), |connected, count| {
        let mut socket = open(&gateway, &client.target("a/b"), "");
        connected();
        (0..count).map(|_| client.read(&text(&mut socket))).collect()
    });
}

#[test]
fn the_event_streams_of_push_streams_client_lose_and_double_nothing() {
    for hold in MODES {
        let gateway = serve(hold, &format!("push_subscriber = true\n{PUSH_STREAM}"));
        let last_modified = Some(EPOCH.to_owned());
        let mut client = PushStream { last_modified, by_argument: true, ..PushStream::default() };
        through_cuts(&mut Ledger::new(&gateway), |connected, count| {
            let mut events = listen(&gateway, &client.target("a/b"), EVENTS);
            connected();
            let events = pieces(&mut events, "\n\n", count);
            events.iter().map(|one| client.read(event(one)[0])).collect()
        });
        // A browser reconnects by itself: with the URL as it was, and the id of the last event.
        let target = PushStream::default().target("a/b");
        let mut last = String::new();
        let gateway = serve(hold, &format!("push_subscriber = true\n{PUSH_STREAM}"));
        through_cuts(&mut Ledger::new(&gateway), |connected, count| {
            let mut events = listen(&gateway, &target, &format!("{EVENTS}{last}"));
            connected();
            let events = pieces(&mut events, "\n\n", count);
            last = format!("Last-Event-ID: {}\r\n", event(events.last().unwrap())[1]);
            events.iter().map(|one| PushStream::default().read(event(one)[0])).collect()
        });
    }
}

#[test]
fn the_streams_of_push_streams_client_lose_and_double_nothing() {
    for hold in MODES {
        let keys = format!("push_subscriber = ['stream']\n{PUSH_STREAM}");
        let gateway = serve(hold, &keys);
        let last_modified = Some(EPOCH.to_owned());
        let mut client = PushStream { last_modified, by_argument: true, ..PushStream::default() };
        through_cuts(&mut Ledger::new(&gateway), |connected, count| {
            let mut stream = listen(&gateway, &client.target("a/b"), "");
            connected();
            let messages = pieces(&mut stream, "}", count);
            messages.iter().map(|message| client.read(message)).collect()
        });
    }
}

// ---- Nchan's -----------------------------------------------------------------------------------

const NCHAN: &str = "push_dialect = 'nchan'\npush_channel_id_split_delimiter = '/'\n\
                     push_subscriber = true\n";

#[test]
fn the_long_polls_of_nchans_client_lose_and_double_nothing() {
    for hold in MODES {
        let gateway = serve(hold, &format!("{NCHAN}push_subscriber_timeout = '30ms'"));
        let mut ledger = Ledger::new(&gateway);
        let mut ended = 0;
        let mut headers = String::new();
        for round in 0.. {
            let mut poll = gateway.connect();
            poll.get("/sub/a/b", &headers);
            if ledger.published == ledger.got.len() && round % 4 > 0 {
                ledger.publish(1);
            }
            let answer = poll.response();
            match answer.status {
                200 => ledger.got.push(answer.text().to_owned()),
                status => {
                    assert_eq!(status, 408, "{answer:?}");
                    ended += 1;
                }
            }
            if ledger.is_complete() {
                break;
            }
            // It keeps what it has where an answer does not say.
            if let [Some(date), Some(tag)] =
                ["last-modified", "etag"].map(|name| answer.header(name))
            {
                headers = format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n");
            }
            ledger.publish(round % 3);
        }
        ledger.assert_complete();
        assert!(ended > 0);
    }
}

#[test]
fn the_sockets_of_nchans_client_lose_and_double_nothing() {
    let gateway = serve("hall", NCHAN);
    let mut target = "/sub/a/b".to_owned();
    through_cuts(&mut Ledger::new(&gateway), |connected, count| {
        let offer = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";
        let (mut socket, _) = open_with(&gateway, &target, offer);
        connected();
        let frames: Vec<_> = (0..count).map(|_| text(&mut socket)).collect();
        let id = event(frames.last().unwrap())[1].replace(':', "%3A");
        target = format!("/sub/a/b?last_event_id={id}");
        frames.iter().map(|frame| frame.split_once("\n\n").unwrap().1.to_owned()).collect()
    });
}

#[test]
fn the_event_streams_of_nchans_client_lose_and_double_nothing() {
    for hold in MODES {
        let gateway = serve(hold, NCHAN);
        let (mut target, mut last) = ("/sub/a/b".to_owned(), String::new());
        let mut cuts = 0;
        through_cuts(&mut Ledger::new(&gateway), |connected, count| {
            let mut events = listen(&gateway, &target, &format!("{EVENTS}{last}"));
            connected();
            let events = pieces(&mut events, "\n\n", count);
            let [_, id] = event(events.last().unwrap());
            // The browser reconnects, or the client with an URL of its own.
            cuts += 1;
            if cuts % 2 == 0 {
                last = format!("Last-Event-ID: {id}\r\n");
            } else {
                (target, last) = (format!("/sub/a/b?last_event_id={id}"), String::new());
            }
            events.iter().map(|one| event(one)[0].to_owned()).collect()
        });
    }
}
