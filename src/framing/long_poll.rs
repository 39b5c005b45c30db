//! Long polling: the whole answer to one request, with the message as published.
//!
//! The cursor of such a client is the pair of `Last-Modified` (the second) and `Etag` (the tag, bare
//! as nginx's push module writes it), which it sends back as `If-Modified-Since` and
//! `If-None-Match`; `subscribe::position` reads it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use httpdate::HttpDate;

use super::{Farewell, Framing};
use crate::channel::{Frame, Message, MessageId};

/// The framing of `long-poll` and of `interval-poll` with `push_poll_format = "message"`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LongPoll {
    /// `default_type`: of a message that came without a `Content-Type`.
    pub default_type: Option<HeaderValue>,
}

/// The last second that an HTTP date can name: the end of the year 9999.
const LAST_HTTP_SECOND: u64 = 253_402_300_799;

impl LongPoll {
    /// The headers of a message's answer, save those that every answer has (`Date`,
    /// `Content-Length`).
    pub fn headers(&self, message: &Message) -> HeaderMap {
        let published =
            message.content_type().and_then(|bytes| HeaderValue::from_bytes(bytes).ok());
        let id = message.id();
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(content_type) = published.or_else(|| self.default_type.clone()) {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Ok(date) = HeaderValue::from_str(&http_date(id.time()).to_string()) {
            headers.insert(header::LAST_MODIFIED, date);
        }
        headers.insert(header::ETAG, HeaderValue::from(id.tag()));
        headers.insert(header::VARY, HeaderValue::from_static("If-None-Match, If-Modified-Since"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers
    }

    /// What a waiting client is answered when no message comes: the statuses of the push module,
    /// and 503 with `Retry-After` for a server that stops. The body is empty.
    pub fn farewell(why: Farewell) -> (StatusCode, HeaderMap) {
        // A browser that stored a 410 would answer every later poll with it.
        let (status, cache_control) = match why {
            Farewell::Conflict => (StatusCode::CONFLICT, "no-store"),
            Farewell::Deleted => (StatusCode::GONE, "no-store"),
            Farewell::Shutdown => (StatusCode::SERVICE_UNAVAILABLE, "no-store"),
            Farewell::Timeout => (StatusCode::NOT_MODIFIED, "no-cache"),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        if why == Farewell::Shutdown {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        (status, headers)
    }
}

impl Framing for LongPoll {
    /// None: each message has its own.
    fn content_type(&self) -> Option<HeaderValue> {
        None
    }

    /// The whole response, laid out as [`response`] says.
    fn encode(&self, message: &Message) -> Frame {
        let date = now().max(message.id().time());
        response(date, StatusCode::OK, &self.headers(message), message.body())
    }

    /// The whole response of [`LongPoll::farewell`].
    fn closing(&self, why: Farewell) -> Bytes {
        let (status, headers) = Self::farewell(why);
        response(now(), status, &headers, b"").bytes
    }
}

/// A whole HTTP/1.1 response of the second `date` (not before its `Last-Modified`, RFC 9110
/// section 8.8.2.1), with `Date` and `Content-Length` added.
///
/// `start..end` of the frame is the body exactly, `end` is the end of the response, and the two bytes
/// before `start` are the blank line: the headers of one connection (CORS, `X-Push-Gap`), each ended
/// by CRLF, go in at `start - 2`.
pub fn response(date: u64, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Frame {
    let mut bytes = Vec::with_capacity(256 + body.len());
    let reason = status.canonical_reason().unwrap_or_default();
    let date = http_date(date);
    bytes.extend_from_slice(
        format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\n", status.as_u16()).as_bytes(),
    );
    // On a 304 it would be the length of the answer that was not sent (RFC 9110 section 8.6).
    if status != StatusCode::NOT_MODIFIED {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    write_headers(&mut bytes, headers);
    bytes.extend_from_slice(b"\r\n");
    let start = bytes.len();
    bytes.extend_from_slice(body);
    let end = bytes.len();
    Frame { bytes: bytes.into(), start, end }
}

/// Says on a poll that messages after this one are lost: `X-Push-Gap`.
pub fn tell_gap(headers: &mut HeaderMap, after: MessageId) {
    if let Ok(after) = HeaderValue::from_str(&after.to_string()) {
        headers.insert("x-push-gap", after);
    }
}

/// Appends header lines, each ended by CRLF, with names in the usual capitals.
pub fn write_headers(bytes: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        let mut starts = true;
        for byte in name.as_str().bytes() {
            bytes.push(if starts { byte.to_ascii_uppercase() } else { byte });
            starts = byte == b'-';
        }
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}

/// A Unix second as an HTTP date (RFC 9110 section 5.6.7); what is later than the year 9999 is
/// written as its end.
pub fn http_date(second: u64) -> HttpDate {
    HttpDate::from(UNIX_EPOCH + Duration::from_secs(second.min(LAST_HTTP_SECOND)))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::MessageId;
    use crate::framing::tests::{drafted, message};

    const FAR: u64 = 4_102_444_800;

    fn text(frame: &Frame) -> String {
        String::from_utf8(frame.bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_message_is_a_whole_response() {
        let framing = LongPoll { default_type: None };
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
        let default = LongPoll { default_type: Some(HeaderValue::from_static("text/plain")) };
        let typed = drafted((5, 0), b"", Some("a/b"), None);
        assert_eq!(default.headers(&typed)["content-type"], "a/b");
        assert_eq!(default.headers(&message(5, 0, b""))["content-type"], "text/plain");
        let bare = LongPoll::default().headers(&message(5, 0, b""));
        assert!(!bare.contains_key("content-type"));
    }

    #[test]
    fn a_content_type_that_would_break_the_head_is_dropped() {
        let forged = drafted((5, 0), b"", Some("a/b\r\nSet-Cookie: x"), None);
        assert!(!text(&LongPoll::default().encode(&forged)).contains("Set-Cookie"));
    }

    #[test]
    fn a_second_beyond_the_year_9999_is_written_as_its_end() {
        let headers = LongPoll::default().headers(&message(MessageId::MAX_TIME, 0, b""));
        assert_eq!(headers["last-modified"], "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn the_farewells_are_the_push_modules_statuses() {
        let farewells = [
            (Farewell::Conflict, "409 Conflict", "Cache-Control: no-store\r\n"),
            (Farewell::Deleted, "410 Gone", "Cache-Control: no-store\r\n"),
            (
                Farewell::Shutdown,
                "503 Service Unavailable",
                "Cache-Control: no-store\r\nRetry-After: 1\r\n",
            ),
        ];
        for (why, status, headers) in farewells {
            let text = String::from_utf8(LongPoll::default().closing(why).to_vec()).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\nDate: ")), "{text}");
            assert!(
                text.ends_with(&format!("GMT\r\nContent-Length: 0\r\n{headers}\r\n")),
                "{text}"
            );
        }
        let timeout = LongPoll::default().closing(Farewell::Timeout);
        let text = String::from_utf8(timeout.to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 304 Not Modified\r\nDate: "));
        assert!(text.ends_with("GMT\r\nCache-Control: no-cache\r\n\r\n"));
    }
}
