//! The engine as other programs use it.

use std::path::Path;
use std::sync::Arc;

use pawl_core::budget::Amounts;
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, RunStarted};
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::journal::Head;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{Command, Digest, Namespace, RunId, within_depth};
use pawl_registry::Locked;
use pawl_sandbox::Sandbox;
use pawl_store::{Blob, Page, RunFilter, Store, StoreError};
use serde_json::Value;
use tokio::sync::{Mutex, OwnedSemaphorePermit, RwLock, Semaphore, broadcast, mpsc, oneshot};

use crate::driver::{Context, Driver, Mailbox, Message, NewRun, Queued, Reply};
use crate::follow::{Follower, Notices};
use crate::journal::{JournalPart, RunHistory};
use crate::making::{MadeOf, StartOptions};
use crate::operator::Standing;
use crate::plugins::acceptance::{self, Covered};
use crate::plugins::{Catalog, LockMode, locked_plugins, names};
use crate::progress::{ProgressHub, Said};
use crate::routes::Routes;
use crate::upkeep::keep_house;
use crate::workflow::{Definitions, Workflow, denied, prepare};
use crate::{EngineConfig, EngineError, journal};

/// Notices that a follower may lag behind before it reads the journal instead.
pub(crate) const NOTICES_MAX: usize = 4_096;
/// Runs asked for at once when unfinished ones are taken up.
const RECOVERY_PAGE_RUNS: usize = 1_000;
/// Journals read at once.
const LOADS_MAX: usize = 64;

/// Runs workflows on a store. Cheap to clone; the last clone's end stops the loop.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) context: Arc<Context>,
    outside: mpsc::Sender<Message>,
    /// One for each command that may be unanswered at once.
    pub(crate) turns: Arc<Semaphore>,
}

pub(crate) fn too_deep() -> String {
    format!("it is nested deeper than value_max_depth ({VALUE_MAX_DEPTH}) allows")
}

impl Engine {
    /// Starts the engine on a store. Runs go on when they are started, decided
    /// or taken up; [`Engine::recover`] takes up all that are unfinished.
    pub async fn open(store: Arc<dyn Store>, config: EngineConfig) -> Result<Self, EngineError> {
        let sandbox_config = config.sandbox.clone();
        let made = tokio::task::spawn_blocking(move || Sandbox::new(sandbox_config)).await;
        let sandbox = made.map_err(|_| EngineError::Closed)??;
        let catalog = Catalog::new(sandbox, &config);
        Ok(Self::begin(store, config, Arc::new(catalog)))
    }

    /// Starts another engine, on a store and with settings of its own, that shares the loaded plugins of
    /// this one and nothing else. Its sandbox, plugin folder, MCP servers and limits are those of this one.
    #[must_use]
    pub fn beside(&self, store: Arc<dyn Store>, config: EngineConfig) -> Self {
        Self::begin(store, config, Arc::clone(&self.context.catalog))
    }

    fn begin(store: Arc<dyn Store>, config: EngineConfig, catalog: Arc<Catalog>) -> Self {
        let commands_max = config.commands_max.clamp(1, Semaphore::MAX_PERMITS);
        let (outside, from_outside) = mpsc::channel(commands_max);
        let (inside, from_inside) = mpsc::unbounded_channel();
        let grown = broadcast::Sender::new(NOTICES_MAX);
        let context = Arc::new(Context {
            metrics: Arc::default(),
            store,
            catalog,
            definitions: Definitions::default(),
            covered: Covered::default(),
            mailbox: Mailbox::new(inside),
            standing: Standing::new(&config),
            routes: Routes::default(),
            progress: ProgressHub::new(),
            grown: grown.downgrade(),
            loads: Semaphore::new(LOADS_MAX),
            pruning: Mutex::default(),
            made_of: RwLock::default(),
            config,
        });
        keep_house(&context);
        tokio::spawn(Driver::new(Arc::clone(&context), from_outside, from_inside, grown).run());
        Self { context, outside, turns: Arc::new(Semaphore::new(commands_max)) }
    }

    /// The store it works on.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.context.store
    }

    /// Reads a workflow's file, finds its plugins and checks one against the other.
    pub async fn load_workflow(&self, path: &Path) -> Result<Workflow, EngineError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| EngineError::Unreadable { path: file.clone(), reason: error.to_string() })?;
        self.prepare_workflow(&file, &text, path.parent().unwrap_or_else(|| Path::new("."))).await
    }

    /// The same for a workflow's text; paths in it are relative to `base`.
    pub async fn prepare_workflow(
        &self,
        file: &str,
        text: &str,
        base: &Path,
    ) -> Result<Workflow, EngineError> {
        self.prepare_by(self.context.config.lock, file, text, base).await
    }

    /// The same, where the lock beside it means something else than usual.
    pub async fn prepare_by(
        &self,
        lock: LockMode,
        file: &str,
        text: &str,
        base: &Path,
    ) -> Result<Workflow, EngineError> {
        prepare(&self.context, file, text, base, lock, &Namespace::default()).await
    }

    /// A workflow's text for runs of a namespace: it is held against what that may be granted.
    pub async fn prepare_workflow_in(
        &self,
        namespace: &Namespace,
        file: &str,
        text: &str,
        base: &Path,
    ) -> Result<Workflow, EngineError> {
        prepare(&self.context, file, text, base, self.context.config.lock, namespace).await
    }

    /// The plugins of a workflow, and of those that it starts, as a lock in this folder holds them.
    pub async fn locked_plugins(
        &self,
        workflow: &Workflow,
        folder: &Path,
    ) -> Result<Vec<Locked>, EngineError> {
        locked_plugins(&self.context, workflow, folder).await
    }

    /// Which steps would be denied what their plugin imports, and what that is: one text a plugin.
    pub async fn denied(&self, workflow: &Workflow) -> Result<Vec<String>, EngineError> {
        denied(&self.context, workflow).await
    }

    /// The id of a run that is yet to be started.
    pub fn new_run_id(&self) -> RunId {
        self.context.config.chance.run_id()
    }

    /// Starts a run. It is on disk when this returns.
    pub async fn start(
        &self,
        workflow: &Workflow,
        inputs: Value,
        options: StartOptions,
    ) -> Result<RunId, EngineError> {
        self.start_checked(workflow, &inputs, &options, None).await
    }

    /// Starts a run of plugins that nobody holds back.
    pub(crate) async fn start_checked(
        &self,
        workflow: &Workflow,
        inputs: &Value,
        options: &StartOptions,
        made_of: Option<&MadeOf>,
    ) -> Result<RunId, EngineError> {
        names::check(&self.context, workflow, &options.namespace).await?;
        loop {
            let mut options = options.clone();
            options.records.extend(acceptance::check(&self.context, workflow).await?);
            match self.start_as(workflow, inputs.clone(), options, made_of.cloned()).await {
                // Another run that uses the plugin first was quicker.
                Err(EngineError::Store(StoreError::Stale { kind, .. })) if kind == acceptance::ACCEPTED => {}
                done => return done,
            }
        }
    }

    /// Starts a run, which may be made of another.
    pub(crate) async fn start_as(
        &self,
        workflow: &Workflow,
        inputs: Value,
        options: StartOptions,
        made_of: Option<MadeOf>,
    ) -> Result<RunId, EngineError> {
        let definition = &workflow.definition;
        let inputs = if inputs.is_null() { Value::Object(serde_json::Map::new()) } else { inputs };
        if !within_depth(&inputs, VALUE_MAX_DEPTH) {
            let problems = vec![too_deep()];
            return Err(EngineError::Inputs { workflow: definition.name.clone(), problems });
        }
        let inputs = definition
            .inputs
            .accept(inputs)
            .map_err(|problems| EngineError::Inputs { workflow: definition.name.clone(), problems })?;
        let chance = &self.context.config.chance;
        let policy = self.context.standing.now().policy_of(&options.namespace);
        let (ancestor, policy, allowance) = match made_of {
            Some(made_of) => (Some(made_of.ancestor), made_of.policy(policy), made_of.allowance),
            None => (None, policy, Amounts::default()),
        };
        let run = options.run.unwrap_or_else(|| chance.run_id());
        let started = Box::new(RunStarted {
            folder: workflow.folder.clone(),
            workflow: definition.name.clone(),
            version: definition.version.clone(),
            definition: definition.digest,
            inputs: inputs.into(),
            plugins: Arc::clone(&workflow.plugins),
            allowed: options.allowed,
            by: options.by,
            seed: Digest::from_bytes(chance.bytes(run, 0)),
            ancestor,
            workflows: workflow.workflows.clone(),
            allowance,
            prices: workflow.prices.clone(),
            priority: None,
            parent: None,
            policy,
            trace: options.trace,
            namespace: options.namespace,
        });
        let (reply, answer) = Reply::new(Some(self.turn().await?));
        let definition = Arc::clone(&workflow.definition);
        let blobs = Arc::clone(&workflow.blobs);
        let new = NewRun { run, started, definition, blobs, records: options.records, reply: Some(reply) };
        self.send(Message::Start(Box::new(new))).await?;
        answer.await.map_err(|_| EngineError::Closed)??;
        Ok(run)
    }

    /// Ends a run; what was under way is stopped.
    pub async fn cancel(&self, run: RunId, by: Actor, reason: Option<String>) -> Result<(), EngineError> {
        self.command(run, Command::Cancel { by, reason }).await
    }

    /// Sends a signal to a run. It is on disk when this returns, whether or not a step waits for it.
    /// One with a key that came before changes nothing.
    pub async fn signal(
        &self,
        run: RunId,
        name: String,
        data: Value,
        by: Actor,
        key: Option<String>,
    ) -> Result<(), EngineError> {
        self.signal_within(run, (name, data), by, key, None).await
    }

    /// Delivers whatever is still outgoing.
    pub(crate) async fn redeliver(&self) -> Result<(), EngineError> {
        self.send(Message::Redeliver).await
    }

    /// Comes back when everything that runs have told each other so far has been taken in, and what
    /// follows from it as well.
    pub async fn quiet(&self) -> Result<(), EngineError> {
        self.ask(Message::WhenQuiet).await
    }

    pub(crate) async fn command(&self, run: RunId, command: Command) -> Result<(), EngineError> {
        self.command_with(run, command, Vec::new()).await
    }

    /// Gives a run a command; what the events that come of it name by digest is stored with them.
    pub(crate) async fn command_with(
        &self,
        run: RunId,
        command: Command,
        blobs: Vec<Blob>,
    ) -> Result<(), EngineError> {
        let (reply, answer) = Reply::new(Some(self.turn().await?));
        let queued = Queued { blobs, ..Queued::answered(command, reply) };
        self.send(Message::Command { run, queued }).await?;
        answer.await.map_err(|_| EngineError::Closed)??;
        Ok(())
    }

    /// Goes on with one run, if there is something to do.
    pub async fn take_up(&self, run: RunId) -> Result<(), EngineError> {
        self.send(Message::TakeUp(run)).await
    }

    /// Goes on with every unfinished run, and from now on with every run whose
    /// time comes. Gives the runs that were under way or waited for a slot.
    pub async fn recover(&self) -> Result<Vec<RunId>, EngineError> {
        // Those that wait for a slot go on by themselves when there is one, some of them at once.
        let mut taken_up = self.ask(Message::WhoWaits).await?;
        self.send(Message::ServeTimers(self.store().next_due().await?)).await?;
        self.redeliver().await?;
        self.take_up_seekers().await?;
        let filter = RunFilter { statuses: vec![Status::Running], ..RunFilter::default() };
        let mut page = Page { after: None, limit: RECOVERY_PAGE_RUNS };
        loop {
            let found = self.store().runs(&filter, &page).await?;
            for header in &found.runs {
                self.take_up(header.id).await?;
                taken_up.push(header.id);
            }
            match found.next {
                Some(after) => page.after = Some(after),
                None => return Ok(taken_up),
            }
        }
    }

    /// Goes on with the runs that wait for a plugin: they are looked for from now on.
    async fn take_up_seekers(&self) -> Result<(), EngineError> {
        let filter = RunFilter { statuses: vec![Status::Waiting], ..RunFilter::default() };
        let mut page = Page { after: None, limit: RECOVERY_PAGE_RUNS };
        loop {
            let found = self.store().runs(&filter, &page).await?;
            for header in found.runs.iter().filter(|header| header.seeks) {
                self.take_up(header.id).await?;
            }
            match found.next {
                Some(after) => page.after = Some(after),
                None => return Ok(()),
            }
        }
    }

    /// The run's header when it has ended or waits for something from outside: a person, a signal, an
    /// event. Goes on with the run if no one does, and waits through its timers. A run that waits for
    /// those that its steps started is settled when all of them are, and one that waits for a slot when
    /// all that hold one are.
    pub async fn settled(&self, run: RunId) -> Result<RunHeader, EngineError> {
        self.clone().rest(run, Vec::new()).await
    }

    /// Which runs have new events, as they come. Who lags behind too far misses some, and is told so.
    pub fn growing(&self) -> Option<broadcast::Receiver<RunId>> {
        self.context.grown.upgrade().map(|grown| grown.subscribe())
    }

    /// How many runs are in memory: those that are loaded, decided, committed or carried out now.
    pub async fn in_memory(&self) -> Result<usize, EngineError> {
        self.ask(Message::Count).await
    }

    /// Whether a command would be taken at once. Where none would, more wait until others are answered.
    pub fn has_room(&self) -> bool {
        self.turns.available_permits() > 0
    }

    /// How many commands from outside are not answered yet, and how many there may be before more wait.
    pub fn commands_waiting(&self) -> (usize, usize) {
        let max = self.context.config.commands_max.clamp(1, Semaphore::MAX_PERMITS);
        (max.saturating_sub(self.turns.available_permits()), max)
    }

    /// A run's journal as it grows, from a seq on (1 is the first).
    pub fn follow(&self, run: RunId, from_seq: u64) -> Follower {
        Follower::new(
            Arc::clone(self.store()),
            run,
            from_seq,
            self.context.grown.upgrade().map(|grown| grown.subscribe()),
            self.context.progress.listen(),
        )
    }

    /// Tells whenever something was committed from now on; nothing when the engine has ended.
    pub fn notices(&self) -> Option<Notices> {
        self.context.grown.upgrade().map(|grown| Notices(grown.subscribe()))
    }

    /// What models say to agents from now on, of all runs. While somebody listens, they are asked to answer piece by
    /// piece.
    pub fn listen_to_models(&self) -> broadcast::Receiver<Said> {
        self.context.progress.listen_to_models()
    }

    /// A run's journal as it grows, with what models say to its agents while they say it.
    pub fn follow_aloud(&self, run: RunId, from_seq: u64) -> Follower {
        self.follow(run, from_seq).hearing(self.listen_to_models())
    }

    /// A run's journal as it grows, from where somebody has read it to. What is before is not read again.
    pub fn follow_after(&self, run: RunId, head: Head) -> Follower {
        self.follow(run, head.seq + 1).after(head)
    }

    /// A run's whole journal, checked and folded.
    pub async fn history(&self, run: RunId) -> Result<RunHistory, EngineError> {
        journal::read(self.store().as_ref(), run).await
    }

    /// A part of a run's journal: at most `limit` events from `from_seq` on, each checked to follow from the one before
    /// it. What is before them is not read.
    pub async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<JournalPart, EngineError> {
        journal::part(self.store().as_ref(), run, from_seq, limit).await
    }

    /// The definition that a run is pinned to.
    pub async fn definition_of(&self, run: RunId) -> Result<Arc<Definition>, EngineError> {
        let digest = journal::fold(self.store().as_ref(), run).await?.0.definition();
        self.context.definitions.pinned(self.store().as_ref(), run, digest).await
    }

    /// Begins no attempt from now on, and comes back when none is under way: then [`Engine::shut_down`] cuts nothing
    /// off. Commands are taken all the while; what they lead to goes on after the next start.
    pub async fn drain(&self) -> Result<(), EngineError> {
        self.ask(Message::Drain).await
    }

    /// Stops the loop. What was accepted is on disk, and what the store has in hand is waited for, unless it
    /// failed before. Attempts under way are cut off as by a crash: they run again after the next start, and an
    /// `at-most-once` tool asks a person. MCP servers are closed. Who can wait, waits for [`Engine::settled`] first.
    pub async fn shut_down(&self) -> Result<(), EngineError> {
        let ended = self.end(Message::Stop).await;
        if let Some(servers) = self.context.catalog.servers() {
            servers.close().await;
        }
        ended
    }

    /// Stops the loop at once, as a crash would: for tests of what comes after one. What the store has in hand
    /// may be done or not.
    pub async fn cut_off(&self) -> Result<(), EngineError> {
        self.end(Message::CutOff).await
    }

    async fn end(&self, message: Message) -> Result<(), EngineError> {
        self.send(message).await?;
        self.outside.closed().await;
        Ok(())
    }

    /// Waits until one command more may be unanswered.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| EngineError::Closed)
    }

    /// Asks the loop for something that it tells at once, or when it knows.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(question(reply)).await?;
        answer.await.map_err(|_| EngineError::Closed)
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), EngineError> {
        self.outside.send(message).await.map_err(|_| EngineError::Closed)
    }
}
