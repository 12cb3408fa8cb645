//! A run comes into memory when it gets a command, and not before.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::definition::Definition;
use pawl_core::journal::Head;
use pawl_core::view::Status;
use pawl_core::{Command, RunId, RunState};
use pawl_store::StoreError;

use super::active::ActiveRun;
use super::context::OnPanic;
use super::letters::is_passing;
use super::message::{Message, Queued};
use super::{Context, Driver, Resident};
use crate::EngineError;
use crate::journal;

/// A run as it was read.
#[derive(Debug)]
pub(crate) struct LoadedRun {
    state: RunState,
    head: Head,
    definition: Arc<Definition>,
    shown: Option<Status>,
}

impl Driver {
    /// Gives a run a command; loads the run when it is not in memory.
    pub(super) fn enqueue(&mut self, run: RunId, queued: Queued) {
        match self.residents.get_mut(&run) {
            Some(Resident::Loading(queue)) => queue.push_back(queued),
            Some(Resident::Active(active)) => {
                active.queue.push_back(queued);
                self.advance(run);
            }
            None => self.load(run, VecDeque::from([queued]), false),
        }
    }

    /// Loads a run so that it goes on by itself.
    pub(super) fn take_up(&mut self, run: RunId) {
        if !self.residents.contains_key(&run) {
            self.load(run, VecDeque::new(), false);
        }
    }

    /// Loads a run that was made just now: no process has carried anything out of it, so nothing is in doubt.
    pub(super) fn begin(&mut self, run: RunId) {
        if !self.residents.contains_key(&run) {
            self.load(run, VecDeque::new(), true);
        }
    }

    fn load(&mut self, run: RunId, queue: VecDeque<Queued>, is_new: bool) {
        self.residents.insert(run, Resident::Loading(queue));
        let context = Arc::clone(&self.context);
        let panicked = OnPanic::new(&context.mailbox, move || {
            let what = "a journal that does not make pawl panic, which is a fault of pawl".to_owned();
            Message::Loaded { run, is_new, outcome: Err(EngineError::Missing { run, what }) }
        });
        tokio::spawn(async move {
            // It is never closed.
            let _turn = context.loads.acquire().await;
            let outcome = read(&context, run).await.map(Box::new);
            context.mailbox.send(Message::Loaded { run, is_new, outcome });
            drop(panicked);
        });
    }

    pub(super) fn loaded(&mut self, run: RunId, is_new: bool, outcome: Result<Box<LoadedRun>, EngineError>) {
        let Some(Resident::Loading(queue)) = self.residents.remove(&run) else { return };
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(error) => return self.not_loaded(run, queue, error),
        };
        let LoadedRun { state, head, definition, shown } = *loaded;
        let mut active = Box::new(ActiveRun::new(state, definition, head, shown));
        active.queue = queue;
        // First of all: what was under way in a process that is gone, and what is due since then.
        active.queue.push_front(Queued::new(Command::Tick));
        if !is_new {
            active.queue.push_front(Queued::new(Command::Recover));
        }
        self.residents.insert(run, Resident::Active(active));
        self.advance(run);
    }

    fn not_loaded(&mut self, run: RunId, queue: VecDeque<Queued>, error: EngineError) {
        tracing::error!(%run, "the run cannot be loaded: {error}");
        if let EngineError::Store(error) = &error {
            self.heard_of(error);
        }
        let passing = is_passing(&error);
        if passing {
            self.slots_untold(run);
        } else {
            self.forget_slots(run);
        }
        self.timers.put_off(run, self.context.config.clock.now(), passing);
        let unknown = matches!(&error, EngineError::UnknownRun(_));
        let reason = error.to_string();
        let mut first = Some(error);
        let mut next = || {
            let again = || EngineError::Missing { run, what: format!("a readable journal ({reason})") };
            first.take().unwrap_or_else(again)
        };
        let letters: Vec<_> = queue.iter().filter_map(|queued| queued.letter).collect();
        self.told_nobody(letters, passing, unknown);
        for reply in queue.into_iter().filter_map(|queued| queued.reply) {
            reply.send(Err(next()));
        }
        self.fail_watchers(run, next);
    }
}

async fn read(context: &Context, run: RunId) -> Result<LoadedRun, EngineError> {
    let (state, head) = journal::fold(context.store.as_ref(), run).await?;
    let definition = context.definitions.pinned(context.store.as_ref(), run, state.definition()).await?;
    // The header is written with the events: a journal that ends before it has lost some.
    let header = context.store.run(run).await?;
    if let Some(header) = &header
        && header.head.seq > head.seq
    {
        let (found, shown) = (head.seq, header.head.seq);
        let what = format!("the journal of run {run} ends at event {found}, its header says {shown}");
        return Err(StoreError::Damaged(format!("{what}; restore the data folder from a backup")).into());
    }
    let shown = header.map(|header| header.status);
    Ok(LoadedRun { state, head, definition, shown })
}
