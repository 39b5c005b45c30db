//! What is sent where nothing else is, so that a connection stays.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    Malformed,
    json::Object,
    params::{pair, split},
};

/// How often, where the application does not say it.
const TIMEOUT: Duration = Duration::from_secs(55);
/// What is less would keep everyone busy.
const LEAST: u64 = 1;
/// An application that says more means never.
const MOST: u64 = 86_400;

/// What is sent where nothing else is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeepAlive {
    /// The bytes.
    pub content: Bytes,
    /// After which time.
    pub timeout: Duration,
    /// Counted from when.
    pub mode: Mode,
}

/// From when the time counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// From the last bytes of any kind.
    #[default]
    Idle,
    /// From the last keep-alive.
    Interval,
}

impl KeepAlive {
    /// Reads a `Grip-Keep-Alive`.
    pub(super) fn header(value: &str) -> Result<Self, Malformed> {
        let wrong = |what| Malformed::at("Grip-Keep-Alive", what);
        let mut parts = split(value, ';');
        let data = parts.next().unwrap_or_default();
        let mut read = Self { content: Bytes::new(), timeout: TIMEOUT, mode: Mode::Idle };
        let mut format = "raw".into();
        for part in parts {
            let (name, value) = pair(part);
            match name {
                "format" => format = value,
                "timeout" => {
                    let seconds = value.parse().map_err(|_| wrong("has a timeout that is none"))?;
                    read.timeout = bounded(seconds);
                }
                "mode" => {
                    read.mode = mode(&value).ok_or_else(|| wrong("has a mode that is none"))?;
                }
                _ => {}
            }
        }
        let content = match &*format {
            "raw" => data.as_bytes().to_vec(),
            "cstring" => cstring(data).ok_or_else(|| wrong("is no cstring"))?,
            "base64" => STANDARD.decode(printed(data)).map_err(|_| wrong("is no base64"))?,
            _ => return Err(wrong("has a format that is none")),
        };
        read.content = content.into();
        Ok(read)
    }

    /// Reads an object `{"content", "timeout", "mode"}`.
    pub(super) fn object(object: &Object<'_>) -> Result<Self, Malformed> {
        let content = object.bytes("content")?.unwrap_or_default();
        let timeout = object.number("timeout")?.map_or(TIMEOUT, bounded);
        let known = |text| mode(text).ok_or_else(|| object.wrong("mode", "is none"));
        let mode = object.text("mode")?.map(known).transpose()?.unwrap_or_default();
        Ok(Self { content, timeout, mode })
    }
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "idle" => Some(Mode::Idle),
        "interval" => Some(Mode::Interval),
        _ => None,
    }
}

fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds.clamp(LEAST, MOST))
}

/// django-grip prints the bytes of Python 3 as they look in a program.
fn printed(data: &str) -> &str {
    data.strip_prefix("b'").and_then(|data| data.strip_suffix('\'')).unwrap_or(data)
}

/// `\\`, `\r`, `\n` and `\xHH` are one byte each.
fn cstring(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, after) = rest.split_first()?;
        rest = after;
        bytes.push(match kind {
            b'\\' => b'\\',
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<(Bytes, u64, Mode), String> {
        let read = KeepAlive::header(value).map_err(|error| error.to_string())?;
        Ok((read.content, read.timeout.as_secs(), read.mode))
    }

    #[test]
    fn a_header_gives_content_time_and_mode() {
        for (value, expected) in [
            ("hi", ("hi", 55, Mode::Idle)),
            ("hi; timeout=0", ("hi", 1, Mode::Idle)),
            ("hi; mode=interval; timeout=3", ("hi", 3, Mode::Interval)),
            (
                r"event: keep-alive\ndata:\n\n; format=cstring; timeout=20",
                ("event: keep-alive\ndata:\n\n", 20, Mode::Idle),
            ),
            (r"\x41\\\r; format=cstring", ("A\\\r", 55, Mode::Idle)),
            ("aGk=; format=base64", ("hi", 55, Mode::Idle)),
            ("b'aGk='; format=base64", ("hi", 55, Mode::Idle)),
            ("", ("", 55, Mode::Idle)),
        ] {
            let (content, seconds, mode) = expected;
            assert_eq!(read(value), Ok((content.into(), seconds, mode)), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (value, expected) in [
            ("a; timeout=x", "Grip-Keep-Alive has a timeout that is none."),
            ("a; mode=x", "Grip-Keep-Alive has a mode that is none."),
            ("a; format=x", "Grip-Keep-Alive has a format that is none."),
            (r"\q; format=cstring", "Grip-Keep-Alive is no cstring."),
            (r"\x+1; format=cstring", "Grip-Keep-Alive is no cstring."),
            (r"\; format=cstring", "Grip-Keep-Alive is no cstring."),
            ("?; format=base64", "Grip-Keep-Alive is no base64."),
        ] {
            assert_eq!(read(value), Err(expected.to_owned()), "{value}");
        }
    }
}
