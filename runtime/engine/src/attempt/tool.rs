//! One call of a tool, by a step or by an agent.

use std::sync::Arc;
use std::time::Instant;

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::definition::Schema;
use pawl_core::elicit::ToolAsks;
use pawl_core::event::LogLine;
use pawl_core::plugin::{EffectClass, Mount, Permissions, PluginOrigin, PluginPin};
use pawl_core::state::Dialogue;
use pawl_core::trace::TraceContext;
use pawl_core::{Digest, Failure, FailureKind, Rank, RunId, StepId, Timestamp, VisitId};
use pawl_mcp::McpEnd;
use pawl_sandbox::{ProgressSink, SecretSource, ToolCall};
use serde_json::Value;

use super::rehearsal::Rehearsing;
use super::{ToolWork, kept_out, mcp};
use crate::driver::Context;
use crate::plugins::limits_of;

/// One call of a tool.
#[derive(Debug, Clone)]
pub(super) struct ToolTry<'a> {
    pub(super) run: RunId,
    pub(super) step: &'a StepId,
    pub(super) visit: VisitId,
    pub(super) attempt: u32,
    /// The number of the agent's call; nothing for a tool step.
    pub(super) call: Option<u32>,
    pub(super) plugin: &'a str,
    pub(super) pin: &'a PluginPin,
    pub(super) tool: &'a str,
    pub(super) arguments: Value,
    pub(super) key: String,
    pub(super) now: Timestamp,
    pub(super) deadline: Option<Timestamp>,
    pub(super) seed: Digest,
    pub(super) grants: &'a Permissions,
    pub(super) mounts: &'a [Mount],
    pub(super) rank: Rank,
    pub(super) rehearsing: Option<&'a Rehearsing>,
    /// The trace that whoever the tool asks is told of.
    pub(super) trace: Option<TraceContext>,
    /// What it has asked before, and what it was answered.
    pub(super) dialogue: Option<&'a Dialogue>,
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Called {
    /// The tool's answer, and what it wrote to its log.
    Answered(CallResponse, Vec<LogLine>),
    /// It asks a person before it goes on.
    Asks(ToolAsks),
}

/// Calls a tool: arguments and result are checked against the schemas in its own description.
pub(super) async fn call(context: &Arc<Context>, call: ToolTry<'_>) -> Called {
    if let Some(answer) = call.rehearsed(context).await {
        return Called::Answered(answer, Vec::new());
    }
    let (plugin, began) = (call.plugin, Instant::now());
    let called = make(context, call).await;
    if let Called::Answered(result, _) = &called {
        context.metrics.plugin_called(plugin, began.elapsed(), result.as_ref().map(|_| ()));
    }
    called
}

/// Makes the call.
async fn make(context: &Arc<Context>, call: ToolTry<'_>) -> Called {
    if let PluginOrigin::Mcp(server) = &call.pin.origin {
        return match mcp::call(context, server, &call).await {
            Ok(McpEnd::Asks(asks)) => Called::Asks(asks),
            Ok(McpEnd::Result(value)) => Called::Answered(Ok(value), Vec::new()),
            Err(failure) => Called::Answered(Err(failure), Vec::new()),
        };
    }
    let (result, log) = in_sandbox(context, call).await;
    Called::Answered(result, log)
}

async fn in_sandbox(context: &Arc<Context>, call: ToolTry<'_>) -> (CallResponse, Vec<LogLine>) {
    let ready = match context.catalog.pinned(context.store.as_ref(), call.run, call.pin.component).await {
        Ok(ready) => ready,
        Err(error) => return (Err(unusable(&error)), Vec::new()),
    };
    let Some((input, output)) = ready.schemas.get(call.tool) else {
        let message = format!("the plugin has no tool '{}'", call.tool);
        return (Err(Failure::new(FailureKind::InvalidInput, message)), Vec::new());
    };
    if let Err(failure) = fits(input, &call.arguments, FailureKind::InvalidInput, "the arguments do not fit")
    {
        return (Err(failure), Vec::new());
    }
    let sandbox = context.catalog.sandbox();
    let (grants, plugin, tool) = (call.grants, call.plugin, call.tool);
    let end = match &context.config.stand_in {
        None => sandbox.call_tool(&ready.loaded, call.request(context)).await,
        Some(stand_in) => {
            let request = call.clone().request(context);
            let component = Box::pin(sandbox.call_tool(&ready.loaded, request));
            stand_in.tool(call.work(), component).await
        }
    };
    let lines = end.log.into_iter().map(|(level, message)| LogLine { level, message }).collect();
    let result = end.result.map_err(|failure| kept_out(failure, &ready, grants, &format!("{plugin}.{tool}")));
    let result = result.and_then(|value| {
        let excluded = "the tool's result is not what its own description says";
        fits(output, &value, FailureKind::InvalidOutput, excluded).map(|()| value)
    });
    (result, lines)
}

impl ToolTry<'_> {
    /// The call as the sandbox takes it.
    fn request(self, context: &Context) -> ToolCall {
        ToolCall {
            tool: self.tool.to_owned(),
            arguments: self.arguments,
            idempotency_key: self.key,
            run: self.run.to_string(),
            step: self.step.to_string(),
            attempt: self.attempt,
            rank: self.rank,
            deadline: self.deadline,
            now: self.now,
            seed: *self.seed.as_bytes(),
            grants: self.grants.clone(),
            secrets: context.standing.now().secrets.clone().map(|secrets| secrets as Arc<dyn SecretSource>),
            mounts: self.mounts.to_vec(),
            limits: limits_of(self.pin, &context.config.limits),
            progress: Some(ProgressSink::new(context.progress.of(self.run, self.step, self.visit))),
            trace: self.trace,
        }
    }

    /// What comes of it in a rehearsal without a call.
    async fn rehearsed(&self, context: &Context) -> Option<CallResponse> {
        let rehearsing = self.rehearsing?;
        let name = format!("{}.{}", self.plugin, self.tool);
        let request = CallRequest::Tool { name: name.clone(), arguments: self.arguments.clone() };
        let place = (self.visit, self.attempt, self.call);
        match rehearsing.answer(context.store.as_ref(), place, &request).await {
            Err(failure) => Some(Err(failure)),
            Ok(Some(answer)) => Some(answer),
            Ok(None) => {
                let acts = self.effect() != EffectClass::Pure;
                (acts && rehearsing.what.dry).then(|| Err(rehearsing.refusal(&name)))
            }
        }
    }

    /// What may happen outside; of a tool that the plugin does not have, the worst.
    fn effect(&self) -> EffectClass {
        self.pin.description.tool(self.tool).map_or(EffectClass::AtMostOnce, |tool| tool.effect)
    }

    /// The call as a stand-in sees it.
    pub(super) fn work(&self) -> ToolWork<'_> {
        ToolWork {
            run: self.run,
            step: self.step,
            visit: self.visit,
            attempt: self.attempt,
            call: self.call,
            plugin: self.plugin,
            tool: self.tool,
            effect: self.effect(),
            arguments: &self.arguments,
            key: &self.key,
        }
    }
}

/// Checks a value against a schema.
pub(super) fn fits(schema: &Schema, value: &Value, kind: FailureKind, what: &str) -> Result<(), Failure> {
    let problems = schema.problems(value);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(kind, format!("{what}: {}", problems.join("; "))))
}

/// The failure of an attempt whose component could not be had.
pub(super) fn unusable(error: &crate::EngineError) -> Failure {
    let kind = if matches!(error, crate::EngineError::Store(_)) {
        FailureKind::Transient
    } else {
        FailureKind::Permanent
    };
    Failure::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misfit_is_told_briefly_however_large_it_is() {
        let schema = Schema::new(json!({ "items": { "type": "number" } })).unwrap();
        let value = json!(vec!["x".repeat(100_000); 100]);
        let failure = fits(&schema, &value, FailureKind::InvalidOutput, "wrong").unwrap_err();
        assert!(failure.message.len() < 20_000, "{}", failure.message.len());
    }
}
