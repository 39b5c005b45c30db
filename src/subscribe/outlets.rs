//! How a subscriber location sends, by each transport.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    channel::{Frame, FrameSlot},
    config::{
        Batch, SlowSubscriber, StreamFormat, Subscriber,
        Transport::{self, self as T},
    },
    dialect::Dialect,
    framing::{
        Framing, Voice,
        early::Early,
        event_source::EventSource,
        gzip::{Gzip as Compressed, accepted},
        long_poll::{Form, Gzip, LongPoll},
        multipart::Multipart,
        raw::Raw,
        slot,
        template::{MessageTemplate, Template, TemplateError},
        websocket::{META_PROTOCOL, Terms, WebSocket},
    },
    hold::{Headers, Incoming, Outlet, Style},
};

/// The outlets of one location.
#[derive(Debug)]
pub struct Outlets {
    poll: Arc<Outlet>,
    poll_gzip: Arc<Outlet>,
    pub(super) early: Arc<Outlet>,
    chunked: Arc<Outlet>,
    event_source: Arc<Outlet>,
    event_source_gzip: Arc<Outlet>,
    multipart: Arc<Outlet>,
    raw: Arc<Outlet>,
    stream: Arc<Outlet>,
    sockets: Vec<(Terms, Arc<Outlet>)>,
    /// The subprotocols of its WebSockets: `push_websocket_protocols` and Nchan's.
    pub(super) protocols: Vec<Box<str>>,
    gzip: bool,
}

/// Slots of one location's own.
const SLOTS: u32 = 16;

/// Makes outlets of one location.
struct Build<'a> {
    subscriber: &'a Subscriber,
    location: u32,
    voice: Voice,
}

impl Outlets {
    /// The outlets of the location of that number.
    pub fn new(
        subscriber: &Subscriber,
        dialect: &'static Dialect,
        location: u32,
    ) -> Result<Self, TemplateError> {
        let build = Build { subscriber, location, voice: voice(subscriber, dialect)? };
        let Subscriber { retry, gap_events, .. } = *subscriber;
        let voice = build.voice.clone();
        let events = EventSource { voice: voice.clone(), retry, gap_events };
        let content_type = subscriber.default_type.clone();
        let separator = subscriber.raw_separator.as_bytes().to_vec().into();
        let raw = Raw { separator, content_type: content_type.clone(), voice: voice.clone() };
        let chunked = Raw { separator: "".into(), ..raw.clone() };
        let json = || HeaderValue::from_static("application/json");
        let content_type = content_type.unwrap_or_else(json);
        let early = Early { content_type, voice: voice.clone() };
        let gzip = subscriber.gzip;
        let refused = if gzip.is_some() { Gzip::Refused } else { Gzip::Off };
        Ok(Self {
            poll: build.poll(refused, SLOTS - 4),
            poll_gzip: build.poll(gzip.map_or(Gzip::Off, Gzip::From), SLOTS - 3),
            early: Arc::new(Outlet {
                timeout: None,
                ..build.stream(T::LongPoll, early, build.spoken(slot::EARLY))
            }),
            chunked: build.shared(T::Chunked, chunked, slot::CHUNK),
            event_source: build.shared(T::EventSource, events.clone(), slot::EVENT),
            event_source_gzip: build.shared(
                T::EventSource,
                Compressed::new(events),
                slot::EVENT_GZIP,
            ),
            multipart: build.shared(T::Multipart, Multipart { voice }, slot::PART),
            raw: Arc::new(build.stream(T::Raw, raw, build.slot(SLOTS - 2))),
            stream: build.templates(SLOTS - 1)?,
            sockets: build.sockets(),
            protocols: build.protocols(),
            gzip: gzip.is_some(),
        })
    }

    /// The outlet of polls from a client with these headers.
    pub(super) fn poll(&self, headers: &HeaderMap) -> &Arc<Outlet> {
        if self.gzip && accepted(headers) { &self.poll_gzip } else { &self.poll }
    }

    /// The outlet of a response that goes on.
    pub(super) fn stream(&self, transport: Transport, headers: &HeaderMap) -> &Arc<Outlet> {
        match transport {
            Transport::Chunked => &self.chunked,
            Transport::Multipart => &self.multipart,
            Transport::Raw => &self.raw,
            Transport::EventSource if self.gzip && accepted(headers) => &self.event_source_gzip,
            Transport::EventSource => &self.event_source,
            _ => &self.stream,
        }
    }

    /// The outlet of a WebSocket.
    pub(super) fn socket(&self, terms: Terms) -> &Arc<Outlet> {
        let found = self.sockets.iter().find(|(offered, _)| *offered == terms);
        found.map_or(&self.stream, |(_, outlet)| outlet)
    }
}

impl Build<'_> {
    fn slot(&self, number: u32) -> FrameSlot {
        FrameSlot(slot::OWN.saturating_add(self.location.saturating_mul(SLOTS)) + number)
    }

    /// A slot that all locations share, unless this one words its messages in its own way.
    fn spoken(&self, shared: FrameSlot) -> FrameSlot {
        if self.voice.template.is_some() { self.slot(shared.0 % (SLOTS - 4)) } else { shared }
    }

    fn outlet(&self, transport: T, style: Style, slot: FrameSlot) -> Outlet {
        let (opening, pings) = match &style {
            Style::Poll(_) => (Frame::default(), false),
            Style::Stream(framing) => (framing.opening(), !framing.ping().is_empty()),
        };
        Outlet {
            transport,
            style,
            headers: Headers::default(),
            opening,
            slot,
            ping: self.subscriber.ping_interval.filter(|_| pings),
            timeout: self.subscriber.timeout,
            closes_lagging: self.subscriber.slow == SlowSubscriber::Close,
            socket: None,
        }
    }

    fn stream(&self, transport: T, framing: impl Framing, slot: FrameSlot) -> Outlet {
        let headers = self.headers(transport, &framing).into();
        Outlet { headers, ..self.outlet(transport, Style::Stream(Box::new(framing)), slot) }
    }

    /// What does not depend on the request.
    fn headers(&self, transport: T, framing: &impl Framing) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !matches!(transport, T::LongPoll | T::WebSocket) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            self.voice.dialect.forbid_caching(&mut headers);
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        }
        if transport == T::EventSource && self.subscriber.gzip.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if let Some(content_type) = framing.content_type() {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(encoding) = framing.content_encoding() {
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        headers
    }

    /// An outlet in a slot that all locations share, if they can.
    fn shared(&self, transport: T, framing: impl Framing, slot: FrameSlot) -> Arc<Outlet> {
        Arc::new(self.stream(transport, framing, self.spoken(slot)))
    }

    fn poll(&self, gzip: Gzip, number: u32) -> Arc<Outlet> {
        let form = match self.subscriber.batch {
            None => Form::Message,
            Some(Batch::Json) => Form::Json,
            Some(Batch::Multipart) => Form::Multipart,
            Some(Batch::Raw) => Form::Raw(self.subscriber.raw_separator.as_bytes().to_vec().into()),
        };
        let default_type = self.subscriber.default_type.clone();
        let (voice, timeout_notice) = (self.voice.clone(), self.subscriber.timeout_notice);
        let framing = LongPoll { default_type, form, gzip, voice, timeout_notice };
        Arc::new(self.outlet(T::LongPoll, Style::Poll(framing), self.slot(number)))
    }

    fn templates(&self, number: u32) -> Result<Arc<Outlet>, TemplateError> {
        let content_type = self.subscriber.default_type.clone();
        let dialect = self.voice.dialect;
        let (header, message, footer) = match self.subscriber.stream.clone() {
            StreamFormat::Iframe { header, footer } => {
                let outlet =
                    self.stream(T::Stream, Template::iframe(header, footer), self.slot(number));
                return Ok(Arc::new(outlet));
            }
            StreamFormat::Plain if dialect.ping_notice.is_none() => {
                let voice = Voice::default();
                let raw = Raw { separator: "".into(), content_type, voice };
                return Ok(Arc::new(self.stream(T::Stream, raw, slot::CHUNK)));
            }
            StreamFormat::Plain => (String::new(), "~text~".into(), String::new()),
            StreamFormat::Templates { header, message, footer } => (header, message, footer),
        };
        let message = MessageTemplate::parse(&message, dialect.ids)?;
        let template = Template::new(&header, message, &footer, content_type, dialect);
        Ok(Arc::new(self.stream(T::Stream, template, self.slot(number))))
    }

    fn protocols(&self) -> Vec<Box<str>> {
        let mut protocols = self.subscriber.websocket.protocols.clone();
        if !protocols.iter().any(|name| **name == *META_PROTOCOL) {
            protocols.push(META_PROTOCOL.into());
        }
        protocols
    }

    fn sockets(&self) -> Vec<(Terms, Arc<Outlet>)> {
        let outlet = |(terms, slot): (Terms, FrameSlot)| {
            let framing = WebSocket { terms, voice: self.voice.clone() };
            let socket = Some(Incoming {
                max_message: self.subscriber.websocket.max_message,
                deflate: terms.deflate.is_some(),
                ignores: self.voice.dialect.ignores_messages,
            });
            let outlet = self.stream(T::WebSocket, framing, self.spoken(slot));
            (terms, Arc::new(Outlet { socket, ..outlet }))
        };
        Terms::ALL.into_iter().map(outlet).collect()
    }
}

/// The push stream module's template is for all transports.
fn voice(subscriber: &Subscriber, dialect: &'static Dialect) -> Result<Voice, TemplateError> {
    let template = match &subscriber.stream {
        StreamFormat::Templates { message, .. } if dialect.templates_everywhere => {
            Some(Arc::new(MessageTemplate::parse(message, dialect.ids)?))
        }
        _ => None,
    };
    Ok(Voice { dialect, template })
}
