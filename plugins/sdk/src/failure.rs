use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::bindings::types;

/// Who can act on a [`Failure`]; a workflow's `retry` and `catch` go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request is wrong; the same request will fail again.
    InvalidInput,
    /// Passing trouble; the same request may succeed later.
    Transient,
    /// The request is right but cannot be carried out.
    Permanent,
    /// The request is not allowed.
    Denied,
}

impl FailureKind {
    /// The name as it stands in workflows, `invalid-input`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Denied => "denied",
        }
    }
}

/// Why something did not give a result.
///
/// A plugin returns it from its functions and gets it from what it calls, so `?` is all it takes
/// to pass one on. Choose the kind by who can act: the workflow retries what is
/// [transient](Failure::transient) and nothing else by itself.
///
/// ```
/// use pawl_plugin::Failure;
/// use std::time::Duration;
///
/// let failure = Failure::transient("the shop is being restarted").retry_after(Duration::from_secs(5));
/// assert_eq!(failure.to_string(), "transient: the shop is being restarted");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Who can act on it.
    pub kind: FailureKind,
    /// What happened and what to do next, in one sentence.
    pub message: String,
    /// Anything a program can use.
    pub details: Option<Value>,
    /// The earliest time from now at which a retry makes sense.
    pub retry_after: Option<Duration>,
    /// Whether it may have happened nevertheless: see [`Failure::ambiguous`].
    pub is_ambiguous: bool,
}

impl Failure {
    /// A failure with a message and nothing else.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: None, retry_after: None, is_ambiguous: false }
    }

    /// The request is wrong; the same request will fail again.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidInput, message)
    }

    /// Passing trouble; the same request may succeed later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, message)
    }

    /// The request is right but cannot be carried out.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, message)
    }

    /// The request is not allowed.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, message)
    }

    /// Says that nobody knows whether what was asked for has happened: it was sent, and the answer
    /// did not come or cannot be read. An [`at_most_once`](crate::Tool::at_most_once) tool that
    /// returns such a failure stops there instead, so that a person is asked and nothing is tried
    /// again; for other tools it changes nothing. What [`http`](crate::http) gives is marked by
    /// itself; keep the mark when you make another failure of it.
    #[must_use]
    pub fn ambiguous(mut self) -> Self {
        self.is_ambiguous = true;
        self
    }

    /// Adds what a program can use.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Says when a retry makes sense, counted from now.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Failure {}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        Self {
            kind: match failure.kind {
                types::FailureKind::InvalidInput => FailureKind::InvalidInput,
                types::FailureKind::Transient => FailureKind::Transient,
                types::FailureKind::Permanent => FailureKind::Permanent,
                types::FailureKind::Denied => FailureKind::Denied,
            },
            message: failure.message,
            // Details that are not JSON are kept as the text they are.
            details: failure.details.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            retry_after: failure.retry_after_ms.map(Duration::from_millis),
            is_ambiguous: false,
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            kind: match failure.kind {
                FailureKind::InvalidInput => types::FailureKind::InvalidInput,
                FailureKind::Transient => types::FailureKind::Transient,
                FailureKind::Permanent => types::FailureKind::Permanent,
                FailureKind::Denied => types::FailureKind::Denied,
            },
            message: failure.message,
            details: failure.details.map(|details| details.to_string()),
            retry_after_ms: failure.retry_after.map(milliseconds),
        }
    }
}

/// Whole milliseconds, as durations cross to the host.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
