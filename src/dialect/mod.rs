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
            if let Some(name) = dialect.explain {
                assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
            }
        }
    }

    /// A row of the README's table.
    fn row(name: &str, cell: impl Fn(&Dialect) -> String) -> String {
        let [first, second, third] = ALL.map(cell);
        format!("\n| {name} | {first} | {second} | {third} |\n")
    }

    fn closed(close: Close) -> String {
        match close.code {
            Some(code) if close.reason.starts_with('{') => format!("{code} and JSON"),
            Some(code) => format!("{code} `{}`", close.reason),
            None => "no code".into(),
        }
    }

    #[test]
    fn the_readme_tells_the_same_table() {
        let readme = include_str!("../../README.md");
        let status = |status: StatusCode| status.as_u16().to_string();
        for row in [
            row("published, nobody waited / somebody did", |dialect| {
                let [nobody, some] = [dialect.published_to_nobody, dialect.published_to_some];
                format!("{} / {}", status(nobody), status(some))
            }),
            row("no channel id", |dialect| status(dialect.no_channel_id.status)),
            row("the channel id is too long", |dialect| status(dialect.long_channel_id.status)),
            row("a long poll that nothing came for", |dialect| status(dialect.poll_timeout)),
            row("`Etag` of a poll", |dialect| format!("`{}0`", dialect.etag_prefix)),
            row("event stream: pings", |dialect| format!("`{}`", dialect.event_ping.trim_end())),
            row("WebSocket: channel deleted", |dialect| closed(dialect.closes.deleted)),
            row("WebSocket: time is over", |dialect| closed(dialect.closes.timeout)),
            row("WebSocket: another has the place", |dialect| closed(dialect.closes.conflict)),
            row("WebSocket: the gateway stops", |dialect| closed(dialect.closes.shutdown)),
        ] {
            assert!(readme.contains(&row), "{row}");
        }
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
