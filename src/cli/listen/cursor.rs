//! Where a request begins: after the last message that was had.

use std::time::UNIX_EPOCH;

use http::header;
use httpdate::HttpDate;

use crate::{
    channel::MessageId,
    cli::{endpoint::value, wire::Answer},
};

/// After which message the next request asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cursor {
    /// Where the location lets newcomers begin: `push_first_message`.
    Unsaid,
    /// After whatever there is.
    Newest,
    /// After this message.
    Id(String),
    /// After the poll that was answered with these.
    Polled { since: Option<String>, tag: Option<String> },
}

/// An id later than any message; a gateway takes it for its newest.
const LATER: &str = "253402300799:0";
/// Asks after which message a stream begins, and says it.
const POSITION: &str = "x-push-position";
/// An id before any message.
pub(super) const EARLIER: &str = "0:0";

impl Cursor {
    /// What the command line says.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Id(EARLIER.to_owned())),
            id if is_sendable(id) => Ok(Self::Id(id.to_owned())),
            _ => Err("must be a message id (time:tag, or a time in seconds), oldest or newest"),
        }
    }

    /// The header lines that ask for what follows.
    pub(super) fn lines(&self) -> String {
        match self {
            Self::Unsaid => format!("{POSITION}: ?\r\n"),
            Self::Newest => format!("Last-Event-ID: {LATER}\r\n{POSITION}: ?\r\n"),
            Self::Id(id) => format!("Last-Event-ID: {id}\r\n"),
            Self::Polled { since, tag } => {
                let line = |name, value: &Option<String>| {
                    value.as_ref().map_or(String::new(), |value| format!("{name}: {value}\r\n"))
                };
                line("If-Modified-Since", since) + &line("If-None-Match", tag)
            }
        }
    }

    /// A message was had.
    pub(super) fn advance(&mut self, id: &str) {
        if is_sendable(id) {
            *self = Self::Id(id.to_owned());
        }
    }

    /// A poll was answered.
    pub(super) fn polled(&mut self, answer: &Answer) {
        let text = |name| Some(answer.text(name).to_owned()).filter(|text| !text.is_empty());
        let (since, tag) = (text(header::LAST_MODIFIED), text(header::ETAG));
        if since.is_some() || tag.is_some() {
            *self = Self::Polled { since, tag };
        }
    }

    /// A connection is there, and nothing has come: from now on it is what the gateway says, or the newest
    /// is what follows this second.
    pub(super) fn pin(&mut self, answer: &Answer) {
        if !self.is_open() {
            return;
        }
        let position = answer.text(POSITION);
        if position.parse::<MessageId>().is_ok() {
            *self = Self::Id(position.to_owned());
        } else if *self == Self::Newest
            && let Some(second) = seconds(answer.text(header::DATE))
        {
            *self = Self::Id(second.to_string());
        }
    }

    /// Whether it names no message: what is published between two requests may be missed.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Unsaid | Self::Newest)
    }

    /// The message it names, in words.
    pub(super) fn told(&self) -> Option<String> {
        match self {
            Self::Id(id) => Some(id.clone()),
            Self::Polled { since, tag } => id_of(since.as_deref()?, tag.as_deref()?),
            Self::Unsaid | Self::Newest => None,
        }
    }
}

/// The id that the headers of a message name; `None`: they name none.
pub(super) fn id_of(date: &str, tag: &str) -> Option<String> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok()?;
    Some(MessageId::new(seconds(date)?, tag)?.to_string())
}

fn seconds(date: &str) -> Option<u64> {
    let date = std::time::SystemTime::from(date.parse::<HttpDate>().ok()?);
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Whether it can be said in a header.
fn is_sendable(id: &str) -> bool {
    value(id).is_ok() && id.len() <= 256
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Tue, 22 Dec 2015 03:34:40 GMT";

    #[test]
    fn each_cursor_is_said_in_its_way() {
        assert_eq!(Cursor::Unsaid.lines(), "x-push-position: ?\r\n");
        assert_eq!(Cursor::parse("5:3").unwrap().lines(), "Last-Event-ID: 5:3\r\n");
        assert_eq!(Cursor::parse("oldest").unwrap().lines(), "Last-Event-ID: 0:0\r\n");
        let newest = Cursor::parse("newest").unwrap().lines();
        assert_eq!(newest, format!("Last-Event-ID: {LATER}\r\nx-push-position: ?\r\n"));
        let polled = Cursor::Polled { since: Some(DATE.into()), tag: Some("W/3".into()) };
        assert_eq!(polled.lines(), format!("If-Modified-Since: {DATE}\r\nIf-None-Match: W/3\r\n"));
        assert_eq!(polled.told().unwrap(), "1450755280:3");
    }

    #[test]
    fn an_id_that_cannot_be_said_is_refused_or_not_taken() {
        for text in ["", " ", "5:3\r\nX: y", &"1".repeat(257)] {
            Cursor::parse(text).unwrap_err();
        }
        let mut cursor = Cursor::Unsaid;
        cursor.advance("5:3\nX: y");
        assert_eq!(cursor, Cursor::Unsaid);
    }

    #[test]
    fn headers_name_an_id() {
        for tag in ["3", "\"3\"", "W/3", "W/\"3\""] {
            assert_eq!(id_of(DATE, tag).as_deref(), Some("1450755280:3"));
        }
        for (date, tag) in [("", "3"), (DATE, ""), (DATE, "\"p5:0.1.2\""), ("soon", "3")] {
            assert_eq!(id_of(date, tag), None);
        }
    }
}
