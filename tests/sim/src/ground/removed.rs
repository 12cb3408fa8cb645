//! What retention removes: only what is over and beyond what is kept, and nothing that is still needed.

use std::collections::BTreeSet;

use pawl_core::event::Event;
use pawl_core::plugin::{PluginPins, WorkflowPins};
use pawl_core::{Digest, RunId, Timestamp};
use pawl_engine::Retention;
use pawl_store::{Batch, Removal};

use super::{Followed, Truth};

impl Truth {
    /// A commit has removed runs, and these blobs are gone.
    pub(super) fn check_removed(&mut self, batch: &Batch, gone: &[Digest], now: Timestamp) {
        let removed: BTreeSet<RunId> = batch.removed.iter().map(|removal| removal.run).collect();
        let mut found = Vec::new();
        for removal in &batch.removed {
            let run = removal.run;
            self.tell(now, || format!("{run} is removed"));
            match self.runs.get(&run) {
                None => found.push(format!("run {run} was removed, and was not there")),
                Some(followed) => found.extend(
                    self.still_needed(removal, followed, &removed, now)
                        .into_iter()
                        .map(|why| format!("run {run} was removed, although {why}")),
                ),
            }
        }
        self.runs.retain(|run, _| !removed.contains(run));
        self.removed.extend(removed);
        let named = |digest: &&Digest| self.runs.values().any(|run| run.named.contains(*digest));
        found.extend(
            gone.iter()
                .filter(named)
                .map(|digest| format!("the blob {digest} was removed, and a journal names it")),
        );
        self.violations.extend(found);
    }

    /// Why a run that was removed should not have been.
    fn still_needed(
        &self,
        removal: &Removal,
        followed: &Followed,
        removed: &BTreeSet<RunId>,
        now: Timestamp,
    ) -> Vec<&'static str> {
        let run = removal.run;
        let stays = |run: &RunId| self.runs.contains_key(run) && !removed.contains(run);
        let goes_on = |other: &Followed| !other.state.status().is_final();
        let is_child = |other: &Followed| other.state.parent().is_some_and(|parent| parent.run == run);
        let opened: BTreeSet<_> = followed.state.approvals().map(|(id, _)| id).collect();
        let told = removal.approvals.iter().collect::<BTreeSet<_>>();
        let reasons = [
            (goes_on(followed), "it is not over"),
            (removal.expected_seq != followed.head.seq, "its journal goes on"),
            (
                !self.retentions.iter().any(|retention| self.is_beyond(followed, *retention, now)),
                "it was to be kept",
            ),
            (self.outgoing.iter().any(|origin| origin.run == run), "others must still be told of it"),
            (
                followed.state.parent().is_some_and(|parent| stays(&parent.run)),
                "the run that started it stays",
            ),
            (
                self.runs.values().any(|other| is_child(other) && goes_on(other)),
                "a run that it started goes on",
            ),
            (
                self.runs.values().any(|other| other.made_of == Some(run) && goes_on(other)),
                "a run that was made of it goes on",
            ),
            (!opened.is_subset(&told), "approvals of it are left"),
        ];
        reasons.into_iter().filter(|(is_so, _)| *is_so).map(|(_, why)| why).collect()
    }

    fn is_beyond(&self, followed: &Followed, retention: Retention, now: Timestamp) -> bool {
        let Retention { older_than, keep } = retention;
        let newer = self.runs.range(followed.state.id()..).skip(1);
        let newer = newer.filter(|(_, run)| run.was_over).count() as u64;
        older_than.is_none_or(|older_than| now.since(followed.state.updated_at()) > older_than)
            && newer >= keep.unwrap_or(0)
    }
}

/// The definitions and components that an event pins.
pub(super) fn pinned(event: &Event) -> Vec<Digest> {
    let Event::RunStarted(started) = event else { return Vec::new() };
    let mut digests = vec![started.definition];
    of_plugins(&started.plugins, &mut digests);
    of_workflows(&started.workflows, &mut digests);
    digests
}

fn of_plugins(pins: &PluginPins, digests: &mut Vec<Digest>) {
    digests.extend(pins.values().map(|pin| pin.component));
}

fn of_workflows(pins: &WorkflowPins, digests: &mut Vec<Digest>) {
    for pin in pins.values() {
        digests.push(pin.definition);
        of_plugins(&pin.plugins, digests);
        of_workflows(&pin.workflows, digests);
    }
}
