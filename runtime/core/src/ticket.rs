//! What a run holds, or waits for, of what may go on at once only so often, as the store lists it.

use serde::{Deserialize, Serialize};

use crate::event::Overflow;
use crate::{RunId, RunState, Timestamp, VisitId};

/// How much sooner one step of priority lets go first, in milliseconds: what has waited for so much longer is
/// as good. So nothing waits for ever behind what is more urgent.
pub const PRIORITY_WORTH_MS: i64 = 10_000;

/// A slot that is held or waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The run.
    pub run: RunId,
    /// The visit; absent for the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    /// Among which.
    pub key: String,
    /// How many there may be.
    pub limit: u32,
    /// What happens when there is none.
    pub overflow: Overflow,
    /// From 0 to 100; the higher goes first.
    pub priority: u8,
    /// When it was asked for.
    pub since: Timestamp,
    /// Whether it is held.
    pub taken: bool,
}

/// Who goes first: the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(i64);

impl Rank {
    /// Before all others.
    pub const FIRST: Self = Self(i64::MIN);

    /// The rank of what waits since an instant with a priority.
    pub fn new(since: Timestamp, priority: u8) -> Self {
        let since = i64::try_from(since.0).unwrap_or(i64::MAX);
        Self(since.saturating_sub(i64::from(priority) * PRIORITY_WORTH_MS))
    }
}

impl Ticket {
    /// Where it stands among those that wait for the same.
    pub fn rank(&self) -> Rank {
        Rank::new(self.since, self.priority)
    }
}

impl RunState {
    /// The slots that the run holds or waits for.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.slots().map(|(visit, slot)| Ticket {
            run: self.id(),
            visit,
            key: slot.key.clone(),
            limit: slot.limit,
            overflow: slot.overflow,
            priority: slot.priority,
            since: slot.since,
            taken: slot.taken,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_waited_long_enough_goes_before_what_is_more_urgent() {
        let [low, high] = [0, 100].map(|priority| move |at| Rank::new(Timestamp(at), priority));
        assert!(high(1_000) < low(1_000));
        assert!(low(1_000) < high(1_000 + 1_000_001));
        assert!(high(1_000 + 999_999) < low(1_000));
        assert!(Rank::new(Timestamp(u64::MAX), 0) > low(0));
    }
}
