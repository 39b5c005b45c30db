use proptest::prelude::*;

use super::{super::transport::WEBSOCKET_ACCEPT, *};

#[derive(Debug, Default, Eq, PartialEq)]
struct Heard {
    opened: usize,
    nothing: usize,
    messages: Vec<String>,
    cursors: Vec<String>,
    pings: Vec<Vec<u8>>,
}

impl Hear for Heard {
    fn opened(&mut self) {
        self.opened += 1;
    }

    fn message(&mut self, bytes: &[u8]) {
        self.messages.push(String::from_utf8_lossy(bytes).into_owned());
    }

    fn answered(&mut self, cursor: &[u8]) {
        self.cursors.push(String::from_utf8(cursor.to_vec()).unwrap());
    }

    fn nothing(&mut self) {
        self.nothing += 1;
    }

    fn ping(&mut self, bytes: &[u8]) {
        self.pings.push(bytes.to_vec());
    }
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n";

fn read(used: Use, parts: &[&[u8]]) -> (Heard, Result<(), Broken>, Reader) {
    let (mut reader, mut heard) = (Reader::new(), Heard::default());
    let result = parts.iter().try_for_each(|part| reader.feed(part, used, &mut heard));
    (heard, result, reader)
}

/// The messages, however the bytes are cut; nothing is kept afterwards.
#[track_caller]
fn assert_messages(transport: Transport, bytes: &[u8], expected: &[&str]) {
    let used = Use::Listen(transport);
    for size in [1, 2, 3, 7, bytes.len()] {
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        let (heard, result, reader) = read(used, &parts);
        assert_eq!(result, Ok(()), "{size}");
        assert_eq!(heard.messages, expected, "{size}");
        assert_eq!(heard.opened, 1, "{size}");
        assert!(reader.rest.is_empty() && reader.rest.capacity() == 0, "{size}");
    }
}

#[track_caller]
fn assert_broken(transport: Transport, bytes: impl AsRef<[u8]>, expected: &str) {
    let (_, result, _) = read(Use::Listen(transport), &[bytes.as_ref()]);
    let told = format!("{:?}", result.unwrap_err());
    assert!(told.contains(expected), "{told}");
}

#[test]
fn events_are_read_up_to_the_close_and_in_chunks() {
    let body = ": hi\n\nid: 1:0\ndata: one\n\nevent: x\r\ndata:two\r\n\r\nretry: 5\rdata\r\r:\n\n";
    assert_messages(Transport::Sse, format!("{EVENTS}\r\n{body}").as_bytes(), &["one", "two", ""]);
    let (left, right) = body.split_at(20);
    let chunks = format!("{:x}\r\n{left}\r\n{:X}\r\n{right}\r\n", left.len(), right.len());
    let whole = format!("{EVENTS}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    assert_messages(Transport::Sse, whole.as_bytes(), &["one", "two", ""]);
}

#[test]
fn an_event_stream_with_anything_else_in_it_is_broken() {
    for (body, why) in [
        ("HTTP/1.1 200 OK\r\n", "the field"),
        ("date: x\n", "the field \\\"date\\\""),
        ("data: a\ndata: b\n\n", "several lines"),
    ] {
        assert_broken(Transport::Sse, format!("{EVENTS}\r\n{body}"), why);
    }
    let chunked = format!("{EVENTS}Transfer-Encoding: chunked\r\n\r\n");
    for body in ["g\r\n", "\r\n", "4\n", "4;a=b\r\n", "1\r\na\n", "1\r\nab", "00000000\r\n"] {
        assert_broken(Transport::Sse, format!("{chunked}{body}"), "in a chunked body");
    }
    assert_broken(Transport::Sse, format!("{chunked}0\r\n\r\n"), "Closed");
    assert_broken(Transport::Sse, format!("{EVENTS}Content-Length: 5\r\n\r\n"), "with a length");
}

#[test]
fn a_head_of_something_else_is_refused() {
    for (head, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "Refused"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "Refused(\"status 403\")"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "Refused(\"status 204\")"),
        ("SSH-2.0\r\n\r\n", "Framing"),
    ] {
        assert_broken(Transport::Sse, head, why);
    }
    assert_broken(Transport::LongPoll, "HTTP/1.1 304 Not Modified\r\n\r\n", "status 304");
    assert_broken(Transport::Chunked, "HTTP/1.1 200 OK\r\n\r\n", "not chunked");
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_broken(Transport::LongPoll, both, "more than one length");
    assert_broken(Transport::Multipart, "HTTP/1.1 200 OK\r\n\r\n", "Refused");
}

fn upgraded(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: 0\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn frames_are_messages_and_pings_want_an_answer() {
    let mut bytes = upgraded(WEBSOCKET_ACCEPT);
    bytes.extend_from_slice(b"\x81\x03one\x82\x00\x8a\x00");
    let long = "x".repeat(300);
    bytes.extend_from_slice(b"\x81\x7e\x01\x2c");
    bytes.extend_from_slice(long.as_bytes());
    assert_messages(Transport::Ws, &bytes, &["one", "", &long]);

    bytes.extend_from_slice(b"\x89\x02ab");
    let (heard, _, _) = read(Use::Listen(Transport::Ws), &[&bytes]);
    assert_eq!(heard.pings, [b"ab"]);
}

#[test]
fn a_server_that_breaks_the_websocket_protocol_is_found_out() {
    assert_broken(Transport::Ws, upgraded("wrong"), "Refused");
    let frames: [(&[u8], &str); 9] = [
        (b"\x01\x00", "begins with"),
        (b"\xc1\x00", "begins with"),
        (b"\x81\x80\0\0\0\0", "begins with"),
        (b"\x80\x00", "of kind 0"),
        (b"\x83\x00", "of kind 3"),
        (b"\x81\x7e\x00\x7d", "a length of 125 in 2 more bytes"),
        (b"\x81\x7f\0\0\0\0\0\0\xff\xff", "a length of 65535 in 8 more bytes"),
        (b"\x81\x7f\x01\0\0\0\0\0\0\0", "too long"),
        (b"\x89\x7e\x00\x80", "a length of 128"),
    ];
    for (frame, why) in frames {
        assert_broken(Transport::Ws, [&upgraded(WEBSOCKET_ACCEPT), frame].concat(), why);
    }
    let close = [&upgraded(WEBSOCKET_ACCEPT)[..], b"\x88\x06\x03\xe9Gone"].concat();
    assert_broken(Transport::Ws, close, "Closed(\"close frame 1001 Gone\")");
}

#[test]
fn polls_are_answered_one_by_one_and_name_the_next() {
    let start = "HTTP/1.1 200 OK\r\nEtag: 3\r\nLast-Modified: Thu, 01 Jan 1970 00:00:05 GMT\r\n";
    let sized = format!("{start}Content-Length: 3\r\n\r\none");
    let chunked =
        format!("{start}Transfer-Encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n");
    let both = [sized.as_bytes(), chunked.as_bytes()];
    let (heard, result, reader) = read(Use::Listen(Transport::LongPoll), &both);
    assert_eq!(result, Ok(()));
    assert_eq!((heard.opened, heard.messages), (2, vec!["one".to_owned(), "two".to_owned()]));
    let cursor = "If-Modified-Since: Thu, 01 Jan 1970 00:00:05 GMT\r\nIf-None-Match: 3\r\n";
    assert_eq!(heard.cursors, [cursor; 2]);
    assert!(reader.rest.is_empty() && reader.kept.is_none());

    assert_broken(Transport::LongPoll, format!("{sized}x"), "more than the response");
    assert_broken(Transport::LongPoll, format!("{chunked}x"), "more than the response");
}

#[test]
fn answers_have_any_status_of_success() {
    let bytes: [&[u8]; 2] = [
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ];
    let (heard, result, _) = read(Use::Ask, &bytes);
    assert_eq!((result, heard.messages), (Ok(()), vec!["ok".to_owned(), String::new()]));
    let (_, result, _) = read(Use::Ask, &[b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]);
    assert_eq!(result, Err(Broken::Refused("status 404".to_owned())));
}

#[test]
fn endless_responses_are_cut_at_separators_chunks_and_boundaries() {
    let head = "HTTP/1.1 200 OK\r\n";
    assert_messages(Transport::Raw, format!("{head}\r\none\ntwo\n").as_bytes(), &["one", "two"]);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\ntwo\n\r\n");
    assert_messages(Transport::Chunked, chunked.as_bytes(), &["one", "two\n"]);
    assert_messages(
        Transport::Stream,
        chunked.replace("3\r\none", "4\r\none\n").as_bytes(),
        &["one", "two"],
    );
    let parts = format!(
        "{head}Content-Type: multipart/mixed; boundary=B\r\n\r\n\
         --B\r\nEtag: 0\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B"
    );
    assert_messages(Transport::Multipart, parts.as_bytes(), &["one", "two"]);
    assert_broken(Transport::Multipart, format!("{parts}--\r\n"), "Closed(\"the last part\")");
    assert_broken(Transport::Multipart, format!("{parts}x"), "no line end after");
}

#[test]
fn the_end_of_the_stream_tells_whether_a_message_was_whole() {
    let used = Use::Listen(Transport::Sse);
    let head = format!("{EVENTS}\r\n");
    let (_, _, reader) = read(used, &[head.as_bytes()]);
    assert_eq!(reader.ended(), Broken::Closed("closed".to_owned()));
    let (_, _, reader) = read(used, &[head.as_bytes(), b"data: o"]);
    assert_eq!(reader.ended(), Broken::Closed("closed within a message".to_owned()));
}

proptest! {
    #[test]
    fn what_is_heard_does_not_depend_on_how_it_is_cut(
        // Bytes that mean something somewhere.
        bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(&b"\r\n\r\n:-0123data\x81\x82\x88\x89\x02"[..]),
            any::<u8>(),
        ], 0..300),
        which in 0_usize..7,
        cut in any::<prop::sample::Index>(),
    ) {
        use clap::ValueEnum;

        let transport = Transport::value_variants()[which];
        let head = match transport {
            Transport::Ws => upgraded(WEBSOCKET_ACCEPT),
            Transport::Chunked => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            Transport::Multipart => {
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=-\r\n\r\n".to_vec()
            }
            _ => format!("{EVENTS}\r\n").into_bytes(),
        };
        let cut = cut.index(bytes.len() + 1);
        let used = Use::Listen(transport);
        let whole = [&head, &bytes[..]].concat();
        let (heard, result, _) = read(used, &[&whole]);
        let (in_parts, result_in_parts, _) = read(used, &[&head, &bytes[..cut], &bytes[cut..]]);
        prop_assert_eq!((heard, result), (in_parts, result_in_parts));
        // Not even a head.
        let _ = read(used, &[&bytes]);
    }
}

#[test]
fn an_interval_poll_is_answered_with_a_message_or_with_none() {
    let none = "HTTP/1.1 304 Not Modified\r\nEtag: 9\r\nContent-Length: 7\r\n\r\n";
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nEtag: 1\r\n\r\na";
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let used = Use::Listen(Transport::IntervalPoll);
    let parts = [none, one, none, empty].map(str::as_bytes);
    let (heard, result, reader) = read(used, &parts);
    assert_eq!((result, heard.nothing, reader.is_idle()), (Ok(()), 2, true));
    assert_eq!(heard.messages, ["a", ""]);
    assert_eq!(heard.cursors, ["If-None-Match: 1\r\n", ""]);
    assert_broken(Transport::IntervalPoll, "HTTP/1.1 204 No Content\r\n\r\n", "status 204");
}
