//! Lines of Ollama.

use pawl_core::Failure;
use serde_json::{Value, json};

use super::{Pieces, append, broken_off, text};

/// What came so far.
#[derive(Default)]
pub(super) struct Lines {
    content: String,
    calls: Vec<Value>,
    last: Option<Value>,
}

impl Pieces for Lines {
    fn take(&mut self, line: Value) -> Result<String, Failure> {
        if let Some(error) = line.get("error").filter(|error| !error.is_null()) {
            return Err(broken_off(error));
        }
        let message = line.get("message").cloned().unwrap_or_default();
        let said = text(&message, "content").to_owned();
        self.content.push_str(&said);
        self.calls.extend(message.get("tool_calls").and_then(Value::as_array).cloned().unwrap_or_default());
        if line.get("done").and_then(Value::as_bool) == Some(true) {
            self.last = Some(line);
        }
        Ok(said)
    }

    fn whole(&mut self) -> Option<Value> {
        let mut whole = self.last.take()?;
        let mut message = json!({ "role": "assistant", "content": "" });
        append(&mut message, "content", &self.content);
        if !self.calls.is_empty() {
            message["tool_calls"] = std::mem::take(&mut self.calls).into();
        }
        whole["message"] = message;
        Some(whole)
    }
}
