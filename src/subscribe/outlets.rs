//! How a subscriber location sends, by each transport.

use std::sync::Arc;

use crate::{
    channel::FrameSlot,
    config::{StreamFormat, Subscriber, Transport},
    framing::{
        Framing,
        event_source::EventSource,
        long_poll::LongPoll,
        template::{Template, TemplateError},
    },
    hold::{Outlet, Style},
};

/// The outlets of one location.
#[derive(Debug)]
pub struct Outlets {
    pub(super) long_poll: Arc<Outlet>,
    pub(super) stream: Arc<Outlet>,
    pub(super) event_source: Arc<Outlet>,
    /// Where messages keep their entry of a JSON poll; the same in all locations.
    pub(super) entry: FrameSlot,
}

/// Slots of one location, beside the one that all share.
const SLOTS: u16 = 3;

impl Outlets {
    /// The outlets of the location of that number.
    pub fn new(subscriber: &Subscriber, location: u16) -> Result<Self, TemplateError> {
        let slot = |number: u16| FrameSlot(1 + location.saturating_mul(SLOTS) + number);
        let outlet = |style: Style, number: u16| {
            let pings = matches!(&style, Style::Endless(framing) if !framing.ping().is_empty());
            Arc::new(Outlet {
                style,
                slot: slot(number),
                ping: subscriber.ping_interval.filter(|_| pings),
                timeout: subscriber.timeout,
            })
        };
        let default_type = subscriber.default_type.clone();
        let stream: Box<dyn Framing> = Box::new(match subscriber.stream.clone() {
            StreamFormat::Iframe { header, footer } => Template::iframe(header, footer),
            StreamFormat::Plain => Template::plain(default_type.clone()),
            StreamFormat::Templates { header, message, footer } => {
                Template::compile(&header, &message, &footer, default_type.clone())?
            }
        });
        let events = EventSource { retry: subscriber.retry, gap_events: subscriber.gap_events };
        Ok(Self {
            long_poll: outlet(Style::Once(LongPoll { default_type }), 0),
            stream: outlet(Style::Endless(stream), 1),
            event_source: outlet(Style::Endless(Box::new(events)), 2),
            entry: FrameSlot(0),
        })
    }

    pub(super) fn endless(&self, transport: Transport) -> &Arc<Outlet> {
        match transport {
            Transport::Stream => &self.stream,
            _ => &self.event_source,
        }
    }
}
