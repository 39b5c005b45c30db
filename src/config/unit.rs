//! Durations and sizes as they are written: `"1h30m"`, `"32k"`.

use std::time::Duration;

/// Longer durations are refused, so that every deadline can be computed: a hundred years.
const MAX_DURATION: Duration = Duration::from_hours(36_500 * 24);

/// The units of a duration in milliseconds, the largest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no duration or no size.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// A number alone.
    #[error("a duration needs a unit, like \"{0}s\", \"{0}m\" or \"{0}ms\"")]
    NoUnit(u64),
    /// No duration at all.
    #[error("{0:?} is no duration, write it like \"500ms\", \"30s\", \"5m\", \"1h30m\" or \"1d\"")]
    NotADuration(String),
    /// No size at all.
    #[error("{0:?} is no size, write it in bytes or like \"32k\", \"10M\" or \"1g\"")]
    NotASize(String),
    /// A duration above a hundred years.
    #[error("a duration is at most \"36500d\"")]
    TooLong,
    /// A size that the machine cannot count.
    #[error("the size is too large")]
    TooLarge,
}

/// A duration: numbers with the units `d h m s ms`, the larger before the smaller; `"0"` is none.
pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    let malformed = || UnitError::NotADuration(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = DURATIONS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(malformed)?;
        let number = number.ok_or(UnitError::TooLong)?;
        let name_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(name_end);
        if name.is_empty() && rest == text {
            return Err(UnitError::NoUnit(number));
        }
        let (_, factor) = units.find(|unit| unit.0 == name).ok_or_else(malformed)?;
        let part = number.checked_mul(*factor).ok_or(UnitError::TooLong)?;
        total = total.checked_add(part).ok_or(UnitError::TooLong)?;
        rest = after;
    }
    let total = Duration::from_millis(total);
    match text {
        "" => Err(malformed()),
        _ if total > MAX_DURATION => Err(UnitError::TooLong),
        _ => Ok(total),
    }
}

/// A size in bytes: a number, or one with `k`, `m` or `g` (1024 each) in either case.
pub(super) fn size(text: &str) -> Result<usize, UnitError> {
    let malformed = || UnitError::NotASize(text.to_owned());
    let (number, unit) = leading_number(text).ok_or_else(malformed)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(malformed()),
    };
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.and_then(in_memory).ok_or(UnitError::TooLarge)
}

/// A number of bytes that one object in memory may have.
pub(super) fn in_memory(bytes: u64) -> Option<usize> {
    isize::try_from(bytes).ok().map(isize::cast_unsigned)
}

/// Splits the digits off the front; the number is `None` when it does not fit.
fn leading_number(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].parse().ok(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_in_sums() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("36500d", 36_500 * 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_unit_says_what_is_missing() {
        assert_eq!(duration("30"), Err(UnitError::NoUnit(30)));
        assert!(duration("30").unwrap_err().to_string().contains("\"30s\""));
    }

    #[test]
    fn garbage_is_no_duration() {
        for text in
            ["", "s", "-1s", "1.5h", "1x", "30m1h", "5s5s", "1h30", " 1s", "1s ", "1 s", "ä"]
        {
            assert!(matches!(duration(text), Err(UnitError::NotADuration(_))), "{text:?}");
        }
        for text in ["36501d", "18446744073709551616s", "18446744073709551615d"] {
            assert_eq!(duration(text), Err(UnitError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn sizes_count_by_1024_in_either_case() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("32k", 32_768),
            ("32K", 32_768),
            ("10M", 10 << 20),
            ("1g", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "1kb", "-1", "1.5M", "1 k", "1t"] {
            assert!(matches!(size(text), Err(UnitError::NotASize(_))), "{text:?}");
        }
        for text in ["18446744073709551616", "17179869184g", "9223372036854775808"] {
            assert_eq!(size(text), Err(UnitError::TooLarge), "{text:?}");
        }
    }
}
