//! One call of a tool, by a step or by an agent.

use std::sync::Arc;

use pawl_core::call::CallResponse;
use pawl_core::definition::Schema;
use pawl_core::event::LogLine;
use pawl_core::plugin::{Permissions, PluginPin};
use pawl_core::{Digest, Failure, FailureKind, RunId, StepId, Timestamp};
use pawl_sandbox::ToolCall;
use serde_json::Value;

use crate::driver::Context;
use crate::plugins::limits_of;

/// One call of a tool.
#[derive(Debug)]
pub(super) struct ToolTry<'a> {
    pub(super) run: RunId,
    pub(super) step: &'a StepId,
    pub(super) attempt: u32,
    pub(super) pin: &'a PluginPin,
    pub(super) tool: &'a str,
    pub(super) arguments: Value,
    pub(super) key: String,
    pub(super) now: Timestamp,
    pub(super) deadline: Option<Timestamp>,
    pub(super) seed: Digest,
    pub(super) grants: &'a Permissions,
}

/// Calls a tool: arguments and result are checked against the schemas in its own description.
pub(super) async fn call(context: &Arc<Context>, call: ToolTry<'_>) -> (CallResponse, Vec<LogLine>) {
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
    let request = ToolCall {
        tool: call.tool.to_owned(),
        arguments: call.arguments,
        idempotency_key: call.key,
        run: call.run.to_string(),
        step: call.step.to_string(),
        attempt: call.attempt,
        deadline: call.deadline,
        now: call.now,
        seed: *call.seed.as_bytes(),
        grants: call.grants.clone(),
        limits: limits_of(call.pin, &context.config.limits),
    };
    let end = context.catalog.sandbox().call_tool(&ready.loaded, request).await;
    let lines = end.log.into_iter().map(|(level, message)| LogLine { level, message }).collect();
    let result = end.result.and_then(|value| {
        let excluded = "the tool's result is not what its own description says";
        fits(output, &value, FailureKind::InvalidOutput, excluded).map(|()| value)
    });
    (result, lines)
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
