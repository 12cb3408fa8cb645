//! Why an attempt or a call did not give a result.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who can act on a failure, and how. `retry.on` and `retry.except` name these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request is wrong; the same request will fail again.
    InvalidInput,
    /// Passing trouble; the same request may succeed later.
    Transient,
    /// The request is right but cannot be carried out.
    Permanent,
    /// The request is not allowed, or the component imports what was not granted.
    Denied,
    /// The attempt or the wait took longer than was allowed.
    Timeout,
    /// The guest stopped by itself: a panic, an unreachable, a stack overflow.
    Trap,
    /// The guest went beyond a limit; the message names it.
    Limit,
    /// The plugin gave what its own description excludes. What it did, it may have done.
    InvalidOutput,
    /// A replay asked for something else than the journal holds.
    Diverged,
    /// A person decided that it failed.
    Rejected,
    /// It used up its budget, and a person gave it no more.
    Budget,
    /// The run was cancelled meanwhile.
    Cancelled,
}

impl FailureKind {
    /// All kinds, in the order of the reference.
    pub const ALL: [Self; 12] = [
        Self::InvalidInput,
        Self::Transient,
        Self::Permanent,
        Self::Denied,
        Self::Timeout,
        Self::Trap,
        Self::Limit,
        Self::InvalidOutput,
        Self::Diverged,
        Self::Rejected,
        Self::Budget,
        Self::Cancelled,
    ];

    /// The name as it stands in workflows, JSON and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Trap => "trap",
            Self::Limit => "limit",
            Self::InvalidOutput => "invalid-output",
            Self::Diverged => "diverged",
            Self::Rejected => "rejected",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether a tool may have acted although it gave no answer: such an
    /// outcome of an `at-most-once` tool is unknown, not failed.
    pub const fn leaves_outcome_open(self) -> bool {
        matches!(self, Self::Timeout | Self::Trap | Self::Limit | Self::InvalidOutput)
    }
}

/// Why an attempt or a call did not give a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct Failure {
    /// Who can act on it.
    pub kind: FailureKind,
    /// What happened and what to do next.
    pub message: String,
    /// Anything a program can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The earliest time at which a retry makes sense, in milliseconds from the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure with a message and nothing else.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: None, retry_after_ms: None }
    }
}
