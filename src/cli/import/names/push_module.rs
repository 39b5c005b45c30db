//! The push module's directives, up to 0.731.

use crate::cli::import::sense::{
    Form::{Count, Flag, Size, Text, Time, Word},
    Part, Roles, Row,
    Sense::{Dropped, Key, Part as P},
};

const PUB: Roles = Roles::PUBLISHER;
const SUB: Roles = Roles::SUBSCRIBER;
const BOTH: Roles = Roles::CHANNEL;

const OLD: &str = "a name of before version 0.68, which later versions of the module refuse";

#[rustfmt::skip]
pub(in crate::cli::import) const ROWS: &[Row] = &[
    ("push_publisher", P(Part::Publisher)),
    ("push_subscriber", P(Part::Subscriber)),
    ("push_subscriber_concurrency", Key("push_subscriber_concurrency", Word, SUB)),
    ("push_store_messages", Key("push_store_messages", Flag, PUB)),
    ("push_message_buffer_length", P(Part::BufferLength)),
    ("push_min_message_buffer_length", Key("push_min_message_buffer_length", Count, PUB)),
    ("push_max_message_buffer_length", Key("push_max_message_buffer_length", Count, PUB)),
    ("push_message_timeout", Key("push_message_timeout", Time, PUB)),
    ("push_delete_oldest_received_message", Key("push_delete_oldest_received_message", Flag, PUB)),
    ("push_max_reserved_memory", Key("push_max_reserved_memory", Size, Roles::ROOT)),
    ("push_authorized_channels_only", Key("push_authorized_channels_only", Flag, SUB)),
    ("push_channel_group", Key("push_channel_group", Text, BOTH)),
    ("push_max_channel_id_length", Key("push_max_channel_id_length", Count, BOTH)),
    ("push_max_channel_subscribers", Key("push_max_channel_subscribers", Count, SUB)),
    ("push_subscriber_timeout", Key("push_subscriber_timeout", Time, SUB)),
    ("push_channel_timeout", Key("push_channel_timeout", Time, BOTH)),
    ("push_ignore_queue_on_no_cache", Dropped(
        "where a request begins is up to its message id and push_first_message")),
    ("push_min_message_recipients", Dropped(
        "messages do not wait for a number of recipients; push_delete_oldest_received_message is for one")),
    ("push_sender", Dropped(OLD)),
    ("push_listener", Dropped(OLD)),
    ("push_buffer_size", Dropped(OLD)),
    ("push_queue_messages", Dropped(OLD)),
];
