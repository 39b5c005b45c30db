//! Subscriber locations: which transport, from where on, and whether to answer or to hold.

mod outlets;
pub mod position;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, header, request};
pub use outlets::Outlets;

use crate::{
    channel::{
        ChannelId, Creation, Hub, Message, MessageId, Request, SeatError, Seats, Start,
        SubscribeError, Subscription,
    },
    config::{Hold, Location, PollFormat, Subscriber, Transport, variable::Scope},
    framing::{
        Farewell, interval_poll,
        long_poll::{LongPoll, tell_gap},
    },
    hold::{Answer, Holding, Outlet, Style},
    response::{Body, Refusal, empty, full},
};

/// The methods of a subscriber location.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// How often a seat is tried for in channels that go just then.
const SEAT_TRIES: usize = 3;

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
}

impl Visit<'_> {
    /// Answers a request for these channels, or lets it wait.
    pub async fn answer(&self, channels: &[ChannelId]) -> Result<Answer, Refusal> {
        let transport = self.transport();
        let subscription = self.subscribe(channels).await?;
        let head_only = self.head.method == Method::HEAD;
        match transport {
            Transport::IntervalPoll => Ok(Answer::Respond(self.poll(&subscription))),
            Transport::LongPoll
            | Transport::Chunked
            | Transport::Multipart
            | Transport::Raw
            | Transport::WebSocket => {
                let messages = subscription.read();
                match messages.first() {
                    Some(message) => Ok(Answer::Respond(self.message(&subscription, message))),
                    None if head_only => Ok(Answer::Respond(self.nothing())),
                    None => {
                        let subscription = self.sit(channels, subscription).await?;
                        let headers = self.cors();
                        Ok(self.hold(subscription, &self.outlets.long_poll, headers))
                    }
                }
            }
            Transport::Stream | Transport::EventSource => {
                let outlet = self.outlets.endless(transport);
                let headers = self.streaming(outlet);
                if head_only {
                    let mut response = Response::new(empty());
                    *response.headers_mut() = headers;
                    return Ok(Answer::Respond(response));
                }
                let subscription = self.sit(channels, subscription).await?;
                Ok(self.hold(subscription, outlet, headers))
            }
        }
    }

    /// One URL negotiates: who accepts events gets them, everyone else the first of the
    /// location's other transports.
    fn transport(&self) -> Transport {
        let transports = &self.subscriber.transports;
        let events = |value: &HeaderValue| {
            value.as_bytes().split(|byte| *byte == b',').any(|range| {
                let essence = range.split(|byte| *byte == b';').next().unwrap_or_default();
                essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
            })
        };
        let wants_events = self.head.headers.get_all(header::ACCEPT).iter().any(events);
        let others = |transport: &&Transport| **transport != Transport::EventSource;
        match transports.iter().find(others) {
            Some(_) if wants_events && transports.contains(&Transport::EventSource) => {
                Transport::EventSource
            }
            Some(transport) => *transport,
            None => Transport::EventSource,
        }
    }

    async fn subscribe(&self, channels: &[ChannelId]) -> Result<Subscription, Refusal> {
        let named = self.subscriber.last_message_id.iter();
        let named = named.map(|template| template.expand(self.scope));
        let argument = self.scope.argument("last_event_id");
        let after = position::asked(&self.head.headers, named, Some(&*argument))
            .map_err(|malformed| Refusal::BadRequest(malformed.to_string().into()))?;
        let creation = Creation {
            timeout: self.subscriber.channel_timeout,
            group_max_channels: self.location.channels.group_max_channels,
        };
        let request = Request {
            start: after.map_or(Start::First(self.subscriber.first_message), Start::After),
            concurrency: self.subscriber.concurrency,
            creation: (!self.subscriber.authorized_channels_only).then_some(creation),
        };
        self.hub.subscribe(channels, request).await.map_err(refuse)
    }

    /// Takes seats; in a channel that was empty and went meanwhile, in the one that comes after it.
    async fn sit(
        &self,
        channels: &[ChannelId],
        mut subscription: Subscription,
    ) -> Result<Subscription, Refusal> {
        for _ in 0..SEAT_TRIES {
            match subscription.sit(self.seats()) {
                Ok(()) => return Ok(subscription),
                Err(SeatError::Gone) => subscription = self.subscribe(channels).await?,
                Err(error) => return Err(refuse_seat(error)),
            }
        }
        Err(Refusal::Gone)
    }

    fn seats(&self) -> Seats {
        Seats {
            concurrency: self.subscriber.concurrency,
            channel: self.subscriber.max_channel_subscribers,
            group: self.location.channels.group_max_subscribers,
        }
    }

    fn hold(&self, subscription: Subscription, outlet: &Arc<Outlet>, headers: HeaderMap) -> Answer {
        let as_body = self.subscriber.hold == Hold::Body;
        Answer::Hold(Box::new(Holding { subscription, outlet: outlet.clone(), headers, as_body }))
    }

    /// An interval poll is answered at once, whatever there is.
    fn poll(&self, subscription: &Subscription) -> Response<Body> {
        let messages = subscription.read();
        match (self.subscriber.poll_format, messages.first()) {
            (PollFormat::Json, first) => {
                let frames = messages.iter().rev().map(|message| {
                    message.frame(self.outlets.entry, interval_poll::entry).payload()
                });
                let mut response = Response::new(full(interval_poll::document(frames)));
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, JSON);
                headers.insert(header::CACHE_CONTROL, NO_CACHE);
                if let Some(message) = first {
                    self.received(subscription, &messages);
                    mark_gap(headers, subscription.cursor(), message);
                }
                self.share(response)
            }
            (PollFormat::Message, Some(message)) => self.message(subscription, message),
            (PollFormat::Message, None) => self.nothing(),
        }
    }

    /// The next message, as published.
    fn message(&self, subscription: &Subscription, message: &Arc<Message>) -> Response<Body> {
        let mut response = Response::new(full(message.body().clone()));
        if let Style::Once(framing) = &self.outlets.long_poll.style {
            *response.headers_mut() = framing.headers(message);
        }
        mark_gap(response.headers_mut(), subscription.cursor(), message);
        self.received(subscription, std::slice::from_ref(message));
        self.share(response)
    }

    /// Nothing new; the client keeps the place it has.
    fn nothing(&self) -> Response<Body> {
        let (status, headers) = LongPoll::farewell(Farewell::Timeout);
        let mut response = Response::new(empty());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if let Some(tag) = self.head.headers.get(header::IF_NONE_MATCH) {
            response.headers_mut().insert(header::ETAG, tag.clone());
        }
        self.share(response)
    }

    /// `push_delete_oldest_received_message`, for those who do not wait.
    fn received(&self, subscription: &Subscription, messages: &[Arc<Message>]) {
        if self.head.method == Method::HEAD {
            return;
        }
        for message in messages {
            for channel in subscription.channels() {
                if channel.id() == message.channel() {
                    channel.received(message.id());
                }
            }
        }
    }

    /// The headers of an endless response.
    fn streaming(&self, outlet: &Outlet) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        if let Style::Endless(framing) = &outlet.style
            && let Some(content_type) = framing.content_type()
        {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        self.location.cors.append_to(&mut headers, self.head.headers.get(header::ORIGIN));
        headers
    }

    fn cors(&self) -> HeaderMap {
        self.location.cors.headers(self.head.headers.get(header::ORIGIN))
    }

    /// Lets other origins read it, where they may.
    fn share(&self, mut response: Response<Body>) -> Response<Body> {
        let origin = self.head.headers.get(header::ORIGIN);
        self.location.cors.append_to(response.headers_mut(), origin);
        response
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

fn mark_gap(headers: &mut HeaderMap, after: MessageId, next: &Message) {
    if next.previous() > after {
        tell_gap(headers, after);
    }
}

fn refuse(error: SubscribeError) -> Refusal {
    match error {
        SubscribeError::Conflict => Refusal::Conflict,
        SubscribeError::Store(error) => Refusal::Unavailable(error.to_string().into()),
        forbidden => Refusal::Forbidden(forbidden.to_string().into()),
    }
}

fn refuse_seat(error: SeatError) -> Refusal {
    match error {
        SeatError::Conflict => Refusal::Conflict,
        SeatError::Gone => Refusal::Gone,
        full => Refusal::Forbidden(full.to_string().into()),
    }
}
