//! Messages out of what each transport puts them into.

use std::{io::Read, time::UNIX_EPOCH};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::{conn::Head, ledger::Id};

/// A message with its id, where the transport tells it.
pub type Message = (Option<Id>, String);

/// `time:tag`.
pub fn id(text: &str) -> Id {
    let (time, tag) = text.split_once(':').unwrap();
    (time.parse().unwrap(), tag.parse().unwrap())
}

/// The id that `Last-Modified` and `Etag` make up.
pub fn cursor(date: &str, tag: &str) -> Id {
    let time = httpdate::parse_http_date(date).unwrap();
    // As the push stream module writes it.
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    (time.duration_since(UNIX_EPOCH).unwrap().as_secs(), tag.parse().unwrap())
}

/// The id in the head of a poll's answer.
pub fn cursor_of(head: &Head) -> Id {
    cursor(head.header("last-modified").unwrap(), head.header("etag").unwrap())
}

/// A document of messages, newest first.
pub fn document(body: &[u8]) -> Vec<Message> {
    let document: Value = serde_json::from_slice(body).unwrap();
    let messages = document["messages"].as_array().unwrap().iter().rev();
    let message = |entry: &Value| {
        let text = entry["text"].as_str().unwrap().to_owned();
        (Some(id(entry["id"].as_str().unwrap())), text)
    };
    messages.map(message).collect()
}

/// The arguments of a call of `callback`.
pub fn script(body: &str, callback: &str) -> Vec<Message> {
    let call = body.strip_prefix("/**/").and_then(|body| body.strip_prefix(callback));
    let array = call.and_then(|call| call.strip_prefix('(')?.strip_suffix(");")).unwrap();
    let texts: Vec<String> = serde_json::from_str(array).unwrap();
    texts.into_iter().map(|text| (None, text)).collect()
}

/// What a line of a page calls its parent with; none: it does not.
pub fn call(line: &str) -> Option<String> {
    let call = line.strip_prefix("<script>parent.handle(")?.strip_suffix(")</script>").unwrap();
    Some(serde_json::from_str(call).unwrap())
}

/// A body that is compressed if that makes it smaller.
pub fn unpacked(head: &Head, body: Vec<u8>) -> Vec<u8> {
    if head.header("content-encoding").is_none() {
        assert!(body.len() < 200, "{head:?}");
        return body;
    }
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// Texts, each with a line's end.
pub fn lines(body: &str) -> Vec<Message> {
    assert!(body.ends_with('\n'), "{body:?}");
    body.split_terminator('\n').map(|text| (None, text.to_owned())).collect()
}

/// What divides the parts of `multipart/mixed`.
pub fn boundary(head: &Head) -> String {
    let content_type = head.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=").unwrap();
    format!("--{boundary}")
}

/// A part from the end of the delimiter before it to that of its text.
pub fn part(part: &str) -> Message {
    let (head, text) = part.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap();
    (Some(cursor(header("Last-Modified: "), header("Etag: "))), text.to_owned())
}

/// The parts of a whole body.
pub fn parts(body: &str, delimiter: &str) -> Vec<Message> {
    let inner = body.strip_prefix(delimiter).unwrap().strip_suffix("--\r\n").unwrap();
    let inner = inner.strip_suffix(&format!("\r\n{delimiter}")).unwrap();
    inner.split(&format!("\r\n{delimiter}")).map(part).collect()
}

/// What an event says.
pub enum Event {
    Message(Message),
    /// Messages before the next are gone.
    Gap,
    /// The last one, and why.
    Close(String),
    /// Nothing.
    None,
}

/// An event without the blank line at its end.
pub fn event(block: &str) -> Event {
    let (mut name, mut lines, mut kind) = (None, Vec::new(), "message");
    for line in block.split('\n') {
        match line.split_once(": ") {
            Some(("id", value)) => name = Some(id(value)),
            Some(("data", value)) => lines.push(value),
            Some(("event", value)) => kind = value,
            _ => {}
        }
    }
    match kind {
        "gap" => Event::Gap,
        "close" => Event::Close(lines.concat()),
        "message" if lines.is_empty() => Event::None,
        "message" => Event::Message((name, lines.join("\n"))),
        other => panic!("an event {other:?}: {block:?}"),
    }
}
