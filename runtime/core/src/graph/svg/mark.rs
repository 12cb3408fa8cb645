//! What a drawing says of a run.

use std::collections::BTreeMap;

use crate::StepId;
use crate::view::Status;

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Of its latest visit.
    pub status: Status,
    /// How often a run arrived at it.
    pub visits: u32,
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Where the run stands.
    pub status: Status,
    /// The steps that it arrived at.
    pub steps: BTreeMap<StepId, Mark>,
}

/// A sign that tells a status without colour.
pub(super) const fn sign(status: Status) -> &'static str {
    match status {
        Status::Pending => "·",
        Status::Running => "▶",
        Status::Waiting => "…",
        Status::Suspended => "‖",
        Status::Completed => "✓",
        Status::Failed => "✗",
        Status::Cancelled => "⊘",
        Status::Skipped => "↷",
        Status::Unknown => "?",
    }
}

impl Mark {
    /// In a few words: `✓ completed, 3 visits`.
    pub(super) fn words(&self) -> String {
        let visits = if self.visits > 1 { format!(", {} visits", self.visits) } else { String::new() };
        format!("{} {}{visits}", sign(self.status), self.status.name())
    }
}
