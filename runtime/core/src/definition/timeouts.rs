//! How long a step may take.

use crate::Duration;

/// How long a step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// The longest a visit may wait for its slot.
    pub start: Option<Duration>,
    /// The longest an attempt may take, waits included.
    pub attempt: Option<Duration>,
    /// The longest a visit may take, with all its attempts and the pauses between them; its `catch` and
    /// `finally` not counted.
    pub total: Option<Duration>,
}
