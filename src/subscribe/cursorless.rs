//! The client that sends no cursor: `push_cursorless`.
//!
//! Each of its polls gets a head at once, whose `Etag` names the position after which the poll waits.
//! Browsers send that tag back with the next request for the same URL, whichever tab it comes from.
//! When it comes back, either the poll has been answered, because a message follows the position: then
//! the client goes on behind that message. Or none follows: then the poll is another tab's and still
//! waits, and this one waits beside it.
//!
//! Several tabs keep one tag together, the latest that any of them was given. So they must be told the
//! same things at the same time: where a poll of theirs has something to read at once, it is let wait for
//! [`PAUSE`], until the others have asked too. What cannot be told apart is a tab that has been answered,
//! and one whose request was on its way while another tab was.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, header};

use crate::{
    channel::{MessageId, Subscription},
    framing::http1::http_date,
};

/// How long a poll waits for those of other tabs. Tabs that were answered together ask again together,
/// within the time that it takes to run their scripts.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// The `Etag` of a poll: `"p1450755280:3.5f2c.1a"`, and an `s` before the last quote where several tabs
/// have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tag {
    /// After which the poll waits.
    pub(super) position: MessageId,
    /// Which process was asked: another one does not know how that poll ended.
    pub(super) process: u32,
    /// Makes the tag a validator of this one answer.
    pub(super) poll: u32,
    /// It is one of several tabs: a poll came with the tag of another that still waited.
    pub(super) shared: bool,
}

impl Tag {
    /// The tag of a request's id.
    pub(super) fn new(position: MessageId, request_id: u128, shared: bool) -> Self {
        let [.., a, b, c, d] = request_id.to_be_bytes();
        let poll = u32::from_be_bytes([a, b, c, d]);
        let [a, b, c, d, ..] = request_id.to_be_bytes();
        Self { position, process: u32::from_be_bytes([a, b, c, d]), poll, shared }
    }

    /// The tag that a request brings back.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?.trim();
        let value = value.strip_prefix("W/").unwrap_or(value);
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value?.strip_prefix('p')?;
        let shared = value.strip_suffix('s');
        let mut parts = shared.unwrap_or(value).split('.');
        let position = parts.next()?.parse().ok()?;
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        let (process, poll, shared) = (number()?, number()?, shared.is_some());
        parts.next().is_none().then_some(Self { position, process, poll, shared })
    }

    /// Whether both are of one process.
    fn is_ours(self, request_id: u128) -> bool {
        self.process == Self::new(MessageId::ZERO, request_id, false).process
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
        let shared = if self.shared { "s" } else { "" };
        write!(f, "\"p{}.{:x}.{:x}{shared}\"", self.position, self.process, self.poll)
    }
}

/// Goes on where the poll with this tag ended: behind the first message after its position, if that
/// is known to be the one it was answered with. Returns whether several tabs have the tag.
pub(super) fn go_on(subscription: &mut Subscription, tag: Tag, request_id: u128) -> bool {
    let messages = subscription.read();
    let Some(first) = messages.first() else {
        // The poll with this tag still waits, so this is another tab's.
        return tag.shared || tag.is_ours(request_id);
    };
    if tag.is_ours(request_id) && first.previous() <= subscription.cursor() {
        subscription.advance(first.id());
    }
    tag.shared
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
        let tag = Tag::new(position, 0x5f2c_0000_0000_0000_0000_0001_0000_001a_u128, false);
        let text = tag.to_string();
        assert_eq!(text, "\"p1450755280:3.5f2c0000.1a\"");
        assert_eq!(read(&text), Some(tag));
        assert_eq!(read(&format!("W/{text}")), Some(tag));
        let shared = Tag { shared: true, ..tag };
        assert_eq!(shared.to_string(), "\"p1450755280:3.5f2c0000.1as\"");
        assert_eq!(read(&shared.to_string()), Some(shared));
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
