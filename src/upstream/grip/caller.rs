//! Who asks the application again for a request that is held.

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use tokio::sync::SemaphorePermit;

use super::{MAX_ANSWER, Told, link};
use crate::{
    channel::{ChannelId, Hub},
    config::{Grip, Location, Timeouts},
    credentials::expires_in,
    grip::{FEATURES, Instruct, is_instructed, strip},
    hold::Answer,
    response::Refusal,
    upstream::{
        CONDITIONS, Client, Download, Inquiry, Notice, Notices, Upload, UpstreamError,
        backoff::Backoff, proxy::passed_back,
    },
};

/// How long a `Grip-Sig` holds, in seconds.
const SIGNED_FOR: u64 = 3600;
/// Before an application that cannot be reached is asked again, ...
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// ... and at most: many may wait for it.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(15);

/// The order of items that a client has got, told to the application.
const LAST: HeaderName = HeaderName::from_static("grip-last");
/// What only a request with a body has.
const OF_BODY: [HeaderName; 4] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
];
/// Where an `EventSource` was at first.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A request as the application gets it, and where its channels are.
#[derive(Debug)]
pub(in crate::upstream) struct Caller {
    pub(in crate::upstream) client: Client,
    /// Where the application is told that the client has left.
    pub(in crate::upstream) notices: Rc<Notices>,
    pub(in crate::upstream) hub: Arc<Hub>,
    pub(in crate::upstream) location: Arc<Location>,
    /// `push_channel_group`.
    pub(in crate::upstream) group: Box<[u8]>,
    /// That no other request has.
    pub(in crate::upstream) number: u128,
    pub(in crate::upstream) method: Method,
    pub(in crate::upstream) uri: Uri,
    pub(in crate::upstream) headers: HeaderMap,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There may be one later.
    Passing,
    /// There is none to come.
    Lasting(Refusal),
}

impl From<UpstreamError> for Trouble {
    fn from(error: UpstreamError) -> Self {
        if error.goes_on() { Self::Passing } else { Self::Lasting(error.into()) }
    }
}

/// Signs a request; what the client says of GRIP, and which encodings it takes, is left out: bodies may
/// have to be changed.
pub(in crate::upstream) fn sign(headers: &mut HeaderMap, own: &Grip) {
    strip(headers);
    headers.remove(header::ACCEPT_ENCODING);
    headers.insert("grip-feature", HeaderValue::from_static(FEATURES));
    let signed = own.signer.as_ref().and_then(|key| key.token(&own.issuer, expires_in(SIGNED_FOR)));
    if let Some(value) = signed.and_then(|token| HeaderValue::try_from(token).ok()) {
        headers.insert("grip-sig", value);
    }
}

impl Caller {
    /// Whether the application speaks HTTP where a client asks for a WebSocket.
    pub(in crate::upstream) fn speaks_over_http(&self) -> bool {
        self.location.grip.as_ref().is_some_and(|own| own.over_http)
    }

    /// The name of a channel in the hub.
    pub(super) fn channel(&self, name: &str) -> ChannelId {
        ChannelId::grouped(&self.group, name.as_bytes())
    }

    /// What becomes of an answer: it is passed back, unless it has the request held.
    pub(in crate::upstream) async fn instructed(
        self: Rc<Self>,
        response: Response<Download>,
    ) -> Result<Answer, Refusal> {
        let headers = response.headers();
        let held = is_instructed(headers) && Instruct::needs_body(headers);
        if !held || self.method == Method::HEAD {
            let mut answer = passed_back(response, &self.method, &self.location);
            strip(answer.headers_mut());
            return Ok(Answer::Respond(answer));
        }
        let told = Told::read(response).await?;
        if told.instruct.hold.is_none() && told.instruct.next.is_none() {
            return Ok(Answer::Respond(told.answer(&self)));
        }
        Ok(super::hold(self, told))
    }

    /// The same request again, with what the client has got; until the application can be reached.
    pub(super) async fn again(&self, last: &[(String, String)]) -> Result<Told, Refusal> {
        self.insist(&self.uri, &self.headers, last, Ok).await
    }

    /// Whether the request can be sent again: its body is gone.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method == Method::GET
    }

    /// The headers of a request for something that follows.
    fn following(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in CONDITIONS.iter().chain([&LAST_EVENT_ID]) {
            headers.remove(name);
        }
        headers
    }

    /// What follows, where the application said that it is; until the application can be reached and
    /// knows.
    pub(super) async fn next(&self, uri: &str, last: &[(String, String)]) -> Result<Told, Refusal> {
        let uri = link::resolve(&self.uri, uri).ok_or_else(|| {
            Refusal::BadGateway("The application's link to what follows is none.".into())
        })?;
        let judge = |told: Told| {
            let (status, judged) = (told.status(), told.fine());
            if let (Err(Trouble::Passing), Some(proxy)) = (&judged, &self.location.proxy) {
                self.client.groups[proxy.upstream].fails(status);
            }
            judged
        };
        self.insist(&uri, &self.following(), last, judge).await
    }

    /// Asks until there is an answer, as long as somebody waits for it; what can be no better later is
    /// an error. `judge` says what an answer is worth.
    async fn insist(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        last: &[(String, String)],
        judge: impl Fn(Told) -> Result<Told, Trouble>,
    ) -> Result<Told, Refusal> {
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        loop {
            let asked = self.ask(uri.clone(), headers.clone(), last).await;
            match asked.and_then(&judge) {
                Ok(told) => return Ok(told),
                Err(Trouble::Lasting(refusal)) => return Err(refusal),
                Err(Trouble::Passing) => tokio::time::sleep(backoff.pause()).await,
            }
        }
    }

    /// Its turn to ask. As many as are held may want to: an application that hangs would have a
    /// connection of each.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, UpstreamError> {
        let proxy = self.location.proxy.as_ref();
        let turns = proxy.and_then(|own| self.client.repeats.get(own.upstream));
        let Some(turns) = turns else { return Err(UpstreamError::Closed) };
        turns.any_time().await.ok_or(UpstreamError::Closed)
    }

    async fn ask(
        &self,
        uri: Uri,
        mut headers: HeaderMap,
        last: &[(String, String)],
    ) -> Result<Told, Trouble> {
        for (channel, id) in last {
            if let Ok(value) = HeaderValue::try_from(format!("{channel}; last-id={id}")) {
                headers.append(LAST, value);
            }
        }
        let _turn = self.turn().await?;
        // Who asks again does so in a way of its own.
        let asked = self.post(Method::GET, uri, headers, Bytes::new(), Duration::ZERO).await?;
        let (parts, body) = asked.into_parts();
        Told::new(parts, &body).map_err(Trouble::Lasting)
    }

    /// How long a request of its location waits for an application that cannot be reached.
    pub(super) fn patience(&self) -> Duration {
        self.location.proxy.as_ref().map_or(Duration::ZERO, |own| own.timeouts.retry)
    }

    /// Sends a request with these headers, signed anew, and reads the answer. An application that
    /// cannot be reached is waited for, but no longer than this.
    pub(super) async fn post(
        &self,
        method: Method,
        uri: Uri,
        mut headers: HeaderMap,
        body: Bytes,
        retry: Duration,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let (Some(proxy), Some(own)) = (&self.location.proxy, &self.location.grip) else {
            return Err(UpstreamError::Closed);
        };
        let last: Vec<_> = headers.get_all(LAST).iter().cloned().collect();
        sign(&mut headers, own);
        for value in last {
            headers.append(LAST, value);
        }
        headers.remove(header::TRANSFER_ENCODING);
        if method == Method::POST {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
        } else {
            for name in &OF_BODY {
                headers.remove(name);
            }
        }
        let mut request = Request::new(Upload::bytes(body));
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        *request.headers_mut() = headers;
        let timeouts = Timeouts { retry, ..proxy.timeouts };
        self.client.fetch(proxy.upstream, request, &timeouts, MAX_ANSWER).await
    }

    /// What tells the application that the client is gone.
    pub(super) fn gone(&self, uri: &str) -> Option<Notice> {
        let uri = link::resolve(&self.uri, uri)?;
        let mut headers = self.following();
        for name in &OF_BODY {
            headers.remove(name);
        }
        self.farewell(uri, headers, [Bytes::new()].into())
    }

    /// What is sent by POST at last, in so many requests.
    pub(super) fn farewell(
        &self,
        uri: Uri,
        mut headers: HeaderMap,
        bodies: VecDeque<Bytes>,
    ) -> Option<Notice> {
        let proxy = self.location.proxy.as_ref()?;
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let (upstream, timeouts) = (proxy.upstream, proxy.timeouts);
        let inquiry = Inquiry { upstream, timeouts, method: Method::POST, uri, headers };
        Some(Notice::farewell(&inquiry, &self.location, bodies))
    }
}
