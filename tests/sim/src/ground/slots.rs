//! Slots and timers: never more than there are, held by nobody who has ended, and nobody forgotten.

use std::collections::BTreeMap;

use pawl_core::view::Status;
use pawl_core::{Duration, Timestamp};

use super::Truth;

/// How long something that is due may be left undone, and a slot free that somebody waits for: longer than
/// anything takes when commits fail again and again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Who has slots of a key, and who wants one.
#[derive(Debug, Default)]
struct Line {
    limit: u32,
    /// Those that came back with theirs, too.
    held: u32,
    /// Those that were given one.
    given: u32,
    waiting: u32,
}

impl Truth {
    fn lines(&self) -> BTreeMap<String, Line> {
        let mut lines = BTreeMap::<String, Line>::new();
        for run in self.runs.values() {
            for ticket in run.state.tickets() {
                let came_back = run.returned.contains(&ticket.visit);
                let line = lines.entry(ticket.key).or_default();
                line.limit = line.limit.max(ticket.limit);
                line.held += u32::from(ticket.taken);
                line.given += u32::from(ticket.taken && !came_back);
                line.waiting += u32::from(!ticket.taken);
            }
        }
        lines
    }

    /// No more are given a slot than its limit allows. Whoever comes back with one, because a person retries or
    /// forks a run, has it all the same.
    pub(super) fn check_slots(&mut self) {
        for run in self.runs.values_mut() {
            let taken = run.taken();
            run.returned.retain(|visit| taken.contains(visit));
        }
        for (key, Line { limit, given, .. }) in self.lines() {
            if given > limit {
                self.violated(format!("{given} hold a slot of {key}, of which there are {limit}"));
            }
        }
        let over = self.runs.values().filter(|run| run.state.status().is_final());
        let holds: Vec<_> =
            over.filter_map(|run| Some((run.state.id(), run.listed.slot()?.to_owned()))).collect();
        for (run, key) in holds {
            self.violated(format!("run {run} has ended, and still has a slot of {key}"));
        }
    }

    /// Nothing happens now unless time passes. Nobody may have been forgotten meanwhile.
    pub(crate) fn check_waits(&mut self, now: Timestamp) {
        let lines = self.lines();
        let has_free =
            |key: &str| lines.get(key).is_some_and(|line| line.waiting > 0 && line.held < line.limit);
        self.free_since.retain(|key, _| has_free(key));
        for key in lines.keys().filter(|key| has_free(key)) {
            self.free_since.entry(key.clone()).or_insert(now);
        }
        let forgotten = |since: Timestamp| now.since(since) > FORGOTTEN_AFTER;
        let keys: Vec<String> =
            self.free_since.iter().filter(|(_, at)| forgotten(**at)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.violated(format!(
                "a slot of {key} is free since {}, and somebody waits",
                self.free_since[&key]
            ));
        }
        let due = self.runs.iter().filter_map(|(id, run)| {
            let waits = matches!(run.state.status(), Status::Waiting | Status::Pending);
            run.state.wake_at().filter(|at| waits && forgotten(*at)).map(|at| (*id, at))
        });
        for (run, at) in due.collect::<Vec<_>>() {
            self.violated(format!("run {run} waits for {at}, and it is {now}"));
        }
    }
}
