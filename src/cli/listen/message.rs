//! A message, as far as a transport tells what it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::channel::MessageId;

/// What has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) event: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A message as JSON: an entry of the JSON poll, and a line of `--json`.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    id: Option<String>,
    #[serde(default)]
    time: Option<u64>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    messages: Vec<Entry>,
}

impl Message {
    pub(super) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The Unix second of its publishing, which its id says.
    fn time(&self) -> Option<u64> {
        Some(self.id.as_ref()?.parse::<MessageId>().ok()?.time())
    }

    /// `{"id":"1450755280:0","time":1450755280,"content_type":null,"event":null,"text":"..."}` without a
    /// control character; `base64` in place of `text` if it is not UTF-8, null what is not known.
    pub(super) fn json(&self) -> String {
        let text = str::from_utf8(&self.body).ok();
        let entry = Entry {
            id: self.id.clone(),
            time: self.time(),
            content_type: self.content_type.clone(),
            event: self.event.clone(),
            text: text.map(str::to_owned),
            base64: text.is_none().then(|| STANDARD.encode(&self.body)),
        };
        // Text and numbers alone: there is nothing that could not be written.
        let json = serde_json::to_string(&entry).unwrap_or_default();
        // JSON lets DEL and C1 stand as they are.
        if !json.contains(char::is_control) {
            return json;
        }
        json.chars().fold(String::new(), |line, c| {
            if c.is_control() {
                line + &format!("\\u{:04x}", u32::from(c))
            } else {
                line + c.encode_utf8(&mut [0; 4])
            }
        })
    }

    /// The messages of `push_poll_format = "json"`, oldest first; `None`: it is no such document.
    pub(super) fn of_document(document: &[u8]) -> Option<Vec<Self>> {
        let Document { messages } = serde_json::from_slice(document).ok()?;
        messages.into_iter().rev().map(Self::of_entry).collect()
    }

    fn of_entry(entry: Entry) -> Option<Self> {
        let body = match (entry.text, entry.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).ok()?,
            _ => return None,
        };
        let Entry { id, content_type, event, .. } = entry;
        Some(Self { id: Some(id?), content_type, event, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_says_what_is_known() {
        let message = Message {
            id: Some("1450755280:3".into()),
            content_type: Some("a/b".into()),
            event: Some("price".into()),
            body: "say \"hi\"\n\x1b\x7f\u{9b}ä".into(),
        };
        assert_eq!(
            message.json(),
            "{\"id\":\"1450755280:3\",\"time\":1450755280,\"content_type\":\"a/b\",\"event\":\"price\",\
             \"text\":\"say \\\"hi\\\"\\n\\u001b\\u007f\\u009bä\"}"
        );
        let read: serde_json::Value = serde_json::from_str(&message.json()).unwrap();
        assert_eq!(read["text"].as_str().unwrap().as_bytes(), message.body);
        assert_eq!(
            Message::new(b"\xff\0").json(),
            "{\"id\":null,\"time\":null,\"content_type\":null,\"event\":null,\"base64\":\"/wA=\"}"
        );
    }

    #[test]
    fn a_document_is_read_oldest_first() {
        let entry =
            |id, rest| format!("{{\"id\":\"{id}\",\"time\":5,\"content_type\":null,{rest}}}");
        let two = entry("5:1", "\"event\":\"e\",\"text\":\"two\"");
        let one = entry("5:0", "\"base64\":\"/wA=\"");
        let document = format!("{{\"messages\":[{two},{one}]}}");
        let read = Message::of_document(document.as_bytes()).unwrap();
        let first = Message { id: Some("5:0".into()), ..Message::new(b"\xff\0") };
        let event = Some("e".into());
        let second = Message { id: Some("5:1".into()), event, ..Message::new("two") };
        assert_eq!(read, [first, second]);
        assert_eq!(Message::of_document(b"{\"messages\":[]}"), Some(Vec::new()));
        for other in ["", "[]", "{\"messages\":[\"hi\"]}", "{\"messages\":[{\"id\":\"5:0\"}]}"] {
            assert_eq!(Message::of_document(other.as_bytes()), None, "{other}");
        }
    }
}
