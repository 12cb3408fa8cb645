//! What a status means.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use pawl_plugin::prelude::*;

/// What an answer asks to wait is cut to this.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What comes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is the tool's result.
    Accept,
    /// The step's `retry` may try again.
    Transient,
    /// It failed, and would again.
    Permanent,
    /// It was not allowed.
    Denied,
}

/// What was said about statuses, by number and by class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OnStatus {
    numbers: BTreeMap<u16, Outcome>,
    classes: BTreeMap<u16, Outcome>,
}

impl OnStatus {
    pub(crate) fn new(named: &BTreeMap<String, Outcome>) -> Result<Self, Failure> {
        let mut statuses = Self::default();
        for (name, outcome) in named {
            let class = name.strip_suffix("xx").and_then(|class| class.parse().ok());
            let number = name.parse().ok();
            match (class, number) {
                (Some(class @ 1..=5), _) => _ = statuses.classes.insert(class, *outcome),
                (None, Some(number @ 100..=599)) => _ = statuses.numbers.insert(number, *outcome),
                _ => {
                    return Err(Failure::invalid_input(format!(
                        "`on_status` has `{name}`; a status is a number such as 404, or a class such as 4xx"
                    )));
                }
            }
        }
        Ok(statuses)
    }

    /// What was said about this status, if anything.
    pub(crate) fn said(&self, status: u16) -> Option<Outcome> {
        self.numbers.get(&status).or_else(|| self.classes.get(&(status / 100))).copied()
    }
}

/// What a status means of which nothing was said.
pub(crate) fn usual(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Accept,
        401 | 403 => Outcome::Denied,
        408 | 429 | 500..=599 => Outcome::Transient,
        _ => Outcome::Permanent,
    }
}

/// Whether the other end, or something on the way to it, may have given up on what it had begun.
pub(crate) fn is_open(status: u16) -> bool {
    matches!(status, 408 | 500..=599)
}

/// The answer's `Retry-After`: seconds, or an instant, which is read against the answer's own `Date`.
pub(crate) fn retry_after(retry_after: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let text = retry_after?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let instant = |text: &str| httpdate::parse_http_date(text.trim()).ok();
            let (until, now): (SystemTime, _) = (instant(text)?, instant(date?)?);
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_its_class_and_both_before_what_is_usual() {
        let named = json!({ "404": "accept", "4xx": "transient", "201": "denied" });
        let statuses = OnStatus::new(&serde_json::from_value(named).unwrap()).unwrap();
        let cases = [
            (404, Some(Outcome::Accept)),
            (418, Some(Outcome::Transient)),
            (201, Some(Outcome::Denied)),
            (500, None),
        ];
        for (status, expected) in cases {
            assert_eq!(statuses.said(status), expected, "{status}");
        }
        for name in ["", "99", "600", "4x", "6xx", "xx", "4xxx", "-1xx"] {
            assert!(OnStatus::new(&BTreeMap::from([(name.to_owned(), Outcome::Accept)])).is_err(), "{name}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_an_instant() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let cases = [
            (Some("120"), None, Some(120)),
            (Some(" 0 "), None, Some(0)),
            (Some("99999999"), None, Some(86_400)),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), date, Some(30)),
            (Some("Sun, 06 Nov 1994 08:00:00 GMT"), date, Some(0)),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), None, None),
            (Some("soon"), date, None),
            (None, date, None),
        ];
        for (after, date, expected) in cases {
            assert_eq!(retry_after(after, date), expected.map(Duration::from_secs), "{after:?}");
        }
    }
}
