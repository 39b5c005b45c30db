//! Bodies of `multipart/mixed` (RFC 2046 section 5.1), a part a message.

use memchr::memmem::find;

use super::Malformed;

const BLANK: &[u8] = b"\r\n\r\n";

/// CRLF, two dashes and the boundary that a `Content-Type` names; `None`: it names none.
pub(in crate::cli) fn delimiter(content_type: &str) -> Option<Box<[u8]>> {
    let parameters = content_type.strip_prefix("multipart/mixed")?;
    let (_, boundary) = parameters.split_once("boundary=")?;
    let boundary = boundary.trim_matches('"');
    (!boundary.is_empty()).then(|| format!("\r\n--{boundary}").into_bytes().into())
}

/// Tells head and body of whole parts, and returns their length and whether the last of all has ended.
///
/// What is in hand begins the body, or follows a delimiter; a part is over when the next one is
/// there. The head is lines that each begin with a CRLF.
pub(in crate::cli) fn take_parts(
    bytes: &[u8],
    delimiter: &[u8],
    mut tell: impl FnMut(&[u8], &[u8]),
) -> Result<(usize, bool), Malformed> {
    let first = delimiter.strip_prefix(b"\r\n").unwrap_or_default();
    let mut at = if bytes.starts_with(first) { first.len() } else { 0 };
    if at == 0 && first.starts_with(bytes) {
        return Ok((0, false));
    }
    while at < bytes.len() {
        let part = &bytes[at..];
        if part.starts_with(b"--") {
            return Ok((at, true));
        }
        if !part.starts_with(&b"\r\n"[..part.len().min(2)]) {
            return Err(Malformed::new("no line end after a boundary"));
        }
        let Some(lines) = find(part, BLANK) else { break };
        let body = &part[lines + BLANK.len()..];
        let Some(length) = find(body, delimiter) else { break };
        tell(&part[..lines], &body[..length]);
        at += lines + BLANK.len() + length + delimiter.len();
    }
    Ok((at, false))
}
