//! Polling with `push_poll_format = "json"`: `{"messages":[…]}`, newest first.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;

use super::slot;
use crate::channel::{Frame, Message};

/// One message, all of it payload:
/// `{"id":"1450755280:0","time":1450755280,"content_type":"text/plain","text":"…"}`.
///
/// `content_type` is null if there is none, `event` stands before `text` if the message names one,
/// and `base64` (RFC 4648 section 4, padded) stands in place of `text` if the body is not UTF-8.
fn entry(message: &Message) -> Frame {
    let id = message.id();
    let text = str::from_utf8(message.body()).ok();
    let entry = Entry {
        id: id.to_string(),
        time: id.time(),
        content_type: message.content_type().map(|bytes| String::from_utf8_lossy(bytes)),
        event: message.event().map(|bytes| String::from_utf8_lossy(bytes)),
        text,
        base64: text.is_none().then(|| STANDARD.encode(message.body())),
    };
    // Text and numbers alone: there is nothing that could not be written.
    Frame::bare(serde_json::to_vec(&entry).unwrap_or_default())
}

/// The answer to a poll with these messages, which stand oldest first.
pub fn answer(messages: &[Arc<Message>]) -> Bytes {
    document(messages.iter().rev().map(|message| message.frame(slot::ENTRY, entry).bytes))
}

/// Entries newest first, or `{"messages":[]}`.
fn document<E: AsRef<[u8]>>(newest_first: impl IntoIterator<Item = E>) -> Bytes {
    let mut document = b"{\"messages\":[".to_vec();
    let mut separator: &[u8] = b"";
    for entry in newest_first {
        document.extend_from_slice(separator);
        document.extend_from_slice(entry.as_ref());
        separator = b",";
    }
    document.extend_from_slice(b"]}");
    document.into()
}

#[derive(Serialize)]
struct Entry<'m, S: Serialize> {
    id: String,
    time: u64,
    content_type: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::{drafted, message};

    #[test]
    fn an_entry_says_all_about_a_message() {
        let message =
            drafted((1_450_755_280, 2), b"say \"hi\"\n", Some("text/plain"), Some("chat"));
        assert_eq!(
            entry(&message).payload(),
            "{\"id\":\"1450755280:2\",\"time\":1450755280,\"content_type\":\"text/plain\",\
             \"event\":\"chat\",\"text\":\"say \\\"hi\\\"\\n\"}"
        );
    }

    #[test]
    fn an_entry_without_type_says_so_and_without_event_says_nothing() {
        let entry = entry(&message(5, 0, b""));
        assert_eq!(
            entry.payload(),
            "{\"id\":\"5:0\",\"time\":5,\"content_type\":null,\"text\":\"\"}"
        );
        assert_eq!((entry.start, entry.end), (0, entry.bytes.len()));
    }

    #[test]
    fn a_body_that_is_not_text_is_base64() {
        assert_eq!(
            entry(&message(5, 0, b"\xff\x00")).payload(),
            "{\"id\":\"5:0\",\"time\":5,\"content_type\":null,\"base64\":\"/wA=\"}"
        );
    }

    #[test]
    fn a_document_keeps_the_order_and_is_valid_when_empty() {
        assert_eq!(document::<&[u8]>([]), "{\"messages\":[]}");
        assert_eq!(document(["{\"id\":2}"]), "{\"messages\":[{\"id\":2}]}");
        assert_eq!(
            document(["{\"id\":2}", "{\"id\":1}"]),
            "{\"messages\":[{\"id\":2},{\"id\":1}]}"
        );
    }
}
