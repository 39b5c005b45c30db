//! Who reads so slowly that history leaves it behind, on every transport whose answer goes on, byte
//! for byte: `push_slow_subscriber`.

use std::{io::Read, ops::Range};

use flate2::read::GzDecoder;
use socket2::{Domain, Socket, Type};

use crate::{
    client::Way,
    dialects::DIALECTS,
    frames::{CLOSE, FIN, HANDSHAKE, RSV1, TEXT, inflate},
    harness::{Client, Gateway},
    ledger,
    locations::locations,
    site::{DATE, MODES, NOW, event},
    websocket::read,
};

/// Messages that are published before it is asked who still takes them, more than are kept; how often
/// it is asked at most, which is more than a gigabyte.
const ROUND: u64 = 20;
const ROUNDS: u64 = 1000;
/// Rounds in a row in which nobody took anything.
const FULL: u64 = 2;
const SIZE: usize = 60_000;
/// Messages that the channel keeps.
const KEPT: u64 = 2;

/// Answers that go on, each kind of them.
const PLAIN: [Way; 6] =
    [Way::Chunked, Way::Raw, Way::Multipart, Way::Stream, Way::Events, Way::Socket];
const PACKED: [Way; 2] = [Way::Gzip, Way::Deflate];

fn text(number: u64) -> String {
    ledger::text("c", 0, usize::try_from(number).unwrap(), SIZE)
}

fn start(hold: &str, dialect: &str, slow: &str) -> Gateway {
    let keys = format!(
        "push_dialect = \"{dialect}\"\npush_message_buffer_length = {KEPT}\npush_grace = 0\n\
         push_first_message = \"oldest\"\npush_ping_interval = 0\n\
         push_message_template = \"\"\npush_slow_subscriber = \"{slow}\""
    );
    // Where subscribers are counted in the same words in every dialect.
    let count = "[[server.location]]\npath = \"/count\"\npush_publisher = true\n\
                 push_dialect = \"push_module\"\n";
    let locations = locations(hold, &keys) + count + CHANNELS;
    Gateway::start_with(
        "workers = 1\npush_max_reserved_memory = \"256M\"",
        &locations,
        |settings| {
            settings.clock = Box::new(|| NOW);
        },
    )
}

/// Somebody who does not read.
struct Slow {
    way: Way,
    client: Client,
    boundary: String,
    /// `~id~` is the number of a message, from 1: `push_dialect = "push_stream"`.
    numbered: bool,
}

impl Slow {
    /// Begins to listen with next to no room for what is not read.
    fn open(gateway: &Gateway, dialect: &str, way: Way) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(&gateway.address.into()).unwrap();
        let mut client = Client::new(socket);
        let (target, headers) = way.request("c");
        client.get(&target, &headers);
        let head = client.head();
        let boundary = head.split_once("boundary=").map_or("", |(_, line)| line);
        let boundary = format!("--{}", boundary.lines().next().unwrap_or_default());
        Self { way, client, boundary, numbered: dialect == "push_stream" }
    }

    /// A message of a stream in chunks.
    fn dressed(&self, tag: u64) -> String {
        let text = text(tag);
        match self.way {
            Way::Chunked => text,
            Way::Raw => format!("{text}\n"),
            Way::Stream if self.numbered => format!("{} {text}\n", tag + 1),
            Way::Stream => format!("{NOW}:{tag} {text}\n"),
            Way::Multipart => {
                let b = &self.boundary;
                format!("\r\nLast-Modified: {DATE}\r\nEtag: {tag}\r\n\r\n{text}\r\n{b}")
            }
            _ => String::from_utf8(event(tag, &text)).unwrap(),
        }
    }

    /// Reads everything up to the end: the messages that came, and all else.
    fn read_all(&mut self) -> (Vec<u64>, String) {
        if self.way.is_socket() {
            return self.read_frames();
        }
        let bytes = std::iter::from_fn(|| self.client.chunk()).collect::<Vec<_>>().concat();
        let all = if self.way == Way::Gzip {
            let mut plain = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut plain).unwrap();
            plain
        } else {
            String::from_utf8(bytes).unwrap()
        };
        let (mut seen, mut other, mut rest) = (Vec::new(), String::new(), all.as_str());
        while let Some(at) = rest.find(&format!(" {SIZE} ")) {
            let number = rest[..at].rsplit(' ').next().unwrap().parse().unwrap();
            let message = self.dressed(number);
            let begin = rest.find(&message[..20]).expect("the message that it says it is");
            assert!(rest[begin..].starts_with(&message), "{:?} {number} is not whole", self.way);
            other.push_str(&rest[..begin]);
            rest = &rest[begin + message.len()..];
            seen.push(number);
        }
        other.push_str(rest);
        (seen, other)
    }

    fn read_frames(&mut self) -> (Vec<u64>, String) {
        let mut seen = Vec::new();
        loop {
            let (first, payload) = read(&mut self.client);
            if first == FIN | CLOSE {
                let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                let reason = std::str::from_utf8(payload.get(2..).unwrap_or_default()).unwrap();
                return (seen, format!("{code} {reason}"));
            }
            let payload = if first & RSV1 > 0 { inflate(&payload) } else { payload };
            assert_eq!(first & !RSV1, FIN | TEXT);
            let payload = String::from_utf8(payload).unwrap();
            let number = payload.split(' ').rev().nth(2).unwrap().parse().unwrap();
            let whole = format!("id: {NOW}:{number}\n\n{}", text(number));
            assert!(payload == whole, "{:?} {number} is not whole", self.way);
            seen.push(number);
        }
    }
}

/// Tells of a channel how its subscribers keep up.
const CHANNELS: &str = "[[server.location]]\npath = \"/channels\"\npush_channels_status = true\n\
     push_dialect = \"push_module\"\n";

/// How many subscribers of the channel take what is published.
fn keeping_up(gateway: &Gateway) -> u64 {
    let answer = gateway.request("GET", "/channels?id=c", "", "");
    let document: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let rows = document["transports"].as_array().unwrap();
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap();
    rows.iter().map(|row| number(row, "subscribers") - number(row, "slow")).sum()
}

/// Publishes each message when this client has the one before.
fn publish(gateway: &Gateway, prompt: &mut Client, numbers: Range<u64>) {
    let mut publisher = gateway.connect();
    for number in numbers {
        publisher.request("POST", "/pub?c=c", "", &text(number));
        assert!(matches!(publisher.response().status, 200 | 201));
        assert!(read(prompt) == (FIN | TEXT, text(number).into_bytes()));
    }
}

/// Publishes until the buffers of all others are full, or they are sent away; returns up to where.
fn publish_until_full(gateway: &Gateway, prompt: &mut Client, from: u64) -> u64 {
    let mut full = 0;
    for round in 0..ROUNDS {
        let next = from + round * ROUND;
        publish(gateway, prompt, next..next + ROUND);
        full = if keeping_up(gateway) > 1 { 0 } else { full + 1 };
        if full == FULL {
            return next + ROUND;
        }
    }
    panic!("{} messages fit", ROUNDS * ROUND);
}

/// Lets somebody listen by each transport, of whom nobody reads what is published; then `after`
/// happens, and they read everything: which messages came, and what else. First of all, how many
/// messages there were.
fn left_behind(
    gateway: &Gateway,
    dialect: &str,
    ways: &[Way],
    after: impl FnOnce(),
) -> (u64, Vec<(Slow, Vec<u64>, String)>) {
    let mut clients: Vec<_> = ways.iter().map(|way| Slow::open(gateway, dialect, *way)).collect();
    // Whoever has a message before the next is published shows that the gateway keeps pace.
    let mut prompt = gateway.connect();
    prompt.get("/any?c=c", HANDSHAKE);
    prompt.head();
    gateway.wait_for_subscribers("/count?c=c", clients.len() + 1);
    publish(gateway, &mut prompt, 0..1);
    // It comes to everyone before others displace it.
    for client in &mut clients {
        let wanted = client.dressed(0).len() / 3;
        while client.client.seen().len() < wanted {
            assert!(client.client.fill());
        }
    }
    let messages = publish_until_full(gateway, &mut prompt, 1);
    after();
    let read = |mut client: Slow| {
        let (seen, other) = client.read_all();
        let way = client.way;
        assert!(seen.is_sorted_by(|a, b| a < b), "{way:?} {seen:?}");
        assert_eq!(seen[0], 0, "{way:?}");
        assert!((seen.len() as u64) < messages, "{way:?} was to be slow");
        (client, seen, other)
    };
    (messages, clients.into_iter().map(read).collect())
}

/// What comes before and behind the messages, when the wait ends for this reason.
fn around(client: &Slow, dialect: &str, reason: &str) -> [String; 2] {
    let stops = "503 Service Unavailable";
    let [opening, ending] = match (client.way, dialect, reason) {
        (Way::Chunked | Way::Raw | Way::Stream, ..) => [String::new(), String::new()],
        (Way::Multipart, ..) => [client.boundary.clone(), "--\r\n".into()],
        (Way::Events | Way::Gzip, "push_module", _) => {
            ["retry: 2000\n\n".into(), format!("event: close\ndata: {reason}\n\n")]
        }
        (Way::Events | Way::Gzip, "nchan", _) => {
            [": hi\n\nretry: 2000\n\n".into(), format!(":503: {stops}\n\n")]
        }
        (Way::Events | Way::Gzip, ..) => [": \nretry: 2000\n\n".into(), String::new()],
        (_, "push_module", "deleted") => [String::new(), "4410 deleted".into()],
        (_, "push_module", _) => [String::new(), "1008 lagging".into()],
        (_, "nchan", _) => [String::new(), format!("1008 {stops}")],
        // Without a code.
        _ => [String::new(), "0 ".into()],
    };
    [opening, ending]
}

fn assert_sent_away(hold: &str, dialect: &str, ways: &[Way]) {
    let gateway = start(hold, dialect, "close");
    for (client, seen, other) in left_behind(&gateway, dialect, ways, || {}).1 {
        let way = client.way;
        assert_eq!(other, around(&client, dialect, "lagging").concat(), "{hold} {dialect} {way:?}");
        // Nothing is missing in front of the end.
        assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>(), "{hold} {dialect} {way:?}");
    }
    gateway.wait_for_subscribers("/count?c=c", 0);
}

#[test]
fn who_is_left_behind_is_sent_away_in_the_way_of_the_transport() {
    assert_sent_away("hall", "push_module", &PLAIN);
    for dialect in &DIALECTS[1..] {
        // The others say nothing, in any dialect.
        assert_sent_away("hall", dialect, &[Way::Events, Way::Socket, Way::Stream]);
    }
}

#[test]
fn who_is_left_behind_is_sent_away_in_the_way_of_the_transport_as_bodies() {
    assert_sent_away("body", "push_module", &PLAIN);
}

#[test]
fn who_is_left_behind_is_sent_away_behind_what_was_compressed() {
    for hold in MODES {
        assert_sent_away(hold, "push_module", &PACKED);
    }
}

/// Who is not sent away gets what is left, in front of the end of the channel.
fn assert_told(hold: &str, ways: &[Way]) {
    let gateway = start(hold, "push_module", "skip");
    let delete = || drop(gateway.request("DELETE", "/pub?c=c", "", ""));
    let (messages, clients) = left_behind(&gateway, "push_module", ways, delete);
    for (client, seen, other) in clients {
        let way = client.way;
        assert!(seen.ends_with(&[messages - 2, messages - 1]), "{hold} {way:?} {seen:?}");
        let jumps = seen.windows(2).filter(|pair| pair[1] != pair[0] + 1);
        let gap =
            |pair: &[u64]| format!("event: gap\ndata: {{\"after\":\"{NOW}:{}\"}}\n\n", pair[0]);
        let gaps: String = match way {
            Way::Events | Way::Gzip => jumps.map(gap).collect(),
            _ => String::new(),
        };
        let [opening, ending] = around(&client, "push_module", "deleted");
        assert_eq!(other, opening + &gaps + &ending, "{hold} {way:?} {seen:?}");
    }
}

#[test]
fn who_is_not_sent_away_gets_what_is_left_and_is_told_where_that_can_be_told() {
    for hold in MODES {
        assert_told(hold, &PLAIN);
    }
}

#[test]
fn who_is_not_sent_away_gets_what_is_left_and_is_told_behind_what_was_compressed() {
    for hold in MODES {
        assert_told(hold, &PACKED);
    }
}
