//! Values as nginx writes them, in pushgate's way.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// A value of the file that is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
    /// Headers and their texts.
    Table(Vec<(String, String)>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(entries: &[&str]) -> Self {
        Self::List(entries.iter().map(|&entry| entry.to_owned()).collect())
    }
}

impl fmt::Display for Value {
    /// As TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(entries) => {
                let entries: Vec<_> = entries.iter().map(|entry| quoted(entry)).collect();
                write!(f, "[{}]", entries.join(", "))
            }
            Self::Table(entries) => {
                let entry =
                    |(name, text): &(String, String)| format!("{} = {}", key(name), quoted(text));
                let entries: Vec<_> = entries.iter().map(entry).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// A key: bare where it may be.
fn key(name: &str) -> Cow<'_, str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) { name.into() } else { quoted(name).into() }
}

/// A string on one line: in the kind of quotes that needs no escapes, if there is one.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_control();
    if text.chars().all(plain) && !text.contains('\'') && text.contains(['"', '\\']) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `on` and `off`.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

pub(super) fn count(text: &str) -> Option<Value> {
    digits(text).map(Value::Number)
}

fn digits(text: &str) -> Option<i64> {
    let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| sound)
}

/// A number of bytes, or one with `k`, `m` or `g`; Nchan has fractions of them.
pub(super) fn size(text: &str) -> Option<Value> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (&text[..at], unit.to_ascii_lowercase()),
        _ => return count(text),
    };
    let power = "kmg".find(unit)?;
    if digits(number).is_some() {
        return Some(Value::text(text));
    }
    let (whole, fraction) = number.split_once('.')?;
    let scale = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let number = digits(whole)?.checked_mul(scale)?.checked_add(digits(fraction)?)?;
    let bytes = number.checked_mul(1 << (10 * (power + 1)))? / scale;
    Some(Value::Number(bytes))
}

/// The units of a time in milliseconds, as nginx writes them, the larger before the smaller.
const TIMES: [(&str, u64); 8] = [
    ("y", 31_536_000_000),
    ("M", 2_592_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Milliseconds; numbers with units, with blanks between them or not, or seconds alone.
pub(super) fn time(text: &str) -> Option<u64> {
    let (mut rest, mut total, mut units) = (text, 0_u64, TIMES.iter());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].find(|c: char| !c.is_ascii_alphabetic());
        let unit = unit.map_or(rest.len(), |length| end + length);
        let name = if end == unit { "s" } else { &rest[end..unit] };
        let (_, factor) = units.find(|known| known.0 == name)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = rest[unit..].trim_start_matches(' ');
    }
    (!text.is_empty()).then_some(total)
}

/// Milliseconds as a duration of ours.
pub(super) fn duration(milliseconds: u64) -> Value {
    if milliseconds == 0 {
        return Value::Number(0);
    }
    // Days and below; `90m` is not told as `1h30m`, nor `90s` as `1m30s`.
    let divides = |unit: &&(&str, u64)| milliseconds.is_multiple_of(unit.1);
    let unit = TIMES[3..].iter().find(divides);
    let (name, factor) = unit.copied().unwrap_or(("ms", 1));
    Value::Text(format!("{}{name}", milliseconds / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_back() {
        for text in [
            "plain",
            "",
            "\"",
            "'",
            "'\"",
            r"~ ^/(\w+)$",
            "a\nb\r\t\u{0}\u{7f}\\",
            "\u{fc} \u{2028}",
            "'''",
            "{\"id\":~id~,\"text\":\"~text~\"}",
        ] {
            let toml = format!("key = {}", Value::text(text));
            let read: toml::Table = toml.parse().unwrap();
            assert_eq!(read["key"].as_str(), Some(text), "{toml}");
        }
        assert_eq!(Value::text(r"~ ^/(\w+)$").to_string(), r"'~ ^/(\w+)$'");
        assert_eq!(Value::list(&["a", "b"]).to_string(), r#"["a", "b"]"#);
        let table = Value::Table(vec![("Host".into(), "a".into())]);
        assert_eq!(table.to_string(), r#"{ Host = "a" }"#);
        for name in ["X-A_1", "X!A", "X.Foo", "X#B", "", "'", "\""] {
            let toml = format!("key = {}", Value::Table(vec![(name.into(), "b".into())]));
            let read: toml::Table = toml.parse().unwrap();
            assert_eq!(read["key"][name].as_str(), Some("b"), "{toml}");
        }
    }

    #[test]
    fn times_are_those_of_nginx() {
        for (text, expected) in [
            ("0", "0"),
            ("30", "\"30s\""),
            ("30s", "\"30s\""),
            ("90m", "\"90m\""),
            ("60m", "\"1h\""),
            ("1h 30m", "\"90m\""),
            ("1h30", "\"3630s\""),
            ("500ms", "\"500ms\""),
            ("5d", "\"5d\""),
            ("1w", "\"7d\""),
            ("1M", "\"30d\""),
            ("1y", "\"365d\""),
        ] {
            assert_eq!(duration(time(text).unwrap()).to_string(), expected, "{text}");
        }
        for text in ["", "s", "1x", "1s1h", "-1", "1.5h", "$arg_t", "99999999999999999y", "1 h x"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_those_of_nginx() {
        for (text, expected) in
            [("0", "0"), ("512", "512"), ("8k", "\"8k\""), ("32M", "\"32M\""), ("1.5K", "1536")]
        {
            assert_eq!(size(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "k", "1kb", "1.k", "$arg_s", "99999999999999999999", "1t", "-1k", "ä"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn flags_and_counts() {
        assert_eq!([flag("on"), flag("OFF"), flag("yes")], [Some(true), Some(false), None]);
        assert_eq!(count("12"), Some(Value::Number(12)));
        assert_eq!([count("+1"), count(""), count("1k")], [None, None, None]);
    }
}
