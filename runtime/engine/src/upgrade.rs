//! Runs that go on with another version of their workflow.

use std::sync::Arc;

use pawl_core::event::Actor;
use pawl_core::upgrade::{Obstacle, ObstacleKind, Target, Upgrade, Verdict, check};
use pawl_core::view::{RunHeader, Status};
use pawl_core::{Command, Digest, Namespace, RunId};
use pawl_store::{Page, RunFilter};
use serde::{Deserialize, Serialize};

use crate::plugins::acceptance;
use crate::{Engine, EngineError, Workflow, journal};

/// Whether one run can be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// The run.
    pub run: RunId,
    /// The version that it is on.
    pub version: String,
    /// SHA-256 of the source that it is on.
    pub definition: Digest,
    /// Where it stands.
    pub status: Status,
    /// What came of the check.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Some of the runs of a workflow that go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradePage {
    /// The newest first.
    pub runs: Vec<RunVerdict>,
    /// What the next page comes after; nothing where there is none.
    pub next: Option<RunId>,
}

impl Workflow {
    /// What a run would go on with.
    fn target(&self) -> Target {
        Target {
            definition: Arc::clone(&self.definition),
            plugins: Arc::clone(&self.plugins),
            workflows: self.workflows.clone(),
            prices: self.prices.clone(),
        }
    }
}

impl Engine {
    /// Folds a version of a workflow over runs of it that go on, and says which of them can be moved to it. Changes
    /// nothing. One that does not read keeps none of the others from being looked at.
    pub async fn check_upgrade(
        &self,
        workflow: &Workflow,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<UpgradePage, EngineError> {
        self.check_upgrade_in(None, workflow, after, limit).await
    }

    /// The same of the runs of a namespace; of all, where there is none.
    pub async fn check_upgrade_in(
        &self,
        namespace: Option<&Namespace>,
        workflow: &Workflow,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<UpgradePage, EngineError> {
        let statuses = Status::OF_RUNS.into_iter().filter(|status| !status.is_final()).collect();
        let filter = RunFilter {
            statuses,
            workflow: Some(workflow.definition.name.clone()),
            namespace: namespace.cloned(),
        };
        let page = self.store().runs(&filter, &Page { after, limit }).await?;
        let mut runs = Vec::new();
        for header in page.runs {
            runs.push(self.check_header(&header, workflow).await);
        }
        Ok(UpgradePage { runs, next: page.next })
    }

    /// Whether one run can be moved to a version of its workflow. Changes nothing.
    pub async fn check_upgrade_of(&self, run: RunId, workflow: &Workflow) -> Result<RunVerdict, EngineError> {
        let header = self.store().run(run).await?.ok_or(EngineError::UnknownRun(run))?;
        Ok(self.check_header(&header, workflow).await)
    }

    async fn check_header(&self, header: &RunHeader, workflow: &Workflow) -> RunVerdict {
        let verdict = match self.verdict(header.id, workflow).await {
            Ok(verdict) => verdict,
            Err(error) => {
                let what = error.to_string();
                let next = "`pawl verify RUN` says more".to_owned();
                let obstacle = Obstacle { kind: ObstacleKind::Unreadable, step: None, what, next };
                Verdict { obstacles: vec![obstacle], ..Verdict::default() }
            }
        };
        RunVerdict {
            run: header.id,
            version: header.version.clone(),
            definition: header.definition,
            status: header.status,
            verdict,
        }
    }

    async fn verdict(&self, run: RunId, workflow: &Workflow) -> Result<Verdict, EngineError> {
        let store = self.store().as_ref();
        let (state, _) = journal::fold(store, run).await?;
        let from = self.context.definitions.pinned(store, run, state.definition()).await?;
        Ok(check(&state, &from, &workflow.target()))
    }

    /// Moves a run to a version of its workflow. Checked once more where the run is decided, so what a check said
    /// before need not hold any more. On disk when this returns, and the run goes on with it.
    pub async fn upgrade(
        &self,
        run: RunId,
        workflow: &Workflow,
        by: Actor,
        reason: Option<String>,
    ) -> Result<(), EngineError> {
        acceptance::admit(&self.context, workflow).await?;
        let upgrade = Box::new(Upgrade { to: workflow.target(), by, reason });
        let blobs = workflow.blobs.as_ref().clone();
        self.command_with(run, Command::Upgrade(upgrade), blobs).await
    }
}
