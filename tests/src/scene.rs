//! The engine as a library: a store, a clock that the test moves, and runs that are driven by their events.

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use pawl_core::event::{Actor, Awaited, Event};
use pawl_core::journal::Envelope;
use pawl_core::plugin::{Hosts, Permissions};
use pawl_core::view::{RunHeader, Waiting};
use pawl_core::{ApprovalId, RunId, Timestamp};
use pawl_engine::{
    Answer, Clock as _, Engine, EngineConfig, EngineError, ManualClock, StartOptions, Workflow,
};
use pawl_models::{Models, Profiles};
use pawl_sandbox::SandboxConfig;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::memory::MemoryStore;
use pawl_store::{Store, StoreError};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::root;

/// When every scenario begins: an hour before 2026.
pub const BEGIN: Timestamp = Timestamp(1_767_222_000_000);
/// How long anything is waited for. Nothing takes that long; a test that hangs ends so.
const PATIENCE: Duration = Duration::from_mins(1);
/// The map of a test's store: far more than any writes.
const MAP_BYTES: u64 = 1 << 30;

/// The folder of `PAWL_TEST_PLUGINS`: its components come before those that ship with pawl, so that
/// the same tests run on guests of another language.
pub fn plugins_under_test() -> Option<PathBuf> {
    std::env::var_os("PAWL_TEST_PLUGINS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Waits for something that must come.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(PATIENCE, future).await.with_context(|| format!("{what} did not come"))
}

/// An engine on a store, with a clock that stands still until it is moved.
#[derive(Debug)]
pub struct Scene {
    /// The engine.
    pub engine: Engine,
    /// Its clock.
    pub clock: ManualClock,
}

impl Scene {
    /// On a store in memory.
    pub async fn new() -> Result<Self> {
        Self::with(|_| {}).await
    }

    /// On a store in memory, with other settings.
    pub async fn with(change: impl FnOnce(&mut EngineConfig)) -> Result<Self> {
        Self::on(Arc::new(MemoryStore::new()), ManualClock::new(BEGIN), change).await
    }

    /// On a store that is there, with a clock that goes on.
    pub async fn on(
        store: Arc<dyn Store>,
        clock: ManualClock,
        change: impl FnOnce(&mut EngineConfig),
    ) -> Result<Self> {
        let cache_dir = Some(cache_dir()?);
        let mut config = EngineConfig {
            sandbox: SandboxConfig { cache_dir, agents_max: 16, tools_max: 16, ..SandboxConfig::default() },
            clock: Arc::new(clock.clone()),
            plugin_folder: plugins_under_test(),
            models: Some(models()?),
            ..EngineConfig::default()
        };
        change(&mut config);
        Ok(Self { engine: Engine::open(store, config).await?, clock })
    }

    /// A workflow's text; its paths are relative to the project's folder.
    pub async fn workflow(&self, text: &str) -> Result<Workflow, EngineError> {
        self.engine.prepare_workflow("scenario.yaml", text, &root()).await
    }

    /// Accepts what the plugins of a workflow ask for, where others had their names before.
    pub async fn accept(&self, text: &str) -> Result<()> {
        let workflow = self.workflow(text).await?;
        for (name, demands) in self.engine.demands(&workflow).await? {
            self.engine.accept_demands(&name, &demands).await?;
        }
        Ok(())
    }

    /// Starts a run of a workflow's text.
    pub async fn start(&self, text: &str, inputs: Value) -> Result<RunId> {
        self.start_allowed(text, inputs, &[]).await
    }

    /// The same, where the operator allows some hosts.
    pub async fn start_allowed(&self, text: &str, inputs: Value, hosts: &[&str]) -> Result<RunId> {
        let workflow = self.workflow(text).await?;
        let http = hosts.iter().map(|host| host.parse::<Hosts>().map_err(anyhow::Error::msg));
        let http = http.collect::<Result<Hosts>>()?;
        let allowed = Permissions { http, ..Permissions::default() };
        Ok(self.engine.start(&workflow, inputs, StartOptions { allowed, ..StartOptions::default() }).await?)
    }

    /// The run's header once it has ended or waits for a person.
    pub async fn settled(&self, run: RunId) -> Result<RunHeader> {
        Ok(patiently("the run's rest", self.engine.settled(run)).await??)
    }

    /// The run's header once it has ended.
    pub async fn ended(&self, run: RunId) -> Result<RunHeader> {
        let header = self.settled(run).await?;
        ensure!(header.status.is_final(), "the run waits: {:?}", header.waiting);
        Ok(header)
    }

    /// The approval that the run waits for.
    pub async fn asked(&self, run: RunId) -> Result<ApprovalId> {
        let header = self.settled(run).await?;
        match header.waiting {
            Some(Waiting::Approval { approval, .. }) => Ok(approval),
            other => bail!("the run asks nobody: {:?}, {other:?}, {:?}", header.status, header.error),
        }
    }

    /// Answers as the operator.
    pub async fn answer(&self, approval: &ApprovalId, action: &str, data: Value) -> Result<(), EngineError> {
        self.answer_as(approval, action, data, person("user:ann", &[], true)).await
    }

    /// Answers as somebody.
    pub async fn answer_as(
        &self,
        approval: &ApprovalId,
        action: &str,
        data: Value,
        by: Actor,
    ) -> Result<(), EngineError> {
        let answer = Answer { action: action.to_owned(), data, by, comment: None };
        self.engine.answer(approval, answer).await.map(|_| ())
    }

    /// The first event from the beginning for which `is` holds.
    pub async fn event(&self, run: RunId, is: impl Fn(&Event) -> bool) -> Result<Envelope> {
        let mut follower = self.engine.follow(run, 1);
        let find = async {
            loop {
                let envelope = follower.next().await?;
                if is(&envelope.event) {
                    return Ok::<_, EngineError>(envelope);
                }
            }
        };
        Ok(patiently("the event", find).await??)
    }

    /// The first event of this name.
    pub async fn named(&self, run: RunId, name: &str) -> Result<Envelope> {
        self.event(run, |event| event.name() == name).await
    }

    /// Moves the clock to an instant, if it lies ahead.
    pub fn move_to(&self, at: Timestamp) {
        self.clock.advance(at.since(self.clock.now()));
    }

    /// Waits until the engine holds this many runs in memory.
    pub async fn holds(&self, runs: usize) -> Result<()> {
        let wait = async {
            while self.engine.in_memory().await? != runs {
                tokio::task::yield_now().await;
            }
            Ok::<_, EngineError>(())
        };
        Ok(patiently("an engine that lets go of its runs", wait).await??)
    }

    /// Drives a run by its events: questions get the next answer, time goes on to where it is
    /// waited for. Stops behind the first event of a rest for which `pause` holds; gives where.
    pub async fn drive(
        &self,
        run: RunId,
        from_seq: u64,
        answers: &mut VecDeque<(&str, Value)>,
        pause: impl Fn(&Event) -> bool,
    ) -> Result<Option<u64>> {
        let mut follower = self.engine.follow(run, from_seq);
        loop {
            let envelope = patiently("the next event", follower.next()).await??;
            if pause(&envelope.event) {
                return Ok(Some(envelope.seq));
            }
            if self.go_on(run, &envelope.event, answers).await? {
                return Ok(None);
            }
        }
    }

    /// Does what an event waits for; true for the last event of a run.
    pub async fn go_on(
        &self,
        run: RunId,
        event: &Event,
        answers: &mut VecDeque<(&str, Value)>,
    ) -> Result<bool> {
        match event {
            Event::ApprovalOpened(opened) => {
                let (action, data) = answers.pop_front().context("a question without an answer")?;
                self.answer(&opened.approval, action, data).await?;
            }
            Event::ListenStarted { awaited: Awaited::Signal(name), until, .. } => match answers.pop_front() {
                Some((signal, data)) => {
                    ensure!(signal == name, "the run waits for the signal '{name}', not '{signal}'");
                    let by = person("user:ann", &[], true);
                    self.engine.signal(run, name.clone(), data, by, None).await?;
                }
                None => self.move_to(until.context("a signal without an answer")?),
            },
            Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. } => {
                return Ok(true);
            }
            _ => {
                if let Some(until) = waits_until(event) {
                    self.move_to(until);
                }
            }
        }
        Ok(false)
    }

    /// Every event of a run, its chain checked.
    pub async fn events(&self, run: RunId) -> Result<Vec<Event>> {
        let history = self.engine.history(run).await?;
        Ok(history.envelopes.into_iter().map(|envelope| envelope.event).collect())
    }

    /// Ends the engine: what is under way is given up, as by a crash, and what is being committed is committed.
    pub async fn stop(self) -> Result<ManualClock> {
        self.engine.shut_down().await?;
        Ok(self.clock)
    }
}

/// The instant that an event waits for.
pub fn waits_until(event: &Event) -> Option<Timestamp> {
    match event {
        Event::AttemptFailed { retry_at, .. } => *retry_at,
        Event::CallStarted { until, .. } => *until,
        Event::WaitStarted { until, .. } => Some(*until),
        _ => None,
    }
}

/// Somebody who answers.
pub fn person(name: &str, groups: &[&str], operator: bool) -> Actor {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Actor { name: name.to_owned(), groups, operator, via: "library".to_owned() }
}

/// A data folder of its own, for stores that come and go.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// A new folder.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// A place for files beside the data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store of the folder, as soon as an engine that was stopped has given it back.
    pub async fn open(&self) -> Result<Arc<LmdbStore>> {
        let folder = self.folder.path().join("data");
        let open = async {
            loop {
                let options = LmdbOptions { map_size_bytes: MAP_BYTES, ..LmdbOptions::default() };
                match LmdbStore::open(&folder, options) {
                    // Guests that were stopped are dropped at their next tick, and the store with the last.
                    Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                    outcome => return outcome,
                }
            }
        };
        Ok(Arc::new(patiently("the folder", open).await??))
    }

    /// An engine on the store of the folder.
    pub async fn scene(&self, clock: ManualClock) -> Result<Scene> {
        Scene::on(self.open().await?, clock, |_| {}).await
    }
}

/// The models of the project's own `pawl.yaml`.
fn models() -> Result<Arc<dyn Models>> {
    let text = std::fs::read_to_string(root().join("pawl.yaml"))?;
    Ok(Arc::new(Profiles::new(
        &pawl_core::source::operator::load("pawl.yaml", &text)?,
        &root(),
        pawl_engine::read_text,
    )?))
}

/// Compiled guests are kept beside what cargo builds, so that each is compiled once.
pub fn cache_dir() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("a test in target/PROFILE/deps")?;
    Ok(profile.join("test-components"))
}
