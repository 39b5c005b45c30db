//! Requests with events: one at a time.

use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use crate::{
    grip::{EVENTS_TYPE, Event, MAX_EVENTS, MAX_META, MAX_META_BYTES, encode},
    hold::Doing,
    upstream::{
        Notice, UpstreamError,
        grip::{Caller, faults::Fault},
        proxy::headers::strip_hops,
    },
};

/// What an application may say at least and at most of `Keep-Alive-Interval`, in seconds.
const INTERVAL: (u64, u64) = (20, 86_400);

const TYPE: HeaderValue = HeaderValue::from_static(EVENTS_TYPE);
const SET_META: &str = "set-meta-";

/// An answer with events.
pub(super) type Told = Result<Response<Bytes>, UpstreamError>;

/// Events on their way.
pub(super) struct Flight {
    pub(super) told: Doing<Told>,
    begun: Rc<Cell<bool>>,
}

impl Flight {
    /// Whether it is not their turn yet: the application has got nothing of them.
    pub(super) fn waits(&self) -> bool {
        !self.begun.get()
    }
}

/// What is asked, and what the application keeps at the connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) caller: Rc<Caller>,
    headers: HeaderMap,
    meta: HeaderMap,
    /// After which silence the application is asked whether there is something.
    pub(super) interval: Option<Duration>,
}

impl Exchange {
    pub(super) fn new(caller: &Rc<Caller>) -> Self {
        let mut headers = caller.headers.clone();
        strip_hops(&mut headers);
        for name in [
            header::SEC_WEBSOCKET_ACCEPT,
            header::SEC_WEBSOCKET_EXTENSIONS,
            header::SEC_WEBSOCKET_KEY,
            header::SEC_WEBSOCKET_VERSION,
            header::CONTENT_ENCODING,
        ] {
            headers.remove(name);
        }
        // What a client says of its meta is none.
        let said: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with("meta-")).cloned().collect();
        for name in said {
            headers.remove(name);
        }
        headers.insert(header::ACCEPT, TYPE);
        headers.insert(header::CONTENT_TYPE, TYPE);
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("grip"));
        if let Ok(id) = HeaderValue::try_from(uuid(caller.number)) {
            headers.insert("connection-id", id);
        }
        Self { caller: caller.clone(), headers, meta: HeaderMap::new(), interval: None }
    }

    /// Sends events, when it is their turn.
    pub(super) fn request(&self, events: &[Event]) -> Flight {
        let (caller, sending) = (self.caller.clone(), self.send(events, Duration::ZERO));
        let begun = Rc::new(Cell::new(false));
        let begins = begun.clone();
        let told = Box::pin(async move {
            let _turn = caller.turn().await?;
            begins.set(true);
            sending.await
        });
        Flight { told, begun }
    }

    /// The same at once, for whoever cannot send them again: an application that cannot be reached is waited
    /// for, as long as `proxy_connect_retry` says. It may be about to start.
    pub(super) fn insist(&self, events: &[Event]) -> Doing<Told> {
        self.send(events, self.caller.patience())
    }

    /// What is said at last; what is much is said in several requests.
    pub(super) fn farewell(&self, events: &[Event]) -> Option<Notice> {
        let bodies = events.chunks(MAX_EVENTS).map(encode).collect();
        self.caller.farewell(self.caller.uri.clone(), self.headers(), bodies)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.extend(self.meta.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers
    }

    fn send(&self, events: &[Event], retry: Duration) -> Doing<Told> {
        let (caller, body, headers) = (self.caller.clone(), encode(events), self.headers());
        let uri = caller.uri.clone();
        Box::pin(async move { caller.post(Method::POST, uri, headers, body, retry).await })
    }

    /// Notes what the headers of an answer say of the connection.
    pub(super) fn note(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            let Some(own) = name.as_str().strip_prefix(SET_META) else { continue };
            let Ok(name) = HeaderName::try_from(format!("meta-{own}")) else { continue };
            self.meta.remove(&name);
            let bytes = self.meta.iter().map(|(name, value)| name.as_str().len() + value.len());
            let bytes = bytes.sum::<usize>() + name.as_str().len() + value.len();
            if self.meta.len() >= MAX_META || bytes > MAX_META_BYTES {
                self.caller.warns(Fault::Meta, name);
            } else if !value.is_empty() {
                self.meta.insert(name, value.clone());
            }
        }
        let interval = headers.get("keep-alive-interval").and_then(|value| value.to_str().ok());
        if let Some(seconds) = interval.and_then(|value| value.trim().parse::<u64>().ok()) {
            let bounded = || Duration::from_secs(seconds.clamp(INTERVAL.0, INTERVAL.1));
            self.interval = (seconds > 0).then(bounded);
        }
    }
}

/// Whether a body is events.
pub(super) fn is_events(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = value.and_then(|value| value.split(|byte| *byte == b';').next());
    essence.is_some_and(|text| text.trim_ascii().eq_ignore_ascii_case(EVENTS_TYPE.as_bytes()))
}

/// The form of RFC 9562.
fn uuid(number: u128) -> String {
    let text = format!("{number:032x}");
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}
