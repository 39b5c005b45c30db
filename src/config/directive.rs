//! Every key there is: its name, what it takes, and on which levels it may stand.
//!
//! From this one table come the block as it is written, its reading, its inheritance and the list
//! of known keys.

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};

use super::{
    error::Level,
    hooks::Ask,
    location::{Batch, Hold, PollFormat, Preset, SlowSubscriber},
    proxy::Pass,
    server::{Listen, ServerName},
    status::{Health, StatusFormat},
    transport::Transport,
    upstream::Address,
    value::{self, At, Read, Reader, Value},
};
use crate::{
    access::{Network, Rule},
    channel::{Concurrency, First},
    cors::Origins,
    credentials::{Key, Secret, Signer},
    dialect::Dialect,
    log::{Format, Target},
    router::Pattern,
};

/// The levels on which a key may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Levels {
    /// Root, server, location.
    Any,
    /// The location only.
    Location,
    /// The root only.
    Root,
    /// Root and server.
    Outer,
    /// The server only.
    Server,
    /// The upstream only.
    Upstream,
}

impl Levels {
    fn allow(self, level: Level) -> bool {
        match level {
            Level::Root | Level::Override => matches!(self, Self::Any | Self::Outer | Self::Root),
            Level::Server => matches!(self, Self::Any | Self::Outer | Self::Server),
            Level::Location => matches!(self, Self::Any | Self::Location),
            Level::Upstream => matches!(self, Self::Upstream),
        }
    }

    /// Where a key of these levels belongs, for errors.
    fn home(self) -> &'static str {
        match self {
            Self::Any => "on any level",
            Self::Location => "in a [[server.location]]",
            Self::Root => "on the root level, above the first [[server]]",
            Self::Outer => "on the root level or in a [[server]]",
            Self::Server => "in a [[server]]",
            Self::Upstream => "in an [[upstream]]",
        }
    }
}

/// What became of a key that was looked up.
pub(super) enum Found {
    /// It may stand on this level, by this name.
    Here(&'static str),
    /// It belongs elsewhere: its name, and where.
    Misplaced(&'static str, &'static str),
    /// There is none of this name.
    Unknown,
}

macro_rules! directives {
    ($($key:ident: $type:ty = $read:ident, $levels:ident;)*) => {
        /// One level as it is written, or with what it inherits.
        #[derive(Clone, Debug, Default)]
        pub(super) struct Block {
            $(pub(super) $key: Option<At<$type>>,)*
            /// Keys that somebody meant to write, here or around it, and that could not be read:
            /// they are not to be called missing.
            suspects: BTreeSet<&'static str>,
        }

        /// The names of all keys.
        pub const KEYS: &[&str] = &[$(stringify!($key),)*];

        /// Looks a key up.
        pub(super) fn find(name: &str, level: Level) -> Found {
            match name {
                $(stringify!($key) if Levels::$levels.allow(level) => Found::Here(stringify!($key)),
                stringify!($key) => {
                    Found::Misplaced(stringify!($key), Levels::$levels.home())
                })*
                _ => Found::Unknown,
            }
        }

        impl Block {
            /// Reads the value of the reader's key.
            pub(super) fn read(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) {
                let place = reader.place(value);
                let read = match reader.key {
                    $(stringify!($key) => value::$read(reader, value)
                        .map(|value| self.$key = Some(At { value, place })),)*
                    _ => Ok(()),
                };
                if Read::is_err(&read) {
                    self.suspect(reader.key);
                }
            }

            /// Notes a key that somebody seems to have meant.
            pub(super) fn suspect(&mut self, key: &'static str) {
                self.suspects.insert(key);
            }

            /// Whether somebody seems to have meant one of the keys, without success.
            pub(super) fn is_suspect(&self, keys: &[&str]) -> bool {
                keys.iter().any(|key| self.suspects.contains(key))
            }

            /// This block, and for every key it lacks what the one around it says.
            #[must_use]
            pub(super) fn within(&self, outer: &Self) -> Self {
                Self {
                    $($key: self.$key.as_ref().or(outer.$key.as_ref()).cloned(),)*
                    suspects: &self.suspects | &outer.suspects,
                }
            }
        }
    };
}

directives! {
    workers: Option<NonZeroUsize> = workers, Root;
    user: Option<String> = some_text, Root;
    pid_file: Option<PathBuf> = some_path, Root;
    log_format: Format = log_format, Root;
    error_log: Target = log_target, Root;
    access_log: Target = log_target, Root;
    shutdown_delay: Duration = duration, Root;
    shutdown_timeout: Duration = duration, Root;
    push_max_reserved_memory: usize = some_size, Root;
    push_max_channels: usize = count, Root;
    push_max_subscribers: usize = count, Root;
    push_hook_queue: usize = some_count, Root;
    push_hook_requests: usize = some_count, Root;

    name: String = upstream_name, Upstream;
    servers: Vec<At<Address>> = addresses, Upstream;
    max_fails: usize = count, Upstream;
    fail_timeout: Duration = some_time, Upstream;
    keepalive: usize = count, Upstream;

    listen: Vec<At<Listen>> = listen, Server;
    server_name: Vec<At<ServerName>> = server_names, Server;
    client_header_timeout: Duration = some_time, Outer;
    keepalive_timeout: Duration = duration, Outer;
    client_max_header_size: usize = some_size, Outer;
    tcp_user_timeout: Option<Duration> = user_timeout, Outer;
    proxy_protocol: bool = flag, Outer;

    path: Pattern = pattern, Location;
    internal: bool = flag, Location;

    access: Vec<Rule> = rules, Any;
    real_ip_from: Vec<Network> = networks, Any;
    real_ip_header: HeaderName = address_header, Any;
    default_type: Option<HeaderValue> = media_type, Any;
    client_max_body_size: usize = size, Any;
    client_body_timeout: Duration = some_time, Any;
    gzip: bool = flag, Any;
    gzip_min_length: usize = size, Any;

    proxy_pass: Pass = pass, Location;
    proxy_set_header: Vec<(HeaderName, At<String>)> = set_headers, Any;
    proxy_connect_timeout: Duration = some_time, Any;
    proxy_send_timeout: Duration = some_time, Any;
    proxy_read_timeout: Duration = some_time, Any;
    proxy_connect_retry: Duration = duration, Any;

    push_publisher: bool = flag, Any;
    push_subscriber: Vec<Transport> = transports, Any;
    push_pubsub: bool = flag, Any;
    push_status: bool = flag, Any;
    push_status_format: Option<StatusFormat> = status_format, Any;
    push_channels_status: bool = flag, Any;
    push_health: Option<Health> = health, Any;
    push_dashboard: bool = flag, Any;
    push_dialect: &'static Dialect = dialect, Any;

    push_channel_id: Vec<At<String>> = texts, Any;
    push_channel_id_split_delimiter: String = text, Any;
    push_channel_group: String = text, Any;
    push_max_channel_id_length: usize = some_size, Any;
    push_group_max_channels: usize = count, Any;
    push_group_max_subscribers: usize = count, Any;

    push_store_messages: bool = flag, Any;
    push_min_message_buffer_length: usize = count, Any;
    push_max_message_buffer_length: usize = count, Any;
    push_message_buffer_length: usize = count, Any;
    push_message_timeout: Option<Duration> = timeout, Any;
    push_delete_oldest_received_message: bool = flag, Any;
    push_channel_timeout: Duration = duration, Any;
    push_grace: Duration = duration, Any;
    push_publish_status: StatusCode = publish_status, Any;

    push_subscriber_concurrency: Concurrency = concurrency, Any;
    push_authorized_channels_only: bool = flag, Any;
    push_max_channel_subscribers: usize = count, Any;
    push_subscriber_timeout: Option<Duration> = timeout, Any;
    push_ping_interval: Option<Duration> = timeout, Any;
    push_first_message: First = first_message, Any;
    push_last_message_id: Vec<At<String>> = texts, Any;
    push_slow_subscriber: SlowSubscriber = slow_subscriber, Any;
    push_poll_format: PollFormat = poll_format, Any;
    push_longpoll_batch: Option<Batch> = batch, Any;
    push_cursorless: bool = flag, Any;
    push_jsonp_callback: String = text, Any;
    push_timeout_with_body: bool = flag, Any;
    push_stream_preset: Option<Preset> = preset, Any;
    push_header_template: String = text, Any;
    push_message_template: String = text, Any;
    push_footer_template: String = text, Any;
    push_raw_separator: String = text, Any;
    push_gap_events: bool = flag, Any;
    push_retry: Option<Duration> = timeout, Any;
    push_websocket_protocols: Vec<Box<str>> = protocols, Any;
    push_websocket_max_message: usize = some_size, Any;
    push_websocket_deflate: bool = flag, Any;
    push_hold: Hold = hold, Any;

    push_grip: bool = flag, Any;
    push_grip_websocket: bool = grip_websocket, Any;
    push_grip_key: Signer = signer, Any;
    push_grip_issuer: String = text, Any;
    push_grip_publish: bool = flag, Any;

    push_jwt: Vec<Key> = jwt_keys, Any;
    push_jwt_token: Vec<At<String>> = texts, Any;
    push_jwt_claim: String = text, Any;
    push_jwt_issuer: Vec<At<String>> = texts, Any;
    push_jwt_audience: Vec<At<String>> = texts, Any;
    push_secure_link: String = text, Any;
    push_secure_link_text: String = text, Any;
    push_secure_link_secret: Secret = secret, Any;

    push_authorize_request: Option<Ask> = ask, Any;
    push_authorize_cache: Option<Duration> = timeout, Any;
    push_publisher_upstream_request: Option<Ask> = ask, Any;
    push_subscribe_request: Option<Ask> = ask, Any;
    push_unsubscribe_request: Option<Ask> = ask, Any;
    push_channel_events: String = text, Any;
    push_channel_event_string: String = text, Any;
    push_presence: String = text, Any;
    push_presence_grace: Duration = duration, Any;

    push_allowed_origins: Origins = origins, Any;
    push_allow_credentials: bool = flag, Any;
}
