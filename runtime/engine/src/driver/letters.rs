//! What runs tell each other, on its way.
//!
//! An event that others must be told of is marked as outgoing in the commit
//! that holds it, and the mark is taken away in the commit of the run that was
//! told, or after all were. A process that dies in between leaves the mark, and
//! the next one delivers again; a run that was told before takes no notice.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use pawl_core::budget::Amounts;
use pawl_core::event::{Actor, Event, Origin, Parent, RunStarted};
use pawl_core::letter::{ChildStart, Letter, letter};
use pawl_core::taint::Sources;
use pawl_core::topic::patterns_of;
use pawl_core::trace::TraceContext;
use pawl_core::{Command, Digest, Duration, Failure, FailureKind, Namespace, RunId, RunState};
use pawl_store::{Batch, StoreError};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::message::{Message, NewRun, Queued};
use super::timers::{DAMAGE_PAUSE, TROUBLE_PAUSE};
use super::{Context, Driver, Resident};
use crate::{EngineError, journal};

/// Outgoing events that are read from the store at once.
const OUTGOING_PAGE: usize = 1_000;
/// Runs that hear of one event at once.
const HEARERS_MAX: usize = 64;

/// The letters that are on their way.
#[derive(Debug, Default)]
pub(super) struct Letters {
    open: HashSet<Origin>,
    /// Whether what is outgoing will be looked at again.
    looks_again: bool,
    /// Who waits until none is.
    quiet: Vec<oneshot::Sender<()>>,
}

impl Letters {
    /// Takes note of a letter; says whether it was not on its way already.
    fn begin(&mut self, origin: Origin) -> bool {
        self.open.insert(origin)
    }

    pub(super) fn end(&mut self, origin: &Origin) {
        self.open.remove(origin);
        self.tell_quiet();
    }

    pub(super) fn end_all(&mut self, origins: &[Origin]) {
        for origin in origins {
            self.open.remove(origin);
        }
        self.tell_quiet();
    }

    pub(super) fn when_quiet(&mut self, reply: oneshot::Sender<()>) {
        self.quiet.push(reply);
        self.tell_quiet();
    }

    fn tell_quiet(&mut self) {
        if self.open.is_empty() {
            for reply in self.quiet.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}

/// The letters that follow from events, with the seqs of the events; the state has taken them in.
pub(super) fn letters_of(state: &RunState, before: u64, events: &[Event]) -> Vec<(u64, Letter)> {
    (before + 1..).zip(events).filter_map(|(seq, event)| Some((seq, letter(state, event)?))).collect()
}

impl Driver {
    /// Sends what a run has to tell, now that it is durable.
    pub(super) fn send(&mut self, run: RunId, letters: Vec<(u64, Letter)>) {
        for (seq, letter) in letters {
            let origin = Origin { run, seq };
            if self.letters.begin(origin) {
                self.deliver(origin, letter);
            }
        }
    }

    fn deliver(&mut self, origin: Origin, letter: Letter) {
        match letter {
            Letter::StartChild(start) => self.begin_child(origin, *start),
            Letter::CancelChild { child } => {
                let by = Actor {
                    name: format!("run:{}", origin.run),
                    groups: Vec::new(),
                    operator: true,
                    via: "workflow".into(),
                };
                let reason = Some("the step that started it does not need it any more".to_owned());
                self.enqueue(child, Queued::letter(Command::Cancel { by, reason }, origin));
            }
            Letter::EndChild { parent, child, result, tainted, spent } => {
                let command = Command::EndChild { visit: parent.visit, child, result, tainted, spent };
                self.enqueue(parent.run, Queued::letter(command, origin));
            }
            Letter::Emit { topic, data, namespace } => {
                let context = Arc::clone(&self.context);
                tokio::spawn(async move {
                    let outcome = tell_hearers(&context, &namespace, (&topic, &data), (origin, None)).await;
                    let message = match outcome {
                        Ok(()) => Message::Delivered(vec![origin]),
                        Err(error) => Message::Undelivered { origin, error },
                    };
                    context.mailbox.send(message);
                });
            }
        }
    }

    /// Keeps a child's place, so that what is sent to it meanwhile waits, and finds out how it starts.
    fn begin_child(&mut self, origin: Origin, start: ChildStart) {
        let child = start.child;
        match self.residents.get(&child) {
            Some(Resident::Active(_)) => return self.delivered(vec![origin]),
            // Someone asks for a run that is not there yet.
            Some(Resident::Loading(_)) => return self.lost(&[origin]),
            None => {}
        }
        self.residents.insert(child, Resident::Loading(VecDeque::new()));
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            // What is logged of it names the run that is to be, and the step that starts it.
            let Parent { run: parent, visit } = start.parent;
            let span = tracing::error_span!("child", run = %child, %parent, %visit);
            let outcome = prepare_child(&context, &start).instrument(span).await;
            let outcome = outcome.map(|ready| ready.map(|ready| ready.map(Box::new)));
            context.mailbox.send(Message::ChildReady { origin, child, parent: start.parent, outcome });
        });
    }

    pub(super) fn child_ready(&mut self, origin: Origin, child: RunId, parent: Parent, outcome: ChildReady) {
        let Some(Resident::Loading(waiting)) = self.residents.remove(&child) else {
            return self.undelivered(origin, &EngineError::Closed);
        };
        match outcome {
            Ok(Ok(Some(new))) => self.start_child(origin, *new, waiting),
            // It was started before.
            Ok(Ok(None)) => {
                self.delivered(vec![origin]);
                for queued in waiting {
                    self.enqueue(child, queued);
                }
            }
            Ok(Err(failure)) => {
                let (result, visit) = (Err(failure), parent.visit);
                let (tainted, spent) = (Sources::default(), Amounts::default());
                let command = Command::EndChild { visit, child, result, tainted, spent };
                self.enqueue(parent.run, Queued::letter(command, origin));
                self.refuse_all(child, waiting);
            }
            Err(error) => {
                self.refuse_all(child, waiting);
                self.undelivered(origin, &error);
            }
        }
    }

    /// Nobody is there to take these; a run that does not exist needs no cancelling.
    fn refuse_all(&mut self, run: RunId, waiting: VecDeque<Queued>) {
        let letters: Vec<Origin> = waiting.iter().filter_map(|queued| queued.letter).collect();
        for reply in waiting.into_iter().filter_map(|queued| queued.reply) {
            reply.send(Err(EngineError::UnknownRun(run)));
        }
        self.delivered(letters);
    }

    /// These were delivered and nothing of them is to be committed with another run.
    pub(super) fn delivered(&mut self, letters: Vec<Origin>) {
        if letters.is_empty() {
            return;
        }
        self.letters.end_all(&letters);
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let batch = Batch { delivered: letters, ..Batch::default() };
            if let Err(error) = context.store.commit(&batch).await {
                // They are delivered again, which changes nothing, and taken away then.
                tracing::warn!("delivered events stay marked as outgoing: {error}");
                if is_over(&error) {
                    return;
                }
                let clock = &context.config.clock;
                clock.sleep_until(clock.now().after(TROUBLE_PAUSE)).await;
                context.mailbox.send(Message::Redeliver);
            }
        });
    }

    /// A letter did not arrive. What is outgoing is looked at again after a pause.
    pub(super) fn undelivered(&mut self, origin: Origin, error: &EngineError) {
        let pause = if is_passing(error) { TROUBLE_PAUSE } else { DAMAGE_PAUSE };
        let Origin { run, seq } = origin;
        tracing::error!(%run, seq, "what others must be told is tried again in {pause}: {error}");
        self.letters.end(&origin);
        self.redeliver_after(pause);
    }

    /// Letters that a run did not take in, because its commit failed.
    pub(super) fn lost(&mut self, letters: &[Origin]) {
        if letters.is_empty() {
            return;
        }
        self.letters.end_all(letters);
        self.redeliver_after(TROUBLE_PAUSE);
    }

    /// Letters to a run that cannot be loaded. One that does not exist has ended before it began; one
    /// that cannot be read for now gets them again, one that is damaged when the process starts anew.
    pub(super) fn told_nobody(&mut self, letters: Vec<Origin>, passing: bool, unknown: bool) {
        if unknown {
            self.delivered(letters);
        } else if passing {
            self.lost(&letters);
        } else {
            self.letters.end_all(&letters);
        }
    }

    /// Looks at what is outgoing after a pause.
    pub(super) fn redeliver_after(&mut self, pause: Duration) {
        if std::mem::replace(&mut self.letters.looks_again, true) {
            return;
        }
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let clock = &context.config.clock;
            clock.sleep_until(clock.now().after(pause)).await;
            context.mailbox.send(Message::Redeliver);
        });
    }

    /// Reads all that is outgoing, to deliver what is not on its way.
    pub(super) fn redeliver(&mut self) {
        self.letters.looks_again = false;
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            match outgoing(&context).await {
                Ok(letters) => context.mailbox.send(Message::Outgoing(letters)),
                Err(error) => {
                    tracing::error!("the store cannot tell what is outgoing: {error}");
                    if matches!(&error, EngineError::Store(error) if is_over(error)) {
                        return;
                    }
                    let clock = &context.config.clock;
                    clock.sleep_until(clock.now().after(TROUBLE_PAUSE)).await;
                    context.mailbox.send(Message::Redeliver);
                }
            }
        });
    }
}

/// A child that is ready to start, nothing when it was started before, or why it never starts.
pub(crate) type ChildReady = Result<Result<Option<Box<NewRun>>, Failure>, EngineError>;

async fn prepare_child(
    context: &Context,
    start: &ChildStart,
) -> Result<Result<Option<NewRun>, Failure>, EngineError> {
    let run = start.child;
    if context.store.run(run).await?.is_some() {
        return Ok(Ok(None));
    }
    let Some(pin) = &start.pin else {
        let message = format!("the run has no workflow '{}'", start.workflow);
        return Ok(Err(Failure::new(FailureKind::InvalidInput, message)));
    };
    let definition =
        context.definitions.pinned(context.store.as_ref(), start.parent.run, pin.definition).await?;
    let inputs = match definition.inputs.accept(start.inputs.clone()) {
        Ok(inputs) => inputs,
        Err(problems) => {
            let message =
                format!("workflow '{}' does not accept its inputs: {}", pin.workflow, problems.join("; "));
            return Ok(Err(Failure::new(FailureKind::InvalidInput, message)));
        }
    };
    let parent = start.parent;
    let unknown = || Actor {
        name: format!("run:{}", parent.run),
        groups: Vec::new(),
        operator: false,
        via: "workflow".into(),
    };
    let started = Box::new(RunStarted {
        folder: pin.folder.clone(),
        workflow: definition.name.clone(),
        version: definition.version.clone(),
        definition: definition.digest,
        inputs: inputs.into(),
        plugins: Arc::clone(&pin.plugins),
        allowed: start.allowed.clone(),
        by: start.by.clone().unwrap_or_else(unknown),
        seed: Digest::from_bytes(context.config.chance.bytes(run, 0)),
        workflows: pin.workflows.clone(),
        parent: Some(parent),
        allowance: start.allowance.clone(),
        prices: start.prices.clone(),
        priority: Some(start.priority),
        ancestor: None,
        policy: start.policy.clone(),
        // A trace of its own, which says that it belongs to the other; within one that is not recorded, neither is it.
        trace: start.trace.clone(),
        namespace: start.namespace.clone(),
    });
    // What it is made of was stored with the first run of the tree.
    Ok(Ok(Some(NewRun { run, started, definition, blobs: Arc::default(), records: Vec::new(), reply: None })))
}

/// Tells every run of a namespace that waits for a topic, and comes back when all of them have taken it in.
pub(crate) async fn tell_hearers(
    context: &Context,
    namespace: &Namespace,
    (topic, data): (&str, &serde_json::Value),
    (from, trace): (Origin, Option<&TraceContext>),
) -> Result<(), EngineError> {
    let runs = context.store.subscribers(&patterns_of(topic)).await?;
    let mut trouble = None;
    for some in runs.chunks(HEARERS_MAX) {
        let told: Vec<_> = some
            .iter()
            .map(|run| {
                let (topic, data, namespace) = (topic.to_owned(), data.clone(), namespace.clone());
                let trace = trace.cloned().map(Box::new);
                let command = Command::Hear { topic, data, from, namespace, trace };
                context.mailbox.call(*run, command)
            })
            .collect();
        for (run, answer) in some.iter().zip(told) {
            match answer.await {
                // One that has ended does not wait any more.
                Ok(_) | Err(EngineError::Refused(_)) => {}
                // All others hear of it now, and this one when the event is delivered again.
                Err(error) if is_passing(&error) => trouble = Some(error),
                Err(error) => {
                    tracing::error!(%run, "a run that waits for {topic} cannot hear of it: {error}");
                }
            }
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// Whether it may work a little later: the store failed, or the engine ends.
pub(super) fn is_passing(error: &EngineError) -> bool {
    match error {
        EngineError::Store(error) => !matches!(error, StoreError::Damaged(_)),
        EngineError::Closed => true,
        _ => false,
    }
}

/// Whether the store does nothing more in this process: the next one delivers what is still outgoing.
const fn is_over(error: &StoreError) -> bool {
    matches!(error, StoreError::Closed | StoreError::Failed(_))
}

/// All that is outgoing, in order, read back from the journals.
async fn outgoing(context: &Context) -> Result<Vec<(Origin, Letter)>, EngineError> {
    let mut by_run: HashMap<RunId, Vec<u64>> = HashMap::new();
    let (mut after, mut order) = (None, Vec::new());
    loop {
        let page = context.store.outgoing(after, OUTGOING_PAGE).await?;
        after = page.last().copied();
        for Origin { run, seq } in &page {
            let seqs = by_run.entry(*run).or_default();
            if seqs.is_empty() {
                order.push(*run);
            }
            seqs.push(*seq);
        }
        if page.len() < OUTGOING_PAGE {
            break;
        }
    }
    let mut letters = Vec::new();
    for run in order {
        let seqs = by_run.remove(&run).unwrap_or_default();
        match journal::read(context.store.as_ref(), run).await {
            Ok(history) => {
                for envelope in history.envelopes.iter().filter(|at| seqs.contains(&at.seq)) {
                    let origin = Origin { run, seq: envelope.seq };
                    letters.extend(letter(&history.state, &envelope.event).map(|letter| (origin, letter)));
                }
            }
            Err(EngineError::Store(error)) => return Err(error.into()),
            // One damaged run does not keep the others from hearing of each other.
            Err(error) => tracing::error!(%run, "what others must be told cannot be read: {error}"),
        }
    }
    Ok(letters)
}
