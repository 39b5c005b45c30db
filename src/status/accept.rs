//! Which format of `push_status` a request wants, by `Accept` (RFC 9110 section 12.5.1).
//!
//! Prometheus asks for `text/plain` as others do, and says which text by a parameter: that of
//! version 0.0.4 is offered, later ones and `OpenMetrics` are not.

use http::{HeaderMap, header};

use crate::config::StatusFormat;

/// The most media ranges that are looked at.
const MAX_RANGES: usize = 32;
/// What can be had, the most preferred first.
const OFFERED: [StatusFormat; 3] =
    [StatusFormat::Text, StatusFormat::Json, StatusFormat::Prometheus];
/// Thousandths, as `q` counts.
const FULL_WEIGHT: u16 = 1000;

/// The format of the highest weight; of equal ones that which is named first; text where nothing of
/// what is named can be had.
pub(super) fn choose(headers: &HeaderMap) -> StatusFormat {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<Range<'_>> =
        lines.flat_map(|line| line.split(',')).take(MAX_RANGES).map(Range::parse).collect();
    let mut best = (0, StatusFormat::Text);
    for (at, range) in ranges.iter().enumerate() {
        for format in OFFERED {
            // A range that names the format more precisely decides about it.
            let decides = |other: &Range<'_>| other.fit(format) > range.fit(format);
            let fits = range.fit(format) > 0 && !ranges.iter().any(decides);
            let earlier = ranges[..at].iter().any(|other| other.fit(format) == range.fit(format));
            if fits && !earlier && range.weight > best.0 {
                best = (range.weight, format);
            }
        }
    }
    best.1
}

/// One entry of `Accept`.
struct Range<'a> {
    media: &'a str,
    /// The `version` that it asks for.
    version: Option<&'a str>,
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let mut range = Self { media, version: None, weight: FULL_WEIGHT };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => range.weight = weight(value),
                "version" => range.version = Some(value),
                _ => {}
            }
        }
        range
    }

    /// How precisely it names a format; 0: not at all.
    fn fit(&self, format: StatusFormat) -> u8 {
        let is = |name: &str| self.media.eq_ignore_ascii_case(name);
        let (named, kind) = match (format, self.version) {
            (StatusFormat::Prometheus, Some("0.0.4")) => (is("text/plain"), false),
            (StatusFormat::Json, None) => {
                (is("application/json") || is("text/json"), is("application/*"))
            }
            (StatusFormat::Text, None) => (is("text/plain"), is("text/*")),
            _ => return 0,
        };
        match (named, kind) {
            (true, _) => 3,
            (_, true) => 2,
            _ => u8::from(is("*/*") && self.version.is_none()),
        }
    }
}

/// A weight in thousandths; what is none counts for nothing.
fn weight(text: &str) -> u16 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "1" => FULL_WEIGHT,
        "0" if digits && part.len() <= 3 => format!("{part:0<3}").parse().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> StatusFormat {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(&headers)
    }

    #[test]
    fn who_says_nothing_reads_text() {
        assert_eq!(choose(&HeaderMap::new()), StatusFormat::Text);
        for accept in ["*/*", "text/plain", "text/*", "image/png", "", ";", "text/html, */*;q=0.1"]
        {
            assert_eq!(chosen(accept), StatusFormat::Text, "{accept:?}");
        }
    }

    #[test]
    fn prometheus_of_every_age_gets_its_text() {
        for accept in [
            "text/plain;version=0.0.4",
            "text/plain; version=\"0.0.4\"; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        ] {
            assert_eq!(chosen(accept), StatusFormat::Prometheus, "{accept:?}");
        }
    }

    #[test]
    fn weights_decide_and_nothing_is_what_weight_0_names() {
        assert_eq!(chosen("application/json"), StatusFormat::Json);
        assert_eq!(chosen("Text/JSON"), StatusFormat::Json);
        assert_eq!(chosen("text/plain;q=0.5, application/json;q=0.501"), StatusFormat::Json);
        assert_eq!(chosen("application/json, text/plain"), StatusFormat::Json);
        assert_eq!(chosen("text/plain;q=0, */*"), StatusFormat::Json);
        assert_eq!(chosen("application/json;q=0, */*;q=0.1"), StatusFormat::Text);
        assert_eq!(chosen("application/json;q=2, text/plain;q=0.1"), StatusFormat::Text);
        assert_eq!(chosen("application/json;q=0.12345"), StatusFormat::Text);
    }
}
