//! Response heads that the hall writes itself (RFC 9112 sections 4 to 6).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use hyper::ext::ReasonPhrase;

use super::{batch::Batch, held::Held};
use crate::{
    framing::http1::{date, tell_gap, write_headers},
    response::Refusal,
};

/// The line that announces the end of the connection.
pub(super) const CLOSE: &[u8] = b"Connection: close\r\n";
/// The line of a body in chunks.
const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";
/// What most heads have room in, in bytes.
const HEAD: usize = 384;

/// Room for a body behind its head, in bytes.
const MAX_ROOM: usize = 16 << 10;

/// How a response of the hall ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Persistence {
    /// The connection ends with it.
    pub(super) close: bool,
    /// It is not in chunks, because the client speaks HTTP/1.0.
    pub(super) raw: bool,
}

impl Persistence {
    /// What a request allows.
    pub(super) fn of(version: http::Version, headers: &HeaderMap) -> Self {
        let raw = version < http::Version::HTTP_11;
        let close = |value: &HeaderValue| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
        };
        Self { close: raw || headers.get_all(header::CONNECTION).iter().any(close), raw }
    }
}

/// The head of a response that goes on, with the lines that all have and the headers of this one.
pub(super) fn stream(
    status: StatusCode,
    (all, own): (&[u8], &HeaderMap),
    persistence: Persistence,
) -> Vec<u8> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return switching(status, own);
    }
    let mut head = status_line(status, None, 0);
    write_date(&mut head);
    head.extend_from_slice(all);
    write_headers(&mut head, own);
    if !persistence.raw {
        head.extend_from_slice(CHUNKED);
    }
    if persistence.close {
        head.extend_from_slice(CLOSE);
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The head of a response with which the connection changes its protocol.
pub(super) fn switching(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut head = status_line(status, None, 0);
    write_headers(&mut head, headers);
    write_date(&mut head);
    head.extend_from_slice(b"\r\n");
    head
}

/// A whole response; `more` are further header lines.
pub(super) fn whole(
    status: StatusCode,
    headers: &HeaderMap,
    more: &[u8],
    close: bool,
    body: &[u8],
) -> Bytes {
    let mut head = lines(status, headers, body.len());
    head.extend_from_slice(more);
    if close {
        head.extend_from_slice(CLOSE);
    }
    if status != StatusCode::NOT_MODIFIED {
        write_length(&mut head, body.len());
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head.into()
}

/// A polled response with the header lines of this request, and of the gap before it.
pub(super) fn polled(held: &Held, batch: &Batch) -> Bytes {
    let own = held.rare.as_ref().map(|rare| rare.headers.clone()).unwrap_or_default();
    if own.is_empty() && !held.close && !batch.gap {
        return batch.bytes.clone();
    }
    let mut lines = own.to_vec();
    if batch.gap {
        let mut gap = HeaderMap::new();
        tell_gap(&mut gap, held.cursor);
        write_headers(&mut lines, &gap);
    }
    if held.close {
        lines.extend_from_slice(CLOSE);
    }
    let (before, after) = batch.bytes.split_at(batch.headers_end);
    [before, &lines, after].concat().into()
}

/// The head of a response whose body has this length, in the order in which hyper writes it: GET and
/// HEAD must not differ.
pub(super) fn answer(parts: &Parts, close: bool, length: usize) -> Vec<u8> {
    let mut head = passed(parts, close, length);
    if !is_bodiless(parts.status) && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        write_length(&mut head, length);
    }
    end(&mut head, parts);
    head
}

/// The head of a response whose body comes piece by piece, likewise.
pub(super) fn pieces(parts: &Parts, persistence: Persistence) -> Vec<u8> {
    let mut head = passed(parts, persistence.close, 0);
    if !persistence.raw && !is_bodiless(parts.status) {
        head.extend_from_slice(CHUNKED);
    }
    end(&mut head, parts);
    head
}

/// Whether a response of this status has no body, whatever it was given.
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The first lines of a response, with room for a body of so many bytes.
fn passed(parts: &Parts, close: bool, room: usize) -> Vec<u8> {
    let reason = parts.extensions.get::<ReasonPhrase>();
    let room = room.min(MAX_ROOM);
    let mut head = status_line(parts.status, reason.map(ReasonPhrase::as_bytes), room);
    write_headers(&mut head, &parts.headers);
    if close {
        head.extend_from_slice(CLOSE);
    }
    head
}

/// The last lines of a head.
fn end(head: &mut Vec<u8>, parts: &Parts) {
    if !parts.headers.contains_key(header::DATE) {
        write_date(head);
    }
    head.extend_from_slice(b"\r\n");
}

/// A whole response that refuses a request which never reached hyper; the connection ends with it.
pub(super) fn refusal(refusal: &Refusal) -> Bytes {
    let mut response = Response::from(refusal.clone());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut head = lines(response.status(), response.headers(), 0);
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(refusal.to_string().as_bytes());
    head.into()
}

/// A response head up to and without its blank line, with room for so many bytes behind it.
fn lines(status: StatusCode, headers: &HeaderMap, room: usize) -> Vec<u8> {
    let mut head = status_line(status, None, room);
    write_date(&mut head);
    write_headers(&mut head, headers);
    head
}

/// With a reason of its own, or the usual one.
fn status_line(status: StatusCode, reason: Option<&[u8]>, room: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD + room);
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    let reason = reason.unwrap_or_else(usual);
    for part in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
        head.extend_from_slice(part);
    }
    head
}

fn write_date(head: &mut Vec<u8>) {
    head.extend_from_slice(b"Date: ");
    head.extend_from_slice(&date());
    head.extend_from_slice(b"\r\n");
}

fn write_length(head: &mut Vec<u8>, length: usize) {
    for part in ["Content-Length: ", itoa::Buffer::new().format(length), "\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_body_is_a_whole_response() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let bytes = whole(StatusCode::GONE, &headers, b"Vary: Origin\r\n", true, b"");
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (status, rest) = text.split_once("\r\nDate: ").unwrap();
        assert_eq!(status, "HTTP/1.1 410 Gone");
        let (_, rest) = rest.split_once(" GMT\r\n").unwrap();
        let expected = "Cache-Control: no-store\r\nVary: Origin\r\nConnection: close\r\n\
                        Content-Length: 0\r\n\r\n";
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_connection_stays_unless_a_client_says_otherwise() {
        let of = |version, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, HeaderValue::from_static(value));
            let persistence = Persistence::of(version, &headers);
            (persistence.close, persistence.raw)
        };
        assert_eq!(of(http::Version::HTTP_11, "keep-alive"), (false, false));
        assert_eq!(of(http::Version::HTTP_11, "TE, Close"), (true, false));
        assert_eq!(of(http::Version::HTTP_10, "keep-alive"), (true, true));
    }
}
