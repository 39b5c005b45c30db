//! How a wait ends, on every transport and in every dialect: the last bytes, and what becomes of the
//! connection.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    time::Instant,
};

use flate2::read::GzDecoder;

use crate::{
    client::Way,
    dialects::{DIALECTS, answer, said, uncached},
    frames::{CLOSE, FIN, TEXT, frame},
    harness::{Client, Gateway, PATIENCE},
    locations::locations,
    process::{self, Daemon},
    site::MODES,
    websocket::read,
};

const VARY: &str = "Vary: If-None-Match, If-Modified-Since";

/// Why it ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// `push_subscriber_concurrency = "last"`.
    Conflict,
    /// DELETE.
    Deleted,
    /// SIGTERM.
    Shutdown,
    /// `push_subscriber_timeout`.
    Timeout,
}

fn keys(dialect: &str, why: Why) -> String {
    let more = match why {
        Why::Conflict => "push_subscriber_concurrency = \"last\"",
        Why::Timeout => "push_subscriber_timeout = \"100ms\"",
        Why::Deleted | Why::Shutdown => "",
    };
    format!("push_dialect = \"{dialect}\"\n{more}")
}

/// Someone who waits on a channel of its own; what comes before any message has been read.
fn waiting(mut client: Client, way: Way) -> Client {
    let (target, headers) = way.request(&format!("{way:?}"));
    client.get(&target, &headers);
    if way.polls() && way != Way::Cursorless {
        return client;
    }
    let head = client.head();
    assert!(head.starts_with(if way.is_socket() { "HTTP/1.1 101 " } else { "HTTP/1.1 200 " }));
    if way == Way::Multipart {
        let (_, boundary) = head.split_once("boundary=").unwrap();
        let boundary = boundary.lines().next().unwrap();
        assert_eq!(client.chunk().unwrap(), format!("--{boundary}").as_bytes());
    }
    if way == Way::Iframe {
        assert!(client.chunk().unwrap().starts_with(b"<!DOCTYPE html>\n"));
    }
    client
}

/// Waits until somebody listens to the channel of that way.
fn wait(client: &mut Client, way: Way) {
    let start = Instant::now();
    loop {
        client.get(&format!("/pub?c={way:?}"), "Accept: application/json\r\n");
        let text = client.response().text().to_owned();
        if text.contains("\"subscribers\": 1") {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{way:?} never waits: {text}");
    }
}

/// What somebody gets who is sent away, and whether the connection goes on.
fn ending(client: &mut Client, way: Way) -> (String, bool) {
    let text = match way {
        Way::Cursorless => return (String::from_utf8(client.rest()).unwrap(), false),
        Way::Socket | Way::Deflate | Way::Bare => return (frames(client), false),
        Way::Gzip => unpacked(&chunks(client)),
        Way::Events | Way::Iframe => String::from_utf8(chunks(client)).unwrap(),
        way if way.polls() => said(&client.response()),
        _ => String::from_utf8(client.until(b"0\r\n\r\n")).unwrap(),
    };
    // It may be closed already.
    let _ = client.stream.write_all(b"GET /pub?c=nobody HTTP/1.1\r\nHost: t\r\n\r\n");
    let goes_on = client.has_more();
    if goes_on {
        assert_eq!(client.response().status, 404);
    }
    (text, goes_on)
}

fn chunks(client: &mut Client) -> Vec<u8> {
    std::iter::from_fn(|| client.chunk()).flatten().collect()
}

/// What was compressed; its checksum is right, and nothing is behind it.
fn unpacked(packed: &[u8]) -> String {
    let (mut plain, mut rest) = (String::new(), packed);
    GzDecoder::new(&mut rest).read_to_string(&mut plain).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    plain
}

/// All frames up to the closing one, which is answered: then the connection ends.
fn frames(client: &mut Client) -> String {
    let mut text = String::new();
    loop {
        let (first, payload) = read(client);
        if first == FIN | CLOSE {
            let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            let reason = std::str::from_utf8(payload.get(2..).unwrap_or_default()).unwrap();
            write!(text, "{} {reason}", code.unwrap_or_default()).unwrap();
            client.send(frame(FIN | CLOSE, &payload));
            client.assert_closed();
            return text;
        }
        assert_eq!(first, FIN | TEXT);
        writeln!(text, "{}", std::str::from_utf8(&payload).unwrap()).unwrap();
    }
}

/// Who is there, and how they are sent away.
enum House {
    Inside(Gateway),
    /// As a process of its own, which gets signals.
    Outside(
        Daemon,
        #[expect(dead_code, reason = "is there as long as the process")] tempfile::TempDir,
    ),
}

impl House {
    fn open(hold: &str, dialect: &str, why: Why) -> Self {
        let locations = locations(hold, &keys(dialect, why));
        if why != Why::Shutdown {
            return Self::Inside(Gateway::start(&locations));
        }
        let directory = tempfile::tempdir().unwrap();
        let config = process::write(
            &directory,
            &format!("[[server]]\nlisten = [\"127.0.0.1:0\"]\n{locations}"),
        );
        Self::Outside(Daemon::start(&config), directory)
    }

    fn connect(&self) -> Client {
        match self {
            Self::Inside(gateway) => gateway.connect(),
            Self::Outside(daemon, _) => daemon.connect(),
        }
    }
}

/// The answer to a poll that gets no message.
fn refused(status: &str, dialect: &str, cache: &str, more: &[&str], body: &str) -> String {
    let place = ["Etag: W/0", VARY, "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"];
    let said = match dialect {
        "push_stream" => uncached(status, &[&place, more].concat(), body),
        _ => answer(status, &[&[cache], more].concat(), body),
    };
    // A 304 has no length (RFC 9110 section 8.6).
    if status.starts_with("304") { said.replace("Content-Length: 0\n", "") } else { said }
}

fn poll(way: Way, why: Why, dialect: &str) -> String {
    let no_store = "Cache-Control: no-store";
    let script = ["Content-Type: application/javascript", "X-Content-Type-Options: nosniff"];
    let nothing = "/**/parent.handle([]);";
    match (why, dialect, way) {
        (Why::Timeout, "push_stream", Way::Jsonp) => {
            uncached("200 OK", &[script[0], script[1], VARY], nothing)
        }
        (Why::Timeout, _, Way::Jsonp) => {
            let cache = "Cache-Control: no-cache";
            answer("200 OK", &[script[0], script[1], VARY, cache], nothing)
        }
        (Why::Timeout, _, _) => {
            let nchan = dialect == "nchan";
            let status = if nchan { "408 Request Timeout" } else { "304 Not Modified" };
            refused(status, dialect, "Cache-Control: no-cache", &[], "")
        }
        (Why::Deleted, "push_stream", Way::LongPoll | Way::Packed) => {
            refused("200 OK", dialect, no_store, &[], "Channel deleted")
        }
        (Why::Deleted, "push_stream", Way::BatchRaw) => {
            refused("200 OK", dialect, no_store, &[], "Channel deleted\n")
        }
        (Why::Deleted, "push_stream", Way::Jsonp) => {
            let call = "/**/parent.handle([\"Channel deleted\"]);";
            refused("200 OK", dialect, no_store, &script, call)
        }
        (Why::Deleted, ..) => refused("410 Gone", dialect, no_store, &[], ""),
        (Why::Conflict, ..) => refused("409 Conflict", dialect, no_store, &[], ""),
        (Why::Shutdown, ..) => {
            let more = ["Connection: close", "Retry-After: 1"];
            refused("503 Service Unavailable", dialect, no_store, &more, "")
        }
    }
}

/// An event stream from its first byte on.
fn events(why: Why, dialect: &str) -> String {
    let (opening, endings) = match dialect {
        "push_module" => (
            "retry: 2000\n\n",
            [
                "event: close\ndata: conflict\n\n",
                "event: close\ndata: deleted\n\n",
                "event: close\ndata: shutdown\n\n",
                "event: close\ndata: timeout\n\n",
            ],
        ),
        "nchan" => (
            ": hi\n\nretry: 2000\n\n",
            [
                ":409: 409 Conflict\n\n",
                ":410: 410 Gone\n\n",
                ":503: 503 Service Unavailable\n\n",
                ":408: 408 Request Timeout\n\n",
            ],
        ),
        _ => (": \nretry: 2000\n\n", ["", "data: Channel deleted\n\n", "", ""]),
    };
    format!("{opening}{}", endings[why as usize])
}

/// All frames of a WebSocket, as [`frames`] writes them.
fn socket(why: Why, dialect: &str) -> String {
    let conflict = "{\"http_status\": 409, \"explain\":\"Another subscriber has the channel.\"}";
    let endings = match dialect {
        "push_module" => ["4409 conflict", "4410 deleted", "1012 shutdown", "1000 timeout"],
        "nchan" => {
            let stopped = "1001 410 Gone";
            ["1000 409 409 Conflict", stopped, stopped, "1000 408 408 Request Timeout"]
        }
        // No code.
        _ => [&*format!("1008 {conflict}"), "Channel deleted\n0 ", "0 ", "0 "],
    };
    endings[why as usize].to_owned()
}

/// What is to come, and whether the connection is to go on.
fn expected(way: Way, why: Why, dialect: &str) -> (String, bool) {
    let goes_on = why != Why::Shutdown;
    match way {
        // The last chunk never comes: that is the only error there is behind a head of 200.
        Way::Cursorless => (String::new(), false),
        Way::Socket | Way::Deflate | Way::Bare => (socket(why, dialect), false),
        Way::Events | Way::Gzip => (events(why, dialect), goes_on),
        Way::Multipart => ("4\r\n--\r\n\r\n0\r\n\r\n".into(), goes_on),
        Way::Stream if (why, dialect) == (Why::Deleted, "push_stream") => {
            ("13\r\n-2 Channel deleted\n\r\n0\r\n\r\n".into(), goes_on)
        }
        // Pages are the same in every dialect.
        Way::Iframe => ("</body></html>\n".into(), goes_on),
        Way::Chunked | Way::Raw | Way::Stream => ("0\r\n\r\n".into(), goes_on),
        way => (poll(way, why, dialect), goes_on),
    }
}

/// Lets somebody wait by each transport, ends it, and compares what they get.
fn assert_ends(why: Why) {
    for (hold, dialect) in MODES.into_iter().flat_map(|hold| DIALECTS.map(|it| (hold, it))) {
        let house = House::open(hold, dialect, why);
        let mut asking = house.connect();
        let mut waiters: Vec<_> = Way::held()
            .into_iter()
            .chain(Way::FORMS)
            // No timeout ends the one that has no cursor: see `cursorless`.
            .filter(|way| (why, *way) != (Why::Timeout, Way::Cursorless))
            .map(|way| (way, waiting(house.connect(), way)))
            .collect();
        let mut others = Vec::new();
        for (way, _) in &waiters {
            if why != Why::Timeout {
                wait(&mut asking, *way);
            }
            match why {
                Why::Conflict => others.push(waiting(house.connect(), *way)),
                Why::Deleted => {
                    asking.request("DELETE", &format!("/pub?c={way:?}"), "", "");
                    assert_eq!(asking.response().status, 200);
                }
                Why::Shutdown | Why::Timeout => {}
            }
        }
        if let House::Outside(daemon, _) = &house {
            daemon.signal("-TERM");
        }
        for (way, client) in &mut waiters {
            let found = ending(client, *way);
            assert_eq!(found, expected(*way, why, dialect), "{hold} {dialect} {why:?} {way:?}");
        }
    }
}

#[test]
fn whom_another_displaces_is_told_in_the_way_of_the_transport() {
    assert_ends(Why::Conflict);
}

#[test]
fn whose_channel_is_deleted_is_told_in_the_way_of_the_transport() {
    assert_ends(Why::Deleted);
}

#[test]
fn who_waits_when_the_process_gets_a_signal_is_told_in_the_way_of_the_transport() {
    assert_ends(Why::Shutdown);
}

#[test]
fn whose_time_is_over_is_told_in_the_way_of_the_transport() {
    assert_ends(Why::Timeout);
}
