//! Server-Sent Events as a browser reads them (HTML standard, section 9.2.6).

use std::{mem, time::Duration};

use serde::Deserialize;

use super::{Item, LONGEST, ending::End, message::Message};
use crate::cli::response::{Malformed, take_line};

/// An event while its lines come.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// A line has come: a byte order mark stands before the first one only.
    begun: bool,
    id: Option<String>,
    event: String,
    /// Each line with an LF.
    data: Vec<u8>,
}

/// `event: gap` of `push_gap_events`.
#[derive(Deserialize)]
struct Gap {
    after: String,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Events {
    /// Takes whole lines and returns their length.
    pub(super) fn take(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<usize, Malformed> {
        let mut at = 0;
        while let Some((mut line, length)) = take_line(&bytes[at..]) {
            at += length;
            if !mem::replace(&mut self.begun, true) {
                line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
            }
            if line.is_empty() {
                items.extend(self.dispatch());
            } else {
                items.extend(self.field(line));
            }
            if self.data.len() > LONGEST {
                return Err(Malformed::new("an event without end"));
            }
        }
        Ok(at)
    }

    fn field(&mut self, line: &[u8]) -> Option<Item> {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = str::from_utf8(value).ok()?.parse().ok()?;
                return Some(Item::Retry(Duration::from_millis(milliseconds)));
            }
            // A comment.
            b"" => return End::of_comment(value).map(Item::End),
            _ => {}
        }
        None
    }

    /// At an empty line: an event is there if it has data.
    fn dispatch(&mut self) -> Option<Item> {
        let event = mem::take(&mut self.event);
        let id = self.id.take().filter(|id| !id.is_empty());
        let mut data = mem::take(&mut self.data);
        data.pop()?;
        if id.is_none() {
            // What nobody has published has no id.
            let told = match event.as_str() {
                "close" => End::of_event(&data).map(Item::End),
                "gap" => serde_json::from_slice(&data).ok().map(|Gap { after }| Item::Gap(after)),
                _ => None,
            };
            if told.is_some() {
                return told;
            }
        }
        let event = Some(event).filter(|event| !event.is_empty());
        Some(Item::Message(Message { id, content_type: None, event, body: data }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told when bytes come in pieces of a size.
    fn read(bytes: &[u8], size: usize) -> Vec<Item> {
        let (mut events, mut items, mut rest) = (Events::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size.max(1)) {
            rest.extend_from_slice(piece);
            let taken = events.take(&rest, &mut items).unwrap();
            rest.drain(..taken);
        }
        items
    }

    fn message(id: Option<&str>, event: Option<&str>, body: &str) -> Item {
        let [id, event] = [id, event].map(|text| text.map(str::to_owned));
        Item::Message(Message { id, event, ..Message::new(body) })
    }

    #[test]
    fn events_have_ids_names_and_lines_however_they_are_cut() {
        let stream = "\u{feff}retry: 1500\n\n: hi\n\nid: 5:0\ndata: one\n\n\
                      id:5:1\r\nevent: price\r\ndata:two\r\ndata:  more\r\n\r\n\
                      data\rdata\r\rother: x\nevent: e\n\nid: 9\n\ndata: last\n\n";
        let expected = [
            Item::Retry(Duration::from_millis(1500)),
            message(Some("5:0"), None, "one"),
            message(Some("5:1"), Some("price"), "two\n more"),
            message(None, None, "\n"),
            message(None, None, "last"),
        ];
        for size in [1, 2, 3, 7, stream.len()] {
            assert_eq!(read(stream.as_bytes(), size), expected, "{size}");
        }
    }

    #[test]
    fn what_nobody_has_published_is_no_message() {
        let gap = "event: gap\ndata: {\"after\":\"5:1\"}\n\n";
        assert_eq!(read(gap.as_bytes(), 99), [Item::Gap("5:1".into())]);
        let close = "event: close\ndata: deleted\n\n";
        assert_eq!(read(close.as_bytes(), 99), [Item::End(End::Deleted)]);
        assert_eq!(read(b":410: 410 Gone\n\n", 99), [Item::End(End::Deleted)]);
        let published = format!("id: 5:2\n{close}event: gap\ndata: x\n\n");
        let expected =
            [message(Some("5:2"), Some("close"), "deleted"), message(None, Some("gap"), "x")];
        assert_eq!(read(published.as_bytes(), 99), expected);
    }

    #[test]
    fn an_event_without_end_is_not_kept() {
        let line = [b"data: ", &vec![b'x'; LONGEST / 2][..], b"\n"].concat();
        let (mut events, mut items) = (Events::default(), Vec::new());
        events.take(&line, &mut items).unwrap();
        events.take(&line, &mut items).unwrap_err();
        assert_eq!(items, []);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_read_alike(
            bytes in prop::collection::vec(prop_oneof![
                prop::sample::select(&b"\r\n: data: id: event: retry: 01"[..]),
                any::<u8>(),
            ], 0..200),
            size in 1_usize..20,
        ) {
            // A CR at the end waits for what follows it.
            let bytes = [&bytes[..], b"\n"].concat();
            prop_assert_eq!(read(&bytes, size), read(&bytes, bytes.len()));
        }
    }
}
