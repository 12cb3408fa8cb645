//! Chunks of chat completions.

use pawl_core::Failure;
use serde_json::{Value, json};

use super::{Pieces, append, broken_off, text};

/// The most calls of one answer; a server that counts further is not believed.
const CALLS_MAX: usize = 1_000;

/// What came so far.
#[derive(Default)]
pub(super) struct Chunks {
    model: Value,
    message: Value,
    calls: Vec<Value>,
    finish: Option<Value>,
    usage: Value,
}

impl Pieces for Chunks {
    fn take(&mut self, chunk: Value) -> Result<String, Failure> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(broken_off(error));
        }
        if let Some(model) = chunk.get("model").filter(|model| model.is_string()) {
            self.model = model.clone();
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = usage.clone();
        }
        let Some(choice) = chunk.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(String::new());
        };
        if let Some(finish) = choice.get("finish_reason").filter(|finish| finish.is_string()) {
            self.finish = Some(finish.clone());
        }
        let Some(delta) = choice.get("delta") else { return Ok(String::new()) };
        if !self.message.is_object() {
            self.message = json!({});
        }
        append(&mut self.message, "content", text(delta, "content"));
        append(&mut self.message, "refusal", text(delta, "refusal"));
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.take_call(call);
        }
        Ok(text(delta, "content").to_owned())
    }

    fn whole(&mut self) -> Option<Value> {
        let finish = self.finish.take()?;
        let mut message = std::mem::take(&mut self.message);
        if !self.calls.is_empty() {
            message["tool_calls"] = std::mem::take(&mut self.calls).into();
        }
        let mut whole = json!({ "choices": [{ "message": message, "finish_reason": finish }] });
        for (field, value) in [("model", &mut self.model), ("usage", &mut self.usage)] {
            if !value.is_null() {
                whole[field] = value.take();
            }
        }
        Some(whole)
    }
}

impl Chunks {
    fn take_call(&mut self, call: &Value) {
        let last = self.calls.len().saturating_sub(1);
        let at = call.get("index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        let at = at.unwrap_or(last).min(CALLS_MAX);
        while self.calls.len() <= at {
            self.calls.push(json!({ "id": "", "function": { "name": "", "arguments": "" } }));
        }
        let known = &mut self.calls[at];
        append(known, "id", text(call, "id"));
        if let Some(function) = call.get("function") {
            for field in ["name", "arguments"] {
                append(&mut known["function"], field, text(function, field));
            }
        }
    }
}
