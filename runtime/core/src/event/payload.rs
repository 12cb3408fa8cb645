//! Values in events.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;

/// A JSON value in an event: in place, or in the blob store when it is large.
///
/// A state only ever holds values; the engine moves large ones out before a
/// commit and back in when it reads a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// The value itself.
    Inline(Value),
    /// The SHA-256 of its JSON text in the blob store.
    Blob(Digest),
}

impl Payload {
    /// The value; null for one that was moved out and not brought back, which the engine rules out.
    pub fn into_value(self) -> Value {
        match self {
            Self::Inline(value) => value,
            Self::Blob(_) => Value::Null,
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Inline(value)
    }
}
