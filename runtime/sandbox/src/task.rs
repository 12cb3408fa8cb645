//! What goes into an attempt, and what comes out of it.

use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::call::{CallRequest, CallResponse, LogLevel, SharedResponse};
use pawl_core::plugin::{Mount, Permissions};
use pawl_core::trace::TraceContext;
use pawl_core::{Failure, Rank, Timestamp};
use serde_json::Value;

use crate::host::progress::ProgressSink;
use crate::limits::Limits;
use crate::secret::SecretSource;

/// One call of a tool.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The tool's name within its plugin: `lookup`.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// The same for every try of this call.
    pub idempotency_key: String,
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// Who goes first where not all can be under way.
    pub rank: Rank,
    /// When the result is no longer awaited. Told to the guest; the caller drops the future then.
    pub deadline: Option<Timestamp>,
    /// What every clock of the guest shows.
    pub now: Timestamp,
    /// Where the guest's randomness comes from.
    pub seed: [u8; 32],
    /// What it may do.
    pub grants: Permissions,
    /// Where the secrets are that it was granted.
    pub secrets: Option<Arc<dyn SecretSource>>,
    /// The folders that it has.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: Limits,
    /// Who hears how far it is.
    pub progress: Option<ProgressSink>,
    /// The trace that its requests belong to, and where in it.
    pub trace: Option<TraceContext>,
}

/// How a tool's call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolEnd {
    /// Its result, or why there is none.
    pub result: Result<Value, Failure>,
    /// What it logged, within `log_max_bytes`.
    pub log: Vec<(LogLevel, String)>,
}

/// One run of an agent, from the top.
#[derive(Debug, Clone)]
pub struct AgentTask {
    /// The step's `with`.
    pub input: Value,
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// Who goes first where not all can be under way.
    pub rank: Rank,
    /// What every clock shows until the first answer.
    pub now: Timestamp,
    /// Where the guest's randomness comes from; the same for every replay of the attempt.
    pub seed: [u8; 32],
    /// What it may do.
    pub grants: Permissions,
    /// What it may use.
    pub limits: Limits,
    /// Who hears how far it is.
    pub progress: Option<ProgressSink>,
}

/// Where an agent's calls go: the engine answers them from the journal, or carries them out.
#[async_trait]
pub trait AgentHost: Send {
    /// Answers one call. Log lines come as `CallRequest::Log`; their response is not looked at.
    async fn call(&mut self, request: CallRequest) -> CallReply;

    /// Answers calls that are made together, in their order. One after the other, unless the host
    /// can do better.
    async fn call_all(&mut self, requests: Vec<CallRequest>) -> CallsReply {
        let mut responses = Vec::new();
        let mut last = None;
        for request in requests {
            match self.call(request).await {
                CallReply::Answer { response, now } => {
                    responses.push(response.map(Arc::unwrap_or_clone));
                    last = Some(now);
                }
                CallReply::Suspend => return CallsReply::Suspend,
                CallReply::Abort(failure) => return CallsReply::Abort(failure),
            }
        }
        CallsReply::Answer { responses, now: last }
    }
}

/// What becomes of calls that an agent makes together.
#[derive(Debug, Clone, PartialEq)]
pub enum CallsReply {
    /// The agent goes on with these.
    Answer {
        /// What it gets, in the order of the calls.
        responses: Vec<CallResponse>,
        /// What its clocks show from now on, if anything was asked.
        now: Option<Timestamp>,
    },
    /// The instance is thrown away; the agent will run again from the top.
    Suspend,
    /// The attempt ends.
    Abort(Failure),
}

/// What becomes of an agent's call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallReply {
    /// The agent goes on with this.
    Answer {
        /// What it gets.
        response: SharedResponse,
        /// What its clocks show from now on.
        now: Timestamp,
    },
    /// The instance is thrown away; the agent will run again from the top.
    Suspend,
    /// The attempt ends, for instance because the replay diverged.
    Abort(Failure),
}

/// How an agent's run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEnd {
    /// With a result.
    Completed(Value),
    /// Another agent goes on.
    Handoff {
        /// Its name.
        agent: String,
        /// What it gets.
        input: Value,
    },
    /// With a failure that the agent itself returned.
    GaveUp(Failure),
    /// Otherwise without a result: a trap, a limit, a refusal.
    Failed(Failure),
    /// Not yet: the host said so.
    Suspended,
}
