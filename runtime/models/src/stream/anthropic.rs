//! Events of Anthropic's messages.

use std::collections::BTreeMap;

use pawl_core::Failure;
use serde_json::{Value, json};

use super::{Pieces, append, broken_off, text};

/// What came so far.
#[derive(Default)]
pub(super) struct Events {
    message: Value,
    /// Blocks by their number, and the arguments of calls as text.
    blocks: BTreeMap<u64, (Value, String)>,
    is_over: bool,
}

impl Pieces for Events {
    fn take(&mut self, event: Value) -> Result<String, Failure> {
        let at = event.get("index").and_then(Value::as_u64).unwrap_or_default();
        match text(&event, "type") {
            "error" => return Err(broken_off(event.get("error").unwrap_or(&event))),
            "message_start" => self.message = event.get("message").cloned().unwrap_or_default(),
            "content_block_start" => {
                let block = event.get("content_block").filter(|block| block.is_object());
                let block = block.cloned().unwrap_or_else(|| json!({}));
                let said = text(&block, "text").to_owned();
                self.blocks.insert(at, (block, String::new()));
                return Ok(said);
            }
            "content_block_delta" => {
                let delta = event.get("delta").cloned().unwrap_or_default();
                let Some((block, arguments)) = self.blocks.get_mut(&at) else { return Ok(String::new()) };
                arguments.push_str(text(&delta, "partial_json"));
                let said = text(&delta, "text");
                append(block, "text", said);
                return Ok(said.to_owned());
            }
            "message_delta" => {
                if let Some(reason) = event.get("delta").and_then(|delta| delta.get("stop_reason")) {
                    self.put("stop_reason", reason.clone());
                }
                let usage = self.message.get("usage").filter(|usage| usage.is_object());
                let mut usage = usage.cloned().unwrap_or_else(|| json!({}));
                for (name, count) in event.get("usage").and_then(Value::as_object).into_iter().flatten() {
                    usage[name] = count.clone();
                }
                self.put("usage", usage);
            }
            "message_stop" => self.is_over = true,
            _ => {}
        }
        Ok(String::new())
    }

    fn whole(&mut self) -> Option<Value> {
        if !self.is_over || !self.message.is_object() {
            return None;
        }
        let blocks = std::mem::take(&mut self.blocks).into_values().map(|(mut block, arguments)| {
            if !arguments.is_empty() {
                block["input"] = serde_json::from_str(&arguments).unwrap_or_else(|_| arguments.into());
            }
            block
        });
        self.message["content"] = blocks.collect();
        Some(self.message.take())
    }
}

impl Events {
    fn put(&mut self, field: &str, value: Value) {
        if let Some(message) = self.message.as_object_mut() {
            message.insert(field.to_owned(), value);
        }
    }
}
