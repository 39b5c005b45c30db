//! What a location is told to do: inherited, checked, plain values.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::{
    grip::{Grip, Items},
    hooks::Hooks,
    proxy::Proxy,
    status::Status,
    transport::Transport,
    variable::Template,
};
use crate::{
    access::{Access, RealIp},
    channel::{Concurrency, First, Retention},
    cors::Cors,
    credentials::{Expected, Key, Secret},
    dialect::{Dialect, Notice},
    router::Pattern,
};

/// One `[[server.location]]`.
#[derive(Debug)]
pub struct Location {
    /// `path`.
    pub pattern: Pattern,
    /// `access`; without rules, of a publisher location that is not internal, this machine.
    pub access: Access,
    /// `real_ip_from` and `real_ip_header`.
    pub real_ip: RealIp,
    /// `push_allowed_origins` and `push_allow_credentials`.
    pub cors: Cors,
    /// `client_max_body_size` in bytes; 0 is any size where `proxy` is.
    pub max_body_size: usize,
    /// `client_body_timeout`: between two reads of a body.
    pub body_timeout: Duration,
    /// `push_dialect`: how it spells what the push modules spell differently.
    pub dialect: &'static Dialect,
    /// Which channels a request means.
    pub channels: Channels,
    /// `push_jwt`: who comes has to bring a token.
    pub jwt: Option<Jwt>,
    /// `push_secure_link`: who comes has to come by a signed link.
    pub secure_link: Option<SecureLink>,
    /// What it asks and tells the application.
    pub hooks: Hooks,
    /// `push_publisher`, `push_pubsub`.
    pub publisher: Option<Publisher>,
    /// `push_subscriber`, `push_pubsub`.
    pub subscriber: Option<Subscriber>,
    /// `proxy_pass`, without the roles above.
    pub proxy: Option<Proxy>,
    /// `push_grip`, where `proxy_pass` is: the application may have requests held.
    pub grip: Option<Grip>,
    /// `push_grip_publish`: GRIP items are published here.
    pub items: Option<Items>,
    /// `internal`: reached through `X-Accel-Redirect` alone.
    pub internal: bool,
    /// `push_status`, `push_channels_status`, `push_dashboard`, `push_health`; then it has no other role.
    pub status: Option<Status>,
}

/// Which channels a request means.
#[derive(Debug)]
pub struct Channels {
    /// `push_channel_id`.
    pub ids: Vec<Template>,
    /// `push_channel_id_split_delimiter`.
    pub delimiter: Option<Vec<u8>>,
    /// `push_channel_group`.
    pub group: Template,
    /// `push_max_channel_id_length` in bytes.
    pub max_id_length: usize,
    /// `push_group_max_channels`: 0 is any number.
    pub group_max_channels: usize,
    /// `push_group_max_subscribers`: 0 is any number.
    pub group_max_subscribers: usize,
}

/// The tokens that a location asks for.
#[derive(Debug)]
pub struct Jwt {
    /// `push_jwt`.
    pub keys: Vec<Key>,
    /// `push_jwt_token`: where a token may be; the first that is not empty counts.
    pub token: Vec<Template>,
    /// `push_jwt_claim`: which channels it grants; `None`: any.
    pub claim: Option<Box<str>>,
    /// `push_jwt_issuer` and `push_jwt_audience`.
    pub expected: Expected,
}

/// The signed links that a location asks for.
#[derive(Debug)]
pub struct SecureLink {
    /// `push_secure_link`: where signature and time of expiry are.
    pub signed: Template,
    /// `push_secure_link_text`: what is signed, beside the time.
    pub text: Template,
    /// `push_secure_link_secret`.
    pub secret: Secret,
}

/// The publisher's half of a location.
#[derive(Debug)]
pub struct Publisher {
    /// `push_publish_status`; `None`: 201 or 202.
    pub status: Option<StatusCode>,
    /// What the channel keeps of what is published here.
    pub retention: Retention,
}

/// The subscriber's half of a location.
#[derive(Debug)]
pub struct Subscriber {
    /// `push_subscriber`, in the order of the file.
    pub transports: Vec<Transport>,
    /// `push_subscriber_concurrency`.
    pub concurrency: Concurrency,
    /// `push_first_message`.
    pub first_message: First,
    /// `push_last_message_id`: where else the client may say where it left off.
    pub last_message_id: Vec<Template>,
    /// `push_subscriber_timeout`.
    pub timeout: Option<Duration>,
    /// `push_ping_interval`.
    pub ping_interval: Option<Duration>,
    /// `push_authorized_channels_only`.
    pub authorized_channels_only: bool,
    /// `push_max_channel_subscribers`: 0 is any number.
    pub max_channel_subscribers: usize,
    /// `push_channel_timeout` of a channel that a subscriber creates.
    pub channel_timeout: Duration,
    /// `default_type`: of a message that came without a `Content-Type`.
    pub default_type: Option<HeaderValue>,
    /// `push_slow_subscriber`.
    pub slow: SlowSubscriber,
    /// `push_poll_format`.
    pub poll_format: PollFormat,
    /// `push_longpoll_batch`: everything that waits at once; `None`: one message a poll.
    pub batch: Option<Batch>,
    /// `push_cursorless`: a long poll without a message id continues where the last one ended.
    /// Implies that [`Transport::LongPoll`] is offered and that there is no batch.
    pub cursorless: bool,
    /// `push_grace`: how long what such a client has yet to ask for is kept after each of its requests.
    pub grace: Duration,
    /// `push_timeout_with_body`: what a long poll that nothing came for is told.
    pub timeout_notice: Option<Notice>,
    /// `push_jsonp_callback`: the function that a poll's answer calls, or nothing.
    pub jsonp_callback: Option<Template>,
    /// The templates of the `stream` transport.
    pub stream: StreamFormat,
    /// `push_raw_separator`: what `raw` sends after each message.
    pub raw_separator: Box<str>,
    /// `push_gap_events`.
    pub gap_events: bool,
    /// `push_retry`: what an `EventSource` is told to wait before it reconnects.
    pub retry: Option<Duration>,
    /// The `websocket` transport.
    pub websocket: WebSocket,
    /// `gzip`: whether `event-source` and the answers to polls are compressed where the client
    /// accepts it; the number is `gzip_min_length` in bytes: a shorter answer is sent as it is.
    pub gzip: Option<usize>,
    /// `push_hold`.
    pub hold: Hold,
}

/// What a location with the `websocket` transport agrees to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebSocket {
    /// `push_websocket_protocols`: tokens (RFC 9110 section 5.6.2), each once, beside the
    /// `ws+meta.nchan` that is always understood.
    pub protocols: Vec<Box<str>>,
    /// `push_websocket_max_message` in bytes, of one message in all its frames.
    pub max_message: usize,
    /// `push_websocket_deflate`: whether permessage-deflate (RFC 7692) is agreed to.
    pub deflate: bool,
}

/// What an interval poll answers: `push_poll_format`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PollFormat {
    /// `"json"`: everything after the cursor, newest first, always 200.
    Json,
    /// `"message"`: the next message as published, or 304.
    #[default]
    Message,
}

/// How a long poll answers everything that waits at once: `push_longpoll_batch`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Batch {
    /// `"json"`: a document of all of them.
    Json,
    /// `"multipart"`: a body of parts, each with the headers of its message.
    Multipart,
    /// `"raw"`: one message after the other, with `push_raw_separator` after each.
    Raw,
}

/// What becomes of a subscriber that history has left behind: `push_slow_subscriber`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SlowSubscriber {
    /// `"close"`: its wait is ended.
    Close,
    /// `"skip"`: it gets what is left, with the gap told.
    #[default]
    Skip,
}

/// Ready-made templates: `push_stream_preset`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preset {
    /// `"iframe"`: a page of `<script>` elements that call `parent.handle`.
    Iframe,
}

/// The templates of the `stream` transport.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum StreamFormat {
    /// `push_stream_preset = "iframe"`.
    Iframe {
        /// `push_header_template`, if it replaces the preset's page head.
        header: Option<String>,
        /// `push_footer_template`, if it replaces the preset's end of page.
        footer: Option<String>,
    },
    /// Each message alone, as published.
    #[default]
    Plain,
    /// `push_header_template`, `push_message_template`, `push_footer_template`.
    Templates {
        /// Before the first message.
        header: String,
        /// Each message; `"~text~"` if only the others are given.
        message: String,
        /// When the server ends the response.
        footer: String,
    },
}

/// Who waits for a plain connection's messages: `push_hold`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hold {
    /// `"body"`: a task with a response body, as TLS and HTTP/2 need it.
    Body,
    /// `"hall"`: the worker's hall, which costs next to nothing.
    #[default]
    Hall,
}
