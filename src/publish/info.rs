//! A channel's state as its publisher reads it: text, JSON, XML or YAML, by `Accept` (RFC 9110
//! section 12.5.1).
//!
//! The bytes are those of nginx's push module, with the id of the latest message added to the three
//! formats that a machine reads; the text is its three lines, without an end to the last.

use std::cmp::Reverse;

use bytes::Bytes;
use http::HeaderValue;

use crate::channel::ChannelInfo;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Json,
    Text,
    Xml,
    Yaml,
}

/// What can be had. The order is that of preference where the request has none: plain text, then
/// JSON. The answer is called what the request called it.
const OFFERED: [(&str, Format); 11] = [
    ("text/plain", Format::Text),
    ("application/json", Format::Json),
    ("text/json", Format::Json),
    ("application/x-json", Format::Json),
    ("text/x-json", Format::Json),
    ("application/xml", Format::Xml),
    ("text/xml", Format::Xml),
    ("application/yaml", Format::Yaml),
    ("text/yaml", Format::Yaml),
    ("application/x-yaml", Format::Yaml),
    ("text/x-yaml", Format::Yaml),
];

/// The most media ranges of an `Accept` that are looked at.
const MAX_RANGES: usize = 32;

/// The state in the format that `accept` prefers, and its `Content-Type`; plain text where nothing
/// of what it names can be had.
pub fn render(info: &ChannelInfo, accept: Option<&HeaderValue>) -> (HeaderValue, Bytes) {
    let (name, format) = negotiate(accept);
    let ChannelInfo { messages, subscribers, last_message_id, .. } = info;
    let requested = info.requested.map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
    let body = match format {
        Format::Json => format!(
            "{{\"messages\": {messages}, \"requested\": {requested}, \
             \"subscribers\": {subscribers}, \"last_message_id\": \"{last_message_id}\"}}"
        ),
        Format::Text => format!(
            "queued messages: {messages}\r\n\
             last requested: {requested} sec. ago (-1=never)\r\n\
             active subscribers: {subscribers}"
        ),
        Format::Xml => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n\
             <channel>\r\n\
             \x20 <messages>{messages}</messages>\r\n\
             \x20 <requested>{requested}</requested>\r\n\
             \x20 <subscribers>{subscribers}</subscribers>\r\n\
             \x20 <last_message_id>{last_message_id}</last_message_id>\r\n\
             </channel>"
        ),
        Format::Yaml => format!(
            "---\r\n\
             messages: {messages}\r\n\
             requested: {requested}\r\n\
             subscribers: {subscribers}\r\n\
             last_message_id: \"{last_message_id}\"\r\n\r\n"
        ),
    };
    (HeaderValue::from_static(name), body.into())
}

/// The offer of the highest weight; of equal ones that which is named most precisely, then that
/// which is named first.
fn negotiate(accept: Option<&HeaderValue>) -> (&'static str, Format) {
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ranges: Vec<_> = accept.split(',').take(MAX_RANGES).map(Range::parse).collect();
    let mut best = OFFERED[0];
    let mut best_claim = None;
    for offer in OFFERED {
        let claim = claim(&ranges, offer.0);
        if claim.is_some_and(|(weight, ..)| weight > 0) && claim > best_claim {
            (best, best_claim) = (offer, claim);
        }
    }
    best
}

/// Weight, precision and place (the first is greatest) of the most precise range that covers `name`.
fn claim(ranges: &[Range<'_>], name: &str) -> Option<(u16, Precision, Reverse<usize>)> {
    let covering = ranges
        .iter()
        .enumerate()
        .filter_map(|(place, range)| Some((range.covers(name)?, Reverse(place), range.weight)));
    covering.max().map(|(precision, place, weight)| (weight, precision, place))
}

/// How closely a media range names a type.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Precision {
    Anything,
    Type,
    Exact,
}

/// One media range of an `Accept`: `text/*;q=0.5`.
#[derive(Clone, Copy, Debug)]
struct Range<'a> {
    name: &'a str,
    /// Thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim_end().eq_ignore_ascii_case("q").then(|| value.trim_start())
        });
        Self { name, weight: quality.and_then(thousandths).unwrap_or(1000) }
    }

    fn covers(&self, name: &str) -> Option<Precision> {
        if self.name.eq_ignore_ascii_case(name) {
            return Some(Precision::Exact);
        }
        let (kind, _) = name.split_once('/')?;
        match self.name.split_once('/')? {
            ("*", "*") => Some(Precision::Anything),
            (range, "*") if range.eq_ignore_ascii_case(kind) => Some(Precision::Type),
            _ => None,
        }
    }
}

/// `0.25` as 250 (RFC 9110 section 12.4.2); `None`: no weight.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::MessageId;

    fn info() -> ChannelInfo {
        ChannelInfo {
            messages: 3,
            requested: Some(1),
            subscribers: 0,
            last_message_id: MessageId::new(1_450_755_280, 0).unwrap(),
        }
    }

    fn rendered(accept: &str) -> (String, String) {
        let (content_type, body) = render(&info(), Some(&HeaderValue::from_str(accept).unwrap()));
        let body = String::from_utf8(body.to_vec()).unwrap();
        (content_type.to_str().unwrap().into(), body)
    }

    fn chosen(accept: &str) -> String {
        rendered(accept).0
    }

    #[test]
    fn text_is_three_lines_of_which_the_last_has_no_end() {
        let expected = "queued messages: 3\r\n\
            last requested: 1 sec. ago (-1=never)\r\n\
            active subscribers: 0";
        let (content_type, body) = render(&info(), None);
        assert_eq!(
            (content_type.to_str().unwrap(), &body[..]),
            ("text/plain", expected.as_bytes())
        );
    }

    #[test]
    fn a_channel_that_nobody_asked_for_says_never() {
        let (_, body) = render(&ChannelInfo::default(), None);
        let expected = "queued messages: 0\r\n\
            last requested: -1 sec. ago (-1=never)\r\n\
            active subscribers: 0";
        assert_eq!(body, expected);
    }

    #[test]
    fn json_has_the_last_message_id() {
        let expected = "{\"messages\": 3, \"requested\": 1, \"subscribers\": 0, \
            \"last_message_id\": \"1450755280:0\"}";
        assert_eq!(rendered("application/json"), ("application/json".into(), expected.into()));
        assert_eq!(rendered("text/json"), ("text/json".into(), expected.into()));
    }

    #[test]
    fn xml_has_no_newline_at_its_end() {
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  \
            <messages>3</messages>\r\n  <requested>1</requested>\r\n  \
            <subscribers>0</subscribers>\r\n  \
            <last_message_id>1450755280:0</last_message_id>\r\n</channel>";
        assert_eq!(rendered("text/xml"), ("text/xml".into(), expected.into()));
    }

    #[test]
    fn yaml_quotes_the_id() {
        let expected = "---\r\nmessages: 3\r\nrequested: 1\r\nsubscribers: 0\r\n\
            last_message_id: \"1450755280:0\"\r\n\r\n";
        assert_eq!(rendered("application/x-yaml"), ("application/x-yaml".into(), expected.into()));
    }

    #[test]
    fn the_answer_is_called_what_was_asked_for() {
        for (name, _) in OFFERED {
            assert_eq!(chosen(name), name);
            assert_eq!(chosen(&name.to_uppercase()), name);
            assert_eq!(chosen(&format!("image/png, {name};charset=utf-8, text/html")), name);
        }
    }

    #[test]
    fn wildcards_and_unknown_types_get_text() {
        for accept in
            ["*/*", "text/*", "", "image/png", "text", "*", ";q=1", "*/*;q=0.1, text/html"]
        {
            assert_eq!(chosen(accept), "text/plain", "{accept}");
        }
        assert_eq!(chosen("application/*"), "application/json");
    }

    #[test]
    fn the_highest_weight_wins_then_the_more_precise_then_the_first() {
        let preferences = [
            ("text/xml;q=0.5, application/json;q=0.8", "application/json"),
            ("text/xml;q=0.8, application/json; q=0.75", "text/xml"),
            ("text/yaml, application/json", "text/yaml"),
            ("application/json, text/plain, */*", "application/json"),
            ("*/*, text/xml", "text/xml"),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
            ("*/*;q=0.9, text/xml;q=0.3", "text/plain"),
            ("text/plain;q=0, */*", "application/json"),
            ("text/plain;q=0.2, text/*;q=0.5", "text/json"),
            ("application/json;q=0", "text/plain"),
            ("application/json;q=0.1, text/xml;q=0.001", "application/json"),
        ];
        for (accept, expected) in preferences {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }

    #[test]
    fn a_weight_has_three_digits_and_is_at_most_one() {
        let weights =
            [("0", 0), ("1", 1000), ("0.5", 500), ("0.25", 250), ("0.001", 1), ("1.000", 1000)];
        for (text, weight) in weights {
            assert_eq!(thousandths(text), Some(weight), "{text}");
        }
        for text in ["", "2", "1.1", "0.0001", "-1", "0.+1", ".5", "x"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
