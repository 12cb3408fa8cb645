//! Answers that come piece by piece: put together again, and told while they come.
//!
//! What is put together is what the server would have sent at once, and is read by the same reader. What is told
//! goes to whoever listens right now and is kept nowhere.

mod anthropic;
mod ollama;
mod openai;
mod voice;

use pawl_core::operator::Protocol;
use pawl_core::{Failure, FailureKind};
use serde_json::Value;

pub use voice::Listener;
pub(crate) use voice::Voice;

use crate::key::Key;
use crate::unheard::unheard;

/// An answer of one protocol as it comes.
trait Pieces: Send {
    /// Takes the next piece in, and gives what the model says with it.
    fn take(&mut self, piece: Value) -> Result<String, Failure>;

    /// The answer as it would have come at once, if all of it is there.
    fn whole(&mut self) -> Option<Value>;
}

/// An answer that comes piece by piece.
pub(crate) struct Stream {
    /// Lines of server-sent events, or each line a piece.
    has_events: bool,
    pieces: Box<dyn Pieces>,
    /// A line that has not come to its end.
    line: Vec<u8>,
    voice: Voice,
}

impl Stream {
    pub(crate) fn new(protocol: Protocol, listener: Listener, key: Option<Key>) -> Self {
        let pieces: Box<dyn Pieces> = match protocol {
            Protocol::OpenAi => Box::<openai::Chunks>::default(),
            Protocol::Anthropic => Box::<anthropic::Events>::default(),
            Protocol::Ollama => Box::<ollama::Lines>::default(),
        };
        let has_events = !matches!(protocol, Protocol::Ollama);
        Self { has_events, pieces, line: Vec::new(), voice: Voice::new(listener, key) }
    }

    /// Whether an answer of this type comes piece by piece; servers that cannot do that answer at once.
    pub(crate) fn is_one(content_type: &str) -> bool {
        ["text/event-stream", "application/x-ndjson"].iter().any(|kind| content_type.starts_with(kind))
    }

    /// Takes bytes as they come.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            self.take_line()?;
        }
        Ok(())
    }

    fn take_line(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let data = if self.has_events { line.strip_prefix("data:") } else { Some(&*line) };
        // Comments, names of events, the lines between them, and OpenAI's mark of the end say nothing.
        let Some(data) = data.map(str::trim).filter(|data| !data.is_empty() && *data != "[DONE]") else {
            return Ok(());
        };
        let piece = serde_json::from_str(data).map_err(|error| {
            Failure::new(FailureKind::InvalidOutput, format!("the server's stream cannot be read: {error}"))
        })?;
        let said = self.pieces.take(piece)?;
        self.voice.say(&said);
        Ok(())
    }

    /// The whole answer.
    pub(crate) fn end(&mut self) -> Result<Value, Failure> {
        self.take_line()?;
        self.voice.end();
        self.pieces.whole().ok_or_else(|| {
            let message = "the server's stream ended before its answer did";
            unheard(Failure::new(FailureKind::Transient, message))
        })
    }
}

/// What a server says in the midst of an answer when it cannot go on.
fn broken_off(error: &Value) -> Failure {
    let message = error.get("message").unwrap_or(error);
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let kind = match error.get("type").and_then(Value::as_str) {
        Some("invalid_request_error" | "not_found_error") => FailureKind::InvalidInput,
        Some("authentication_error" | "permission_error" | "billing_error") => FailureKind::Denied,
        _ => FailureKind::Transient,
    };
    unheard(Failure::new(
        kind,
        format!("the server broke its answer off: {}", crate::provider::words(&message)),
    ))
}

/// The text of a field, empty where there is none.
fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Adds text to a text field of an object; what is no object has no fields.
fn append(value: &mut Value, field: &str, more: &str) {
    if let Some(Value::String(text)) = value.get_mut(field) {
        text.push_str(more);
    } else if let (false, Some(fields)) = (more.is_empty(), value.as_object_mut()) {
        fields.insert(field.to_owned(), more.into());
    }
}

#[cfg(test)]
mod tests;
