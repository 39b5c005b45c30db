//! The subscriber's half of a location.

use std::time::Duration;

use super::Build;
use crate::{
    channel::Concurrency,
    config::{
        error::Reason,
        location::{Batch, Hold, PollFormat, SlowSubscriber, StreamFormat, Subscriber, WebSocket},
        transport::Transport,
        value::{At, or},
    },
    dialect,
};

/// Below the 30 s after which many proxies give a silent connection up.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// What browsers wait by themselves is up to each of them.
const RETRY: Duration = Duration::from_secs(2);
/// `push_message_template` when only the others are given.
const MESSAGE_TEMPLATE: &str = "~text~";
/// A line for each message.
pub(super) const RAW_SEPARATOR: &str = "\n";
/// As `client_max_body_size`: whoever may publish a message may get it back.
pub(super) const WEBSOCKET_MAX_MESSAGE: usize = 1 << 20;
/// nginx's `gzip_min_length`.
const GZIP_MIN_LENGTH: usize = 20;

impl Build<'_> {
    /// What a location with these transports does; what is wrong is noted also if it has none.
    pub(super) fn subscriber(&mut self, transports: Vec<Transport>) -> Option<Subscriber> {
        let block = self.block;
        let last_message_id = self.templates(block.push_last_message_id.as_ref());
        let stream = self.stream();
        let jsonp_callback = block.push_jsonp_callback.as_ref().and_then(|at| self.template(at));
        let (cursorless, batch) = self.cursorless(&transports);
        let separator = block.push_raw_separator.as_ref();
        let concurrency = block.push_subscriber_concurrency.as_ref();
        let dialect = or(block.push_dialect.as_ref(), &dialect::PUSH_MODULE);
        (!transports.is_empty()).then(|| Subscriber {
            transports,
            concurrency: or(concurrency, Concurrency::Broadcast),
            first_message: or(block.push_first_message.as_ref(), dialect.first_message),
            last_message_id,
            timeout: or(block.push_subscriber_timeout.as_ref(), None),
            ping_interval: or(block.push_ping_interval.as_ref(), Some(PING_INTERVAL)),
            authorized_channels_only: or(block.push_authorized_channels_only.as_ref(), false),
            max_channel_subscribers: or(block.push_max_channel_subscribers.as_ref(), 0),
            channel_timeout: or(block.push_channel_timeout.as_ref(), super::CHANNEL_TIMEOUT),
            default_type: block.default_type.as_ref().and_then(|at| at.value.clone()),
            slow: or(block.push_slow_subscriber.as_ref(), SlowSubscriber::Skip),
            poll_format: or(block.push_poll_format.as_ref(), PollFormat::Message),
            batch,
            cursorless,
            grace: or(block.push_grace.as_ref(), super::GRACE),
            timeout_notice: dialect
                .timeout_notice
                .filter(|_| or(block.push_timeout_with_body.as_ref(), false)),
            jsonp_callback: jsonp_callback.filter(|callback| !callback.is_empty()),
            stream,
            raw_separator: separator.map_or(RAW_SEPARATOR, |at| &at.value).into(),
            gap_events: or(block.push_gap_events.as_ref(), false),
            retry: or(block.push_retry.as_ref(), Some(RETRY)),
            websocket: self.websocket(),
            gzip: or(block.gzip.as_ref(), false)
                .then(|| or(block.gzip_min_length.as_ref(), GZIP_MIN_LENGTH)),
            hold: or(block.push_hold.as_ref(), Hold::Hall),
        })
    }

    fn websocket(&self) -> WebSocket {
        let block = self.block;
        let protocols = block.push_websocket_protocols.as_ref();
        WebSocket {
            protocols: protocols.map(|at| at.value.clone()).unwrap_or_default(),
            max_message: or(block.push_websocket_max_message.as_ref(), WEBSOCKET_MAX_MESSAGE),
            deflate: or(block.push_websocket_deflate.as_ref(), true),
        }
    }

    /// `push_cursorless` and `push_longpoll_batch`, which exclude each other: the nearer one
    /// decides, and on the same level they conflict. Without a word long polls of JSON are
    /// cursorless, because blanks before it do not matter there, unless the clients are those of
    /// a module that knows nothing of it.
    fn cursorless(&mut self, transports: &[Transport]) -> (bool, Option<Batch>) {
        let block = self.block;
        let batch = block.push_longpoll_batch.as_ref().filter(|at| at.value.is_some());
        let offered = transports.contains(&Transport::LongPoll);
        match (&block.push_cursorless, batch) {
            (Some(own), Some(batch)) if own.value && own.place.level >= batch.place.level => {
                if own.place.level == batch.place.level {
                    self.faults.add(own.place, Reason::Conflict(batch.place.key));
                }
                (offered, None)
            }
            (_, Some(batch)) => (false, batch.value),
            (Some(own), None) => (own.value && offered, None),
            (None, None) => {
                let dialect = or(block.push_dialect.as_ref(), &dialect::PUSH_MODULE);
                (dialect.cursorless && offered && self.speaks_json(), None)
            }
        }
    }

    /// Whether `default_type` is JSON (RFC 8259 section 11, RFC 6839 section 3.1).
    fn speaks_json(&self) -> bool {
        let default_type = self.block.default_type.as_ref().and_then(|at| at.value.as_ref());
        default_type.and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            essence == "application/json" || essence.ends_with("+json")
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
