//! Whether a plugin that fails again and again is left out for a while.

use pawl_core::{Duration, Timestamp};

use super::health::Observation;

/// So many failures in a row, within [`CIRCUIT_WINDOW_MS`], leave a plugin out.
pub(crate) const CIRCUIT_FAILURES: usize = 3;
/// How near together they must be, in milliseconds.
pub(crate) const CIRCUIT_WINDOW_MS: u64 = 5 * 60 * 1_000;
/// How long a plugin is left out after the last of them, in milliseconds; then it gets one try.
pub(crate) const CIRCUIT_COOL_DOWN_MS: u64 = 30 * 1_000;

/// Whether a plugin may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    /// It may.
    Closed,
    /// It is left out until then.
    Open(Timestamp),
    /// It gets one try, which says how it goes on.
    HalfOpen,
}

impl Circuit {
    /// What follows from what was seen of a plugin, the oldest first.
    pub(super) fn of<'o>(
        observations: impl DoubleEndedIterator<Item = &'o Observation>,
        now: Timestamp,
    ) -> Self {
        let failures: Vec<_> = observations.rev().take_while(|seen| !seen.went_well).collect();
        let (Some(last), Some(first)) = (failures.first(), failures.get(CIRCUIT_FAILURES - 1)) else {
            return Self::Closed;
        };
        if last.at.since(first.at).0 > CIRCUIT_WINDOW_MS {
            return Self::Closed;
        }
        let until = last.at.after(Duration(CIRCUIT_COOL_DOWN_MS));
        if now < until { Self::Open(until) } else { Self::HalfOpen }
    }
}
