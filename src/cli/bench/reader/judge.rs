//! What a subscriber and a publisher want of a response head.

use super::{
    super::transport::{Transport, WEBSOCKET_ACCEPT},
    Broken, Use,
};
use crate::cli::response::{self, Head};

/// Whether it is what was asked for.
pub(super) fn accept(head: &Head<'_>, used: Use) -> Result<(), Broken> {
    let wanted = match used {
        Use::Ask => (200..300).contains(&head.status),
        Use::Listen(Transport::Ws) => head.status == 101,
        Use::Listen(Transport::IntervalPoll) => matches!(head.status, 200 | 304),
        Use::Listen(_) => head.status == 200,
    };
    if !wanted {
        return Err(Broken::Refused(format!("status {}", head.status)));
    }
    let content_type = head.value("content-type").unwrap_or_default();
    let is = |name, expected| {
        head.value(name).is_some_and(|value: &str| value.eq_ignore_ascii_case(expected))
    };
    let fits = match used {
        Use::Listen(Transport::Sse) => content_type.starts_with("text/event-stream"),
        Use::Listen(Transport::Ws) => {
            is("upgrade", "websocket")
                && is("connection", "upgrade")
                && head.value("sec-websocket-accept") == Some(WEBSOCKET_ACCEPT)
                && head.value("sec-websocket-extensions").is_none()
        }
        Use::Listen(_) | Use::Ask => true,
    };
    if fits { Ok(()) } else { Err(Broken::Refused("a head of something else".to_owned())) }
}

/// Header lines that ask for what comes after this answer.
pub(super) fn cursor(head: &Head<'_>) -> Vec<u8> {
    let lines = [("last-modified", "If-Modified-Since"), ("etag", "If-None-Match")];
    let mut cursor = Vec::with_capacity(96);
    for (answered, asked) in lines {
        if let Some(value) = head.value(answered) {
            cursor.extend_from_slice(format!("{asked}: {value}\r\n").as_bytes());
        }
    }
    cursor
}

/// What divides the parts of the body.
pub(super) fn delimiter(head: &Head<'_>) -> Result<Box<[u8]>, Broken> {
    let content_type = head.value("content-type").unwrap_or_default();
    response::delimiter(content_type)
        .ok_or_else(|| Broken::Refused(format!("Content-Type: {content_type}")))
}
