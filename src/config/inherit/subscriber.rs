//! The subscriber's half of a location.

use std::time::Duration;

use super::Build;
use crate::{
    channel::{Concurrency, First},
    config::{
        error::Reason,
        location::{Hold, PollFormat, StreamFormat, Subscriber, Transport},
        value::{At, or},
    },
};

/// Below the 30 s after which many proxies give a silent connection up.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// What browsers wait by themselves is up to each of them.
const RETRY: Duration = Duration::from_secs(2);
/// `push_message_template` when only the others are given.
const MESSAGE_TEMPLATE: &str = "~text~";

impl Build<'_> {
    /// What a location with these transports does; what is wrong is noted also if it has none.
    pub(super) fn subscriber(&mut self, transports: Vec<Transport>) -> Option<Subscriber> {
        let block = self.block;
        let last_message_id = self.templates(block.push_last_message_id.as_ref());
        let stream = self.stream();
        let concurrency = block.push_subscriber_concurrency.as_ref();
        (!transports.is_empty()).then(|| Subscriber {
            transports,
            concurrency: or(concurrency, Concurrency::Broadcast),
            first_message: or(block.push_first_message.as_ref(), First::Oldest),
            last_message_id,
            timeout: or(block.push_subscriber_timeout.as_ref(), None),
            ping_interval: or(block.push_ping_interval.as_ref(), Some(PING_INTERVAL)),
            authorized_channels_only: or(block.push_authorized_channels_only.as_ref(), false),
            max_channel_subscribers: or(block.push_max_channel_subscribers.as_ref(), 0),
            channel_timeout: or(block.push_channel_timeout.as_ref(), super::CHANNEL_TIMEOUT),
            default_type: block.default_type.as_ref().and_then(|at| at.value.clone()),
            poll_format: or(block.push_poll_format.as_ref(), PollFormat::Message),
            stream,
            gap_events: or(block.push_gap_events.as_ref(), false),
            retry: or(block.push_retry.as_ref(), Some(RETRY)),
            hold: or(block.push_hold.as_ref(), Hold::Hall),
        })
    }

    /// The preset decides unless `push_message_template` is nearer; the other templates replace
    /// parts of the preset unless it is nearer than they are.
    fn stream(&mut self) -> StreamFormat {
        let block = self.block;
        let header = filled(block.push_header_template.as_ref());
        let message = filled(block.push_message_template.as_ref());
        let footer = filled(block.push_footer_template.as_ref());
        let preset = block.push_stream_preset.as_ref().filter(|at| at.value.is_some());
        if let (Some(preset), Some(message)) = (preset, message)
            && preset.place.level == message.place.level
        {
            self.faults.add(message.place, Reason::Conflict(preset.place.key));
        }
        let text = |at: Option<&At<String>>| at.map(|at| at.value.clone());
        let preset = preset.map(|at| at.place.level);
        if let Some(level) = preset.filter(|level| level_of(message) <= Some(*level)) {
            let part = |at: Option<&At<String>>| text(at.filter(|at| at.place.level >= level));
            return StreamFormat::Iframe { header: part(header), footer: part(footer) };
        }
        if header.or(message).or(footer).is_none() {
            return StreamFormat::Plain;
        }
        StreamFormat::Templates {
            header: text(header).unwrap_or_default(),
            message: text(message).unwrap_or_else(|| MESSAGE_TEMPLATE.to_owned()),
            footer: text(footer).unwrap_or_default(),
        }
    }
}

/// The empty text stands for none.
fn filled(text: Option<&At<String>>) -> Option<&At<String>> {
    text.filter(|at| !at.value.is_empty())
}

fn level_of<T>(at: Option<&At<T>>) -> Option<crate::config::error::Level> {
    at.map(|at| at.place.level)
}
