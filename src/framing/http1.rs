//! Responses and header lines of HTTP/1.1 as bytes (RFC 9112).

use std::{
    cell::Cell,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, StatusCode};
use httpdate::HttpDate;

use crate::channel::{Checksum, Frame, MessageId};

/// The last second that an HTTP date can name: the end of the year 9999.
const LAST_HTTP_SECOND: u64 = 253_402_300_799;
/// The length of an HTTP date in bytes.
const DATE: usize = 29;

thread_local! {
    /// The latest second that was asked for, and its date.
    static WRITTEN: Cell<(u64, [u8; DATE])> = const { Cell::new((u64::MAX, [0; DATE])) };
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
    Frame { bytes: bytes.into(), start, end, plain: Checksum::default() }
}

/// Says that messages after this one are lost: `X-Push-Gap`.
pub fn tell_gap(headers: &mut HeaderMap, after: MessageId) {
    if let Ok(after) = HeaderValue::from_str(&after.to_string()) {
        headers.insert("x-push-gap", after);
    }
}

/// Appends header lines, each ended by CRLF, with names in the usual capitals.
pub fn write_headers(bytes: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        let mut starts = true;
        let mut rest = name.as_str();
        if let Some(after) = rest.strip_prefix("sec-websocket") {
            // As RFC 6455 writes it; there are clients that compare bytes.
            bytes.extend_from_slice(b"Sec-WebSocket");
            rest = after;
        }
        for byte in rest.bytes() {
            bytes.push(if starts { byte.to_ascii_uppercase() } else { byte });
            starts = byte == b'-';
        }
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}

/// The date of this moment, as it stands in a head. It is written once a second on each thread.
pub fn date() -> [u8; DATE] {
    let second = now();
    WRITTEN.with(|written| {
        let (of, date) = written.get();
        if of == second {
            return date;
        }
        let mut date = [b' '; DATE];
        // It always fits: a date has one length.
        let _ = write!(&mut date[..], "{}", http_date(second));
        written.set((second, date));
        date
    })
}

/// A Unix second as an HTTP date (RFC 9110 section 5.6.7); what is later than the year 9999 is
/// written as its end.
pub fn http_date(second: u64) -> HttpDate {
    HttpDate::from(UNIX_EPOCH + Duration::from_secs(second.min(LAST_HTTP_SECOND)))
}

/// The Unix second.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
