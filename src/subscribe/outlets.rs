//! How a subscriber location sends, by each transport.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    channel::FrameSlot,
    config::{Batch, SlowSubscriber, StreamFormat, Subscriber, Transport},
    framing::{
        Framing,
        early::Early,
        event_source::EventSource,
        gzip::{Gzip as Compressed, accepted},
        long_poll::{Form, Gzip, LongPoll},
        multipart::Multipart,
        raw::Raw,
        slot,
        template::{Template, TemplateError},
        websocket::{Dress, WebSocket},
    },
    hold::{Incoming, Outlet, Style},
    websocket::Window,
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
    sockets: Vec<(WebSocket, Arc<Outlet>)>,
    gzip: bool,
}

/// Slots of one location's own.
const SLOTS: u16 = 4;

/// Makes outlets of one location.
struct Build<'a> {
    subscriber: &'a Subscriber,
    location: u16,
}

impl Outlets {
    /// The outlets of the location of that number.
    pub fn new(subscriber: &Subscriber, location: u16) -> Result<Self, TemplateError> {
        let build = Build { subscriber, location };
        let events = EventSource { retry: subscriber.retry, gap_events: subscriber.gap_events };
        let content_type = subscriber.default_type.clone();
        let raw = Raw {
            separator: subscriber.raw_separator.as_bytes().to_vec().into(),
            content_type: content_type.clone(),
        };
        let chunked = Raw { separator: "".into(), content_type: content_type.clone() };
        let json = || HeaderValue::from_static("application/json");
        let early = Early { content_type: content_type.unwrap_or_else(json) };
        let gzip = subscriber.gzip;
        let refused = if gzip.is_some() { Gzip::Refused } else { Gzip::Off };
        Ok(Self {
            poll: build.poll(refused, 0),
            poll_gzip: build.poll(gzip.map_or(Gzip::Off, Gzip::From), 1),
            early: Arc::new(Outlet { timeout: None, ..build.stream(early, slot::EARLY) }),
            chunked: Arc::new(build.stream(chunked, slot::CHUNK)),
            event_source: Arc::new(build.stream(events, slot::EVENT)),
            event_source_gzip: Arc::new(build.stream(Compressed(events), slot::EVENT_GZIP)),
            multipart: Arc::new(build.stream(Multipart, slot::PART)),
            raw: Arc::new(build.stream(raw, build.slot(2))),
            stream: build.templates(3)?,
            sockets: build.sockets(),
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
    pub(super) fn socket(&self, dress: Dress, deflate: Option<Window>) -> &Arc<Outlet> {
        let wanted = WebSocket { dress, deflate };
        let found = self.sockets.iter().find(|(framing, _)| *framing == wanted);
        found.map_or(&self.stream, |(_, outlet)| outlet)
    }
}

impl Build<'_> {
    fn slot(&self, number: u16) -> FrameSlot {
        FrameSlot(slot::OWN.saturating_add(self.location.saturating_mul(SLOTS)) + number)
    }

    fn outlet(&self, style: Style, slot: FrameSlot) -> Outlet {
        let pings = matches!(&style, Style::Stream(framing) if !framing.ping().is_empty());
        Outlet {
            style,
            slot,
            ping: self.subscriber.ping_interval.filter(|_| pings),
            timeout: self.subscriber.timeout,
            closes_lagging: self.subscriber.slow == SlowSubscriber::Close,
            socket: None,
        }
    }

    fn stream(&self, framing: impl Framing, slot: FrameSlot) -> Outlet {
        self.outlet(Style::Stream(Box::new(framing)), slot)
    }

    fn poll(&self, gzip: Gzip, number: u16) -> Arc<Outlet> {
        let form = match self.subscriber.batch {
            None => Form::Message,
            Some(Batch::Json) => Form::Json,
            Some(Batch::Multipart) => Form::Multipart,
            Some(Batch::Raw) => Form::Raw(self.subscriber.raw_separator.as_bytes().to_vec().into()),
        };
        let default_type = self.subscriber.default_type.clone();
        let framing = LongPoll { default_type, form, gzip };
        Arc::new(self.outlet(Style::Poll(framing), self.slot(number)))
    }

    fn templates(&self, number: u16) -> Result<Arc<Outlet>, TemplateError> {
        let content_type = self.subscriber.default_type.clone();
        let outlet = match self.subscriber.stream.clone() {
            StreamFormat::Plain => {
                self.stream(Raw { separator: "".into(), content_type }, slot::CHUNK)
            }
            StreamFormat::Iframe { header, footer } => {
                self.stream(Template::iframe(header, footer), self.slot(number))
            }
            StreamFormat::Templates { header, message, footer } => {
                let template = Template::compile(&header, &message, &footer, content_type)?;
                self.stream(template, self.slot(number))
            }
        };
        Ok(Arc::new(outlet))
    }

    fn sockets(&self) -> Vec<(WebSocket, Arc<Outlet>)> {
        let incoming = |deflate: bool| Incoming {
            max_message: self.subscriber.websocket.max_message,
            deflate,
            ignores: false,
        };
        WebSocket::ALL
            .into_iter()
            .map(|(framing, slot)| {
                let outlet = self.stream(framing, slot);
                let socket = Some(incoming(framing.deflate.is_some()));
                (framing, Arc::new(Outlet { socket, ..outlet }))
            })
            .collect()
    }
}
