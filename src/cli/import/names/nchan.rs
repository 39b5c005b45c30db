//! Nchan's directives, up to 1.3.7, and the names of the push module that it knows.

use crate::cli::import::sense::{
    Form::{Count, Flag, Size, Text, Time},
    Part, Roles, Row,
    Sense::{self, Dropped, Idle, Key, Part as P, Unless},
};

const PUB: Roles = Roles::PUBLISHER;
const SUB: Roles = Roles::SUBSCRIBER;
const BOTH: Roles = Roles::CHANNEL;

const REDIS: &str = "messages are in memory, on one node: there is no Redis";
const GROUP_LIMIT: &str = "limits of a group are not set by requests: push_group_max_channels and \
                           push_group_max_subscribers say them in the locations of the group";
const BENCHMARK: &str = "`pushgate bench` measures, from outside";
const PING_EVENT: &str = "a ping of an event stream is a comment";
const ZLIB: &str = "the parameters of zlib are not to be set";
const CURSOR: &str =
    "ids are told in Last-Modified and Etag together, and understood in Etag alone";
const MEMORY: Sense = Key("push_max_reserved_memory", Size, Roles::ROOT);
const TIMEOUT: Sense = Key("push_message_timeout", Time, PUB);
const LENGTH: Sense = Key("push_max_message_buffer_length", Count, PUB);
const STORE: Sense = Key("push_store_messages", Flag, PUB);
const CHANNEL_TIMEOUT: Sense = Key("push_channel_timeout", Time, BOTH);
const GROUP: Sense = Key("push_channel_group", Text, BOTH);
const ID_LENGTH: Sense = Key("push_max_channel_id_length", Count, BOTH);
const EXISTING: Sense = Key("push_authorized_channels_only", Flag, SUB);
const SUBSCRIBERS: Sense = Key("push_max_channel_subscribers", Count, SUB);
const WAIT: Sense = Key("push_subscriber_timeout", Time, SUB);

#[rustfmt::skip]
pub(in crate::cli::import) const ROWS: &[Row] = &[
    ("nchan_publisher", P(Part::Publisher)),
    ("nchan_publisher_location", P(Part::Publisher)),
    ("nchan_subscriber", P(Part::Subscriber)),
    ("nchan_subscriber_location", P(Part::Subscriber)),
    ("nchan_pubsub", P(Part::Pubsub)),
    ("nchan_pubsub_location", P(Part::Pubsub)),
    ("nchan_stub_status", P(Part::Status)),
    ("nchan_channel_id", P(Part::ChannelId)),
    ("nchan_pubsub_channel_id", P(Part::ChannelId)),
    ("nchan_publisher_channel_id", P(Part::PublisherId)),
    ("nchan_pub_channel_id", P(Part::PublisherId)),
    ("nchan_subscriber_channel_id", P(Part::SubscriberId)),
    ("nchan_sub_channel_id", P(Part::SubscriberId)),
    ("nchan_channel_id_split_delimiter", Key("push_channel_id_split_delimiter", Text, BOTH)),
    ("nchan_channel_group", GROUP),
    ("nchan_max_channel_id_length", ID_LENGTH),

    ("nchan_message_timeout", TIMEOUT),
    ("nchan_message_buffer_length", LENGTH),
    ("nchan_message_max_buffer_length", LENGTH),
    ("nchan_store_messages", STORE),
    ("nchan_channel_timeout", CHANNEL_TIMEOUT),
    ("nchan_shared_memory_size", MEMORY),
    ("nchan_max_reserved_memory", MEMORY),

    ("nchan_subscriber_first_message", P(Part::FirstMessage)),
    ("nchan_subscriber_last_message_id", P(Part::LastMessageId)),
    ("nchan_subscriber_http_raw_stream_separator", P(Part::Separator)),
    ("nchan_longpoll_multipart_response", P(Part::Batch)),
    ("nchan_subscriber_timeout", WAIT),
    ("nchan_eventsource_ping_interval", P(Part::EventPing)),
    ("nchan_websocket_ping_interval", P(Part::SocketPing)),
    ("nchan_subscribe_existing_channels_only", EXISTING),
    ("nchan_max_channel_subscribers", SUBSCRIBERS),

    ("nchan_authorize_request", P(Part::Authorize)),
    ("nchan_publisher_upstream_request", P(Part::PublishHook)),
    ("nchan_subscribe_request", P(Part::SubscribeHook)),
    ("nchan_unsubscribe_request", P(Part::UnsubscribeHook)),
    ("nchan_access_control_allow_origin", P(Part::Origins)),
    ("nchan_access_control_allow_credentials", P(Part::Credentials)),
    ("nchan_channel_events_channel_id", Key("push_channel_events", Text, BOTH)),
    ("nchan_channel_event_string", Key("push_channel_event_string", Text, BOTH)),

    ("nchan_subscriber_compound_etag_message_id", Unless("off", CURSOR)),
    ("nchan_subscriber_message_id_custom_etag_header", Dropped(CURSOR)),
    ("nchan_subscriber_concurrency", Dropped("Nchan itself does not know it any more")),
    ("nchan_eventsource_event", Dropped("an event is named by its publisher, in X-EventSource-Event")),
    ("nchan_eventsource_ping_event", Dropped(PING_EVENT)),
    ("nchan_eventsource_ping_data", Dropped(PING_EVENT)),
    ("nchan_eventsource_ping_comment", Dropped(PING_EVENT)),
    ("nchan_websocket_client_heartbeat", Dropped(
        "the gateway sends the pings (push_ping_interval), and browsers answer them by themselves")),
    ("nchan_subscriber_info", Dropped("push_channels_status shows the subscribers of a channel, push_presence who they are")),
    ("nchan_subscriber_info_string", Dropped("there is no nchan_subscriber_info")),
    ("nchan_group_location", Dropped(GROUP_LIMIT)),
    ("nchan_channel_group_accounting", Idle("groups are always counted, in push_channels_status")),
    ("nchan_group_max_*", Dropped(GROUP_LIMIT)),
    ("nchan_message_temp_path", Idle("messages are kept in memory alone")),
    ("nchan_storage_engine", Idle("there is one")),
    ("nchan_deflate_message_for_websocket", Idle("messages are compressed where a WebSocket agrees to it: push_websocket_deflate")),
    ("nchan_permessage_deflate_compression_level", Idle(ZLIB)),
    ("nchan_permessage_deflate_compression_memlevel", Idle(ZLIB)),
    ("nchan_permessage_deflate_compression_window", Idle(ZLIB)),
    ("nchan_permessage_deflate_compression_strategy", Idle(ZLIB)),
    ("nchan_benchmark*", Dropped(BENCHMARK)),
    ("nchan_redis_*", Dropped(REDIS)),
    ("nchan_use_redis", Unless("off", REDIS)),
];

/// The push module's names as Nchan understands them.
#[rustfmt::skip]
pub(in crate::cli::import) const LEGACY: &[Row] = &[
    ("push_publisher", P(Part::Publisher)),
    ("push_subscriber", P(Part::Subscriber)),
    ("push_channel_group", GROUP),
    ("push_max_channel_id_length", ID_LENGTH),
    ("push_message_timeout", TIMEOUT),
    ("push_message_buffer_length", LENGTH),
    ("push_max_message_buffer_length", LENGTH),
    ("push_min_message_buffer_length", Idle("Nchan itself does not know it any more")),
    ("push_store_messages", STORE),
    ("push_channel_timeout", CHANNEL_TIMEOUT),
    ("push_max_reserved_memory", MEMORY),
    ("push_subscriber_timeout", WAIT),
    ("push_authorized_channels_only", EXISTING),
    ("push_max_channel_subscribers", SUBSCRIBERS),
    ("push_subscriber_concurrency", Dropped("Nchan itself does not know it any more; it is a key here, if it is still wanted")),
];
