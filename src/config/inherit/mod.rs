//! Makes locations of blocks: fills in defaults, checks what belongs together.

mod cors;
mod credentials;
mod grip;
mod hooks;
mod idle;
mod proxy;
mod status;
mod subscriber;
mod texts;
mod unguarded;

use std::time::Duration;

use http::HeaderName;

use super::{
    directive::Block,
    error::{Faults, Place, Reason},
    location::{Channels, Location, Publisher},
    status::Status,
    transport::Transport,
    upstream::Upstreams,
    value::{At, or},
};
use crate::{
    access::{Access, RealIp, X_FORWARDED_FOR},
    channel::Retention,
    dialect,
    router::Pattern,
};

/// nginx's `client_max_body_size`.
const MAX_BODY_SIZE: usize = 1 << 20;
/// nginx's `client_body_timeout`.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// The defaults of the push module, from here on.
const MAX_CHANNEL_ID_LENGTH: usize = 1024;
const MIN_MESSAGES: usize = 1;
const MAX_MESSAGES: usize = 10;
const MESSAGE_TIMEOUT: Duration = Duration::from_hours(1);
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);
/// Long enough for a client to poll again over a bad line.
const GRACE: Duration = Duration::from_secs(10);

/// The keys that give a location something to do.
const ROLES: [&str; 9] = [
    "push_publisher",
    "push_subscriber",
    "push_pubsub",
    "push_grip_publish",
    "push_status",
    "push_channels_status",
    "push_dashboard",
    "push_health",
    "proxy_pass",
];

/// The same in words.
const SOME_ROLE: &str = "push_publisher, push_subscriber, push_pubsub, push_grip_publish, \
                         push_status, push_channels_status, push_dashboard, push_health or proxy_pass";

/// Builds a location of a block with what it inherits; none if it cannot be one.
pub(super) fn location(
    block: &Block,
    table: Place,
    upstreams: &mut Upstreams,
    faults: &mut Faults,
) -> Option<Location> {
    let pattern = pattern(block, table, faults)?;
    let mut build = Build { block, pattern, faults, headers: Vec::new() };
    let takes_items = build.takes_items();
    let (status, publisher, transports) = build.purpose(table, takes_items);
    let takes_items = takes_items && status.is_none();
    let hooks = build.hooks(publisher, &transports, upstreams);
    let retention = build.retention();
    let proxy = if status.is_none() { build.proxy(upstreams) } else { None };
    let internal = or(block.internal.as_ref(), false);
    let private = publisher || takes_items;
    let channels = build.channels();
    let guards = private || !transports.is_empty();
    let (jwt, secure_link) = build.credentials(&channels.group, guards);
    Some(Location {
        pattern: pattern.clone(),
        access: access(block, private && !internal || status.is_some_and(Status::is_private)),
        real_ip: real_ip(block),
        max_body_size: or(block.client_max_body_size.as_ref(), MAX_BODY_SIZE),
        body_timeout: or(block.client_body_timeout.as_ref(), BODY_TIMEOUT),
        dialect: or(block.push_dialect.as_ref(), &dialect::PUSH_MODULE),
        channels,
        jwt,
        secure_link,
        hooks,
        publisher: publisher.then(|| published(block, retention)),
        subscriber: build.subscriber(transports),
        grip: build.grip(proxy.is_some()),
        proxy,
        items: build.items(takes_items, retention),
        internal,
        status,
        cors: build.cors(), // Last: it tells which headers the templates of all read.
    })
}

fn published(block: &Block, retention: Retention) -> Publisher {
    Publisher { status: block.push_publish_status.as_ref().map(|at| at.value), retention }
}

/// The `path`, which has to be there.
fn pattern<'b>(block: &'b Block, table: Place, faults: &mut Faults) -> Option<&'b Pattern> {
    if block.path.is_none() && !block.is_suspect(&["path"]) {
        faults.add_key(table, "path", Reason::Missing("every location needs one"));
    }
    block.path.as_ref().map(|at| &at.value)
}

/// Without rules what is private, as publishing is, admits this machine only, and any other location
/// everyone; so does an internal one, because it is the application that sends requests there.
fn access(block: &Block, private: bool) -> Access {
    let rules = block.access.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    if private && rules.is_empty() { Access::local() } else { Access::new(rules) }
}

/// `real_ip_from` and `real_ip_header` of any block.
pub(super) fn real_ip(block: &Block) -> RealIp {
    RealIp {
        from: block.real_ip_from.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        header: block.real_ip_header.as_ref().map_or(X_FORWARDED_FOR, |at| at.value.clone()),
    }
}

struct Build<'a> {
    block: &'a Block,
    pattern: &'a Pattern,
    faults: &'a mut Faults,
    /// Request headers that templates read.
    headers: Vec<HeaderName>,
}

impl Build<'_> {
    /// What it shows, or whether it publishes and the transports by which it may be listened to.
    fn purpose(
        &mut self,
        table: Place,
        takes_items: bool,
    ) -> (Option<Status>, bool, Vec<Transport>) {
        let status = self.status();
        let (publisher, transports) =
            if status.is_some() { (false, Vec::new()) } else { self.roles(takes_items) };
        if status.is_none() {
            self.note_missing(table, publisher || !transports.is_empty(), takes_items);
        }
        self.note_idle_grip(takes_items);
        self.note_idle_proxy();
        self.note_idle(&transports);
        self.note_idle_credentials(publisher || !transports.is_empty());
        self.note_unguarded(status);
        (status, publisher, transports)
    }

    /// Whether it publishes, and the transports by which it may be listened to.
    fn roles(&mut self, takes_items: bool) -> (bool, Vec<Transport>) {
        let Block { push_publisher, push_subscriber, .. } = self.block;
        let publisher = push_publisher.as_ref().map(|at| (at.value, at.place));
        if self.passes() || takes_items {
            return (false, Vec::new());
        }
        let publisher = self.role(publisher);
        let listed = push_subscriber.as_ref().map(|at| (!at.value.is_empty(), at.place));
        let transports = match (self.role(listed), push_subscriber) {
            (false, _) => Vec::new(),
            (true, Some(at)) if !at.value.is_empty() => at.value.clone(),
            (true, _) => Transport::ALL.to_vec(),
        };
        (publisher, transports)
    }

    /// A role by its own key and by `push_pubsub`, which means both roles: the nearer one decides,
    /// and on the same level they add up.
    fn role(&mut self, own: Option<(bool, Place)>) -> bool {
        let pubsub = self.block.push_pubsub.as_ref();
        match (own, pubsub) {
            (None, None) => false,
            (None, Some(pubsub)) => pubsub.value,
            (Some((own, _)), None) => own,
            (Some((own, place)), Some(pubsub)) if place.level == pubsub.place.level => {
                if pubsub.value && !own {
                    self.faults.add(place, Reason::Conflict("push_pubsub = true"));
                }
                own || pubsub.value
            }
            (Some((own, place)), Some(pubsub)) => {
                if place.level > pubsub.place.level {
                    own
                } else {
                    pubsub.value
                }
            }
        }
    }

    /// Notes what every location needs; where something could not be read, it may be just that.
    fn note_missing(&mut self, table: Place, has_role: bool, takes_items: bool) {
        if self.block.proxy_pass.is_some() || takes_items {
            return;
        }
        if !has_role {
            if !self.block.is_suspect(&ROLES) {
                self.faults.add(table, Reason::Missing(SOME_ROLE));
            }
            return;
        }
        let none = self.block.push_channel_id.as_ref().is_none_or(|at| at.value.is_empty());
        if none && !self.block.is_suspect(&["push_channel_id"]) {
            let why = "publishers and subscribers need one";
            self.faults.add_key(table, "push_channel_id", Reason::Missing(why));
        }
    }

    fn channels(&mut self) -> Channels {
        let block = self.block;
        let delimiter = block.push_channel_id_split_delimiter.as_ref();
        let delimiter = delimiter.map(|at| at.value.clone().into_bytes());
        let group = block.push_channel_group.as_ref().and_then(|at| self.template(at));
        Channels {
            ids: self.templates(block.push_channel_id.as_ref()),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
            group: group.unwrap_or_default(),
            max_id_length: or(block.push_max_channel_id_length.as_ref(), MAX_CHANNEL_ID_LENGTH),
            group_max_channels: or(block.push_group_max_channels.as_ref(), 0),
            group_max_subscribers: or(block.push_group_max_subscribers.as_ref(), 0),
        }
    }

    fn retention(&mut self) -> Retention {
        let block = self.block;
        let min = self.length(block.push_min_message_buffer_length.as_ref());
        let max = self.length(block.push_max_message_buffer_length.as_ref());
        let limit = or(max, MAX_MESSAGES);
        if let Some(min) = min.filter(|min| limit < min.value) {
            let nearer = max.filter(|max| max.place.level > min.place.level).unwrap_or(min);
            self.faults.add(nearer.place, Reason::Lengths { min: min.value, max: limit });
        }
        let stored = or(block.push_store_messages.as_ref(), true);
        let max = if stored { limit } else { 0 };
        Retention {
            max_messages: max,
            min_messages: or(min, MIN_MESSAGES).min(max),
            timeout: or(block.push_message_timeout.as_ref(), Some(MESSAGE_TIMEOUT)),
            delete_oldest_received: or(block.push_delete_oldest_received_message.as_ref(), false),
            channel_timeout: or(block.push_channel_timeout.as_ref(), CHANNEL_TIMEOUT),
            grace: or(block.push_grace.as_ref(), GRACE),
        }
    }

    /// A buffer length by its own key and by `push_message_buffer_length`, which sets both: the
    /// nearer one decides, and on the same level they conflict.
    fn length<'b>(&mut self, own: Option<&'b At<usize>>) -> Option<&'b At<usize>>
    where
        Self: 'b,
    {
        let both = self.block.push_message_buffer_length.as_ref();
        match (own, both) {
            (Some(own), Some(both)) if own.place.level >= both.place.level => {
                if own.place.level == both.place.level {
                    self.faults.add(own.place, Reason::Conflict(both.place.key));
                }
                Some(own)
            }
            (own, None) => own,
            (_, both) => both,
        }
    }
}
