//! What is kept beside runs: registered workflows, tokens, positions of readers.

use serde_json::Value;

/// A value that is kept under a kind and a key, until it is taken away. No journal knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it is: a short name without a zero byte.
    pub kind: String,
    /// Which of its kind.
    pub key: String,
    /// What it says; never null.
    pub value: Value,
}

/// How a record is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordChange {
    /// What it is: a short name without a zero byte. With the key at most 500 bytes.
    pub kind: String,
    /// Which of its kind.
    pub key: String,
    /// What it must say before; else the whole batch is refused.
    pub expected: Expected,
    /// What it says from now on; null takes it away.
    pub value: Value,
}

impl RecordChange {
    /// Whatever was there before.
    pub fn put(kind: &str, key: impl Into<String>, value: Value) -> Self {
        Self { kind: kind.to_owned(), key: key.into(), expected: Expected::Anything, value }
    }

    /// Where there was none before.
    pub fn new(kind: &str, key: impl Into<String>, value: Value) -> Self {
        Self { expected: Expected::Value(Value::Null), ..Self::put(kind, key, value) }
    }

    /// In the place of this one.
    #[must_use]
    pub fn instead_of(self, before: Value) -> Self {
        Self { expected: Expected::Value(before), ..self }
    }
}

/// What a record must say before it is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Whatever it says, and where there is none.
    Anything,
    /// This; null where there must be none.
    Value(Value),
}
