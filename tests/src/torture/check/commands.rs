//! No acknowledged command is missing, none was carried out twice, and nothing was done that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::RunId;
use pawl_core::event::{Actor, Event};

use super::{Findings, Moment, Violation};
use crate::torture::evidence::Evidence;
use crate::torture::ledger::{Command, Heard, Order};

pub(super) fn check(evidence: &Evidence, moment: Moment) -> Vec<Violation> {
    let mut findings = Findings::of("commands");
    let marks = Marks::of(evidence);
    for command in &evidence.commands {
        let found = marks.found(command);
        let (id, order) = (command.id, &command.order);
        match &command.heard {
            Heard::Accepted(run) if !found.contains(run) && !stood_no_more(evidence, command) => {
                findings.add(*run, format!("command {id} was acknowledged and is missing: {order:?}"));
            }
            Heard::Refused(why) if command.tries == 1 && !found.is_empty() => {
                let what = format!("command {id} was refused ({why}) and was carried out: {order:?}");
                findings.add(found.first().copied(), what);
            }
            Heard::Refused(why) if matches!(order, Order::Start { .. } | Order::Publish { .. }) => {
                findings.add(None, format!("start {id} was refused: {why}"));
            }
            _ => {}
        }
        if found.len() > 1 {
            let what = format!("command {id} was carried out {} times: {order:?}", found.len());
            findings.add(found.first().copied(), what);
        }
    }
    unasked(&mut findings, evidence, &marks);
    children(&mut findings, evidence, moment);
    findings.found
}

/// What the journals hold of commands, by what marks them.
#[derive(Debug, Default)]
struct Marks {
    starts: BTreeMap<u64, Vec<RunId>>,
    /// Answers by approval and comment.
    answers: BTreeMap<(String, String), Vec<(RunId, String)>>,
    /// Signals by name and what they bring.
    signals: BTreeMap<(String, String), Vec<RunId>>,
    cancels: BTreeMap<String, Vec<RunId>>,
    /// Runs that publish, by what they bring.
    shouts: BTreeMap<String, Vec<RunId>>,
    /// What else people did, by the event's name and what they did it through.
    done: BTreeMap<(&'static str, String), Vec<RunId>>,
}

impl Marks {
    fn of(evidence: &Evidence) -> Self {
        let mut marks = Self::default();
        for book in evidence.books.values() {
            for envelope in book.own() {
                marks.see(book.run, &envelope.event);
            }
        }
        marks
    }

    fn see(&mut self, run: RunId, event: &Event) {
        match event {
            Event::RunStarted(started) if started.parent.is_none() => {
                let inputs = started.inputs.clone().into_value();
                if let Some(n) = inputs["n"].as_u64() {
                    self.starts.entry(n).or_default().push(run);
                }
                if let Some(mark) = inputs["mark"].as_str() {
                    self.shouts.entry(mark.to_owned()).or_default().push(run);
                }
            }
            Event::RunSuspended(suspended) => self.done(run, event, &suspended.by),
            Event::RunResumed(resumed) => self.done(run, event, &resumed.by),
            Event::RunRetried(retried) => self.done(run, event, &retried.by),
            Event::RunForked(forked) => self.done(run, event, &forked.by),
            Event::ApprovalDecided(decided) => {
                let key = (decided.approval.to_string(), decided.comment.clone().unwrap_or_default());
                self.answers.entry(key).or_default().push((run, decided.action.clone()));
            }
            Event::SignalReceived(signal) => {
                let mark = signal.data.clone().into_value()["mark"].as_str().unwrap_or_default().to_owned();
                self.signals.entry((signal.name.clone(), mark)).or_default().push(run);
            }
            Event::RunCancelled { reason, .. } => self.cancel(run, reason.as_deref()),
            Event::UndoStarted { cancelled: Some(cancelled), .. } => {
                self.cancel(run, cancelled.reason.as_deref());
            }
            _ => {}
        }
    }

    fn done(&mut self, run: RunId, event: &Event, by: &Actor) {
        self.done.entry((event.name(), by.via.clone())).or_default().push(run);
    }

    /// A cancel that undoes stands in the journal when it begins, and perhaps when it ends.
    fn cancel(&mut self, run: RunId, reason: Option<&str>) {
        let runs = self.cancels.entry(reason.unwrap_or_default().to_owned()).or_default();
        if !runs.contains(&run) {
            runs.push(run);
        }
    }

    fn done_by(&self, event: &'static str, command: &Command) -> Vec<RunId> {
        self.done.get(&(event, command.via())).cloned().unwrap_or_default()
    }

    /// The runs in whose journals a command stands.
    fn found(&self, command: &Command) -> Vec<RunId> {
        let mark = command.mark();
        match &command.order {
            Order::Start { n, .. } => self.starts.get(n).cloned().unwrap_or_default(),
            Order::Answer { approval, action, .. } => {
                let answers = self.answers.get(&(approval.clone(), mark)).into_iter().flatten();
                answers.filter(|(_, chosen)| chosen == action).map(|(run, _)| *run).collect()
            }
            Order::Signal { name, .. } => {
                self.signals.get(&(name.clone(), mark)).cloned().unwrap_or_default()
            }
            Order::Cancel { .. } => self.cancels.get(&mark).cloned().unwrap_or_default(),
            Order::Publish { .. } => self.shouts.get(&mark).cloned().unwrap_or_default(),
            Order::Suspend { .. } => self.done_by("run-suspended", command),
            Order::Resume { .. } => self.done_by("run-resumed", command),
            Order::Retry { .. } => self.done_by("run-retried", command),
            Order::Fork { .. } => self.done_by("run-forked", command),
        }
    }
}

/// `resume` is acknowledged as well for a run that stands still no more: somebody who was not told has resumed it,
/// or it has ended with what was under way when it was suspended.
fn stood_no_more(evidence: &Evidence, command: &Command) -> bool {
    let (Order::Resume { run }, Some(heard_at)) = (&command.order, command.heard_at) else { return false };
    let Some(book) = evidence.books.get(run) else { return false };
    let mut before = book.own().take_while(|envelope| envelope.time.0 <= heard_at).map(|at| &at.event);
    before.any(|event| matches!(event, Event::RunSuspended(_)))
        && before.any(|event| {
            matches!(
                event,
                Event::RunResumed(_)
                    | Event::RunCompleted { .. }
                    | Event::RunFailed { .. }
                    | Event::RunCancelled { .. }
            )
        })
}

/// What stands in the journals and was not asked for.
fn unasked(findings: &mut Findings, evidence: &Evidence, marks: &Marks) {
    let known: BTreeSet<String> = evidence.commands.iter().map(Command::mark).collect();
    let people: BTreeSet<String> = evidence.commands.iter().map(Command::via).collect();
    for ((event, via), runs) in marks.done.iter().filter(|((_, via), _)| !people.contains(via)) {
        findings
            .add(runs.first().copied(), format!("nobody asked for what was done through '{via}' ({event})"));
    }
    for (mark, runs) in marks.shouts.iter().filter(|(mark, _)| !known.contains(*mark)) {
        findings.add(runs.first().copied(), format!("nobody published an event with the mark '{mark}'"));
    }
    let starts: BTreeSet<u64> = evidence
        .commands
        .iter()
        .filter_map(|command| match command.order {
            Order::Start { n, .. } => Some(n),
            _ => None,
        })
        .collect();
    for (n, runs) in marks.starts.iter().filter(|(n, _)| !starts.contains(n)) {
        findings.add(runs.first().copied(), format!("nobody started a run with n = {n}"));
    }
    let mut decided = BTreeMap::<&str, usize>::new();
    for ((approval, mark), runs) in &marks.answers {
        *decided.entry(approval).or_default() += runs.len();
        if !known.contains(mark) {
            let run = runs.first().map(|(run, _)| *run);
            findings.add(run, format!("nobody answered approval {approval} with the comment '{mark}'"));
        }
    }
    for (approval, times) in decided.into_iter().filter(|(_, times)| *times > 1) {
        findings.add(None, format!("approval {approval} was decided {times} times"));
    }
    for ((name, mark), runs) in marks.signals.iter().filter(|((_, mark), _)| !known.contains(mark)) {
        findings
            .add(runs.first().copied(), format!("nobody sent the signal '{name}' with the mark '{mark}'"));
    }
}

/// Runs that steps started: each once, and each by its step.
fn children(findings: &mut Findings, evidence: &Evidence, moment: Moment) {
    let mut asked = BTreeMap::new();
    for book in evidence.books.values() {
        for envelope in &book.envelopes {
            if let Event::ChildStarted { child, .. } = envelope.event
                && let Some(other) = asked.insert(child, book.run)
            {
                findings.add(child, format!("runs {other} and {} started it", book.run));
            }
        }
    }
    for book in evidence.books.values() {
        let parent = book.started().and_then(|started| started.parent).map(|parent| parent.run);
        if parent.is_some() && asked.get(&book.run) != parent.as_ref() {
            findings.add(book.run, "no step started it");
        }
    }
    // A run whose parent did not need it any more before it was there is never started.
    let missing = asked.iter().filter(|(child, _)| !evidence.books.contains_key(child));
    for (child, parent) in missing.filter(|_| moment == Moment::End) {
        let cancelled = evidence.books[parent].envelopes.iter().any(|envelope| {
            matches!(&envelope.event, Event::ChildCancelled { child: other, .. } if other == child)
                || matches!(envelope.event, Event::RunCancelled { .. })
        });
        if !cancelled {
            findings.add(*child, format!("run {parent} started it, and it is not there"));
        }
    }
}
