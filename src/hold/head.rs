//! Response heads that the hall writes itself (RFC 9112 sections 4 to 6).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{batch::Batch, held::Held};
use crate::{
    framing::http1::{date, tell_gap, write_headers},
    response::Refusal,
};

/// The line that announces the end of the connection.
pub(super) const CLOSE: &[u8] = b"Connection: close\r\n";
/// What most heads have room in, in bytes.
const HEAD: usize = 384;

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
    let mut head = status_line(status, 0);
    write_date(&mut head);
    head.extend_from_slice(all);
    write_headers(&mut head, own);
    if !persistence.raw {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if persistence.close {
        head.extend_from_slice(CLOSE);
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The head of a response with which the connection changes its protocol.
pub(super) fn switching(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut head = status_line(status, 0);
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

/// A whole response in the order in which hyper writes it: GET and HEAD must not differ.
pub(super) fn answer(status: StatusCode, headers: &HeaderMap, close: bool, body: &[u8]) -> Bytes {
    let mut head = status_line(status, body.len());
    write_headers(&mut head, headers);
    if close {
        head.extend_from_slice(CLOSE);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && !headers.contains_key(header::CONTENT_LENGTH) {
        write_length(&mut head, body.len());
    }
    if !headers.contains_key(header::DATE) {
        write_date(&mut head);
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head.into()
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
    let mut head = status_line(status, room);
    write_date(&mut head);
    write_headers(&mut head, headers);
    head
}

fn status_line(status: StatusCode, room: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD + room);
    let reason = status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        head.extend_from_slice(part.as_bytes());
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
