//! Going back in a run, and making another of it.

use pawl_core::RunId;
use pawl_engine::{LockMode, ReplayReport};

use super::protocol::{Answered, Latest, Opened, Replayed, Reply, Request};
use super::settings::Settings;
use super::{Service, verify};
use crate::fault::Fault;

impl Service {
    pub(super) async fn travel(&self, request: Request) -> Result<Reply, Fault> {
        let engine = self.engine();
        match request {
            Request::Rerun { run, settings, latest, by } => {
                let inputs = engine.history(run).await?.state.inputs().as_ref().clone();
                let header = self.header(run).await?;
                let workflow = match &latest {
                    Some(Latest { file, text, base, locked }) => {
                        let lock = if *locked { LockMode::Strict } else { LockMode::Free };
                        let workflow = engine.prepare_by(lock, file, text, base).await?;
                        same_workflow(file, &workflow.definition.name, &header.workflow)?;
                        Some(workflow)
                    }
                    None => None,
                };
                let definition = match &workflow {
                    Some(workflow) => workflow.definition.clone(),
                    None => engine.definition_of(run).await?,
                };
                let inputs = Settings::parse(&settings, definition.inputs.json())?.inputs(inputs)?;
                let new = engine.rerun(run, workflow.as_ref(), Some(inputs), by).await?;
                let warnings = workflow.map(|workflow| workflow.warnings).unwrap_or_default();
                self.opened(new, warnings).await
            }
            Request::Fork { run, seq, settings, rehearse, by } => {
                let definition = engine.definition_of(run).await?;
                let changes = Settings::parse(&settings, definition.inputs.json())?.changes();
                let new = match rehearse {
                    Some(how) => engine.rehearse(run, seq, changes, how, by).await?,
                    None => engine.fork(run, seq, changes, by).await?,
                };
                self.opened(new, Vec::new()).await
            }
            Request::Retry { run, step, by } => {
                let before = self.header(run).await?.head.seq;
                engine.retry(run, step, by).await?;
                Ok(self.goes_on(run, before))
            }
            Request::Suspend { run, by, reason } => {
                engine.suspend(run, by, reason).await?;
                Ok(Reply::Run(Box::new(self.header(run).await?)))
            }
            Request::Lift { run, by } => {
                let before = self.header(run).await?.head.seq;
                engine.resume(run, by).await?;
                Ok(self.goes_on(run, before))
            }
            Request::Replay { run } => self.replay(run).await,
            _ => Err(super::strange()),
        }
    }

    async fn opened(&self, run: RunId, warnings: Vec<String>) -> Result<Reply, Fault> {
        self.drive(run);
        let header = self.header(run).await?;
        Ok(Reply::Started(Opened { run, workflow: header.workflow, version: header.version, warnings }))
    }

    fn goes_on(&self, run: RunId, before: u64) -> Reply {
        self.drive(run);
        Reply::Answered(Answered { run, from_seq: before + 1 })
    }

    async fn replay(&self, run: RunId) -> Result<Reply, Fault> {
        let verified = verify::verify(self.engine(), Some(run)).await?;
        let problems: Vec<_> = verified.into_iter().flat_map(|one| one.problems).collect();
        let report = if problems.is_empty() {
            self.engine().replay(run).await?
        } else {
            ReplayReport { events: 0, attempts: Vec::new() }
        };
        Ok(Reply::Replayed(Box::new(Replayed { run, problems, report })))
    }
}

fn same_workflow(file: &str, found: &str, wanted: &str) -> Result<(), Fault> {
    if found == wanted {
        return Ok(());
    }
    Err(Fault::usage(format!("{file} holds the workflow '{found}', and the run is one of '{wanted}'"))
        .hint("name the file of that workflow, or start this one with `pawl run`"))
}
