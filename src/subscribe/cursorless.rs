//! The client that sends no cursor: `push_cursorless`.
//!
//! Each of its polls gets a head at once, whose `Etag` names the position after which the poll waits.
//! Browsers send that tag back with the next request for the same URL, whichever tab it comes from.
//! When it comes back, either the poll has been answered, because a message follows the position: then
//! the client goes on behind that message. Or none follows: then the poll is another tab's and still
//! waits, and this one waits beside it.
//!
//! Several tabs of a browser keep one tag together, the latest that any of them was given, so it does not
//! say how far the one has come that brings it. From the moment that they are known to be several, because
//! one comes with the tag of another that still waits, they are answered in rounds: see [`Tabs`]. What
//! cannot be told is a tab that is away for longer than a round waits for it.

use std::{fmt, sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue, header};

use crate::{
    channel::{ChannelId, MessageId, Subscription},
    framing::http1::http_date,
    hold::{Browsers, Tabs},
};

/// The `Etag` of a poll: `"p1450755280:3.5f2c.1a"`, with one more number where several tabs have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tag {
    /// After which the poll waits.
    pub(super) position: MessageId,
    /// Tells that this process has made the tag, for these channels: another one does not know how that
    /// poll ended, and what a client has made up is not to touch what others wait for.
    check: u64,
    /// Makes the tag a validator of this one answer.
    poll: u32,
    /// The browser, if several of its tabs have the tag: the poll of the first that is known.
    browser: Option<u32>,
}

impl Tag {
    /// The tag of a poll, which the request's id tells from others.
    pub(super) fn new(
        position: MessageId,
        request_id: u128,
        browser: Option<u32>,
        made: (&Browsers, &Subscription),
    ) -> Self {
        let [.., a, b, c, d] = request_id.to_be_bytes();
        let tag = Self { position, check: 0, poll: u32::from_be_bytes([a, b, c, d]), browser };
        Self { check: tag.checked(made), ..tag }
    }

    fn checked(self, (browsers, subscription): (&Browsers, &Subscription)) -> u64 {
        browsers.keyed(&(names(subscription), self.position, self.poll, self.browser))
    }

    /// The tag that a request brings back.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?.trim();
        let value = value.strip_prefix("W/").unwrap_or(value);
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let mut parts = value?.strip_prefix('p')?.split('.');
        let position = parts.next()?.parse().ok()?;
        let check = u64::from_str_radix(parts.next()?, 16).ok()?;
        let mut number = || parts.next().map(|part| u32::from_str_radix(part, 16).ok());
        let poll = number()??;
        let browser = match number() {
            Some(browser) => Some(browser?),
            None => None,
        };
        number().is_none().then_some(Self { position, check, poll, browser })
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
        write!(f, "\"p{}.{:x}.{:x}", self.position, self.check, self.poll)?;
        match self.browser {
            Some(browser) => write!(f, ".{browser:x}\""),
            None => f.write_str("\""),
        }
    }
}

/// A poll that goes on where another one ended.
#[derive(Debug, Default)]
pub(super) struct Continued {
    /// For its tag, if several tabs have it.
    pub(super) browser: Option<u32>,
    /// They are answered together.
    pub(super) tabs: Option<Arc<Tabs>>,
}

/// Goes on where the poll with this tag ended: behind the first message after its position, if that
/// is known to be the one it was answered with; one of several tabs behind what they have had together.
pub(super) fn go_on(subscription: &mut Subscription, tag: Tag, browsers: &Browsers) -> Continued {
    if tag.check != tag.checked((browsers, subscription)) {
        return Continued::default();
    }
    let now = Instant::now();
    let messages = subscription.read();
    let next = messages.first().filter(|first| first.previous() <= subscription.cursor());
    let next = next.map(|message| message.id());
    // Without a message the poll with this tag still waits, if anybody does, and this is another tab's.
    let waits = tag.browser.is_none() && messages.is_empty() && others_wait(subscription);
    let browser = tag.browser.or_else(|| waits.then_some(tag.poll));
    let tabs = browser.map(|number| {
        let number = browsers.keyed(&(names(subscription), number));
        browsers.tabs(number, usize::from(waits), now)
    });
    let latest = tabs.as_ref().and_then(|tabs| tabs.latest(next, now));
    if let Some(had) = latest.or(next) {
        subscription.advance(had);
    }
    Continued { browser, tabs }
}

/// What a subscription is of, which its position alone does not tell.
fn names(subscription: &Subscription) -> Vec<&ChannelId> {
    subscription.channels().iter().map(|channel| channel.id()).collect()
}

/// Whether the poll of another tab can be waiting here: it has gone if the page was loaded anew.
fn others_wait(subscription: &Subscription) -> bool {
    subscription.channels().iter().any(|channel| channel.info().subscribers > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::channel::{Concurrency, Creation, First, Hub, Request, Settings, Start};

    fn read(value: &str) -> Option<Tag> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        Tag::of(&headers)
    }

    async fn subscription(hub: &Hub, names: &[&str]) -> Subscription {
        let creation = Creation { timeout: Duration::ZERO, group_max_channels: 0 };
        let request = Request {
            start: Start::First(First::Newest),
            concurrency: Concurrency::Broadcast,
            creation: Some(creation),
        };
        let ids: Vec<_> = names.iter().map(|name| ChannelId::new(name.as_bytes())).collect();
        hub.subscribe(&ids, request).await.unwrap()
    }

    #[tokio::test]
    async fn a_tag_comes_back_as_it_went() {
        let (hub, browsers) = (Hub::new(Settings::default()), Browsers::default());
        let one = subscription(&hub, &["a"]).await;
        let position = MessageId::new(1_450_755_280, 3).unwrap();
        for browser in [None, Some(7)] {
            let tag = Tag::new(position, 0x5f2c_0000_0000_001a, browser, (&browsers, &one));
            let text = tag.to_string();
            let end = if browser.is_some() { ".1a.7\"" } else { ".1a\"" };
            assert!(text.starts_with("\"p1450755280:3.") && text.ends_with(end), "{text}");
            assert_eq!(read(&text), Some(tag));
            assert_eq!(read(&format!("W/{text}")), Some(tag));
            assert_eq!(tag.headers()["etag"], text);
            assert_eq!(tag.headers()["last-modified"], "Tue, 22 Dec 2015 03:34:40 GMT");
        }
    }

    #[tokio::test]
    async fn a_tag_is_of_one_process_and_of_its_channels_and_cannot_be_made_up() {
        let (hub, browsers) = (Hub::new(Settings::default()), Browsers::default());
        let mut one = subscription(&hub, &["a"]).await;
        let tag = Tag::new(MessageId::ZERO, 5, Some(7), (&browsers, &one));
        assert!(go_on(&mut one, tag, &browsers).tabs.is_some());
        for forged in [
            Tag { browser: Some(8), ..tag },
            Tag { browser: None, ..tag },
            Tag { poll: 6, ..tag },
            Tag { position: MessageId::new(5, 1).unwrap(), ..tag },
        ] {
            assert!(go_on(&mut one, forged, &browsers).tabs.is_none(), "{forged:?}");
        }
        for names in [&["b"][..], &["a", "b"]] {
            let mut other = subscription(&hub, names).await;
            assert!(go_on(&mut other, tag, &browsers).tabs.is_none(), "{names:?}");
        }
        assert!(go_on(&mut one, tag, &Browsers::default()).tabs.is_none());
    }

    #[test]
    fn what_is_no_tag_of_ours_is_none() {
        for value in [
            "\"5:1\"",
            "\"p5:1\"",
            "\"p5:1.x.1\"",
            "\"p5:1.1.1.1.1\"",
            "\"p5:1.1.1.x\"",
            "p5:1.1.1",
            "\"p5.1.1\"",
            "*",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
