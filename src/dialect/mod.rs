//! What nginx's push module, Nchan and the push stream module spell differently: `push_dialect`.
//!
//! One table, a row for each difference, a column for each module. A dialect decides how something
//! is said, never what is true: ids, counts, order and limits are the same in all three.
//!
//! The bytes are those that the push module 0.731, Nchan 1.3.7 and the push stream module 0.6.0 put
//! on the wire. What the push module does not have (streams, events, WebSocket) is said in this
//! gateway's own words in its column.

mod table;

use http::{HeaderMap, HeaderValue, StatusCode, header};
pub use table::{ALL, Dialect, NCHAN, PUSH_MODULE, PUSH_STREAM};

/// What a POST or PUT without a body does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Empty {
    /// PUT creates the channel and publishes nothing, POST publishes an empty message.
    CreatesByPut,
    /// Both publish an empty message.
    Publishes,
    /// Both are refused: 400.
    Refused,
}

/// The form of channel info.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Info {
    /// Messages, seconds since somebody asked, subscribers, summed over the channels.
    PushModule,
    /// The same with the last message id, also in plain text.
    Nchan,
    /// Name, messages ever published, messages stored, subscribers: of each channel.
    PushStream,
}

/// What each transport is called where the application is asked or told of a subscriber
/// (`X-Subscriber-Type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubscriberTypes {
    /// `chunked`.
    pub chunked: &'static str,
    /// `event-source`.
    pub event_source: &'static str,
    /// `interval-poll`.
    pub interval_poll: &'static str,
    /// `long-poll`.
    pub long_poll: &'static str,
    /// `multipart`.
    pub multipart: &'static str,
    /// `raw`.
    pub raw: &'static str,
    /// `stream`.
    pub stream: &'static str,
    /// `websocket`.
    pub websocket: &'static str,
}

/// What `~id~` is in a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ids {
    /// `time:tag`.
    TimeTag,
    /// The number of the message in its channel, from 1.
    Number,
}

/// A refusal that each module has in words of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Words {
    /// The status.
    pub status: StatusCode,
    /// The sentence.
    pub sentence: &'static str,
}

/// A message that nobody published: it says what has happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Notice {
    /// Its `~id~`. Its time is the epoch, its tag 0.
    pub id: i64,
    /// Its `~text~`.
    pub text: &'static str,
}

/// Something for each reason for which the gateway ends a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Endings<T> {
    /// `push_subscriber_concurrency` gives the place to somebody else.
    pub conflict: T,
    /// The channel was deleted.
    pub deleted: T,
    /// `push_slow_subscriber = "close"`: history has left the client behind.
    pub lagging: T,
    /// The gateway stops.
    pub shutdown: T,
    /// `push_subscriber_timeout` has passed.
    pub timeout: T,
}

/// How a WebSocket is closed (RFC 6455 section 5.5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Close {
    /// The code; `None`: the frame is empty.
    pub code: Option<u16>,
    /// The reason, at most 123 bytes, empty where there is no code.
    pub reason: &'static str,
}

/// A second that is over, in the words of nginx's `expires epoch`.
const EPOCH: HeaderValue = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:01 GMT");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-cache, no-store, must-revalidate");

impl Dialect {
    /// Adds what every answer of the dialect has against caches.
    pub fn forbid_caching(&self, headers: &mut HeaderMap) {
        if self.uncached {
            headers.insert(header::EXPIRES, EPOCH);
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::First;

    #[test]
    fn each_dialect_has_a_name_of_its_own() {
        assert_eq!(ALL.map(|dialect| dialect.name), ["push_module", "nchan", "push_stream"]);
    }

    #[test]
    fn a_close_fits_its_frame_and_may_be_sent() {
        for dialect in ALL {
            let Endings { conflict, deleted, lagging, shutdown, timeout } = dialect.closes;
            for close in [conflict, deleted, lagging, shutdown, timeout] {
                // RFC 6455 sections 5.5 and 7.4.
                assert!(close.reason.len() <= 123, "{close:?}");
                match close.code {
                    None => assert_eq!(close.reason, ""),
                    Some(code) => assert!(
                        matches!(code, 1000 | 1001 | 1008 | 1012 | 4000..=4999),
                        "{close:?}"
                    ),
                }
            }
        }
    }

    #[test]
    fn what_is_sent_between_events_is_no_part_of_one() {
        for dialect in ALL {
            let Endings { conflict, deleted, lagging, shutdown, timeout } = dialect.event_endings;
            let endings = [conflict, deleted, lagging, shutdown, timeout];
            for text in endings.into_iter().filter(|text| !text.is_empty()) {
                assert!(text.ends_with("\n\n"), "{text:?}");
            }
            for text in [dialect.event_ping].into_iter().chain(dialect.event_opening) {
                let comment = |line: &str| line.is_empty() || line.starts_with(':');
                assert!(text.ends_with('\n') && text.lines().all(comment), "{text:?}");
            }
        }
    }

    #[test]
    fn refusals_are_client_errors_and_can_stand_in_a_header() {
        for dialect in ALL {
            for Words { status, sentence } in [dialect.no_channel_id, dialect.long_channel_id] {
                assert!(status.is_client_error());
                assert!(HeaderValue::from_str(sentence).is_ok());
            }
            for name in dialect.explain.into_iter().chain(dialect.mode) {
                assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
            }
        }
    }

    /// A row of the README's table.
    fn row(name: &str, cell: impl Fn(&Dialect) -> String) -> String {
        let cells = ALL.map(cell).map(|cell| if cell.is_empty() { cell } else { cell + " " });
        format!("| {name} | {}|", cells.map(|cell| cell + "| ").concat().trim_end_matches("| "))
    }

    fn status(status: StatusCode) -> String {
        status.as_u16().to_string()
    }

    fn closed(close: Close) -> String {
        match close.code {
            Some(code) if close.reason.starts_with('{') => format!("{code} and JSON"),
            Some(code) => format!("{code} `{}`", close.reason),
            None => "no code".into(),
        }
    }

    /// The lines of a text.
    fn lines(text: &str) -> String {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| format!("`{line}`")).collect::<Vec<_>>().join(", ")
    }

    fn or_nothing(text: &str) -> String {
        if text.is_empty() { "nothing".into() } else { lines(text) }
    }

    fn if_so(so: bool, text: &str) -> String {
        if so { text.into() } else { String::new() }
    }

    fn publishing() -> Vec<String> {
        let refused = "400 `Empty post requests are not allowed.`";
        let empty = "publishes an empty message";
        vec![
            row("published, nobody waited / somebody did", |dialect| {
                let [nobody, some] = [dialect.published_to_nobody, dialect.published_to_some];
                format!("{} / {}", status(nobody), status(some))
            }),
            row("PUT without a body", |dialect| match dialect.empty {
                Empty::CreatesByPut => "creates the channel".into(),
                Empty::Publishes => empty.into(),
                Empty::Refused => refused.into(),
            }),
            row("POST without a body", |dialect| match dialect.empty {
                Empty::CreatesByPut | Empty::Publishes => empty.into(),
                Empty::Refused => refused.into(),
            }),
            row("channel info", |dialect| match dialect.info {
                Info::PushModule => "text first; messages, requested, subscribers, last id".into(),
                Info::Nchan => {
                    "text first; the last id also in the text; types are `text/…`".into()
                }
                Info::PushStream => {
                    "JSON first; name, published, stored, subscribers, of each channel".into()
                }
            }),
            row("`push_channels_status`", |dialect| {
                let statistics = "the module's statistics, by `Accept`: `?id=ALL`, `?id=a*`, \
                                  `?id=a/b`, one entry `by_worker` for the process";
                if dialect.statistics { statistics } else { "pages in JSON" }.into()
            }),
            row("DELETE", |dialect| match dialect.deleted {
                None => "200 and the info from before".into(),
                Some(text) => format!("200, `X-Nginx-PushStream-Explain: {text}`"),
            }),
            row("caches", |dialect| {
                if_so(dialect.uncached, "`Expires` and `Cache-Control` forbid them everything")
            }),
        ]
    }

    fn refusals() -> Vec<String> {
        let words = |text: Option<&str>| match text {
            None => "403".to_owned(),
            Some(text) => format!("403 `{text}`"),
        };
        vec![
            row("the reason is in", |dialect| match dialect.explain {
                None => "the body".into(),
                Some(name) => {
                    assert!(name.eq_ignore_ascii_case("X-Nginx-PushStream-Explain"));
                    "the header `X-Nginx-PushStream-Explain`".into()
                }
            }),
            row("no channel id", |dialect| status(dialect.no_channel_id.status)),
            row("the channel id is too long", |dialect| status(dialect.long_channel_id.status)),
            row("as many channels as there may be", |dialect| words(dialect.too_many_channels)),
            row("as many subscribers as a channel may have", |dialect| {
                words(dialect.too_many_subscribers)
            }),
            row("a channel that a subscriber may not create", |dialect| {
                words(dialect.unknown_channel)
            }),
            row("a channel id", |dialect| {
                let path =
                    "a path: `a/b.b3` are two channels, with history (below); no `*`, no `ALL`";
                if dialect.paths { path } else { "any bytes" }.into()
            }),
        ]
    }

    fn polls() -> Vec<String> {
        vec![
            row("`push_first_message`, unless it is set", |dialect| match dialect.first_message {
                First::Oldest => "the oldest".into(),
                First::Newest => "the newest".into(),
                First::Last(number) => number.to_string(),
            }),
            row("`push_cursorless`, unless it is set", |dialect| {
                if dialect.cursorless { "for JSON" } else { "off" }.into()
            }),
            row("a long poll that nothing came for", |dialect| {
                let status = status(dialect.poll_timeout);
                dialect.timeout_notice.map_or(status.clone(), |Notice { id, text }| {
                    format!(
                        "{status}; with `push_timeout_with_body` 200 with a message, id {id}, `{text}`; \
                         a batch in JSON or parts: {status}"
                    )
                })
            }),
            row("a long poll whose channel is deleted", |dialect| {
                let status = status(dialect.poll_deleted);
                dialect.deleted_notice.map_or(status.clone(), |Notice { id, text }| {
                    format!(
                        "{status} with a message, id {id}, `{text}`; a batch in JSON or parts: 410"
                    )
                })
            }),
            row("a poll is asked for by", |dialect| {
                let own = "`X-Nginx-PushStream-Mode: polling` or `long-polling`, or nothing";
                if dialect.mode.is_some() { own } else { "nothing" }.into()
            }),
            row("`Etag` of a poll", |dialect| format!("`{}0`", dialect.etag_prefix)),
            row("a poll without a message says its place", |dialect| {
                match (dialect.ended_position, dialect.unchanged_position) {
                    (false, false) => String::new(),
                    (false, true) => "an interval poll (304)".into(),
                    (true, _) => "each, whatever its status".into(),
                }
            }),
            row("the place in arguments", |dialect| {
                if_so(dialect.cursor_arguments, "`time` and `tag`, or `eventid`")
            }),
            row("`Last-Event-ID`", |dialect| {
                let event =
                    if dialect.cursor_arguments { "a publisher's `Event-Id`, or " } else { "" };
                format!("{event}a message id")
            }),
        ]
    }

    fn streams() -> Vec<String> {
        let ends = |name: &str, of: fn(&Dialect) -> &str| {
            row(&format!("event stream: {name}"), |dialect| or_nothing(of(dialect)))
        };
        vec![
            row("`push_message_template`", |dialect| {
                if dialect.templates_everywhere { "of every transport" } else { "of `stream`" }
                    .into()
            }),
            row("`~id~` in templates", |dialect| match dialect.ids {
                Ids::TimeTag => "`time:tag`".into(),
                Ids::Number => "the number in its channel, from 1 (after DELETE again)".into(),
            }),
            row("streams", |dialect| match (dialect.ping_notice, dialect.deleted_notice) {
                (Some(ping), Some(Notice { id, text })) => {
                    format!("pings are messages, id {}; `{text}` is one, id {id}", ping.id)
                }
                _ => "end with the footer".into(),
            }),
            row("event stream: first", |dialect| {
                let opening = dialect.event_opening.unwrap_or_default();
                lines(&format!("{opening}retry: 2000\n"))
            }),
            row("event stream: pings", |dialect| lines(dialect.event_ping)),
            row("event stream: channel deleted", |dialect| match dialect.deleted_notice {
                Some(Notice { text, .. }) => format!("a message, `{text}`"),
                None => or_nothing(dialect.event_endings.deleted),
            }),
            ends("time is over", |dialect| dialect.event_endings.timeout),
            ends("another has the place", |dialect| dialect.event_endings.conflict),
            ends("left behind", |dialect| dialect.event_endings.lagging),
            ends("the gateway stops", |dialect| dialect.event_endings.shutdown),
        ]
    }

    fn sockets() -> Vec<String> {
        let close = |name: &str, of: fn(&Endings<Close>) -> Close| {
            row(&format!("WebSocket: {name}"), |dialect| closed(of(&dialect.closes)))
        };
        vec![
            row("WebSocket: a client may not publish", |dialect| {
                if dialect.ignores_messages { "what it sends is ignored" } else { "1008" }.into()
            }),
            close("channel deleted", |closes| closes.deleted),
            close("time is over", |closes| closes.timeout),
            close("another has the place", |closes| closes.conflict),
            close("left behind", |closes| closes.lagging),
            close("the gateway stops", |closes| closes.shutdown),
            row("`X-Subscriber-Type`", |dialect| match &dialect.subscriber_types {
                None => "as in `push_subscriber`: `long-poll`, …".into(),
                Some(names) => [
                    names.long_poll,
                    names.interval_poll,
                    names.event_source,
                    names.chunked,
                    names.multipart,
                    names.raw,
                    names.stream,
                    names.websocket,
                ]
                .map(|name| format!("`{name}`"))
                .join(", "),
            }),
        ]
    }

    #[test]
    fn the_readme_tells_the_same_table() {
        let readme = include_str!("../../README.md");
        let (_, table) = readme.split_once("\n## Dialects\n").unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with("|---"));
        let told: Vec<&str> = rows
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .filter(|line| !line.starts_with("| **"))
            .collect();
        let known = [publishing(), refusals(), polls(), streams(), sockets()].concat();
        assert_eq!(told, known);
    }

    #[test]
    fn only_push_stream_speaks_to_caches() {
        for (dialect, expected) in [(&NCHAN, 0), (&PUSH_MODULE, 0), (&PUSH_STREAM, 2)] {
            let mut headers = HeaderMap::new();
            dialect.forbid_caching(&mut headers);
            assert_eq!(headers.len(), expected, "{}", dialect.name);
        }
    }
}
