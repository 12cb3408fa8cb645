//! Carries requests out on the engine of this process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pawl_core::event::Actor;
use pawl_core::plugin::Permissions;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{ApprovalId, Digest, RunId};
use pawl_engine::{
    Answer, Clock as _, Engine, EngineConfig, EngineError, LockMode, StartOptions, SystemClock,
};
use pawl_sandbox::SandboxConfig;
use pawl_store::{ApprovalFilter, Page, RunFilter, Store};
use pawl_telemetry::Telemetry;
use serde_json::json;

use super::protocol::{About, Answered, InboxAct, Opened, Reply, Request, Signalled};
use super::{Feed, backup, identity, memory, operator, retention, telemetry, verify};
use crate::command::store::PROGRESS_MS;
use crate::fault::Fault;
use crate::place::Place;
use crate::serving::Layers;

/// Rows asked for at once when everything is listed.
const PAGE_ROWS: usize = 1_000;
/// The shortest part of an id that is looked for, in characters.
const ID_PART_MIN_CHARS: usize = 4;
/// How many matches a message about an ambiguous id shows.
const MATCHES_SHOWN: usize = 3;
/// How long what was due before may take to happen, in milliseconds.
const OVERDUE_MAX_MS: u64 = 2_000;
/// How often an ending process looks whether steps are still under way, in milliseconds.
pub(super) const QUIET_POLL_MS: u64 = 20;

/// The operations of this process's engine. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(super) engine: Engine,
    /// The plugin folder, for backups.
    plugins: PathBuf,
    /// Runs that were asked to go on.
    driven: Arc<Mutex<HashSet<RunId>>>,
    /// Requests of others that are being carried out.
    pub(super) in_hand: Arc<AtomicUsize>,
    /// What sends spans, until it is closed.
    pub(super) telemetry: Arc<Mutex<Option<Telemetry>>>,
}

/// A request that is being carried out, until it is dropped.
#[derive(Debug)]
pub(super) struct InHand(Arc<AtomicUsize>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The engine's settings for a data folder.
pub(crate) fn engine_config(place: &Place) -> Result<EngineConfig, Fault> {
    let plugin_folder = (!place.ephemeral).then(|| place.plugins());
    let sandbox = SandboxConfig { cache_dir: place.cache(), ..SandboxConfig::default() };
    let trusted_keys = operator::trusted_keys(place)?;
    let registries = operator::registries(place)?;
    Ok(EngineConfig { plugin_folder, sandbox, trusted_keys, registries, ..EngineConfig::default() })
}

impl Service {
    pub(super) async fn open(store: Arc<dyn Store>, place: &Place) -> Result<Self, Fault> {
        let retention = retention::setting(operator::read(place)?.0.retention, &Layers::of_process())?;
        let spans = telemetry::settings(place)?;
        let config = EngineConfig { retention, traced: spans.is_some(), ..operator::configured(place)? };
        let engine = Engine::open(store, config).await?;
        let telemetry = spans.map(|spans| telemetry::start(&engine, spans, place)).transpose()?;
        Ok(Self {
            engine,
            plugins: place.plugins(),
            driven: Arc::default(),
            in_hand: Arc::default(),
            telemetry: Arc::new(Mutex::new(telemetry)),
        })
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.engine.store().as_ref()
    }

    /// Carries out a request that gives one reply.
    pub(super) async fn handle(&self, request: Request) -> Result<Reply, Fault> {
        // On the heap: every command would carry it along.
        Box::pin(self.carry_out(request)).await
    }

    async fn carry_out(&self, request: Request) -> Result<Reply, Fault> {
        match request {
            Request::Start { .. } => self.start(request).await,
            Request::Runs { statuses, workflow, limit, after } => Ok(Reply::Runs(
                self.runs(RunFilter { statuses, workflow, ..RunFilter::default() }, limit, after).await?,
            )),
            Request::FindRun { text } => Ok(Reply::Run(Box::new(self.find_run(&text).await?))),
            Request::Approvals { run, asked, claimed } => {
                let claimed = claimed.map(|claimed| (claimed, SystemClock.now()));
                let filter = ApprovalFilter { run, asked, claimed, ..ApprovalFilter::default() };
                Ok(Reply::Approvals(listed_approvals(self.store(), filter).await?))
            }
            Request::RunOfApproval { id } => {
                Ok(Reply::RunOfApproval(self.store().run_of_approval(&id).await?))
            }
            Request::Inbox { approval, act, by } => self.inbox(&approval, act, by).await,
            Request::Memories => Ok(Reply::Memories(memory::memories(self.store()).await?)),
            Request::Memory { scope } => Ok(Reply::Memory(self.store().memory(&scope).await?)),
            Request::Forget { scope, key } => {
                Ok(Reply::Memory(memory::forget(self.store(), &scope, key.as_deref()).await?))
            }
            Request::HeldPlugins => Ok(Reply::Held(self.engine.held_plugins().await?)),
            Request::AcceptPlugin { name } => {
                Ok(Reply::Held(self.engine.accept_plugin(&name).await?.into_iter().collect()))
            }
            Request::AcceptDemands { plugins } => {
                for (name, demands) in plugins {
                    self.engine.accept_demands(&name, &demands).await?;
                }
                Ok(Reply::Held(Vec::new()))
            }
            Request::Approval { id } => Ok(Reply::Approval(self.store().approval(&id).await?.map(Box::new))),
            Request::Answer { approval, action, data, by, comment } => {
                self.answer(&approval, Answer { action, data, by, comment }).await
            }
            Request::Signal { .. } => self.signal(request).await,
            Request::Cancel { run, by, reason } => {
                self.engine.cancel(run, by, reason).await?;
                // The runs that it started are cancelled as well before this process may end.
                self.engine.quiet().await?;
                Ok(Reply::Run(Box::new(self.header(run).await?)))
            }
            Request::Recover => self.recover().await,
            Request::Rerun { .. }
            | Request::Fork { .. }
            | Request::Retry { .. }
            | Request::Suspend { .. }
            | Request::Lift { .. }
            | Request::Replay { .. } => self.travel(request).await,
            Request::Register { .. }
            | Request::Workflows
            | Request::Versions { .. }
            | Request::Activate { .. }
            | Request::StartKept { .. }
            | Request::CheckUpgrade { .. }
            | Request::Upgrade { .. } => self.registry(request).await,
            Request::Source { definition, .. } => self.source(definition).await,
            Request::Publish { topic, data, id } => self.publish(&topic, data, id.as_deref()).await,
            Request::Verify { run } => Ok(Reply::Verified(verify::verify(&self.engine, run).await?)),
            Request::About => self.about().await,
            Request::Stats => self.stats().await,
            Request::Backup { to } => self.back_up(&to, &mut |_| ()).await,
            Request::Identity { request, by } => identity::handle(self.store(), request, &by).await,
            Request::Prune { retention } => Ok(Reply::Pruned(Box::new(self.engine.prune(retention).await?))),
            Request::History { .. } | Request::Follow { .. } => Err(super::strange()),
        }
    }

    /// Carries out a request that gives events.
    pub(super) async fn feed(&self, request: Request) -> Result<Feed, Fault> {
        match request {
            Request::History { run } => {
                let header = self.header(run).await?;
                let history = self.engine.history(run).await?;
                Ok(Feed::read(history.envelopes, header))
            }
            Request::Follow { run, from_seq, to_end, aloud } => {
                self.header(run).await?;
                let engine = self.engine();
                // It listens before the run goes on.
                let follower =
                    if aloud { engine.follow_aloud(run, from_seq) } else { engine.follow(run, from_seq) };
                self.drive(run);
                Ok(Feed::live(self.clone(), run, follower, to_end))
            }
            _ => Err(super::strange()),
        }
    }

    async fn publish(&self, topic: &str, data: serde_json::Value, id: Option<&str>) -> Result<Reply, Fault> {
        let namespace = pawl_core::Namespace::default();
        self.engine.publish_from_outside(&namespace, topic, data, id).await?;
        // Whoever heard of it goes on before this process may end.
        self.engine.quiet().await?;
        let filter = RunFilter { statuses: vec![Status::Pending, Status::Running], ..RunFilter::default() };
        for run in self.runs(filter, usize::MAX, None).await? {
            self.drive(run.id);
        }
        Ok(Reply::Published)
    }

    /// Makes a backup; `told` hears how far it is.
    pub(super) async fn back_up(
        &self,
        to: &Path,
        told: &mut (dyn FnMut(String) + Send),
    ) -> Result<Reply, Fault> {
        let every = Duration::from_millis(PROGRESS_MS);
        Ok(Reply::BackedUp(backup::back_up(&self.engine, &self.plugins, to, every, told).await?))
    }

    async fn start(&self, request: Request) -> Result<Reply, Fault> {
        let Request::Start { file, text, base, inputs, allow_http, by, locked } = request else {
            return Err(super::strange());
        };
        let lock = if locked { LockMode::Strict } else { LockMode::Free };
        let workflow = self.engine.prepare_by(lock, &file, &text, &base).await?;
        // Whether the step is reached or not: what `check` refuses is no run that somebody waits for.
        let denied = self.engine.denied(&workflow).await?;
        if !denied.is_empty() {
            return Err(Fault::not_granted(&denied).details(json!({ "denied": denied })));
        }
        let allowed = Permissions { http: allow_http, ..Permissions::default() };
        let run = self
            .engine
            .start(&workflow, inputs, StartOptions { by, allowed, ..StartOptions::default() })
            .await?;
        self.drive(run);
        Ok(Reply::Started(Opened {
            run,
            workflow: workflow.definition.name.clone(),
            version: workflow.definition.version.clone(),
            warnings: workflow.warnings,
        }))
    }

    async fn answer(&self, approval: &ApprovalId, answer: Answer) -> Result<Reply, Fault> {
        let run = self.store().run_of_approval(approval).await?;
        let before = match run {
            Some(run) => self.header(run).await?.head.seq,
            None => 0,
        };
        let run = self.engine.answer(approval, answer).await?;
        self.drive(run);
        Ok(Reply::Answered(Answered { run, from_seq: before + 1 }))
    }

    /// Carries out what is done with an approval, and gives it as it is then.
    async fn inbox(&self, approval: &ApprovalId, act: InboxAct, by: Actor) -> Result<Reply, Fault> {
        match act {
            InboxAct::Claim => self.engine.claim(approval, by).await?,
            InboxAct::Release => self.engine.release(approval, by).await?,
            InboxAct::Delegate { to, comment } => self.engine.delegate(approval, to, by, comment).await?,
            InboxAct::Comment { text } => self.engine.comment(approval, text, by).await?,
        };
        Ok(Reply::Approval(self.store().approval(approval).await?.map(Box::new)))
    }

    async fn signal(&self, request: Request) -> Result<Reply, Fault> {
        let Request::Signal { run, name, mut data, texts, by, key } = request else {
            return Err(super::strange());
        };
        if !texts.is_empty() {
            let definition = self.engine.definition_of(run).await?;
            let schema = definition.signals().find(|(_, signal)| signal.name == name);
            let schema = schema
                .and_then(|(_, signal)| signal.schema.as_ref())
                .map(pawl_core::definition::Schema::json);
            let mut fields = serde_json::Map::new();
            for (field, text) in &texts {
                let value = crate::values::read(schema, field, text.as_str().unwrap_or_default())?;
                fields.insert(field.clone(), value);
            }
            data = fields.into();
        }
        let before = self.header(run).await?.head.seq;
        self.engine.signal(run, name, data, by, key).await?;
        self.drive(run);
        Ok(Reply::Signalled(Signalled { from_seq: before + 1 }))
    }

    async fn recover(&self) -> Result<Reply, Fault> {
        self.engine.recover().await?;
        let statuses: Vec<_> = Status::OF_RUNS.into_iter().filter(|status| !status.is_final()).collect();
        let since = Instant::now();
        loop {
            let filter = RunFilter { statuses: statuses.clone(), ..RunFilter::default() };
            let runs = self.runs(filter, usize::MAX, None).await?;
            // A question whose time is up is answered by that, not left to a person.
            let now = SystemClock.now();
            let is_overdue = runs.iter().any(|run| run.wake_at.is_some_and(|at| at <= now));
            if !is_overdue || since.elapsed() > Duration::from_millis(OVERDUE_MAX_MS) {
                return Ok(Reply::Runs(runs));
            }
            tokio::time::sleep(Duration::from_millis(QUIET_POLL_MS)).await;
        }
    }

    async fn runs(
        &self,
        filter: RunFilter,
        limit: usize,
        mut after: Option<RunId>,
    ) -> Result<Vec<RunHeader>, Fault> {
        let mut runs = Vec::new();
        while runs.len() < limit {
            let page = Page { after, limit: (limit - runs.len()).min(PAGE_ROWS) };
            let found = self.store().runs(&filter, &page).await?;
            runs.extend(found.runs);
            match found.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(runs)
    }

    async fn source(&self, definition: Digest) -> Result<Reply, Fault> {
        let bytes = self.store().blob(&definition).await?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        text.map(Reply::Source).ok_or_else(|| {
            Fault::failed(format!("the store does not hold the definition {definition}"))
                .hint("`pawl verify` says what else is missing")
        })
    }

    /// The header of a run that is there.
    pub(super) async fn header(&self, run: RunId) -> Result<RunHeader, Fault> {
        Ok(self.store().run(run).await?.ok_or(EngineError::UnknownRun(run))?)
    }

    async fn find_run(&self, text: &str) -> Result<RunHeader, Fault> {
        if let Ok(run) = text.parse() {
            return self.header(run).await;
        }
        let part = text.to_ascii_lowercase();
        let in_alphabet = part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if part.len() < ID_PART_MIN_CHARS || !in_alphabet {
            return Err(Fault::usage(format!("'{text}' is not the id of a run")).hint(format!(
                "give an id, or at least {ID_PART_MIN_CHARS} characters of its start or end; `pawl runs` lists them"
            )));
        }
        let mut matches = Vec::new();
        for header in self.runs(RunFilter::default(), usize::MAX, None).await? {
            let id = header.id.to_string();
            if id.starts_with(&part) || id.ends_with(&part) {
                matches.push(header);
            }
        }
        match matches.len() {
            0 => Err(Fault::usage(format!("there is no run whose id starts or ends with '{text}'"))
                .hint("`pawl runs` lists them")),
            1 => Ok(matches.remove(0)),
            count => {
                let shown: Vec<_> =
                    matches.iter().take(MATCHES_SHOWN).map(|run| run.id.to_string()).collect();
                Err(Fault::usage(format!("{count} runs have an id that starts or ends with '{text}'"))
                    .hint(format!("give more of it; among them are {}", shown.join(", "))))
            }
        }
    }

    async fn about(&self) -> Result<Reply, Fault> {
        let info = self.store().info().await?;
        Ok(Reply::About(Box::new(About {
            pid: std::process::id(),
            engine: info.engine.to_owned(),
            place: info.place,
            format: info.format,
            bytes: info.bytes,
        })))
    }

    async fn stats(&self) -> Result<Reply, Fault> {
        let rows = self.store().maintain();
        let rows = rows.ok_or_else(|| Fault::usage("a store in memory has no tables"))?;
        Ok(Reply::Stats(Box::new(rows.stats().await?)))
    }

    pub(super) fn driven(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn drive(&self, run: RunId) {
        self.driven().insert(run);
    }

    /// Nobody waits any more until a run is out of its step: it cannot go on here.
    pub(super) fn let_go(&self, run: RunId) {
        self.driven().remove(&run);
    }

    /// From now on until it is dropped, something is under way.
    pub(super) fn begin(&self) -> InHand {
        self.in_hand.fetch_add(1, Ordering::SeqCst);
        InHand(Arc::clone(&self.in_hand))
    }

    pub(super) async fn shut_down(&self) {
        // It was shut down before, then: that is what was wanted.
        let _ = self.engine.shut_down().await;
        let telemetry = self.telemetry.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(telemetry) = telemetry {
            telemetry.close().await;
        }
    }
}

/// Everything open, oldest first, of a run or of all.
pub(super) async fn open_approvals(
    store: &dyn Store,
    run: Option<RunId>,
) -> Result<Vec<pawl_core::view::OpenApproval>, Fault> {
    listed_approvals(store, ApprovalFilter::of_run(run)).await
}

async fn listed_approvals(
    store: &dyn Store,
    filter: ApprovalFilter,
) -> Result<Vec<pawl_core::view::OpenApproval>, Fault> {
    let mut page = Page { after: None, limit: PAGE_ROWS };
    let mut open = Vec::new();
    loop {
        let found = store.approvals(&filter, &page).await?;
        open.extend(found.approvals);
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(open),
        }
    }
}
