//! What is true outside of pawl: what was committed, what was done, and what may never be.
//!
//! Every commit is folded here once more, event by event, and looked at: this is what the invariants
//! are checked against. It outlives processes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pawl_core::call::CallResponse;
use pawl_core::event::{Event, SignalReceived};
use pawl_core::journal::{Head, decode};
use pawl_core::plugin::EffectClass;
use pawl_core::state::{Activity, CallProgress};
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Digest, RunId, RunState, VisitId};
use pawl_store::{Batch, RunCommit};

/// One piece of work outside: a visit's tool, or a call of its agent.
pub(crate) type Work = (RunId, VisitId, Option<u32>);

/// The truth. Whatever breaks an invariant is noted here, and the simulation ends with it.
#[derive(Debug, Default)]
pub(crate) struct Ground(Mutex<Truth>);

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) runs: BTreeMap<RunId, Followed>,
    /// What `at-most-once` tools did, by work: how often, and what came of it last.
    pub(crate) acts: HashMap<Work, (u32, CallResponse)>,
    /// How often a person said that something be tried again.
    cleared: HashMap<Work, u32>,
    pub(crate) decided: BTreeSet<ApprovalId>,
    pub(crate) signals: BTreeSet<(RunId, String)>,
    /// Runs whose journal says that somebody cancelled them.
    pub(crate) cancelled: BTreeSet<RunId>,
    pub(crate) violations: Vec<String>,
    pub(crate) commits: u64,
    pub(crate) events: u64,
    /// Of all that was committed, in its order.
    pub(crate) trace: Option<Digest>,
}

/// A run as its journal gives it.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) state: RunState,
    pub(crate) head: Head,
    /// The status that the header in the store shows.
    shown: Option<Status>,
}

impl Ground {
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Truth {
    pub(crate) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A commit is durable.
    pub(crate) fn observe(&mut self, batch: &Batch) {
        self.commits += 1;
        for commit in &batch.runs {
            self.take(commit);
        }
        self.check_slots();
    }

    fn take(&mut self, commit: &RunCommit) {
        let run = commit.run;
        let mut followed = self.runs.remove(&run).unwrap_or_else(|| Followed {
            state: RunState::new(run),
            head: Head::empty(run),
            shown: None,
        });
        let was_final = followed.shown.is_some_and(Status::is_final);
        let records = commit.events.iter().map(AsRef::as_ref);
        match decode(run, &mut followed.head, records) {
            Err(error) => self.violated(format!("the journal does not read: {error}")),
            Ok(envelopes) => {
                if was_final && !envelopes.is_empty() {
                    self.violated(format!("run {run} had ended, and has the event {}", envelopes[0].seq));
                }
                for envelope in envelopes {
                    self.events += 1;
                    self.note(run, &followed.state, &envelope.event);
                    followed.state.apply(envelope.time, &envelope.event);
                }
            }
        }
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
        self.runs.insert(run, followed);
    }

    /// What an event says, against the state before it.
    fn note(&mut self, run: RunId, before: &RunState, event: &Event) {
        match event {
            Event::StepCompleted { visit, .. } | Event::StepFailed { visit, .. }
                if before.visit(*visit).is_none_or(pawl_core::state::Visit::is_done) =>
            {
                self.violated(format!("visit {visit} of run {run} was over, and is over again"));
            }
            Event::CallCompleted { visit, call, .. } => {
                let answered = before.visit(*visit).and_then(|visit| visit.calls.get(*call));
                if answered.is_some_and(|call| matches!(call.progress, CallProgress::Answered { .. })) {
                    self.violated(format!("call {call} of visit {visit} of run {run} is answered twice"));
                }
            }
            Event::ApprovalDecided(decided) => {
                let known = before.approvals().find(|(id, _)| **id == decided.approval);
                if !self.decided.insert(decided.approval.clone()) || known.is_none_or(|(_, at)| !at.open) {
                    self.violated(format!("approval {} is decided twice", decided.approval));
                }
                if let (Some((_, approval)), "retry") = (known, decided.action.as_str()) {
                    use pawl_core::event::Asker::{UnknownCall, UnknownStep};
                    let call = match approval.asker {
                        UnknownCall(call) => Some(call),
                        UnknownStep => None,
                        _ => return,
                    };
                    *self.cleared.entry((run, approval.visit, call)).or_default() += 1;
                }
            }
            Event::RunCancelled { .. } | Event::UndoStarted { cancelled: Some(_), .. } => {
                self.cancelled.insert(run);
            }
            Event::SignalReceived(received) => {
                let SignalReceived { key: Some(key), .. } = &**received else { return };
                if !self.signals.insert((run, key.clone())) {
                    self.violated(format!("the signal {key} is in the journal of run {run} twice"));
                }
            }
            _ => {}
        }
    }

    /// No more hold a slot than its limit allows.
    fn check_slots(&mut self) {
        let mut held: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        for ticket in self.runs.values().flat_map(|run| run.state.tickets()).filter(|ticket| ticket.taken) {
            let (count, limit) = held.entry(ticket.key).or_insert((0, ticket.limit));
            (*count, *limit) = (*count + 1, (*limit).max(ticket.limit));
        }
        for (key, (count, limit)) in held {
            if count > limit {
                self.violated(format!("{count} hold a slot of {key}, of which there are {limit}"));
            }
        }
    }

    /// A tool is called. Whether that may be; and of one that acts, that it did.
    pub(crate) fn call(&mut self, work: Work, attempt: u32, effect: EffectClass, result: &CallResponse) {
        let (run, visit, call) = work;
        let at = self.runs.get(&run).and_then(|run| run.state.visit(visit));
        let may = at.is_some_and(|at| {
            let answered = call.and_then(|call| at.calls.get(call));
            let answered =
                answered.is_some_and(|call| matches!(call.progress, CallProgress::Answered { .. }));
            at.attempt == attempt && matches!(at.activity, Activity::Attempting) && !answered
        });
        if !may {
            self.violated(format!(
                "work {work:?}, attempt {attempt}, is done although its journal says that it is over"
            ));
        }
        if effect != EffectClass::AtMostOnce {
            return;
        }
        let allowed = 1 + self.cleared.get(&work).copied().unwrap_or_default();
        let (times, last) = self.acts.entry(work).or_insert((0, result.clone()));
        (*times, *last) = (*times + 1, result.clone());
        if *times > allowed {
            let times = *times;
            self.violated(format!(
                "an at-most-once tool acted {times} times for {work:?}, of {allowed} that it may"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use pawl_core::event::{Because, Overflow, Payload, SlotRequested};
    use pawl_core::journal::encode;
    use pawl_core::{FrameId, StepId, Timestamp};
    use serde_json::{Value, json};

    use super::*;

    /// Commits events with the header that follows from them, and gives what was found wrong.
    fn commit(truth: &mut Truth, run: RunId, events: &[Event]) -> Vec<String> {
        let before = truth.runs.get(&run);
        let mut head = before.map_or_else(|| Head::empty(run), |before| before.head);
        let mut state = before.map_or_else(|| RunState::new(run), |before| before.state.clone());
        let expected = head.seq;
        let encoded = encode(&mut head, Timestamp(1), events);
        for event in events {
            state.apply(Timestamp(1), event);
        }
        let header = Some(state.header(head));
        let commit = RunCommit { header, ..RunCommit::new(run, expected, encoded) };
        truth.observe(&Batch { runs: vec![commit], ..Batch::default() });
        std::mem::take(&mut truth.violations)
    }

    fn step(visit: u32) -> Event {
        let (visit, step) = (VisitId(visit), StepId::new("a"));
        Event::StepStarted { visit, step, because: Because::First, frame: FrameId::ROOT }
    }

    fn attempt(visit: u32) -> Event {
        Event::AttemptStarted { visit: VisitId(visit), attempt: 1, work: None, deadline: None }
    }

    fn completed(visit: u32) -> Event {
        Event::StepCompleted { visit: VisitId(visit), output: Payload::Inline(Value::Null) }
    }

    #[test]
    fn what_is_over_twice_is_found() {
        let (mut truth, run) = (Truth::default(), RunId::from_bytes([1; 16]));
        assert_eq!(commit(&mut truth, run, &[step(1), attempt(1), completed(1)]), [""; 0]);
        let found = commit(&mut truth, run, &[completed(1)]);
        assert!(found[0].contains("was over, and is over again"), "{found:?}");
    }

    #[test]
    fn work_that_is_over_and_acts_that_are_repeated_are_found() {
        let (mut truth, run) = (Truth::default(), RunId::from_bytes([1; 16]));
        assert_eq!(commit(&mut truth, run, &[step(1), attempt(1)]), [""; 0]);
        let work = (run, VisitId(1), None);
        truth.call(work, 1, EffectClass::AtMostOnce, &Ok(json!(1)));
        assert_eq!(truth.violations, [""; 0]);
        truth.call(work, 1, EffectClass::AtMostOnce, &Ok(json!(1)));
        assert!(truth.violations[0].contains("acted 2 times"), "{:?}", truth.violations);
        truth.violations.clear();
        commit(&mut truth, run, &[completed(1)]);
        truth.call(work, 1, EffectClass::Pure, &Ok(json!(1)));
        assert!(truth.violations[0].contains("its journal says that it is over"), "{:?}", truth.violations);
    }

    #[test]
    fn a_header_or_a_journal_that_does_not_follow_is_found() {
        let (mut truth, run) = (Truth::default(), RunId::from_bytes([1; 16]));
        assert_eq!(commit(&mut truth, run, &[step(1)]), [""; 0]);
        let mut head = Head::empty(run);
        let forked = encode(&mut head, Timestamp(1), &[step(2)]);
        truth.observe(&Batch { runs: vec![RunCommit::new(run, 1, forked)], ..Batch::default() });
        assert!(truth.violations[0].contains("the journal does not read"), "{:?}", truth.violations);
    }

    #[test]
    fn a_header_that_is_not_what_the_journal_gives_and_events_after_the_end_are_found() {
        let (mut truth, run) = (Truth::default(), RunId::from_bytes([1; 16]));
        let other = RunState::new(RunId::from_bytes([2; 16])).header(Head::empty(run));
        let encoded = encode(&mut Head::empty(run), Timestamp(1), &[step(1)]);
        let commit_of = RunCommit { header: Some(other), ..RunCommit::new(run, 0, encoded) };
        truth.observe(&Batch { runs: vec![commit_of], ..Batch::default() });
        assert!(truth.violations[0].contains("is not what its journal gives"), "{:?}", truth.violations);

        let mut truth = Truth::default();
        let ended = Event::RunCompleted { outputs: Payload::Inline(Value::Null) };
        assert_eq!(commit(&mut truth, run, &[step(1), ended]), [""; 0]);
        let found = commit(&mut truth, run, &[step(2)]);
        assert!(found[0].contains("had ended, and has the event 3"), "{found:?}");
    }

    #[test]
    fn a_call_and_a_signal_that_are_there_twice_are_found() {
        let (mut truth, run) = (Truth::default(), RunId::from_bytes([1; 16]));
        let answered = || Event::CallCompleted {
            visit: VisitId(1),
            call: 1,
            request: None,
            digest: Digest::of(b"a call"),
            response: Ok(Payload::Inline(Value::Null)),
        };
        assert_eq!(commit(&mut truth, run, &[step(1), attempt(1), answered()]), [""; 0]);
        let found = commit(&mut truth, run, &[answered()]);
        assert!(found[0].contains("is answered twice"), "{found:?}");

        let signal = |number| {
            let key = Some("k".to_owned());
            let (data, by) = (Payload::Inline(Value::Null), crate::people::somebody());
            Event::SignalReceived(Box::new(SignalReceived { number, name: "go".into(), data, by, key }))
        };
        assert_eq!(commit(&mut truth, run, &[signal(1)]), [""; 0]);
        let found = commit(&mut truth, run, &[signal(2)]);
        assert!(found[0].contains("is in the journal of run"), "{found:?}");
    }

    #[test]
    fn more_slots_than_there_are_is_found() {
        let mut truth = Truth::default();
        let slot = |visit| {
            let requested = SlotRequested {
                visit: Some(VisitId(visit)),
                key: "k".into(),
                limit: 1,
                overflow: Overflow::Queue,
                priority: 50,
                until: None,
            };
            [
                step(visit),
                Event::SlotRequested(Box::new(requested)),
                Event::SlotTaken { visit: Some(VisitId(visit)) },
            ]
        };
        assert_eq!(commit(&mut truth, RunId::from_bytes([1; 16]), &slot(1)), [""; 0]);
        let found = commit(&mut truth, RunId::from_bytes([2; 16]), &slot(1));
        assert_eq!(found, ["2 hold a slot of k, of which there are 1"]);
    }
}
