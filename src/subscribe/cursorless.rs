//! The client that sends no cursor: `push_cursorless`.
//!
//! Each of its polls gets a head at once, whose `Etag` names the position after which the poll waits.
//! Browsers send that tag back with the next request for the same URL, whichever tab it comes from.
//! When it comes back, either the poll has been answered, because a message follows the position: then
//! the client goes on behind that message. Or none follows: then the poll is another tab's and still
//! waits, and this one waits beside it.
//!
//! What cannot be told apart is a tab that has not asked yet, and one that has been answered, when a
//! message comes between the head of one and the request of the other.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    channel::{MessageId, Subscription, gap},
    framing::http1::http_date,
};

/// The `Etag` of a poll: `"p1450755280:3.5f2c.1a"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tag {
    /// After which the poll waits.
    pub(super) position: MessageId,
    /// Which process was asked: another one does not know how that poll ended.
    pub(super) process: u32,
    /// Makes the tag a validator of this one answer.
    pub(super) poll: u32,
}

impl Tag {
    /// The tag of a request's id.
    pub(super) fn new(position: MessageId, request_id: u128) -> Self {
        let [.., a, b, c, d] = request_id.to_be_bytes();
        let poll = u32::from_be_bytes([a, b, c, d]);
        let [a, b, c, d, ..] = request_id.to_be_bytes();
        Self { position, process: u32::from_be_bytes([a, b, c, d]), poll }
    }

    /// The tag that a request brings back.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?.trim();
        let value = value.strip_prefix("W/").unwrap_or(value);
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let mut parts = value?.strip_prefix('p')?.split('.');
        let position = parts.next()?.parse().ok()?;
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        Some(Self { position, process: number()?, poll: number()? })
            .filter(|_| parts.next().is_none())
    }

    /// Whether both are of one process.
    fn is_ours(self, request_id: u128) -> bool {
        self.process == Self::new(MessageId::ZERO, request_id).process
    }

    /// The headers of the answer: no cache may keep it, and the browser has to ask.
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        if let Ok(tag) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(header::ETAG, tag);
        }
        // Clients that echo both headers of a long poll want both.
        if let Ok(date) = HeaderValue::from_str(&http_date(self.position.time()).to_string()) {
            headers.insert(header::LAST_MODIFIED, date);
        }
        headers
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"p{}.{:x}.{:x}\"", self.position, self.process, self.poll)
    }
}

/// Goes on where the poll with this tag ended: behind the first message after its position, if that
/// is known to be the one it was answered with.
pub(super) fn go_on(subscription: &mut Subscription, tag: Tag, request_id: u128) {
    let messages = subscription.read();
    let Some(answered) = messages.first() else { return };
    if tag.is_ours(request_id) && !gap(&messages, subscription.cursor()) {
        subscription.advance(answered.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Tag> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        Tag::of(&headers)
    }

    #[test]
    fn a_tag_comes_back_as_it_went() {
        let position = MessageId::new(1_450_755_280, 3).unwrap();
        let tag = Tag::new(position, 0x5f2c_0000_0000_0000_0000_0001_0000_001a_u128);
        let text = tag.to_string();
        assert_eq!(text, "\"p1450755280:3.5f2c0000.1a\"");
        assert_eq!(read(&text), Some(tag));
        assert_eq!(read(&format!("W/{text}")), Some(tag));
        assert_eq!(tag.headers()["etag"], text);
        assert_eq!(tag.headers()["last-modified"], "Tue, 22 Dec 2015 03:34:40 GMT");
    }

    #[test]
    fn what_is_no_tag_of_ours_is_none() {
        for value in
            ["\"5:1\"", "\"p5:1\"", "\"p5:1.x.1\"", "\"p5:1.1.1.1\"", "p5:1.1.1", "\"p5.1.1\"", "*"]
        {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
