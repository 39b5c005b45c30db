//! The push stream module's directives, up to 0.6.0.

use crate::cli::import::sense::{
    Form::{Count, Flag, Size, Time},
    Part, Roles, Row,
    Sense::{Dropped, Idle, Key, Part as P, Unless},
};

const SUB: Roles = Roles::SUBSCRIBER;
const BOTH: Roles = Roles::CHANNEL;

const WILDCARD: &str = "no channels are exempt from limits by the beginning of their names";
const PADDING: &str = "for old browsers; a longer push_header_template does the same for a page";
const EVENTS: &str =
    "its events have other names here and go to the group \"meta\": see push_channel_events";

#[rustfmt::skip]
pub(in crate::cli::import) const ROWS: &[Row] = &[
    ("push_stream_publisher", P(Part::Publisher)),
    ("push_stream_subscriber", P(Part::Subscriber)),
    ("push_stream_channels_statistics", P(Part::Statistics)),
    ("push_stream_channels_path", P(Part::ChannelId)),
    ("push_stream_websocket_allow_publish", P(Part::AllowPublish)),

    ("push_stream_shared_memory_size", Key("push_max_reserved_memory", Size, Roles::ROOT)),
    ("push_stream_max_number_of_channels", Key("push_max_channels", Count, Roles::ROOT)),
    ("push_stream_channel_inactivity_time", Key("push_channel_timeout", Time, BOTH)),
    ("push_stream_max_channel_id_length", Key("push_max_channel_id_length", Count, BOTH)),
    ("push_stream_max_subscribers_per_channel", Key("push_max_channel_subscribers", Count, SUB)),
    ("push_stream_authorized_channels_only", Key("push_authorized_channels_only", Flag, SUB)),

    ("push_stream_store_messages", P(Part::StoredOff)),
    ("push_stream_message_ttl", P(Part::MessageTtl)),
    ("push_stream_max_messages_stored_per_channel", P(Part::BufferLength)),

    ("push_stream_header_template", P(Part::HeaderTemplate)),
    ("push_stream_header_template_file", P(Part::HeaderFile)),
    ("push_stream_message_template", P(Part::MessageTemplate)),
    ("push_stream_footer_template", P(Part::FooterTemplate)),
    ("push_stream_ping_message_interval", P(Part::EventPing)),
    ("push_stream_subscriber_connection_ttl", P(Part::StreamTtl)),
    ("push_stream_longpolling_connection_ttl", P(Part::PollTtl)),
    ("push_stream_last_received_message_time", P(Part::CursorTime)),
    ("push_stream_last_received_message_tag", P(Part::CursorTag)),
    ("push_stream_last_event_id", P(Part::CursorId)),
    ("push_stream_allowed_origins", P(Part::Origins)),

    ("push_stream_channel_info_on_publish", Unless("on", "what is published is always answered with the state of its channels")),
    ("push_stream_channel_deleted_message_text", Unless("Channel deleted", "the text is always \"Channel deleted\"")),
    ("push_stream_ping_message_text", Unless(" ", "the text of a ping is always a blank")),
    ("push_stream_timeout_with_body", P(Part::TimeoutWithBody)),
    ("push_stream_wildcard_channel_prefix", Dropped(WILDCARD)),
    ("push_stream_wildcard_channel_max_qtd", Dropped(WILDCARD)),
    ("push_stream_max_number_of_wildcard_channels", Dropped(WILDCARD)),
    ("push_stream_events_channel_id", Dropped(EVENTS)),
    ("push_stream_allow_connections_to_events_channel", Unless("off", EVENTS)),
    ("push_stream_user_agent", Dropped(PADDING)),
    ("push_stream_padding_by_user_agent", Dropped(PADDING)),

    ("push_stream_content_type", Dropped("the module has dropped it: default_type says it")),
    ("push_stream_keepalive", Idle("the module has dropped it")),
    ("push_stream_websocket", Dropped("the module has dropped it: push_stream_subscriber websocket is meant")),
    ("push_stream_eventsource_support", Dropped("the module has dropped it: push_stream_subscriber eventsource is meant")),
    ("push_stream_shared_memory_cleanup_objects_ttl", Idle("the module has dropped it")),
    ("push_stream_broadcast_channel_prefix", Dropped(WILDCARD)),
    ("push_stream_broadcast_channel_max_qtd", Dropped(WILDCARD)),
    ("push_stream_max_number_of_broadcast_channels", Dropped(WILDCARD)),
];
