//! Instants and durations as data. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The instant that lies a duration later; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// Reads RFC 3339 text: `2026-11-23T09:30:00Z`, or with an offset, `2026-11-23T10:30:00.125+01:00`.
    ///
    /// Digits below a millisecond are dropped; an instant before 1970 is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        parse_rfc_3339(text).ok_or_else(|| InvalidTimestamp(text.to_owned()))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an instant; write RFC 3339, such as 2026-11-23T09:30:00Z")]
pub struct InvalidTimestamp(String);

/// What stands before `mark`, as a number of exactly `digits` digits, and what follows.
fn number<'t>(text: &'t str, digits: usize, mark: &str) -> Option<(i64, &'t str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())??;
    Some((number, rest.strip_prefix(mark)?))
}

fn parse_rfc_3339(text: &str) -> Option<Timestamp> {
    let (year, rest) = number(text, 4, "-")?;
    let (month, rest) = number(rest, 2, "-")?;
    let (day, rest) = number(rest, 2, "")?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (hour, rest) = number(rest, 2, ":")?;
    let (minute, rest) = number(rest, 2, ":")?;
    let (second, rest) = number(rest, 2, "")?;
    let (ms, rest) = milliseconds(rest)?;
    let offset = offset_minutes(rest)?;
    let date = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let minutes = days_from_civil(year, month, day) * 1_440 + hour * 60 + minute - offset;
    u64::try_from(minutes * 60_000 + second * 1_000 + ms).ok().map(Timestamp)
}

/// An optional fraction of a second, and what follows it.
fn milliseconds(text: &str) -> Option<(i64, &str)> {
    let Some(fraction) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = fraction.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = fraction.split_at(end);
    let padded: String = digits.chars().chain("000".chars()).take(3).collect();
    (!digits.is_empty()).then_some((padded.parse().ok()?, rest))
}

/// `Z`, or how far the local time is ahead of UTC, in minutes.
fn offset_minutes(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, rest) = number(text.strip_prefix(['+', '-'])?, 2, ":")?;
    let (minutes, rest) = number(rest, 2, "")?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// RFC 3339 in UTC with milliseconds, `2026-11-23T09:30:00.125Z`.
///
/// The civil date is computed with Howard Hinnant's `civil_from_days`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
    }
}

/// A span in milliseconds; written with a unit, `250ms`, `30s`, `5m`, `48h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub u64);

impl Duration {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a duration; write a whole number and a unit (ms, s, m, h, d), such as 30s")]
pub struct InvalidDuration(String);

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDuration(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let (number, unit) = text.split_at(digits);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let number: u64 = number.parse().map_err(|_| invalid())?;
        number.checked_mul(*scale).map(Self).ok_or_else(invalid)
    }
}

/// In the largest unit that divides it.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = UNITS
            .iter()
            .rev()
            .find(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale))
            .unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_426_200_125, "2026-11-23T09:30:00.125Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(Timestamp(ms).to_string(), text);
        }
    }

    #[test]
    fn timestamps_are_read_from_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00.000Z", Some(951_782_400_000)),
            ("2026-11-23T09:30:00.125Z", Some(1_795_426_200_125)),
            ("2026-11-23T10:30:00.1259+01:00", Some(1_795_426_200_125)),
            ("2026-11-23t04:00:00.1-05:30", Some(1_795_426_200_100)),
            ("2026-11-23 09:30:00z", Some(1_795_426_200_000)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-23T24:00:00Z", None),
            ("2026-11-23T09:30:00", None),
            ("2026-11-23T09:30:00.Z", None),
            ("2026-11-23", None),
            ("+026-11-23T09:30:00Z", None),
            ("2026-11-23T09:30:00+1:00", None),
            ("", None),
            ("é026-11-23T09:30:00Z", None),
        ];
        for (text, ms) in cases {
            assert_eq!(Timestamp::parse(text).ok(), ms.map(Timestamp), "{text}");
        }
        for day in 0..60_000 {
            let instant = Timestamp(day * 86_400_000 + 12_345_678);
            assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        }
    }

    #[test]
    fn durations_need_a_unit() {
        let cases = [
            ("30s", Some(30_000)),
            ("250ms", Some(250)),
            ("48h", Some(172_800_000)),
            ("7d", Some(604_800_000)),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(text.parse().ok(), ms.map(Duration), "{text}");
        }
        assert_eq!(Duration(90_000).to_string(), "90s");
        assert_eq!(Duration(0).to_string(), "0ms");
    }
}
