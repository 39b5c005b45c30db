//! A moment as a human reads it, in UTC.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// A moment; years from 1970 on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Civil {
    year: u64,
    /// From 1.
    month: usize,
    day: u64,
    /// Of the day.
    second: u64,
    milli: u32,
}

const DAY: u64 = 24 * 60 * 60;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Civil {
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (mut year, mut day) = (1970, since.as_secs() / DAY);
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while day >= days_of_month(year, month) {
            day -= days_of_month(year, month);
            month += 1;
        }
        let second = since.as_secs() % DAY;
        Self { year, month, day: day + 1, second, milli: since.subsec_millis() }
    }

    /// As nginx's `$time_local` writes it: `25/Nov/2026:18:09:22 +0000`.
    pub(super) fn common(self) -> String {
        let Self { year, month, day, .. } = self;
        format!("{day:02}/{}/{year}:{} +0000", MONTHS[month - 1], self.clock())
    }

    fn clock(self) -> String {
        let minute = self.second / 60;
        format!("{:02}:{:02}:{:02}", minute / 60, minute % 60, self.second % 60)
    }
}

/// RFC 3339, with milliseconds.
impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, milli, .. } = self;
        write!(f, "{year}-{month:02}-{day:02}T{}.{milli:03}Z", self.clock())
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(year: u64, month: usize) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64, millis: u64) -> Civil {
        Civil::of(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis))
    }

    #[test]
    fn moments_are_written_in_both_ways() {
        for (seconds, common, precise) in [
            (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.007Z"),
            (951_782_399, "28/Feb/2000:23:59:59 +0000", "2000-02-28T23:59:59.007Z"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000", "2000-02-29T00:00:00.007Z"),
            (1_450_755_280, "22/Dec/2015:03:34:40 +0000", "2015-12-22T03:34:40.007Z"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000", "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(at(seconds, 7).common(), common);
            assert_eq!(at(seconds, 7).to_string(), precise);
        }
        assert_eq!(Civil::of(UNIX_EPOCH - Duration::from_secs(1)), at(0, 0));
    }

    proptest! {
        #[test]
        fn it_is_the_date_that_http_writes(seconds in 0_u64..253_402_300_800) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let date = httpdate::fmt_http_date(time);
            let common = Civil::of(time).common();
            let [day, month, rest] = common.splitn(3, '/').collect::<Vec<_>>()[..] else {
                panic!("{common}")
            };
            let rest = rest.replacen(':', " ", 1).replace("+0000", "GMT");
            prop_assert!(date.ends_with(&format!(" {day} {month} {rest}")), "{date} {common}");
        }
    }
}
