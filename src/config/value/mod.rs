//! Reads one value of the file: its type, its unit, the words it may be. What is wrong is noted
//! where it stands, and reading goes on.

mod credentials;
mod onward;
mod term;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

pub(super) use credentials::*;
pub(super) use onward::*;
pub(super) use term::*;
use toml::{
    Spanned,
    de::{DeInteger, DeValue},
};

use super::{
    error::{Faults, Level, Place, Reason},
    unit,
};

/// A value and where it stands.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// More threads than this are a mistake.
const MAX_WORKERS: usize = 1024;

/// The value was refused, and why is noted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refused;

pub(super) type Read<T> = Result<T, Refused>;

/// What is written for a key, and where.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// What is written, or the default.
pub(super) fn or<T: Copy>(written: Option<&At<T>>, default: T) -> T {
    written.map_or(default, |at| at.value)
}

/// Reads the value of one key.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) faults: &'a mut Faults,
    pub(super) key: &'static str,
    pub(super) level: Level,
    pub(super) source: usize,
}

impl Reader<'_> {
    /// Where a value of this key stands.
    pub(super) fn place(&self, value: &Value<'_>) -> Place {
        let Self { key, level, source, .. } = *self;
        Place { key, level, source, offset: value.span().start }
    }

    fn refuse<T>(&mut self, value: &Value<'_>, reason: impl Into<Reason>) -> Read<T> {
        self.faults.add(self.place(value), reason);
        Err(Refused)
    }

    fn wrong<T>(&mut self, value: &Value<'_>, expected: &'static str) -> Read<T> {
        self.refuse(value, Reason::Type { expected, found: kind(value.get_ref()) })
    }

    /// Notes the reason if there is one.
    fn check<T>(&mut self, value: &Value<'_>, result: Result<T, impl Into<Reason>>) -> Read<T> {
        result.or_else(|reason| self.refuse(value, reason))
    }

    fn string<'v>(&mut self, value: &'v Value<'_>, expected: &'static str) -> Read<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => self.wrong(value, expected),
        }
    }
}

/// What a value is called in an error.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn number(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn flag(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => reader.wrong(value, "true or false"),
    }
}

/// Any text.
pub(super) fn text(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<String> {
    reader.string(value, "a string").map(str::to_owned)
}

/// A text, the empty one standing for none.
pub(super) fn some_text(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<String>> {
    text(reader, value).map(|text| (!text.is_empty()).then_some(text))
}

/// A path, the empty one standing for none.
pub(super) fn some_path(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<PathBuf>> {
    some_text(reader, value).map(|text| text.map(PathBuf::from))
}

/// A text that is not empty, and where it stands.
fn filled_text(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<At<String>> {
    match text(reader, value)? {
        text if text.is_empty() => reader.refuse(value, Reason::Range("a text that is not empty")),
        text => Ok(At { value: text, place: reader.place(value) }),
    }
}

/// A text or a list of texts, none of them empty.
pub(super) fn texts(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Vec<At<String>>> {
    list(reader, value, filled_text)
}

/// A list, or one entry alone; every wrong entry is noted.
fn list<T>(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    item: impl Fn(&mut Reader<'_>, &Value<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    match value.get_ref() {
        DeValue::Array(array) => {
            let items: Vec<_> = array.iter().map(|value| item(reader, value)).collect();
            items.into_iter().collect()
        }
        DeValue::String(_) => item(reader, value).map(|item| vec![item]),
        _ => reader.wrong(value, "a string or a list of strings"),
    }
}

/// A number from 0 on.
pub(super) fn count(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<usize> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return reader.wrong(value, "a number");
    };
    let count = number(integer).and_then(|number| usize::try_from(number).ok());
    count.map_or_else(|| reader.refuse(value, Reason::Range("a number from 0 on")), Ok)
}

/// A number from 1 on.
pub(super) fn some_count(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<usize> {
    match count(reader, value)? {
        0 => reader.refuse(value, Reason::Range("a number from 1 on")),
        count => Ok(count),
    }
}

/// `"auto"`, or a number of threads.
pub(super) fn workers(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<NonZeroUsize>> {
    match value.get_ref() {
        DeValue::String(text) if text == "auto" => Ok(None),
        DeValue::Integer(_) => match NonZeroUsize::new(count(reader, value)?) {
            Some(workers) if workers.get() <= MAX_WORKERS => Ok(Some(workers)),
            _ => reader.refuse(value, Reason::Range("a number from 1 to 1024")),
        },
        _ => reader.wrong(value, "a number or \"auto\""),
    }
}

/// Bytes: a number, or a text with a unit.
pub(super) fn size(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<usize> {
    match value.get_ref() {
        DeValue::String(text) => reader.check(value, unit::size(text)),
        DeValue::Integer(_) => count(reader, value),
        _ => reader.wrong(value, "a size like \"32k\" or a number of bytes"),
    }
}

/// Bytes, at least one.
pub(super) fn some_size(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<usize> {
    match size(reader, value)? {
        0 => reader.refuse(value, Reason::Range("more than 0 bytes")),
        size => Ok(size),
    }
}

/// A duration; 0 is no time at all.
pub(super) fn duration(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Duration> {
    const EXPECTED: &str = "a duration like \"30s\", or 0";
    match value.get_ref() {
        DeValue::String(text) => reader.check(value, unit::duration(text)),
        DeValue::Integer(integer) => match number(integer).map(u64::try_from) {
            Some(Ok(0)) => Ok(Duration::ZERO),
            Some(Ok(number)) => reader.refuse(value, unit::UnitError::NoUnit(number)),
            _ => reader.wrong(value, EXPECTED),
        },
        _ => reader.wrong(value, EXPECTED),
    }
}

/// A duration that is not zero.
pub(super) fn some_time(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Duration> {
    match duration(reader, value)? {
        Duration::ZERO => reader.refuse(value, Reason::Range("more than 0")),
        time => Ok(time),
    }
}

/// What the kernel takes of milliseconds, 0 standing for its own choice.
pub(super) fn user_timeout(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<Duration>> {
    match timeout(reader, value)? {
        Some(time) if i32::try_from(time.as_millis()).is_err() => {
            reader.refuse(value, Reason::Range("at most 24 days"))
        }
        time => Ok(time),
    }
}

/// A duration, 0 standing for never.
pub(super) fn timeout(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<Duration>> {
    duration(reader, value).map(|time| (!time.is_zero()).then_some(time))
}
