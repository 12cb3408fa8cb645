//! What people do with approvals.

use pawl_core::event::Actor;
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::{ApprovalId, Command, Refusal, RunId, within_depth};
use serde_json::Value;

use crate::engine::too_deep;
use crate::{Engine, EngineError};

/// A person's answer to an approval.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was chosen.
    pub action: String,
    /// What was filled into the form, an object; null when there is nothing.
    pub data: Value,
    /// Who, through which door.
    pub by: Actor,
    /// Why, in their words.
    pub comment: Option<String>,
}

impl Engine {
    /// Gives an approval its answer. What it allows is on disk when this returns.
    pub async fn answer(&self, approval: &ApprovalId, answer: Answer) -> Result<RunId, EngineError> {
        let Answer { action, data, by, comment } = answer;
        if !within_depth(&data, VALUE_MAX_DEPTH) {
            return Err(Refusal::InvalidForm { problems: vec![too_deep()] }.into());
        }
        self.on_approval(approval, |approval| Command::Decide { approval, action, data, by, comment }).await
    }

    /// Somebody who may answer holds an approval, so that nobody else does meanwhile. An operator takes it over from
    /// whoever holds it.
    pub async fn claim(&self, approval: &ApprovalId, by: Actor) -> Result<RunId, EngineError> {
        self.on_approval(approval, |approval| Command::Claim { approval, by }).await
    }

    /// Lets go of an approval that somebody holds.
    pub async fn release(&self, approval: &ApprovalId, by: Actor) -> Result<RunId, EngineError> {
        self.on_approval(approval, |approval| Command::Release { approval, by }).await
    }

    /// Asks other users or groups to answer in somebody's place.
    pub async fn delegate(
        &self,
        approval: &ApprovalId,
        to: Vec<String>,
        by: Actor,
        comment: Option<String>,
    ) -> Result<RunId, EngineError> {
        self.on_approval(approval, |approval| Command::Delegate { approval, to, by, comment }).await
    }

    /// Says something about an approval.
    pub async fn comment(
        &self,
        approval: &ApprovalId,
        text: String,
        by: Actor,
    ) -> Result<RunId, EngineError> {
        self.on_approval(approval, |approval| Command::Comment { approval, text, by }).await
    }

    async fn on_approval(
        &self,
        approval: &ApprovalId,
        command: impl FnOnce(ApprovalId) -> Command,
    ) -> Result<RunId, EngineError> {
        let run = self
            .store()
            .run_of_approval(approval)
            .await?
            .ok_or_else(|| EngineError::UnknownApproval(approval.clone()))?;
        self.command(run, command(approval.clone())).await?;
        Ok(run)
    }
}
