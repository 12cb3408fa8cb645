//! One call of a tool outside of any run, as the operator wants it.
//!
//! It is a run of a workflow with one step, in memory: the same sandbox, checks, grants and limits as any other, and
//! nothing of it is kept. What the operator asks of runs does not hold for it, since the operator has named the call
//! and its grants; what is held back of plugins does.

use std::path::PathBuf;
use std::sync::Arc;

use pawl_core::event::Actor;
use pawl_core::guard::Policy;
use pawl_core::plugin::{Hosts, Permissions};
use pawl_core::view::Status;
use pawl_core::{Failure, FailureKind, RunId};
use pawl_store::memory::MemoryStore;
use serde_json::{Value, json};

use crate::plugins::acceptance;
use crate::workflow::Workflow;
use crate::{Engine, EngineConfig, EngineError, LockMode, StartOptions, SystemClock};

/// The step's id.
const STEP: &str = "call";

/// A tool, and what it may do.
#[derive(Debug, Clone)]
pub struct HandCall {
    /// As a workflow names it, `orders.lookup`.
    pub tool: String,
    /// Its arguments, with expressions over `inputs`.
    pub with: Value,
    /// The name of the one input, an object.
    pub input: &'static str,
    /// The hosts that it may send requests to.
    pub http: Hosts,
    /// The secrets that it may send.
    pub secrets: Vec<String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// Who calls, as its log says.
    pub by: Actor,
}

impl HandCall {
    fn workflow(&self) -> String {
        let seconds = self.timeout_ms.div_ceil(1_000).max(1);
        let workflow = json!({
            "pawl": 1, "workflow": STEP, "version": "1.0.0",
            "inputs": { self.input: "object" },
            "permissions": { "http": self.http, "secrets": self.secrets },
            "steps": [{
                "id": STEP, "tool": self.tool, "with": self.with, "timeout": format!("{seconds}s"),
            }],
            "outputs": { "result": format!("${{{{ steps.{STEP}.output }}}}") },
        });
        workflow.to_string()
    }
}

impl Engine {
    /// Says why a call cannot be made as it stands.
    pub async fn check_by_hand(&self, call: &HandCall) -> Result<(), EngineError> {
        let beside = self.for_hand_calls();
        beside.prepared(call).await.map(drop)
    }

    /// Calls a tool once. Calls with the same `run` have the same idempotency key. An error of the first kind says
    /// that it was not called, one of the second what came of it.
    pub async fn call_by_hand(
        &self,
        call: &HandCall,
        run: RunId,
        input: Value,
    ) -> Result<Result<Value, Failure>, EngineError> {
        let beside = self.for_hand_calls();
        let workflow = beside.prepared(call).await?;
        acceptance::admit(&self.context, &workflow).await?;
        let options = StartOptions {
            by: call.by.clone(),
            allowed: Permissions { http: call.http.clone(), ..Permissions::default() },
            run: Some(run),
            ..StartOptions::default()
        };
        let inputs = json!({ call.input: input });
        beside.start_as(&workflow, inputs, options, None).await?;
        let header = beside.settled(run).await?;
        if header.status == Status::Completed {
            let result = header.outputs.as_ref().and_then(|outputs| outputs.get("result"));
            return Ok(Ok(result.cloned().unwrap_or_default()));
        }
        let unclear = || {
            // A tool that is called at most once, of which nobody knows whether it has acted; or one that asks people.
            let waits = "it gave no answer, and whether it has acted is not known";
            Failure::new(FailureKind::Transient, waits)
        };
        Ok(Err(header.error.unwrap_or_else(unclear)))
    }

    /// An engine that shares the plugins of this one, and what the operator says of secrets.
    fn for_hand_calls(&self) -> Self {
        let says = self.context.standing.now();
        let config = EngineConfig {
            secrets: says.secrets.clone(),
            policy_file: says.policy_file.clone(),
            policy: Policy::default(),
            hold_new_plugins: false,
            models: None,
            retention: None,
            lock: LockMode::Free,
            clock: Arc::new(SystemClock),
            stand_in: None,
            ..self.context.config.clone()
        };
        self.beside(Arc::new(MemoryStore::new()), config)
    }

    async fn prepared(&self, call: &HandCall) -> Result<Workflow, EngineError> {
        let file = format!("(a call of {})", call.tool);
        self.prepare_workflow(&file, &call.workflow(), &PathBuf::from(".")).await
    }
}
