//! Which format a request wants, by `Accept` (RFC 9110 section 12.5.1), and what it is called.

use std::cmp::Reverse;

use http::HeaderValue;

use crate::dialect::Info;

/// A format of channel info.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Json,
    Text,
    Xml,
    Yaml,
}

/// What can be had. The order is that of preference where the request has none: plain text, then
/// JSON.
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
/// The push stream module prefers JSON.
const JSON: usize = 1;

/// The most media ranges of an `Accept` that are looked at.
const MAX_RANGES: usize = 32;

/// The format that `accept` prefers, and its `Content-Type`; the most preferred one where nothing of
/// what it names can be had.
pub(super) fn choose(accept: Option<&HeaderValue>, style: Info) -> (&'static str, Format) {
    let first = if style == Info::PushStream { JSON } else { 0 };
    let (asked, format) = negotiate(accept, first);
    (called(asked, format, style), format)
}

/// The push module calls a format what the request called it, Nchan calls all of them texts, and the
/// push stream module looks at the subtype alone.
fn called(asked: &'static str, format: Format, style: Info) -> &'static str {
    let experimental = asked.contains("/x-");
    match (style, format) {
        (Info::PushModule, _) => asked,
        (_, Format::Text) => "text/plain",
        (Info::Nchan, Format::Json) => "text/json",
        (Info::Nchan, Format::Xml) => "text/xml",
        (Info::Nchan, Format::Yaml) => "text/yaml",
        (Info::PushStream, Format::Json) if experimental => "text/x-json",
        (Info::PushStream, Format::Json) => "application/json",
        (Info::PushStream, Format::Xml) => "application/xml",
        (Info::PushStream, Format::Yaml) if experimental => "text/x-yaml",
        (Info::PushStream, Format::Yaml) => "application/yaml",
    }
}

/// The offer of the highest weight; of equal ones that which is named most precisely, then that
/// which is named first; the first where nothing of what is named can be had.
fn negotiate(accept: Option<&HeaderValue>, first: usize) -> (&'static str, Format) {
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if matches!(accept, "" | "*/*") {
        return OFFERED[first];
    }
    let ranges: Vec<_> = accept.split(',').take(MAX_RANGES).map(Range::parse).collect();
    let (after, before) = (&OFFERED[first..], &OFFERED[..first]);
    let mut best = OFFERED[first];
    let mut best_claim = None;
    for offer in after.iter().chain(before) {
        let claim = claim(&ranges, offer.0);
        if claim.is_some_and(|(weight, ..)| weight > 0) && claim > best_claim {
            (best, best_claim) = (*offer, claim);
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

    fn chosen_in(style: Info, accept: &str) -> &'static str {
        choose(Some(&HeaderValue::from_str(accept).unwrap()), style).0
    }

    fn chosen(accept: &str) -> &'static str {
        chosen_in(Info::PushModule, accept)
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

    #[test]
    fn nchan_calls_everything_a_text() {
        for (accept, expected) in [
            ("*/*", "text/plain"),
            ("application/json", "text/json"),
            ("text/x-json", "text/json"),
            ("application/xml", "text/xml"),
            ("application/x-yaml", "text/yaml"),
        ] {
            assert_eq!(chosen_in(Info::Nchan, accept), expected, "{accept}");
        }
    }

    #[test]
    fn push_stream_prefers_json_and_looks_at_subtypes() {
        for (accept, expected) in [
            ("*/*", "application/json"),
            ("image/png", "application/json"),
            ("text/*", "application/json"),
            ("text/plain", "text/plain"),
            ("text/json", "application/json"),
            ("application/x-json", "text/x-json"),
            ("text/xml", "application/xml"),
            ("text/yaml", "application/yaml"),
            ("application/x-yaml", "text/x-yaml"),
            ("text/plain;q=0.5, application/json;q=0.4", "text/plain"),
        ] {
            assert_eq!(chosen_in(Info::PushStream, accept), expected, "{accept}");
        }
        assert_eq!(choose(None, Info::PushStream), ("application/json", Format::Json));
    }
}
