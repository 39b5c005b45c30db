//! Variables of nginx and its modules, by the names that they have here.

use super::super::sense::Part;

/// A name of nginx's, and ours.
pub(in crate::cli::import) const NAMES: &[(&str, &str)] = &[
    ("args", "args"),
    ("connection", "connection"),
    ("document_uri", "uri"),
    ("host", "host"),
    ("nchan_channel_event", "push_channel_event"),
    ("nchan_channel_id", "push_channel_id"),
    ("nchan_channel_id1", "push_channel_id"),
    ("nchan_channel_subscriber_count", "push_subscriber_count"),
    ("nchan_message_id", "push_message_id"),
    ("nchan_prev_message_id", "push_previous_message_id"),
    ("nchan_subscriber_type", "push_subscriber_type"),
    ("query_string", "args"),
    ("remote_addr", "remote_addr"),
    ("remote_port", "remote_port"),
    ("request_id", "request_id"),
    ("request_method", "request_method"),
    ("request_uri", "request_uri"),
    ("scheme", "scheme"),
    ("server_name", "server_name"),
    ("uri", "uri"),
];

/// The prefixes of variables with any name behind them, the same in both.
pub(in crate::cli::import) const FAMILIES: [&str; 3] = ["arg_", "cookie_", "http_"];

/// The variables that `set` names a channel with.
pub(in crate::cli::import) const CHANNEL_ID: [&str; 2] =
    ["push_channel_id", "push_stream_channel_id"];

/// Headers that a question for the application has by itself, with the variables that say the same.
pub(in crate::cli::import) const TOLD: &[(&str, &str)] = &[
    ("x-channel-id", "$nchan_channel_id"),
    ("x-subscriber-type", "$nchan_subscriber_type"),
    ("x-publisher-type", "$nchan_publisher_type"),
    ("x-original-uri", "$request_uri"),
    ("x-original-method", "$request_method"),
    ("x-message-id", "$nchan_message_id"),
];

/// Headers that pushgate passes on by itself, with the values that say the same; none: any value.
pub(in crate::cli::import) const PASSED: &[(&str, Option<&str>)] = &[
    ("host", Some("$http_host")),
    ("x-forwarded-for", Some("$proxy_add_x_forwarded_for")),
    ("x-forwarded-proto", Some("$scheme")),
    ("x-forwarded-host", Some("$http_host")),
    ("upgrade", None),
    ("connection", None),
    ("content-length", None),
    ("transfer-encoding", None),
    ("te", None),
    ("trailer", None),
    ("keep-alive", None),
    ("expect", None),
];

/// Arguments that push stream's clients name their place with, as the dialect understands them.
pub(in crate::cli::import) const CURSORS: [(Part, &str); 3] = [
    (Part::CursorTime, "$arg_time"),
    (Part::CursorTag, "$arg_tag"),
    (Part::CursorId, "$arg_eventid"),
];

/// Where a message id may be, by pushgate's own accord.
pub(in crate::cli::import) const LAST_MESSAGE_ID: [&str; 2] =
    ["$http_last_event_id", "$arg_last_event_id"];
