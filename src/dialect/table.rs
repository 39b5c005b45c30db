//! The table itself.

use http::StatusCode;

use crate::channel::First;

use super::{Close, Empty, Endings, Ids, Info, Notice, SubscriberTypes, Words};

const fn words(status: StatusCode, sentence: &'static str) -> Words {
    Words { status, sentence }
}

const CHANNEL_DELETED: Notice = Notice { id: -2, text: "Channel deleted" };
const TIMED_OUT: Notice = Notice { id: -3, text: "Timed out" };
const PING: Notice = Notice { id: -1, text: " " };

const fn close(code: u16, reason: &'static str) -> Close {
    Close { code: Some(code), reason }
}

const SILENT: Close = Close { code: None, reason: "" };

/// `event: close`, with the reason as the event's data: browsers see it, and may stop.
const CLOSE_EVENTS: Endings<&str> = Endings {
    conflict: "event: close\ndata: conflict\n\n",
    deleted: "event: close\ndata: deleted\n\n",
    lagging: "event: close\ndata: lagging\n\n",
    shutdown: "event: close\ndata: shutdown\n\n",
    timeout: "event: close\ndata: timeout\n\n",
};
/// Comments with a status: browsers do not see them.
const STATUS_COMMENTS: Endings<&str> = Endings {
    conflict: ":409: 409 Conflict\n\n",
    deleted: ":410: 410 Gone\n\n",
    lagging: ":503: 503 Service Unavailable\n\n",
    shutdown: ":503: 503 Service Unavailable\n\n",
    timeout: ":408: 408 Request Timeout\n\n",
};
const NO_WORD: Endings<&str> =
    Endings { conflict: "", deleted: "", lagging: "", shutdown: "", timeout: "" };

/// The codes from 4000 on are HTTP's statuses; 1012 asks the client to come back (the IANA registry
/// of close codes).
const OWN_CLOSES: Endings<Close> = Endings {
    conflict: close(4409, "conflict"),
    deleted: close(4410, "deleted"),
    lagging: close(1008, "lagging"),
    shutdown: close(1012, "shutdown"),
    timeout: close(1000, "timeout"),
};
/// Nchan reloads as it deletes, and says a status twice where it has no code for it.
const NCHAN_CLOSES: Endings<Close> = Endings {
    conflict: close(1000, "409 409 Conflict"),
    deleted: close(1001, "410 Gone"),
    lagging: close(1008, "503 Service Unavailable"),
    shutdown: close(1001, "410 Gone"),
    timeout: close(1000, "408 408 Request Timeout"),
};
/// Refusals are told in JSON, everything else by an empty frame.
const PUSH_STREAM_CLOSES: Endings<Close> = Endings {
    conflict: close(
        1008,
        "{\"http_status\": 409, \"explain\":\"Another subscriber has the channel.\"}",
    ),
    deleted: SILENT,
    lagging: SILENT,
    shutdown: SILENT,
    timeout: SILENT,
};

const NCHAN_TYPES: SubscriberTypes = SubscriberTypes {
    chunked: "http-chunked",
    event_source: "eventsource",
    interval_poll: "intervalpoll",
    long_poll: "longpoll",
    multipart: "http-multipart",
    raw: "http-raw-stream",
    stream: "stream",
    websocket: "websocket",
};

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;
const REQUEST_TIMEOUT: StatusCode = StatusCode::REQUEST_TIMEOUT;
const GONE: StatusCode = StatusCode::GONE;
const NO_ID_404: Words = words(StatusCode::NOT_FOUND, "No channel id provided.");
const NO_ID_400: Words = words(StatusCode::BAD_REQUEST, "No channel id provided.");
const LONG_ID_403: Words = words(StatusCode::FORBIDDEN, "The channel id is too long.");
const LONG_ID_400: Words = words(StatusCode::BAD_REQUEST, "Channel id is too large.");
const MANY_CHANNELS: &str = "Number of channels were exceeded.";
const MANY_SUBSCRIBERS: &str = "Subscribers limit per channel has been exceeded.";
const NOT_CREATED: &str = "Subscriber could not create channels.";

macro_rules! dialects {
    ($($(#[$doc:meta])* $field:ident: $type:ty =
        $push_module:expr, $nchan:expr, $push_stream:expr;)*) => {
        /// How a location spells what the three modules spell differently.
        #[derive(Debug, Eq, PartialEq)]
        pub struct Dialect {
            $($(#[$doc])* pub $field: $type,)*
        }

        /// `"push_module"`: nginx's push module as far as it goes, and this gateway's own ways.
        pub static PUSH_MODULE: Dialect = Dialect { $($field: $push_module,)* };
        /// `"nchan"`.
        pub static NCHAN: Dialect = Dialect { $($field: $nchan,)* };
        /// `"push_stream"`.
        pub static PUSH_STREAM: Dialect = Dialect { $($field: $push_stream,)* };
    };
}

#[rustfmt::skip]
dialects! {
    /// The word in `push_dialect`.
    name: &'static str =
        "push_module",                "nchan",                      "push_stream";

    // ---- Publishing ----------------------------------------------------------------------------

    /// The status of a publish that nobody waited for, where `push_publish_status` says none.
    published_to_nobody: StatusCode =
        ACCEPTED,                     ACCEPTED,                     OK;

    /// The status of a publish that somebody waited for, where `push_publish_status` says none.
    published_to_some: StatusCode =
        CREATED,                      CREATED,                      OK;

    /// POST and PUT without a body. The push module created by PUT up to 0.692, as its protocol
    /// demands; later ones and Nchan publish.
    empty: Empty =
        Empty::CreatesByPut,          Empty::Publishes,             Empty::Refused;

    /// The body of the answers to POST, PUT, GET and DELETE.
    info: Info =
        Info::PushModule,             Info::Nchan,                  Info::PushStream;

    /// What DELETE says, in the header `explain`, instead of the info from before.
    deleted: Option<&'static str> =
        None,                         None,                         Some("Channel deleted.");

    /// Whether every answer of a location tells caches three times over that it is not for them:
    /// see [`Dialect::forbid_caching`].
    uncached: bool =
        false,                        false,                        true;

    /// Whether `push_channels_status` answers the statistics of the push stream module.
    statistics: bool =
        false,                        false,                        true;

    // ---- Refusals ------------------------------------------------------------------------------

    /// The header that says why a request is refused, with an empty body; `None`: the body says it.
    explain: Option<&'static str> =
        None,                         None,                         Some(EXPLAIN);

    /// The channel id is missing or empty.
    no_channel_id: Words =
        NO_ID_404,                    NO_ID_404,                    NO_ID_400;

    /// The channel id is longer than `push_max_channel_id_length`. Nchan says nothing, but the
    /// reason does not hurt its clients.
    long_channel_id: Words =
        LONG_ID_403,                  LONG_ID_403,                  LONG_ID_400;

    /// `push_max_channels` or `push_group_max_channels` (403); `None`: in our own words.
    too_many_channels: Option<&'static str> =
        None,                         None,                         Some(MANY_CHANNELS);

    /// `push_max_channel_subscribers` (403); `None`: in our own words.
    too_many_subscribers: Option<&'static str> =
        None,                         None,                         Some(MANY_SUBSCRIBERS);

    /// `push_authorized_channels_only`, no such channel (403); `None`: in our own words.
    unknown_channel: Option<&'static str> =
        None,                         None,                         Some(NOT_CREATED);

    // ---- Channels ------------------------------------------------------------------------------

    /// Whether an id is a path: `a/b.b3` are the channels `a` and `b`, and the last 3 messages are
    /// to come first. `ALL` and ids with `*` are refused (403).
    paths: bool =
        false,                        false,                        true;

    /// `push_first_message`, where nothing is said: where a subscriber without a message id begins.
    first_message: First =
        First::Oldest,                First::Oldest,                First::Newest;

    /// `push_cursorless` of a location whose `default_type` is JSON, where nothing is said: whether
    /// its long polls wait behind a head that has gone ahead. The clients of the other two modules
    /// send their cursor.
    cursorless: bool =
        true,                         false,                        false;

    /// The request header that picks a poll where the location offers it: `polling`, `long-polling`. Any
    /// other value says nothing.
    mode: Option<&'static str> =
        None,                         None,                         Some(MODE);

    // ---- Polls ---------------------------------------------------------------------------------

    /// The status of a long poll that `push_subscriber_timeout` ends.
    poll_timeout: StatusCode =
        NOT_MODIFIED,                 REQUEST_TIMEOUT,              NOT_MODIFIED;

    /// The status of a long poll whose channel is deleted; 200 has the notice `deleted_notice`.
    poll_deleted: StatusCode =
        GONE,                         GONE,                         OK;

    /// Whether a long poll that ends without a message says where the client is, in `Last-Modified`
    /// and `Etag`. The push stream module says the present, by which the client misses what is
    /// published in the rest of that second; said here is the place after which the poll waited.
    ended_position: bool =
        false,                        false,                        true;

    /// Whether an interval poll without a message says so too, and not only repeats the `Etag` of
    /// the request.
    unchanged_position: bool =
        false,                        true,                         true;

    /// What stands before the tag in the `Etag` of a poll. It is no entity tag of RFC 9110 in any
    /// of them, and browsers send it back all the same.
    etag_prefix: &'static str =
        "",                           "",                           "W/";

    /// Whether the arguments `time` (an HTTP date) and `tag` say where the client left off, as
    /// `If-Modified-Since` and `If-None-Match` do, or `eventid` and `Last-Event-ID`, by the `Event-Id`
    /// of a message.
    cursor_arguments: bool =
        false,                        false,                        true;

    // ---- Templates -----------------------------------------------------------------------------

    /// Whether `push_message_template` is for every transport, and not for `stream` alone.
    templates_everywhere: bool =
        false,                        false,                        true;

    /// What `~id~` is.
    ids: Ids =
        Ids::TimeTag,                 Ids::TimeTag,                 Ids::Number;

    /// What a stream, a WebSocket or a long poll is sent when a channel is deleted, by the message
    /// template; event streams as an event.
    deleted_notice: Option<Notice> =
        None,                         None,                         Some(CHANNEL_DELETED);

    /// What a long poll that nothing came for is sent with `push_timeout_with_body`, by the message
    /// template.
    timeout_notice: Option<Notice> =
        None,                         None,                         Some(TIMED_OUT);

    /// What a silent stream is sent every `push_ping_interval`, by the message template.
    ping_notice: Option<Notice> =
        None,                         None,                         Some(PING);

    // ---- Event streams -------------------------------------------------------------------------

    /// The first bytes; `None`: `retry`, or an empty comment.
    event_opening: Option<&'static str> =
        None,                         Some(": hi\n\n"),             Some(": \n");

    /// What a silent stream is sent every `push_ping_interval`.
    event_ping: &'static str =
        ":\n\n",                      ":\n\n",                      ": -1\n";

    /// The last bytes.
    event_endings: Endings<&'static str> =
        CLOSE_EVENTS,                 STATUS_COMMENTS,              NO_WORD;

    // ---- WebSockets ----------------------------------------------------------------------------

    /// Whether a client's message is ignored where it may not publish; else it is parted with: 1008.
    ignores_messages: bool =
        false,                        false,                        true;

    /// How the gateway closes.
    closes: Endings<Close> =
        OWN_CLOSES,                   NCHAN_CLOSES,                 PUSH_STREAM_CLOSES;

    // ---- The application -----------------------------------------------------------------------

    /// What transports are called before the application; `None`: as `push_subscriber` lists them.
    subscriber_types: Option<SubscriberTypes> =
        None,                         Some(NCHAN_TYPES),            None;
}

/// The header in which the push stream module says why.
const EXPLAIN: &str = "x-nginx-pushstream-explain";
/// The header in which a client of the push stream module says how it polls.
const MODE: &str = "x-nginx-pushstream-mode";
/// Each of them.
pub static ALL: [&Dialect; 3] = [&PUSH_MODULE, &NCHAN, &PUSH_STREAM];
