//! Subscriber locations: which transport, from where on, and whether to answer or to hold.

mod cursorless;
mod negotiate;
mod outlets;
mod poll;
pub mod position;
pub mod presence;
mod seat;
mod socket;
mod start;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use cursorless::{Continued, Tag};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header, request};
pub use outlets::Outlets;

use crate::{
    channel::{Hub, Start, Subscription},
    config::{Hold, Location, Named, PollFormat, Subscriber, Transport, variable::Scope},
    framing::{http1::tell_gap, long_poll::LongPoll},
    hold::{Answer, Browsers, Holding, Inbound, Outlet, Tally},
    response::{Refusal, empty},
};

/// The methods of a subscriber location.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Asks where a stream begins, and says it.
pub const POSITION: HeaderName = HeaderName::from_static("x-push-position");

/// What answering needs.
#[derive(Debug)]
pub struct Visit<'a> {
    /// Where the channels are.
    pub hub: &'a Hub,
    /// Where the request came to.
    pub location: &'a Location,
    /// The subscriber's half of it.
    pub subscriber: &'a Subscriber,
    /// How the location sends.
    pub outlets: &'a Outlets,
    /// The request.
    pub head: &'a request::Parts,
    /// Its variables.
    pub scope: &'a Scope<'a>,
    /// The channels that it names.
    pub named: &'a Named,
    /// Those whose tabs are several.
    pub browsers: &'a Browsers,
    /// What is counted.
    pub tally: &'a Tally,
}

impl Visit<'_> {
    /// The transport that the request means.
    pub fn transport(&self) -> Result<Transport, Refusal> {
        let polls = self.subscriber.poll_format == PollFormat::Json && self.names_message();
        let mode = self.location.dialect.mode;
        negotiate::transport(self.head, &self.subscriber.transports, mode, polls)
    }

    /// Answers a request by its transport, or lets it wait. `inbound` takes what the client of a
    /// WebSocket sends, if it may publish here.
    pub async fn answer(
        &self,
        transport: Transport,
        inbound: Option<Rc<dyn Inbound>>,
    ) -> Result<Answer, Refusal> {
        let mut answer = self.by_transport(transport, inbound).await?;
        if let (Answer::Hold(holding), Some(token)) = (&mut answer, self.scope.token) {
            // Nobody waits longer than the token holds.
            let left = token.expires().duration_since(SystemTime::now());
            holding.end_after(left.unwrap_or_default());
        }
        Ok(answer)
    }

    async fn by_transport(
        &self,
        transport: Transport,
        inbound: Option<Rc<dyn Inbound>>,
    ) -> Result<Answer, Refusal> {
        let answer = self.by(transport, inbound).await?;
        self.tally.visited(transport);
        if transport.is_poll() && matches!(answer, Answer::Respond(_)) {
            self.tally.polls.add(1);
        }
        Ok(answer)
    }

    async fn by(
        &self,
        transport: Transport,
        inbound: Option<Rc<dyn Inbound>>,
    ) -> Result<Answer, Refusal> {
        match transport {
            Transport::IntervalPoll => {
                let subscription = self.subscribe().await?;
                self.interval_poll(&subscription).map(Answer::Respond)
            }
            Transport::LongPoll => {
                let framing = self.long_poll()?;
                if self.subscriber.cursorless && !framing.form.is_script() {
                    if let Some(tag) = Tag::of(&self.head.headers) {
                        return self.cursorless(&framing, Some(tag)).await;
                    }
                    let event = self.last_event().is_some() || self.event_argument().is_some();
                    if !event && self.asked()?.is_none() {
                        return self.cursorless(&framing, None).await;
                    }
                }
                self.wait_for_one(framing).await
            }
            Transport::WebSocket => self.open_socket(inbound).await,
            transport => self.stream(transport).await,
        }
    }

    /// The next message or, if there is none yet, a wait for it.
    async fn wait_for_one(&self, framing: LongPoll) -> Result<Answer, Refusal> {
        let subscription = self.subscribe().await?;
        let messages = subscription.read();
        if let Some(response) = self.messages(&framing, &subscription, &messages) {
            return Ok(Answer::Respond(response));
        }
        if self.head.method == Method::HEAD {
            return Ok(Answer::Respond(self.nothing(&framing, &subscription)));
        }
        let subscription = self.sit(subscription).await?;
        let outlet = self.outlets.poll(&self.head.headers);
        if framing.form.is_script() {
            // Its function is its own.
            let own = Arc::new(outlet.with_poll(framing));
            return Ok(self.hold(subscription, &own, self.cors()));
        }
        Ok(self.hold(subscription, outlet, self.cors()))
    }

    /// As [`Visit::wait_for_one`] for a client that sends no cursor; `tag` is what its browser sends.
    async fn cursorless(&self, framing: &LongPoll, tag: Option<Tag>) -> Result<Answer, Refusal> {
        let start = tag
            .map_or(Start::First(self.subscriber.first_message), |tag| Start::After(tag.position));
        let mut subscription = self.start(start).await?;
        let request_id = self.scope.request_id;
        let continued = tag.map(|tag| cursorless::go_on(&mut subscription, tag, self.browsers));
        let Continued { browser, tabs } = continued.unwrap_or_default();
        for channel in subscription.channels() {
            channel.asked_after(subscription.cursor(), self.subscriber.grace);
        }
        let waiting = subscription.read();
        if let Some(message) = waiting.first().filter(|_| tabs.is_none()) {
            // It may not be the next after the cursor.
            let before = message.id().predecessor();
            let tag = Tag::new(before, request_id, browser, (self.browsers, &subscription));
            return Ok(Answer::Respond(self.early(framing, &subscription, message, tag)));
        }
        let after = waiting.first().map_or(subscription.cursor(), |next| next.id().predecessor());
        let tag = Tag::new(after, request_id, browser, (self.browsers, &subscription));
        let mut headers = tag.headers();
        self.location.cors.append_to(&mut headers, self.head.headers.get(header::ORIGIN));
        if self.head.method == Method::HEAD {
            return Ok(headers_alone(self.outlets.early.headers_with(&headers)));
        }
        let subscription = self.sit(subscription).await?;
        let cursor = subscription.cursor();
        let mut holding = self.holding(subscription, &self.outlets.early, headers);
        holding.tab = tabs.map(|tabs| tabs.enter(cursor, Instant::now()));
        Ok(Answer::Hold(holding))
    }

    /// A response that goes on.
    async fn stream(&self, transport: Transport) -> Result<Answer, Refusal> {
        let subscription = self.subscribe().await?;
        let outlet = self.outlets.stream(transport, &self.head.headers);
        let mut headers = self.cors();
        if self.head.method == Method::HEAD {
            return Ok(headers_alone(outlet.headers_with(&headers)));
        }
        let subscription = self.sit(subscription).await?;
        self.tell_beginning(&subscription, &mut headers);
        Ok(self.hold(subscription, outlet, headers))
    }

    /// Says that messages are gone after the one that the client names, and after which message a stream
    /// begins, if the request has the header `X-Push-Position`: who is cut off before the first message
    /// can go on there.
    fn tell_beginning(&self, subscription: &Subscription, headers: &mut HeaderMap) {
        if subscription.has_gap() {
            tell_gap(headers, subscription.cursor());
        }
        if self.head.headers.contains_key(POSITION)
            && let Ok(id) = HeaderValue::from_str(&subscription.cursor().to_string())
        {
            headers.insert(POSITION, id);
        }
    }

    async fn subscribe(&self) -> Result<Subscription, Refusal> {
        if let Some(name) = self.last_event() {
            return self.after_event(name).await;
        }
        if let Some(id) = self.asked()? {
            return self.start(Start::After(id)).await;
        }
        match self.event_argument() {
            Some(name) => self.after_event(&name).await,
            None => self.start(self.beginning()).await,
        }
    }

    fn hold(&self, subscription: Subscription, outlet: &Arc<Outlet>, headers: HeaderMap) -> Answer {
        Answer::Hold(self.holding(subscription, outlet, headers))
    }

    fn holding(
        &self,
        subscription: Subscription,
        outlet: &Arc<Outlet>,
        headers: HeaderMap,
    ) -> Box<Holding> {
        let as_body = self.subscriber.hold == Hold::Body;
        Box::new(Holding { headers, as_body, ..Holding::new(subscription, outlet.clone()) })
    }

    fn cors(&self) -> HeaderMap {
        self.location.cors.headers(self.head.headers.get(header::ORIGIN))
    }
}

/// The answer to HEAD, where GET would wait.
fn headers_alone(headers: HeaderMap) -> Answer {
    let mut response = Response::new(empty());
    *response.headers_mut() = headers;
    Answer::Respond(response)
}
