//! What is true outside of pawl: what was committed, what was done, and what may never be.
//!
//! Every commit is folded here once more, event by event, and looked at: this is what the invariants
//! are checked against. It outlives processes.

mod council;
mod end;
mod listed;
mod note;
mod removed;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pawl_core::call::CallResponse;
use pawl_core::event::{Event, Origin, Payload};
use pawl_core::journal::{Head, decode};
use pawl_core::travel::Ancestor;
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Digest, RunId, RunState, StepId, Timestamp, VisitId};
use pawl_engine::Retention;
use pawl_store::{Batch, RunCommit};

use council::Council;
pub(crate) use end::{Left, Promise};
use listed::Listed;

/// One piece of work outside: a visit's tool, or a call of its agent.
pub(crate) type Work = (RunId, VisitId, Option<u32>);

/// The truth. Whatever breaks an invariant is noted here, and the simulation ends with it.
#[derive(Debug, Default)]
pub(crate) struct Ground(Mutex<Truth>);

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) runs: BTreeMap<RunId, Followed>,
    /// Runs that there were, and that were removed.
    pub(crate) removed: BTreeSet<RunId>,
    /// What `at-most-once` tools did, by work: how often, and what came of it last.
    pub(crate) acts: HashMap<Work, (u32, CallResponse)>,
    /// How often a person said that something be tried again.
    cleared: HashMap<Work, u32>,
    decided: BTreeSet<ApprovalId>,
    /// Questions that several people must answer.
    councils: BTreeMap<(RunId, ApprovalId), Council>,
    /// What was done with them before they were decided, and how many people decided.
    pub(crate) handled: u64,
    pub(crate) agreed: u64,
    signals: BTreeSet<(RunId, String)>,
    /// What the journals say that people did, as the names of the events, and by whom.
    marks: BTreeSet<(RunId, &'static str, String)>,
    /// Which visit heard of which event.
    heard: BTreeSet<(RunId, VisitId, Origin)>,
    /// Events that others must be told of and were not.
    outgoing: BTreeSet<Origin>,
    /// All bytes that commits brought.
    blobs: HashMap<Digest, Arc<[u8]>>,
    /// What may be removed is beyond one of these.
    pub(crate) retentions: Vec<Retention>,
    /// Since when there is a slot that somebody waits for, by key.
    free_since: BTreeMap<String, Timestamp>,
    pub(crate) violations: Vec<String>,
    /// What happened, a line each, where that is wanted.
    pub(crate) story: Option<Vec<String>>,
    pub(crate) commits: u64,
    pub(crate) events: u64,
    /// How often people went back in a run, and made another of one.
    pub(crate) retried: u64,
    pub(crate) made: u64,
    /// Of all that was committed, in its order.
    pub(crate) trace: Option<Digest>,
}

/// A run as its journal gives it.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) state: RunState,
    pub(crate) head: Head,
    /// The step with which it failed last.
    pub(crate) failed: Option<StepId>,
    /// The run that it was made of.
    made_of: Option<RunId>,
    /// Who began it, and each fork on the way to it.
    pub(crate) began: Vec<String>,
    /// Whether it was over once.
    was_over: bool,
    /// The status that the header in the store shows.
    shown: Option<Status>,
    /// What the store lists of it.
    listed: Listed,
    /// The blobs that its journal names.
    named: BTreeSet<Digest>,
    /// The slots with which it came back when a person retried or forked it.
    returned: BTreeSet<Option<VisitId>>,
}

impl Followed {
    fn new(run: RunId) -> Self {
        Self {
            state: RunState::new(run),
            head: Head::empty(run),
            failed: None,
            made_of: None,
            began: Vec::new(),
            was_over: false,
            shown: None,
            listed: Listed::default(),
            named: BTreeSet::new(),
            returned: BTreeSet::new(),
        }
    }

    /// The slots that it has taken, or still has.
    fn taken(&self) -> BTreeSet<Option<VisitId>> {
        self.state.tickets().filter(|ticket| ticket.taken).map(|ticket| ticket.visit).collect()
    }
}

impl Ground {
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Truth {
    /// Something happened.
    pub(crate) fn tell(&mut self, now: Timestamp, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{now}  {}", what()));
        }
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A commit is durable; of the blobs that it was to remove these are gone.
    pub(crate) fn observe(&mut self, batch: &Batch, gone: &[Digest], now: Timestamp) {
        self.commits += 1;
        self.blobs.extend(batch.blobs.iter().map(|blob| (blob.digest, Arc::clone(&blob.bytes))));
        for commit in &batch.runs {
            self.take(commit, now);
        }
        for origin in &batch.delivered {
            self.tell(now, || format!("{} {:>3}  is told", origin.run, origin.seq));
            self.outgoing.remove(origin);
        }
        self.check_removed(batch, gone, now);
        self.check_slots();
    }

    fn take(&mut self, commit: &RunCommit, now: Timestamp) {
        let run = commit.run;
        if self.removed.contains(&run) {
            self.violated(format!("run {run} was removed, and has {} events more", commit.events.len()));
        }
        let mut followed = self.runs.remove(&run).unwrap_or_else(|| Followed::new(run));
        let records = commit.events.iter().map(AsRef::as_ref);
        match decode(run, &mut followed.head, records) {
            Err(error) => self.violated(format!("the journal does not read: {error}")),
            Ok(envelopes) => {
                // What comes before that was another run's.
                let own = envelopes.iter().rposition(|at| matches!(at.event, Event::RunForked(_)));
                for (at, mut envelope) in envelopes.into_iter().enumerate() {
                    self.events += 1;
                    self.tell(now, || format!("{run} {:>3}  {:?}", envelope.seq, envelope.event));
                    self.bring_in(&mut followed, &mut envelope.event);
                    if own.is_none_or(|own| at >= own) {
                        self.note(run, &followed.state, &envelope.event);
                        self.note_council(&followed, envelope.time, &envelope.event);
                    }
                    followed.take(envelope.time, &envelope.event);
                }
            }
        }
        self.outgoing.extend(commit.outgoing.iter().map(|seq| Origin { run, seq: *seq }));
        let trace = self.trace.unwrap_or(followed.head.hash);
        self.trace = Some(Digest::of_parts(&[trace.as_bytes(), followed.head.hash.as_bytes()]));
        let status = followed.state.status();
        match &commit.header {
            Some(header) if *header != followed.state.header(followed.head) => {
                self.violated(format!("the header of run {run} is not what its journal gives"));
            }
            None if status != Status::Running || followed.shown != Some(Status::Running) => {
                self.violated(format!("run {run} is {}, and its header was not written", status.name()));
            }
            _ => {}
        }
        followed.shown = Some(status);
        followed.was_over |= status.is_final();
        let found = followed.list(commit);
        self.violations.extend(found);
        self.runs.insert(run, followed);
    }

    /// Puts a value in the place of its digest.
    fn bring_in(&mut self, followed: &mut Followed, event: &mut Event) {
        followed.named.extend(removed::pinned(event));
        let Some(payload) = event.payload_mut() else { return };
        let Payload::Blob(digest) = payload else { return };
        followed.named.insert(*digest);
        let brought = self.blobs.get(digest).and_then(|bytes| serde_json::from_slice(bytes).ok());
        if brought.is_none() {
            let run = followed.state.id();
            self.violations.push(format!("run {run} names the value {digest}, which no commit brought"));
        }
        *payload = Payload::Inline(brought.unwrap_or_default());
    }
}

impl Followed {
    fn take(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::RunStarted(started) => {
                let made_of = |ancestor: &Ancestor| match ancestor {
                    Ancestor::Rerun { run } | Ancestor::Forked { run, .. } => *run,
                };
                self.made_of = started.ancestor.as_ref().map(made_of);
                self.began = vec![started.by.name.clone()];
            }
            Event::RunForked(forked) => self.began.push(forked.by.name.clone()),
            Event::RunFailed { step, .. } => self.failed.clone_from(step),
            _ => {}
        }
        self.state.apply(time, event);
        if matches!(event, Event::RunRetried(_) | Event::RunForked(_)) {
            self.returned = self.taken();
        }
    }
}
