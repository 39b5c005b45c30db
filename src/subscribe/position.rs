//! Where the client says it left off.
//!
//! Read in this order, and the first that says something counts:
//!
//! 1. `If-Modified-Since` with `If-None-Match`, as long polling and polling send them back; the
//!    entity tag alone if it is a whole id, because else it is the validator of somebody else;
//! 2. the header `Last-Event-ID` (HTML standard, server-sent events);
//! 3. the values that `push_last_message_id` names;
//! 4. the argument `last_event_id`.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use httpdate::HttpDate;

use super::cursorless::Tag;
use crate::channel::MessageId;

/// The longest value that is looked into, in bytes.
const MAX_LENGTH: usize = 64;

/// What scripts send back of a header that they have not got; the first requests of the push stream
/// module's client are like that.
const NULL: &[u8] = b"null";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Why a request does not say where it left off although it tries; its `Display` is the sentence
/// for a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// `If-Modified-Since` is no HTTP date (RFC 9110 section 5.6.7).
    #[error("If-Modified-Since is no HTTP date.")]
    Date,
    /// Neither `time:tag` nor a time.
    #[error("A message id is `time:tag` or a time in seconds.")]
    Id,
    /// `If-None-Match` beside `If-Modified-Since` is no counter.
    #[error("If-None-Match is not the Etag of a message.")]
    Tag,
    /// A value beyond any message id.
    #[error("The message id is too large.")]
    TooLarge,
    /// More bytes than any message id has.
    #[error("The message id is too long.")]
    TooLong,
}

/// The id after which the client wants messages; `None`: it does not say.
///
/// `named` are the values of `push_last_message_id`, `last_event_id_arg` that of the request's
/// argument `last_event_id`, both percent-decoded. A bare number in them is a time: all of that
/// second is still to come.
pub fn asked(
    headers: &HeaderMap,
    named: impl Iterator<Item = impl AsRef<[u8]>>,
    last_event_id_arg: Option<&[u8]>,
) -> Result<Option<MessageId>, Malformed> {
    if let Some(id) = conditional(headers)? {
        return Ok(Some(id));
    }
    if let Some(value) = last_event_id(headers) {
        return explicit(value).map(Some);
    }
    for value in named {
        if let Some(value) = present(value.as_ref()) {
            return explicit(value).map(Some);
        }
    }
    last_event_id_arg.and_then(present).map(explicit).transpose()
}

/// What the header `Last-Event-ID` says.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes).and_then(present)
}

/// The id that `If-Modified-Since` and `If-None-Match` name.
pub(super) fn conditional(headers: &HeaderMap) -> Result<Option<MessageId>, Malformed> {
    // Where a location that was cursorless is so no more, its clients go on once.
    if let Some(tag) = Tag::of(headers) {
        return Ok(Some(tag.position));
    }
    let header = |name| {
        let value = headers.get(name).map(HeaderValue::as_bytes).and_then(present);
        value.filter(|value| *value != NULL)
    };
    let tag = header(header::IF_NONE_MATCH).filter(|tag| *tag != b"*").map(opaque_tag);
    if let Some(id) = tag.and_then(compound) {
        return id.map(Some);
    }
    let Some(since) = header(header::IF_MODIFIED_SINCE) else { return Ok(None) };
    dated(since, tag).map(Some)
}

/// The id that an HTTP date and a tag name, as the push stream module's clients send them in
/// arguments; `None`: there is no date.
pub fn pair(time: &[u8], tag: &[u8]) -> Result<Option<MessageId>, Malformed> {
    present(time).map(|time| dated(time, present(tag).map(opaque_tag))).transpose()
}

/// A date without a tag has seen its whole second.
fn dated(since: &[u8], tag: Option<&[u8]>) -> Result<MessageId, Malformed> {
    let time = seconds(since)?;
    let Some(tag) = tag else { return Ok(MessageId::end_of_second(time)) };
    let tag = number(tag).ok_or(Malformed::Tag)??;
    MessageId::new(time, tag).ok_or(Malformed::TooLarge)
}

/// The first entity tag of `If-None-Match` without its quotes and its weakness; a client may also
/// send back the bare tag as it got it.
fn opaque_tag(value: &[u8]) -> &[u8] {
    let value = value.strip_prefix(b"W/").unwrap_or(value);
    let (value, end) = match value.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b'"'),
        None => (value, b','),
    };
    value.split(|byte| *byte == end).next().unwrap_or_default().trim_ascii()
}

/// The Unix second of an HTTP date, in any of the three forms of RFC 9110 section 5.6.7.
fn seconds(value: &[u8]) -> Result<u64, Malformed> {
    // Old browsers add the length of what they have: `; length=123`.
    let date = value.split(|byte| *byte == b';').next().unwrap_or_default();
    let date = str::from_utf8(date).map_err(|_| Malformed::Date)?;
    let date = date.trim().parse::<HttpDate>().map_err(|_| Malformed::Date)?;
    let since = SystemTime::from(date).duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|_| Malformed::Date)
}

/// An id that says it is one.
fn explicit(value: &[u8]) -> Result<MessageId, Malformed> {
    if value.len() > MAX_LENGTH {
        return Err(Malformed::TooLong);
    }
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = bare.unwrap_or(value);
    if let Some(id) = compound(value) {
        return id;
    }
    let time = number(value).ok_or(Malformed::Id)??;
    if time > MessageId::MAX_TIME {
        return Err(Malformed::TooLarge);
    }
    Ok(MessageId::before_second(time))
}

/// `time:tag`; `None`: it does not look like that.
pub(super) fn compound(value: &[u8]) -> Option<Result<MessageId, Malformed>> {
    let at = value.iter().position(|byte| *byte == b':')?;
    let (time, tag) = (number(&value[..at])?, number(&value[at + 1..])?);
    Some(time.and_then(|time| MessageId::new(time, tag?).ok_or(Malformed::TooLarge)))
}

/// A decimal number; `None`: it is none.
fn number(value: &[u8]) -> Option<Result<u64, Malformed>> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    Some(number.ok_or(Malformed::TooLarge))
}

/// A value without the blanks around it, if anything is left.
fn present(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        channel::{Budget, ChannelId, Draft, Message},
        framing::long_poll::LongPoll,
    };

    const DATE: &str = "Mon, 23 Nov 2026 01:20:26 GMT";
    const TIME: u64 = 1_795_396_826;

    type Asked = Result<Option<MessageId>, Malformed>;

    fn id(time: u64, tag: u64) -> Option<MessageId> {
        MessageId::new(time, tag)
    }

    /// `headers` as lines, `named` as they are, the argument.
    fn ask(headers: &[(&'static str, &str)], named: &[&str], argument: Option<&str>) -> Asked {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        asked(&headers.collect(), named.iter(), argument.map(str::as_bytes))
    }

    fn conditional(since: &str, tag: &str) -> Asked {
        ask(&[("if-modified-since", since), ("if-none-match", tag)], &[], None)
    }

    #[test]
    fn date_and_tag_are_an_id_however_the_tag_is_written() {
        for tag in ["7", "\"7\"", "W/\"7\"", "W/7", "7, \"8\"", "\"7\", W/\"8\"", " 7 "] {
            assert_eq!(conditional(DATE, tag), Ok(id(TIME, 7)), "{tag}");
        }
        assert_eq!(conditional("Monday, 23-Nov-26 01:20:26 GMT", "7"), Ok(id(TIME, 7)));
        assert_eq!(conditional("Mon Nov 23 01:20:26 2026", "7"), Ok(id(TIME, 7)));
        assert_eq!(conditional("Mon, 23 Nov 2026 01:20:26 GMT; length=5", "7"), Ok(id(TIME, 7)));
        assert_eq!(conditional("Thu, 01 Jan 1970 00:00:00 GMT", "0"), Ok(id(0, 0)));
    }

    #[test]
    fn a_pair_of_arguments_is_read_like_the_headers() {
        assert_eq!(pair(DATE.as_bytes(), b"7"), Ok(id(TIME, 7)));
        assert_eq!(pair(DATE.as_bytes(), b"W/7"), Ok(id(TIME, 7)));
        assert_eq!(pair(DATE.as_bytes(), b""), Ok(Some(MessageId::end_of_second(TIME))));
        assert_eq!(pair(b"", b"7"), Ok(None));
        assert_eq!(pair(b"soon", b"7"), Err(Malformed::Date));
    }

    #[test]
    fn a_date_alone_has_seen_its_whole_second() {
        let whole = Ok(Some(MessageId::end_of_second(TIME)));
        assert_eq!(ask(&[("if-modified-since", DATE)], &[], None), whole);
        assert_eq!(conditional(DATE, "*"), whole);
        assert_eq!(conditional(DATE, ""), whole);
    }

    #[test]
    fn a_script_without_a_header_sends_the_word_null_which_says_nothing() {
        assert_eq!(conditional("null", "null"), Ok(None));
        assert_eq!(conditional("null", "0"), Ok(None));
        assert_eq!(conditional("null", "5:1"), Ok(id(5, 1)));
        assert_eq!(conditional(DATE, "null"), Ok(Some(MessageId::end_of_second(TIME))));
    }

    #[test]
    fn a_whole_id_in_the_tag_needs_no_date_and_wins_over_it() {
        for tag in ["5:1", "\"5:1\"", "W/\"5:1\"", "W/5:1", "5:1, 6:1"] {
            assert_eq!(ask(&[("if-none-match", tag)], &[], None), Ok(id(5, 1)), "{tag}");
            assert_eq!(conditional(DATE, tag), Ok(id(5, 1)), "{tag}");
            assert_eq!(conditional("nonsense", tag), Ok(id(5, 1)), "{tag}");
        }
    }

    #[test]
    fn the_validator_of_somebody_else_says_nothing() {
        for tag in ["7", "\"7\"", "\"abc\"", "W/\"a:b\"", "*", "\"\"", "", "5:", "\"5:1:2\""] {
            assert_eq!(ask(&[("if-none-match", tag)], &[], None), Ok(None), "{tag}");
        }
        let headers = [("if-none-match", "\"abc\""), ("last-event-id", "5:1")];
        assert_eq!(ask(&headers, &[], None), Ok(id(5, 1)));
    }

    #[test]
    fn a_date_that_is_none_and_a_tag_that_belongs_to_no_message_are_refused() {
        assert_eq!(ask(&[("if-modified-since", "yesterday")], &[], None), Err(Malformed::Date));
        assert_eq!(conditional("Mon, 99 Nov 2026 01:20:26 GMT", "7"), Err(Malformed::Date));
        for tag in ["abc", "\"abc\"", "-1", "+1", "7x", "\"\"", "5:x", "W/"] {
            assert_eq!(conditional(DATE, tag), Err(Malformed::Tag), "{tag}");
        }
        for tag in ["67108864", "99999999999999999999999", "274877906944:0", "5:67108864"] {
            assert_eq!(conditional(DATE, tag), Err(Malformed::TooLarge), "{tag}");
        }
    }

    #[test]
    fn the_first_place_that_says_something_counts() {
        let event = ("last-event-id", "6:0");
        let all = [("if-modified-since", DATE), ("if-none-match", "7"), event];
        assert_eq!(ask(&all, &["7:0"], Some("8:0")), Ok(id(TIME, 7)));
        assert_eq!(ask(&[event], &["7:0"], Some("8:0")), Ok(id(6, 0)));
        assert_eq!(
            ask(&[("last-event-id", "")], &["", " ", "7:0", "x"], Some("8:0")),
            Ok(id(7, 0))
        );
        assert_eq!(ask(&[], &["", ""], Some("8:0")), Ok(id(8, 0)));
        assert_eq!(ask(&[], &[], Some("")), Ok(None));
        assert_eq!(ask(&[], &[], None), Ok(None));
    }

    #[test]
    fn an_explicit_id_may_be_quoted_or_a_bare_time() {
        assert_eq!(ask(&[], &["\"5:1\""], None), Ok(id(5, 1)));
        let second = Ok(Some(MessageId::before_second(1_450_755_280)));
        for value in ["1450755280", "\"1450755280\"", " 1450755280 ", "01450755280"] {
            assert_eq!(ask(&[], &[], Some(value)), second, "{value}");
        }
        assert_eq!(ask(&[], &[], Some("0")), Ok(Some(MessageId::ZERO)));
    }

    #[test]
    fn an_explicit_id_that_is_none_is_refused() {
        let bad =
            ["abc", "5:", ":5", "5:x", "5:1:2", "-1", "+5", "5.5", "\"", "\"\"", "5 6", "\u{665}"];
        for value in bad {
            assert_eq!(ask(&[], &[value], None), Err(Malformed::Id), "{value}");
        }
        for large in ["274877906944", "274877906944:0", "5:67108864", "18446744073709551616"] {
            assert_eq!(ask(&[], &[], Some(large)), Err(Malformed::TooLarge), "{large}");
        }
        let long = "1".repeat(MAX_LENGTH + 1);
        assert_eq!(ask(&[("last-event-id", &long)], &[], None), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_answered(
            since in any::<Option<Vec<u8>>>(),
            tag in "(W/)?\"?[0-9]{0,22}:?[0-9]{0,22}\"?(, *\"x\")?",
            raw in any::<Option<Vec<u8>>>(),
            named in any::<Vec<Vec<u8>>>(),
        ) {
            let mut headers = HeaderMap::new();
            let since = since.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            since.map(|value| headers.insert(header::IF_MODIFIED_SINCE, value));
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&tag).unwrap());
            let event = raw.as_deref().and_then(|bytes| HeaderValue::from_bytes(bytes).ok());
            event.map(|value| headers.insert(LAST_EVENT_ID, value));
            let _ = asked(&headers, named.iter(), raw.as_deref());
            let _ = asked(&HeaderMap::new(), std::iter::once(&tag), None);
            let _ = asked(&HeaderMap::new(), named.iter(), raw.as_deref());
        }

        #[test]
        fn what_long_polling_hands_out_comes_back_as_the_same_id(
            time in 0..253_402_300_800_u64,
            tag in 0..=MessageId::MAX_TAG,
        ) {
            let id = MessageId::new(time, tag).unwrap();
            let budget = Arc::new(Budget::new(0));
            let message =
                Message::new(ChannelId::new(b"5"), id, MessageId::ZERO, Draft::default(), budget);
            let (answered, _) = LongPoll::default().answer(&[Arc::new(message)]);
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MODIFIED_SINCE, answered[header::LAST_MODIFIED].clone());
            headers.insert(header::IF_NONE_MATCH, answered[header::ETAG].clone());
            let none = std::iter::empty::<&[u8]>();
            prop_assert_eq!(asked(&headers, none, None), Ok(Some(id)));
            let written = id.to_string();
            let named = std::iter::once(&written);
            prop_assert_eq!(asked(&HeaderMap::new(), named, None), Ok(Some(id)));
        }
    }
}
