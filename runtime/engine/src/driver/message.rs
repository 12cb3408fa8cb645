//! Everything that the driver can be told.

use std::sync::Arc;

use pawl_core::definition::Definition;
use pawl_core::event::{Origin, Parent, RunStarted};
use pawl_core::letter::Letter;
use pawl_core::view::RunHeader;
use pawl_core::{Command, RunId, Ticket, Timestamp, VisitId};
use pawl_store::{Batch, Blob, RecordChange, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::letters::ChildReady;
use super::load::LoadedRun;
use super::routes::Routed;
use crate::EngineError;
use crate::attempt::AttemptEnd;

/// A command was decided and what it changed is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    /// The time of its events.
    pub(crate) at: Timestamp,
    /// Whether the call that it is about now waits, for a person or for time.
    pub(crate) parked: bool,
}

/// What becomes of a command, to whom it is told.
pub(crate) type Answer = oneshot::Receiver<Result<Acknowledged, EngineError>>;

/// Who waits for what became of a command.
#[derive(Debug)]
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<Acknowledged, EngineError>>,
    /// The place of a command from outside among those that are not answered yet.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// For a command from inside, or, with its turn, for one from outside.
    pub(crate) fn new(turn: Option<OwnedSemaphorePermit>) -> (Self, Answer) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, _turn: turn }, answer)
    }

    /// Answers; who does not listen any more has given up waiting, not the command.
    pub(crate) fn send(self, outcome: Result<Acknowledged, EngineError>) {
        let _ = self.sender.send(outcome);
    }
}

/// A command that waits for its turn.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) command: Command,
    pub(crate) reply: Option<Reply>,
    /// The event of another run that it comes of.
    pub(crate) letter: Option<Origin>,
    /// What is stored with what it leads to.
    pub(crate) blobs: Vec<Blob>,
}

impl Queued {
    /// A command that nobody waits for.
    pub(crate) const fn new(command: Command) -> Self {
        Self { command, reply: None, letter: None, blobs: Vec::new() }
    }

    /// A command with someone who waits for what becomes of it.
    pub(crate) const fn answered(command: Command, reply: Reply) -> Self {
        Self { command, reply: Some(reply), letter: None, blobs: Vec::new() }
    }

    /// A command that comes of another run's event.
    pub(crate) const fn letter(command: Command, origin: Origin) -> Self {
        Self { command, reply: None, letter: Some(origin), blobs: Vec::new() }
    }
}

/// A run to be started.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) run: RunId,
    pub(crate) started: Box<RunStarted>,
    pub(crate) definition: Arc<Definition>,
    pub(crate) blobs: Arc<Vec<Blob>>,
    /// Written with its first events.
    pub(crate) records: Vec<RecordChange>,
    pub(crate) reply: Option<Reply>,
}

/// One instance of one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptKey {
    pub(crate) run: RunId,
    pub(crate) visit: VisitId,
    pub(crate) attempt: u32,
    pub(crate) instance: u64,
}

/// Everything that the driver can be told.
#[derive(Debug)]
pub(crate) enum Message {
    /// From outside: begin a run.
    Start(Box<NewRun>),
    /// From outside or from an agent's call: a command to a run.
    Command { run: RunId, queued: Queued },
    /// From outside: go on with a run, if there is something to do.
    TakeUp(RunId),
    /// A run was made of another, and is in the store: it begins.
    Begin(RunId),
    /// The first commit of a run failed, and may be in the store all the same: then the run goes on.
    MayBeThere(RunId),
    /// A journal was read and folded.
    Loaded { run: RunId, is_new: bool, outcome: Result<Box<LoadedRun>, EngineError> },
    /// A commit is durable, or failed.
    Committed { run: RunId, outcome: Result<(), StoreError>, batch: Batch },
    /// A commit that failed is to be tried again.
    Resubmit { run: RunId, batch: Batch },
    /// An attempt came to its end.
    AttemptEnded { key: AttemptKey, end: AttemptEnd },
    /// What is waited for is to be looked for.
    LookForPlugins,
    /// It was looked for.
    PluginsLooked { found: Vec<Routed>, wake: Option<Timestamp> },
    /// A plugin was looked for, for a visit that needs one.
    SearchEnded { key: AttemptKey, routed: Routed },
    /// From outside: tell when the run has ended or waits for a person.
    Watch { run: RunId, reply: oneshot::Sender<Result<RunHeader, EngineError>> },
    /// The header of a watched run was read.
    HeaderRead { run: RunId, outcome: Result<Option<RunHeader>, StoreError> },
    /// From outside: from now on serve the timers and slots of all runs in the store, the earliest timer at this
    /// time.
    ServeTimers(Option<Timestamp>),
    /// The slots that runs hold and want, as the store lists them.
    Tickets(Vec<Ticket>),
    /// From outside: which runs wait for a slot.
    WhoWaits(oneshot::Sender<Vec<RunId>>),
    /// From outside: whose slots a run waits for.
    WhoIsAhead { run: RunId, reply: oneshot::Sender<Vec<RunId>> },
    /// The earliest timer is due.
    TimeHasCome,
    /// The store was asked what is due.
    Due { runs: Vec<RunId>, next: Option<Timestamp> },
    /// The store takes nothing more in this process.
    StoreFailed(StoreError),
    /// It is known how a child starts.
    ChildReady { origin: Origin, child: RunId, parent: Parent, outcome: ChildReady },
    /// Letters reached all whom they concern.
    Delivered(Vec<Origin>),
    /// A letter did not.
    Undelivered { origin: Origin, error: EngineError },
    /// From outside, or after trouble: deliver what the store still has as outgoing.
    Redeliver,
    /// What the store has as outgoing.
    Outgoing(Vec<(Origin, Letter)>),
    /// From outside: tell when no letter is on its way.
    WhenQuiet(oneshot::Sender<()>),
    /// From outside: how many runs are in memory.
    Count(oneshot::Sender<usize>),
    /// From outside: begin no attempt any more, and tell when none is under way.
    Drain(oneshot::Sender<()>),
    /// From outside: end, when what the store has in hand is done.
    Stop,
    /// From outside: end at once.
    CutOff,
}
