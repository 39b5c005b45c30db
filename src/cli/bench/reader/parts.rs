//! Bodies of `multipart/mixed` without end (RFC 2046 section 5.1), a part a message.

use super::{Broken, Hear, head::Head};

const BLANK: &[u8] = b"\r\n\r\n";

/// CRLF, two dashes and the boundary that the head names.
pub(super) fn delimiter(head: &Head<'_>) -> Result<Box<[u8]>, Broken> {
    let content_type = head.value("content-type").unwrap_or_default();
    let boundary = content_type
        .strip_prefix("multipart/mixed")
        .and_then(|parameters| parameters.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim_matches('"'));
    match boundary {
        Some(boundary) if !boundary.is_empty() => {
            Ok(format!("\r\n--{boundary}").into_bytes().into())
        }
        _ => Err(Broken::Refused(format!("Content-Type: {content_type}"))),
    }
}

/// Tells whole parts and returns their length.
///
/// What is in hand begins the body, or follows a delimiter; a part is over when the next one is
/// there.
pub(super) fn take(bytes: &[u8], delimiter: &[u8], hear: &mut impl Hear) -> Result<usize, Broken> {
    let first = delimiter.strip_prefix(b"\r\n").unwrap_or_default();
    let mut at = if bytes.starts_with(first) { first.len() } else { 0 };
    if at == 0 && first.starts_with(bytes) {
        return Ok(0);
    }
    while at < bytes.len() {
        let part = &bytes[at..];
        if part.starts_with(b"--") {
            return Err(Broken::Closed("the last part".to_owned()));
        }
        if !part.starts_with(&b"\r\n"[..part.len().min(2)]) {
            return Err(Broken::framing("no line end after a boundary"));
        }
        let Some(lines) = find(part, BLANK) else { return Ok(at) };
        let body = &part[lines + BLANK.len()..];
        let Some(length) = find(body, delimiter) else { return Ok(at) };
        hear.message(&body[..length]);
        at += lines + BLANK.len() + length + delimiter.len();
    }
    Ok(at)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len().max(1)).position(|window| window == pattern)
}
