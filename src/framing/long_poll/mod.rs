//! Long polling: the whole answer to one request, with the next message as published, or with all
//! that there are in one of the forms of `push_longpoll_batch`.
//!
//! The cursor of such a client is the pair of `Last-Modified` (the second) and `Etag` (the tag, bare
//! as nginx's push module writes it), which it sends back as `If-Modified-Since` and
//! `If-None-Match`; `subscribe::position` reads it.

mod farewell;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    Voice, gzip,
    http1::{http_date, now, response},
    interval_poll, jsonp, multipart, slot,
};
use crate::{
    channel::{Frame, Message, MessageId},
    dialect::Notice,
};

/// The answers of `long-poll`, and of `interval-poll` with `push_poll_format = "message"`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LongPoll {
    /// `default_type`: of a message that came without a `Content-Type`.
    pub default_type: Option<HeaderValue>,
    /// Which messages are answered, and how.
    pub form: Form,
    /// `gzip`, to clients that take it.
    pub gzip: Gzip,
    /// How it words messages and reasons.
    pub voice: Voice,
    /// `push_timeout_with_body`.
    pub timeout_notice: Option<Notice>,
}

/// How messages are put into an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// The next one as published.
    #[default]
    Message,
    /// All in the document of the JSON poll, newest first.
    Json,
    /// All in a call of this function, oldest first: each as it is if it is JSON, else as a string.
    Jsonp(Bytes),
    /// All in a call of this function with the document of the JSON poll.
    JsonpDocument(Bytes),
    /// All in `multipart/mixed`, oldest first.
    Multipart,
    /// All, oldest first, each followed by this separator.
    Raw(Bytes),
}

impl Form {
    /// The same for a script that calls this function: a document stays one, so that it has the ids.
    #[must_use]
    pub fn calling(&self, function: Bytes) -> Self {
        match self {
            Self::Json | Self::JsonpDocument(_) => Self::JsonpDocument(function),
            _ => Self::Jsonp(function),
        }
    }

    /// Whether the answer is a script. It can read neither statuses nor headers.
    pub fn is_script(&self) -> bool {
        matches!(self, Self::Jsonp(_) | Self::JsonpDocument(_))
    }
}

/// Whether answers are compressed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Gzip {
    /// Never.
    #[default]
    Off,
    /// To clients that take it, of which this is none.
    Refused,
    /// From so many bytes on: `gzip_min_length`.
    From(usize),
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SCRIPT: HeaderValue = HeaderValue::from_static("application/javascript");
const VARY: HeaderValue = HeaderValue::from_static("If-None-Match, If-Modified-Since");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl LongPoll {
    /// Whether it answers all messages that there are.
    pub fn takes_all(&self) -> bool {
        self.form != Form::Message
    }

    /// Headers and body of the answer with these messages, at least one; the headers are those
    /// beside what every answer has (`Date`, `Content-Length`).
    pub fn answer(&self, messages: &[Arc<Message>]) -> (HeaderMap, Bytes) {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
            return self.nothing();
        };
        match &self.form {
            Form::Message => self.single(first),
            Form::Json => self
                .compressed(self.headers(Some(JSON), last.id()), interval_poll::answer(messages)),
            Form::Jsonp(callback) => {
                let scripts = messages.iter().map(|m| jsonp::argument(m, &self.voice));
                self.compressed(self.script_headers(last.id()), jsonp::call(callback, scripts))
            }
            Form::JsonpDocument(callback) => {
                self.compressed(self.script_headers(last.id()), jsonp::document(callback, messages))
            }
            Form::Multipart => {
                let (content_type, body) = multipart::body(messages, &self.voice);
                self.compressed(self.headers(content_type, last.id()), body)
            }
            Form::Raw(separator) => {
                let parts = messages.iter().flat_map(|m| [self.voice.text(m), separator.clone()]);
                let body = parts.collect::<Vec<_>>().concat().into();
                self.compressed(self.headers(self.content_type(first), last.id()), body)
            }
        }
    }

    /// The answer to a poll with the document of these messages, if any.
    pub fn document(&self, messages: &[Arc<Message>]) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        self.voice.dialect.forbid_caching(&mut headers);
        let (Form::Jsonp(callback) | Form::JsonpDocument(callback)) = &self.form else {
            headers.insert(header::CONTENT_TYPE, JSON);
            return self.compressed(headers, interval_poll::answer(messages));
        };
        headers.insert(header::CONTENT_TYPE, SCRIPT);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        self.compressed(headers, jsonp::document(callback, messages))
    }

    /// Makes what [`LongPoll::encode`] takes from the message's other frames.
    pub fn prepare(&self, message: &Message) {
        if matches!(self.gzip, Gzip::From(_)) && self.voice.template.is_none() {
            packed(message);
        }
    }

    /// The whole response with one message; run once for each message, [prepared](Self::prepare).
    pub fn encode(&self, message: &Message) -> Frame {
        let (headers, body) = self.single(message);
        response(now().max(message.id().time()), StatusCode::OK, &headers, &body)
    }

    /// The whole response with all messages.
    pub fn encode_all(&self, messages: &[Arc<Message>]) -> Frame {
        let (headers, body) = self.answer(messages);
        let latest = messages.last().map_or(0, |message| message.id().time());
        response(now().max(latest), StatusCode::OK, &headers, &body)
    }

    /// What a client that does not wait is answered when there is no message after its `cursor`.
    pub fn unchanged(&self, cursor: MessageId) -> (StatusCode, HeaderMap, Bytes) {
        if self.form.is_script() {
            let (headers, body) = self.nothing();
            return (StatusCode::OK, headers, body);
        }
        let dialect = self.voice.dialect;
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        if dialect.unchanged_position {
            self.push_cursor(&mut headers, cursor);
            headers.insert(header::VARY, VARY);
        }
        dialect.forbid_caching(&mut headers);
        (StatusCode::NOT_MODIFIED, headers, Bytes::new())
    }

    fn single(&self, message: &Message) -> (HeaderMap, Bytes) {
        let mut headers = self.headers(self.content_type(message), message.id());
        let body = self.voice.text(message);
        if self.voice.template.is_some() {
            return self.compressed(headers, body);
        }
        if self.announces_gzip(&mut headers, body.len()) {
            let packed = packed(message);
            if !packed.is_empty() {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                return (headers, packed.bytes);
            }
        }
        (headers, body)
    }

    /// No message at all.
    fn nothing(&self) -> (HeaderMap, Bytes) {
        let call = match &self.form {
            Form::Jsonp(callback) => jsonp::call(callback, []),
            Form::JsonpDocument(callback) => jsonp::document(callback, &[]),
            _ => return (HeaderMap::new(), Bytes::new()),
        };
        let mut headers = self.script_headers(MessageId::ZERO);
        headers.remove(header::LAST_MODIFIED);
        headers.remove(header::ETAG);
        (headers, call)
    }

    /// The headers of an answer that ends with this message.
    fn headers(&self, content_type: Option<HeaderValue>, id: MessageId) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        self.push_cursor(&mut headers, id);
        headers.insert(header::VARY, VARY);
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        self.voice.dialect.forbid_caching(&mut headers);
        headers
    }

    /// What the client is to send back.
    fn push_cursor(&self, headers: &mut HeaderMap, id: MessageId) {
        if let Ok(date) = HeaderValue::from_str(&http_date(id.time()).to_string()) {
            headers.insert(header::LAST_MODIFIED, date);
        }
        let tag = format!("{}{}", self.voice.dialect.etag_prefix, id.tag());
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
    }

    fn script_headers(&self, id: MessageId) -> HeaderMap {
        let mut headers = self.headers(Some(SCRIPT), id);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers
    }

    fn content_type(&self, message: &Message) -> Option<HeaderValue> {
        let published = message.content_type().map(|bytes| HeaderValue::from_bytes(bytes));
        published.and_then(Result::ok).or_else(|| self.default_type.clone())
    }

    fn compressed(&self, mut headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
        let packed = self.announces_gzip(&mut headers, body.len()).then(|| gzip::body(&body));
        let Some(packed) = packed.flatten() else { return (headers, body) };
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        (headers, packed)
    }

    /// Tells caches that the answer may be compressed; returns whether it is to be.
    fn announces_gzip(&self, headers: &mut HeaderMap, length: usize) -> bool {
        if self.gzip == Gzip::Off {
            return false;
        }
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        matches!(self.gzip, Gzip::From(least) if length >= least)
    }
}

/// The compressed message, for all locations.
fn packed(message: &Message) -> Frame {
    message.frame(slot::GZIP, |message| Frame::bare(gzip::body(message.body()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use httpdate::HttpDate;

    use super::*;
    use crate::channel::MessageId;
    use crate::framing::tests::{drafted, message};

    const FAR: u64 = 4_102_444_800;

    fn text(frame: &Frame) -> String {
        String::from_utf8(frame.bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_message_is_a_whole_response() {
        let framing = LongPoll::default();
        // A second in the future, so that `Date` is known: it may not be before `Last-Modified`.
        let message =
            drafted((FAR, 3), b"{\"m\":1}", Some("application/json; charset=utf-8"), None);
        let frame = framing.encode(&message);
        let expected = "HTTP/1.1 200 OK\r\n\
            Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n\
            Content-Length: 7\r\n\
            Content-Type: application/json; charset=utf-8\r\n\
            Last-Modified: Fri, 01 Jan 2100 00:00:00 GMT\r\n\
            Etag: 3\r\n\
            Vary: If-None-Match, If-Modified-Since\r\n\
            Cache-Control: no-cache\r\n\
            \r\n\
            {\"m\":1}";
        assert_eq!(text(&frame), expected);
        assert_eq!(frame.payload(), "{\"m\":1}");
        assert_eq!(&frame.bytes[frame.start - 4..frame.start], b"\r\n\r\n");
        assert_eq!(frame.end, frame.bytes.len());
    }

    #[test]
    fn the_date_is_now_for_a_message_of_the_past() {
        let frame = LongPoll::default().encode(&message(1, 0, b""));
        let before = now();
        let text = text(&frame);
        let date = text.split("\r\n").nth(1).unwrap().strip_prefix("Date: ").unwrap();
        let date = date.parse::<HttpDate>().unwrap();
        assert!(date >= http_date(before.saturating_sub(5)) && date <= http_date(now()));
        assert!(text.contains("\r\nLast-Modified: Thu, 01 Jan 1970 00:00:01 GMT\r\n"));
    }

    #[test]
    fn an_empty_message_is_an_answer_of_length_zero() {
        let frame = LongPoll::default().encode(&message(FAR, 0, b""));
        assert!(text(&frame).contains("\r\nContent-Length: 0\r\n"));
        assert_eq!((frame.payload(), frame.end), (Bytes::new(), frame.bytes.len()));
    }

    #[test]
    fn the_content_type_is_the_publishers_else_the_default_else_none() {
        let default = LongPoll {
            default_type: Some(HeaderValue::from_static("text/plain")),
            ..LongPoll::default()
        };
        let typed = drafted((5, 0), b"", Some("a/b"), None);
        assert_eq!(default.single(&typed).0["content-type"], "a/b");
        assert_eq!(default.single(&message(5, 0, b"")).0["content-type"], "text/plain");
        let bare = LongPoll::default().single(&message(5, 0, b"")).0;
        assert!(!bare.contains_key("content-type"));
    }

    #[test]
    fn a_content_type_that_would_break_the_head_is_dropped() {
        let forged = drafted((5, 0), b"", Some("a/b\r\nSet-Cookie: x"), None);
        assert!(!text(&LongPoll::default().encode(&forged)).contains("Set-Cookie"));
    }

    #[test]
    fn a_second_beyond_the_year_9999_is_written_as_its_end() {
        let headers = LongPoll::default().single(&message(MessageId::MAX_TIME, 0, b"")).0;
        assert_eq!(headers["last-modified"], "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    fn answered(form: Form, bodies: &[&str]) -> (HeaderMap, String) {
        let messages = bodies.iter().zip(3..);
        let messages = messages.map(|(body, tag)| Arc::new(message(5, tag, body.as_bytes())));
        let long_poll = LongPoll { form, ..LongPoll::default() };
        let (headers, body) = long_poll.answer(&messages.collect::<Vec<_>>());
        (headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_batch_has_all_messages_and_the_id_of_the_last() {
        let (headers, body) = answered(Form::Raw("|".into()), &["one", "", "three"]);
        assert_eq!(body, "one||three|");
        assert_eq!(headers["etag"], "5");
        let (headers, body) = answered(Form::Json, &["one", "two"]);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["etag"], "4");
        let entry = |tag, text| {
            format!("{{\"id\":\"5:{tag}\",\"time\":5,\"content_type\":null,\"text\":\"{text}\"}}")
        };
        assert_eq!(body, format!("{{\"messages\":[{},{}]}}", entry(4, "two"), entry(3, "one")));
        let (headers, body) = answered(Form::Multipart, &["one", "two"]);
        assert!(
            headers["content-type"].to_str().unwrap().starts_with("multipart/mixed; boundary=")
        );
        assert_eq!(body.matches("\r\nLast-Modified: ").count(), 2);
    }

    #[test]
    fn a_script_is_called_with_values_that_cannot_leave_it() {
        let texts = ["{\"a\":1}", "</script>\u{2028}", ""];
        let (headers, body) = answered(Form::Jsonp("cb.x".into()), &texts);
        let expected = "/**/cb.x([{\"a\":1},\"\\u003c/script\\u003e\\u2028\",\"\"]);";
        assert_eq!(body, expected);
        assert_eq!(headers["content-type"], "application/javascript");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let (headers, body) = answered(Form::JsonpDocument("cb.x".into()), &["</script>\u{2028}"]);
        let entry = "{\"id\":\"5:3\",\"time\":5,\"content_type\":null,\
                     \"text\":\"\\u003c/script\\u003e\\u2028\"}";
        assert_eq!(body, format!("/**/cb.x({{\"messages\":[{entry}]}});"));
        assert_eq!((&headers["etag"], &headers["content-type"]), (&"3".parse().unwrap(), &SCRIPT));
    }

    #[test]
    fn a_script_is_called_with_a_document_where_others_get_one() {
        let function = Bytes::from("f");
        assert_eq!(Form::Json.calling(function.clone()), Form::JsonpDocument(function.clone()));
        for form in [Form::Message, Form::Multipart, Form::Raw("|".into())] {
            assert_eq!(form.calling(function.clone()), Form::Jsonp(function.clone()));
        }
    }

    #[test]
    fn a_long_answer_is_compressed_once_for_all_who_take_it() {
        let long = message(5, 0, &[b'a'; 5000]);
        let long_poll = |gzip| LongPoll { gzip, ..LongPoll::default() };
        let (headers, body) = long_poll(Gzip::From(20)).single(&long);
        assert_eq!(headers["content-encoding"], "gzip");
        assert!(headers.get_all("vary").iter().any(|value| value == "Accept-Encoding"));
        let (_, again) = long_poll(Gzip::From(20)).single(&long);
        assert_eq!((body.len() < 100, body.as_ptr()), (true, again.as_ptr()));
        for (gzip, varies) in [(Gzip::From(5001), true), (Gzip::Refused, true), (Gzip::Off, false)]
        {
            let (headers, body) = long_poll(gzip).single(&long);
            assert_eq!((body.len(), headers.contains_key("content-encoding")), (5000, false));
            assert_eq!(headers.get_all("vary").iter().count(), 1 + usize::from(varies));
        }
    }
}
