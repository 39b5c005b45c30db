//! `multipart/mixed` (RFC 2046 section 5.1): each message a part with its own headers.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;

use super::{Farewell, Framing, Voice, chunk, http1::http_date};
use crate::channel::{Frame, Message};

/// The endless framing of `multipart`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Multipart {
    /// How it words messages.
    pub voice: Voice,
}

/// What divides the parts of endless responses. Nobody who does not listen can know it, and a message
/// that has it nevertheless is sent in base64.
static BOUNDARY: LazyLock<String> = LazyLock::new(boundary);

impl Framing for Multipart {
    fn content_type(&self) -> Option<HeaderValue> {
        content_type(&BOUNDARY)
    }

    /// A part begins after a delimiter, so that its end is known as soon as it is there.
    fn opening(&self) -> Frame {
        chunk(format!("--{}", *BOUNDARY).as_bytes())
    }

    fn encode(&self, message: &Message) -> Frame {
        let text = self.voice.text(message);
        let mut part = Vec::with_capacity(text.len() + 256);
        push_headers(&mut part, message);
        if contains(&text, BOUNDARY.as_bytes()) {
            part.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
            part.extend_from_slice(STANDARD.encode(&text).as_bytes());
        } else {
            part.extend_from_slice(b"\r\n");
            part.extend_from_slice(&text);
        }
        part.extend_from_slice(format!("\r\n--{}", *BOUNDARY).as_bytes());
        chunk(&part)
    }

    fn closing(&self, _why: Farewell) -> Frame {
        chunk(b"--\r\n")
    }
}

/// Several messages as one body, and its `Content-Type`.
pub fn body(messages: &[Arc<Message>], voice: &Voice) -> (Option<HeaderValue>, Bytes) {
    let texts: Vec<_> = messages.iter().map(|message| voice.text(message)).collect();
    let mut own = boundary();
    // A boundary is drawn anew until no message has it, which is the first time.
    while texts.iter().any(|text| contains(text, own.as_bytes())) {
        own = boundary();
    }
    let mut body = format!("--{own}").into_bytes();
    for (message, text) in messages.iter().zip(&texts) {
        push_headers(&mut body, message);
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(text);
        body.extend_from_slice(format!("\r\n--{own}").as_bytes());
    }
    body.extend_from_slice(b"--\r\n");
    (content_type(&own), body.into())
}

/// The end of a delimiter's line and the headers of a part, without the empty line.
fn push_headers(part: &mut Vec<u8>, message: &Message) {
    let id = message.id();
    part.extend_from_slice(
        format!("\r\nLast-Modified: {}\r\nEtag: {}\r\n", http_date(id.time()), id.tag()).as_bytes(),
    );
    let sound = |value: &&Bytes| HeaderValue::from_bytes(value).is_ok();
    if let Some(content_type) = message.content_type().filter(sound) {
        part.extend_from_slice(b"Content-Type: ");
        part.extend_from_slice(content_type);
        part.extend_from_slice(b"\r\n");
    }
}

fn content_type(boundary: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}")).ok()
}

/// 32 hexadecimal digits that nobody can foretell: the keys of the hash are random.
fn boundary() -> String {
    let random = || RandomState::new().hash_one(0_u8);
    format!("{:016x}{:016x}", random(), random())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::{drafted, message};

    fn text(frame: &Frame) -> String {
        String::from_utf8(frame.payload().to_vec()).unwrap()
    }

    #[test]
    fn parts_follow_each_other_between_delimiters() {
        let framing = Multipart::default();
        let typed = drafted((1_450_755_280, 3), b"a\r\n--b", Some("a/b"), None);
        let b = BOUNDARY.as_str();
        let stream = text(&framing.opening())
            + &text(&framing.encode(&typed))
            + &text(&framing.encode(&message(0, 0, b"")))
            + &text(&framing.closing(Farewell::Timeout));
        let expected = format!(
            "--{b}\r\nLast-Modified: Tue, 22 Dec 2015 03:34:40 GMT\r\nEtag: 3\r\nContent-Type: a/b\r\n\r\n\
             a\r\n--b\r\n\
             --{b}\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nEtag: 0\r\n\r\n\
             \r\n--{b}--\r\n"
        );
        assert_eq!(stream, expected);
        let content_type = framing.content_type().unwrap();
        assert_eq!(content_type, format!("multipart/mixed; boundary={b}"));
    }

    #[test]
    fn a_message_that_has_the_boundary_cannot_end_its_part() {
        let forged = format!("\r\n--{}\r\nContent-Type: x/y\r\n\r\nforged", *BOUNDARY);
        let part = text(&Multipart::default().encode(&message(5, 0, forged.as_bytes())));
        assert_eq!(part.matches(BOUNDARY.as_str()).count(), 1, "its own alone");
        let (head, rest) = part.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with("Content-Transfer-Encoding: base64"));
        let (body, _) = rest.split_once("\r\n").unwrap();
        assert_eq!(STANDARD.decode(body).unwrap(), forged.as_bytes());
    }

    #[test]
    fn a_content_type_that_would_break_the_headers_is_dropped() {
        let forged = drafted((5, 0), b"", Some("a/b\r\nX: y"), None);
        assert!(!text(&Multipart::default().encode(&forged)).contains("X: y"));
    }

    #[test]
    fn a_body_of_several_messages_has_a_boundary_of_its_own() {
        let messages = [Arc::new(message(5, 0, b"one")), Arc::new(message(5, 1, b"two"))];
        let (content_type, bytes) = body(&messages, &Voice::default());
        let content_type = content_type.unwrap();
        let (_, b) = content_type.to_str().unwrap().split_once("boundary=").unwrap();
        let date = "Last-Modified: Thu, 01 Jan 1970 00:00:05 GMT";
        let expected = format!(
            "--{b}\r\n{date}\r\nEtag: 0\r\n\r\none\r\n--{b}\r\n{date}\r\nEtag: 1\r\n\r\ntwo\r\n--{b}--\r\n"
        );
        assert_eq!(bytes, expected);
        assert_ne!(b, BOUNDARY.as_str());
        assert_ne!(body(&messages, &Voice::default()).0.unwrap(), content_type);
    }
}
