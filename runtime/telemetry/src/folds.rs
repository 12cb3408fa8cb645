//! Runs as far as they were read, a bounded number of them.

use std::collections::{HashMap, VecDeque};

use pawl_core::RunId;
use pawl_core::journal::Head;

use crate::fold::Trace;

/// Runs of which it is kept which spans are open; others are read again from their beginning when they go on.
pub const FOLDS_MAX: usize = 1_024;

/// A run as far as it was read.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) trace: Trace,
    pub(crate) head: Head,
}

impl Fold {
    /// A run of which nothing was read.
    pub(crate) fn new(run: RunId) -> Self {
        Self { trace: Trace::new(run, 0), head: Head::empty(run) }
    }
}

/// Runs as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    by_run: HashMap<RunId, Fold>,
    /// The one that was read longest ago first; one may stand in it more than once.
    order: VecDeque<RunId>,
}

impl Folds {
    pub(crate) fn get(&self, run: RunId) -> Option<&Fold> {
        self.by_run.get(&run)
    }

    /// Takes a run out, to be read on.
    pub(crate) fn take(&mut self, run: RunId) -> Fold {
        self.by_run.remove(&run).unwrap_or_else(|| Fold::new(run))
    }

    /// Keeps a run, in place of the one that was read longest ago where there are too many.
    pub(crate) fn keep(&mut self, run: RunId, fold: Fold) {
        self.by_run.insert(run, fold);
        self.order.push_back(run);
        while self.by_run.len() > FOLDS_MAX || self.order.len() > 4 * FOLDS_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if !self.order.contains(&oldest) {
                self.by_run.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::Timestamp;

    #[test]
    fn the_runs_that_were_read_longest_ago_make_way() {
        let run = |number: usize| RunId::at(Timestamp(number as u64), 0);
        let mut folds = Folds::default();
        for number in 0..FOLDS_MAX + 2 {
            folds.keep(run(number), Fold::new(run(number)));
            // It is read all the time.
            let first = folds.take(run(0));
            folds.keep(run(0), first);
        }
        assert!(folds.get(run(0)).is_some() && folds.get(run(FOLDS_MAX + 1)).is_some());
        assert!(folds.get(run(1)).is_none() && folds.get(run(2)).is_none());
        assert_eq!(folds.by_run.len(), FOLDS_MAX);
        assert!(folds.order.len() <= 4 * FOLDS_MAX);
    }
}
