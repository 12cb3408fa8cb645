//! What happens when an attempt fails.

use std::collections::BTreeSet;

use crate::{Duration, Failure, FailureKind};

/// When a failed attempt is followed by another, and how much later.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub max_attempts: u32,
    /// The pause before the second attempt.
    pub delay: Duration,
    /// What each further pause is multiplied by, at least 1.
    pub factor: f64,
    /// No pause is longer, but for a failure that asks for one.
    pub max_delay: Duration,
    /// The kinds that are tried again.
    pub on: BTreeSet<FailureKind>,
}

impl Default for RetryPolicy {
    /// One attempt.
    fn default() -> Self {
        Self {
            max_attempts: 1,
            delay: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Duration::from_secs(60),
            on: BTreeSet::from(Self::DEFAULT_KINDS),
        }
    }
}

impl RetryPolicy {
    /// The kinds that are tried again unless `on` or `except` says otherwise.
    pub const DEFAULT_KINDS: [FailureKind; 2] = [FailureKind::Transient, FailureKind::Timeout];

    /// The pause after attempt `attempt` (from 1) failed, or nothing when it was the last.
    ///
    /// `fraction` in `0.0..1.0` was drawn at the edge: half of the pause is
    /// fixed and half is drawn ("equal jitter"), so that runs which failed
    /// together do not return together. A failure's own `retry_after` is
    /// never undercut.
    pub fn pause(&self, attempt: u32, failure: &Failure, fraction: f64) -> Option<Duration> {
        if attempt >= self.max_attempts || !self.on.contains(&failure.kind) {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a pause needs no more than 53 bits")]
        let (delay, longest) = (self.delay.0 as f64, self.max_delay.0 as f64);
        let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
        let full = (delay * self.factor.powi(exponent)).min(longest);
        let drawn = full / 2.0 + full / 2.0 * fraction.clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the value is at least 0, and `as` saturates"
        )]
        let pause = drawn.round() as u64;
        Some(Duration(pause.max(failure.retry_after_ms.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_up_to_its_limit_and_honours_the_failure() {
        let policy = RetryPolicy { max_attempts: 5, ..RetryPolicy::default() };
        let transient = Failure::new(FailureKind::Transient, "busy");
        let denied = Failure::new(FailureKind::Denied, "no");
        let later = Failure { retry_after_ms: Some(90_000), ..transient.clone() };
        let cases = [
            (1, &transient, 0.0, Some(500)),
            (1, &transient, 1.0, Some(1_000)),
            (3, &transient, 1.0, Some(4_000)),
            (4, &later, 0.5, Some(90_000)),
            (5, &transient, 0.5, None),
            (1, &denied, 0.5, None),
        ];
        for (attempt, failure, fraction, ms) in cases {
            assert_eq!(policy.pause(attempt, failure, fraction), ms.map(Duration));
        }
        let steep = RetryPolicy { max_attempts: u32::MAX, factor: 1e300, ..policy };
        assert_eq!(steep.pause(1_000_000, &transient, 1.0), Some(Duration(60_000)));
    }
}
