//! Workflows that are kept by name, and runs that go on with another version of theirs.

use pawl_core::RunId;
use pawl_core::event::Actor;
use pawl_core::plugin::Permissions;
use pawl_engine::{EngineError, LockMode, StartOptions, Workflow};
use pawl_store::Page;
use serde_json::json;

use super::Service;
use super::kept::{Checked, KeptWorkflow, Moved, Registering, Upgraded, WorkflowAt};
use super::protocol::{Latest, Opened, Reply, Request};
use crate::fault::Fault;

/// Names that are asked for at once.
const PAGE_NAMES: usize = 500;

impl Service {
    pub(super) async fn registry(&self, request: Request) -> Result<Reply, Fault> {
        let engine = self.engine();
        match request {
            Request::Register { workflow, activate, locked, by } => {
                self.register(workflow, activate, locked, by).await
            }
            Request::Workflows => {
                let (mut all, mut page) = (Vec::new(), Page { after: None, limit: PAGE_NAMES });
                loop {
                    let some = engine.registered(None, &page).await?;
                    let is_last = some.len() < PAGE_NAMES;
                    page.after = some.last().map(|last| last.name.clone());
                    all.extend(some);
                    if is_last {
                        return Ok(Reply::Workflows(all));
                    }
                }
            }
            Request::Versions { name } => {
                let versions = engine.versions(&name).await?;
                let active = engine.registered_name(&name).await?.and_then(|head| head.active);
                Ok(Reply::Versions(Box::new(KeptWorkflow { name, active, versions })))
            }
            Request::Activate { name, version, by } => {
                Ok(Reply::Activated(Box::new(engine.activate(&name, &version, None, by).await?)))
            }
            Request::StartKept { name, version, inputs, allow_http, by } => {
                let workflow = engine.registered_workflow(&name, version.as_deref()).await?;
                let allowed = Permissions { http: allow_http, ..Permissions::default() };
                let options = StartOptions { by, allowed, ..StartOptions::default() };
                let run = engine.start(&workflow, inputs, options).await?;
                self.drive(run);
                Ok(Reply::Started(Opened {
                    run,
                    workflow: workflow.definition.name.clone(),
                    version: workflow.definition.version.clone(),
                    warnings: workflow.warnings,
                }))
            }
            Request::CheckUpgrade { to, run, after, limit } => {
                self.check_upgrade(to, run, after, limit).await
            }
            Request::Upgrade { to, runs, by, reason } => self.upgrade(to, runs, by, reason).await,
            _ => Err(super::strange()),
        }
    }

    /// A file's workflow, with nothing in it that would be denied.
    async fn ready(&self, latest: &Latest, locked: bool) -> Result<Workflow, Fault> {
        let Latest { file, text, base, locked: _ } = latest;
        let lock = if locked { LockMode::Strict } else { LockMode::Free };
        let workflow = self.engine().prepare_by(lock, file, text, base).await?;
        let denied = self.engine().denied(&workflow).await?;
        if denied.is_empty() {
            return Ok(workflow);
        }
        Err(Fault::not_granted(&denied).details(json!({ "denied": denied })))
    }

    async fn register(
        &self,
        latest: Latest,
        activate: bool,
        locked: bool,
        by: Actor,
    ) -> Result<Reply, Fault> {
        let engine = self.engine();
        let workflow = self.ready(&latest, locked).await?;
        let registered = engine.register(&workflow, &latest.file, by.clone()).await?;
        let name = &registered.version.workflow;
        if activate {
            engine.activate(name, &registered.version.version, None, by).await?;
        }
        let active = engine.registered_name(name).await?.and_then(|head| head.active);
        let warnings = workflow.warnings;
        Ok(Reply::Registered(Box::new(Registering { registered, active, warnings })))
    }

    async fn workflow_at(&self, at: WorkflowAt) -> Result<Workflow, Fault> {
        match at {
            WorkflowAt::File(latest) => self.ready(&latest, false).await,
            WorkflowAt::Kept { name, version } => {
                Ok(self.engine().registered_workflow(&name, version.as_deref()).await?)
            }
        }
    }

    async fn check_upgrade(
        &self,
        to: WorkflowAt,
        run: Option<RunId>,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Reply, Fault> {
        let (engine, to) = (self.engine(), self.workflow_at(to).await?);
        let (runs, next) = if let Some(run) = run {
            (vec![engine.check_upgrade_of(run, &to).await?], None)
        } else {
            let page = engine.check_upgrade(&to, after, limit).await?;
            (page.runs, page.next)
        };
        let (workflow, version) = (to.definition.name.clone(), to.definition.version.clone());
        let definition = to.definition.digest;
        Ok(Reply::Checked(Box::new(Checked { workflow, version, definition, runs, next })))
    }

    async fn upgrade(
        &self,
        to: WorkflowAt,
        runs: Vec<RunId>,
        by: Actor,
        reason: Option<String>,
    ) -> Result<Reply, Fault> {
        let (engine, to) = (self.engine(), self.workflow_at(to).await?);
        let mut moved = Vec::new();
        for run in runs {
            let refused = match engine.upgrade(run, &to, by.clone(), reason.clone()).await {
                Ok(()) => {
                    // A step that the new version adds may have begun.
                    self.drive(run);
                    None
                }
                Err(EngineError::Refused(refusal)) => Some(refusal.to_string()),
                Err(error) => return Err(error.into()),
            };
            moved.push(Moved { run, refused });
        }
        Ok(Reply::Upgraded(Box::new(Upgraded { moved })))
    }
}
