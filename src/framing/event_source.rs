//! Server-Sent Events (HTML standard, section 9.2): `text/event-stream`.

use std::time::Duration;

use http::HeaderValue;

use super::{Farewell, Framing, Voice, chunk, voice::ending};
use crate::channel::{ChannelId, Frame, Message, MessageId};

/// The framing of `event-source`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventSource {
    /// How it words them.
    pub voice: Voice,
    /// `push_retry`: what a client is told to wait before it reconnects; sent in milliseconds.
    pub retry: Option<Duration>,
    /// `push_gap_events`.
    pub gap_events: bool,
}

impl Framing for EventSource {
    fn content_type(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("text/event-stream; charset=utf-8"))
    }

    /// Never empty, so that something passes through every proxy and the client knows it is on.
    fn opening(&self) -> Frame {
        let greeting = self.voice.dialect.event_opening;
        let retry = self.retry.map(|retry| format!("retry: {}\n\n", retry.as_millis()));
        match (greeting, retry) {
            (None, None) => chunk(b":\n\n"),
            (greeting, retry) => chunk(
                [greeting.unwrap_or_default(), &retry.unwrap_or_default()].concat().as_bytes(),
            ),
        }
    }

    /// One event in one chunk: `id`, `event` if the message names one, a `data` for each line.
    ///
    /// CR, LF and CRLF each end a line, also the last; the client joins lines by LF. Bytes that
    /// are not UTF-8 become U+FFFD, because the stream is UTF-8 by definition.
    fn encode(&self, message: &Message) -> Frame {
        let text = self.voice.text(message);
        let body = String::from_utf8_lossy(&text);
        let mut event = String::with_capacity(body.len() + 64);
        event.push_str("id: ");
        event.push_str(&message.id().to_string());
        event.push('\n');
        if let Some(name) = message.event() {
            push_name(&mut event, name);
        }
        push_data(&mut event, &body);
        event.push('\n');
        chunk(event.as_bytes())
    }

    /// A comment.
    fn ping(&self) -> Frame {
        chunk(self.voice.dialect.event_ping.as_bytes())
    }

    /// `event: gap` with the id before it; without an `id` line, so that a client which reconnects
    /// still names the message it had.
    fn gap(&self, after: MessageId) -> Frame {
        if !self.gap_events {
            return Frame::default();
        }
        chunk(format!("event: gap\ndata: {{\"after\":\"{after}\"}}\n\n").as_bytes())
    }

    /// An event without an id, because nobody can resume from it.
    fn deleted(&self, channel: &ChannelId) -> Frame {
        let Some(notice) = self.voice.deleted(channel) else { return Frame::default() };
        let mut event = String::new();
        push_data(&mut event, &String::from_utf8_lossy(&notice));
        event.push('\n');
        chunk(event.as_bytes())
    }

    /// `event: close` with the reason, or what the dialect says instead.
    fn closing(&self, why: Farewell) -> Frame {
        chunk(ending(&self.voice.dialect.event_endings, why).as_bytes())
    }
}

/// Appends the `event` field; what would end its line becomes a blank.
fn push_name(event: &mut String, name: &[u8]) {
    let name = String::from_utf8_lossy(name);
    if name.is_empty() {
        return;
    }
    event.push_str("event: ");
    event.extend(name.chars().map(|char| if matches!(char, '\r' | '\n') { ' ' } else { char }));
    event.push('\n');
}

/// Appends a `data` field for each line of `body`; an empty body is one empty line.
fn push_data(event: &mut String, body: &str) {
    let mut rest = body;
    loop {
        let end = rest.find(['\r', '\n']);
        event.push_str("data: ");
        event.push_str(&rest[..end.unwrap_or(rest.len())]);
        event.push('\n');
        let Some(end) = end else { return };
        let ending = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::tests::{drafted, message};

    /// An event as a client dispatches it: type, data, last event id.
    #[derive(Debug, Eq, PartialEq)]
    struct Event(String, String, String);

    /// The HTML standard's "interpreting an event stream", as far as it dispatches events.
    fn dispatched(stream: &str) -> Vec<Event> {
        let (mut events, mut last_id) = (Vec::new(), String::new());
        let (mut name, mut data) = (String::new(), String::new());
        for line in stream.replace("\r\n", "\n").replace('\r', "\n").split_terminator('\n') {
            if line.is_empty() {
                let name = std::mem::take(&mut name);
                let data = std::mem::take(&mut data);
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".into() } else { name };
                    events.push(Event(name, data.into(), last_id.clone()));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.into(),
                "data" => data = data + value + "\n",
                "id" => last_id = value.into(),
                _ => {}
            }
        }
        events
    }

    fn event(message: &Message) -> String {
        String::from_utf8(EventSource::default().encode(message).payload().to_vec()).unwrap()
    }

    fn normalised(text: &str) -> String {
        text.replace("\r\n", "\n").replace('\r', "\n")
    }

    #[test]
    fn a_message_is_one_event_in_one_chunk() {
        let message = drafted((1_450_755_280, 3), b"a\nb", Some("text/plain"), Some("chat"));
        let frame = EventSource::default().encode(&message);
        let event = "id: 1450755280:3\nevent: chat\ndata: a\ndata: b\n\n";
        assert_eq!(frame.payload(), event);
        assert_eq!(frame.bytes, format!("{:x}\r\n{event}\r\n", event.len()));
    }

    #[test]
    fn an_empty_message_is_still_an_event() {
        assert_eq!(event(&message(5, 0, b"")), "id: 5:0\ndata: \n\n");
        let expected = [Event("message".into(), String::new(), "5:0".into())];
        assert_eq!(dispatched(&event(&message(5, 0, b""))), expected);
    }

    #[test]
    fn every_mix_of_line_ends_arrives_as_the_same_lines() {
        let mut bodies = vec![String::new()];
        for _ in 0..5 {
            let longer =
                bodies.iter().flat_map(|body| ["\r", "\n", "a"].map(|end| format!("{body}{end}")));
            bodies = longer.chain(bodies.iter().cloned()).collect();
        }
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 1 + 3 + 9 + 27 + 81 + 243);
        for body in bodies {
            let event = event(&message(5, 0, body.as_bytes()));
            assert!(!event.contains('\r'));
            let expected = [Event("message".into(), normalised(&body), "5:0".into())];
            assert_eq!(dispatched(&event), expected, "{body:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(event(&message(5, 0, b"a\xffb")), "id: 5:0\ndata: a\u{fffd}b\n\n");
    }

    #[test]
    fn an_event_name_cannot_add_lines() {
        let forged = drafted((5, 0), b"x", None, Some("a\r\ndata: y\n\n"));
        let expected = [Event("a  data: y  ".into(), "x".into(), "5:0".into())];
        assert_eq!(dispatched(&event(&forged)), expected);
        assert_eq!(event(&drafted((5, 0), b"x", None, Some(""))), "id: 5:0\ndata: x\n\n");
    }

    #[test]
    fn the_opening_says_how_long_to_wait_or_is_a_comment() {
        assert_eq!(EventSource::default().opening().payload(), ":\n\n");
        let retry =
            EventSource { retry: Some(Duration::from_millis(1500)), ..EventSource::default() };
        assert_eq!(retry.opening().payload(), "retry: 1500\n\n");
        assert!(dispatched(":\n\nretry: 1500\n\n").is_empty());
    }

    #[test]
    fn a_gap_is_told_if_asked_for_and_leaves_the_last_id_alone() {
        let after = MessageId::new(5, 1).unwrap();
        assert_eq!(EventSource::default().gap(after).payload(), "");
        let gap = EventSource { gap_events: true, ..EventSource::default() }.gap(after);
        assert_eq!(gap.payload(), "event: gap\ndata: {\"after\":\"5:1\"}\n\n");
    }

    #[test]
    fn the_end_is_an_event_with_its_reason() {
        let reasons = [
            (Farewell::Conflict, "conflict"),
            (Farewell::Deleted, "deleted"),
            (Farewell::Lagging, "lagging"),
            (Farewell::Shutdown, "shutdown"),
            (Farewell::Timeout, "timeout"),
        ];
        for (why, reason) in reasons {
            let closing = EventSource::default().closing(why);
            assert_eq!(closing.payload(), format!("event: close\ndata: {reason}\n\n"));
        }
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_is(body in any::<String>(), name in "[^\r\n\u{0}]{1,9}") {
            let message = drafted((5, 0), body.as_bytes(), None, Some(&name));
            // The parser takes one blank away; the framing put it there.
            let expected = [Event(name, normalised(&body), "5:0".into())];
            prop_assert_eq!(dispatched(&event(&message)), expected);
        }
    }
}
