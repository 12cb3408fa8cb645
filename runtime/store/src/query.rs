//! What listings ask for, and what they get.

use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Namespace, RunId, Timestamp};

use crate::StoreError;

/// The most rows that one page has, whatever is asked for.
pub const PAGE_MAX_ROWS: usize = 1_000;

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// With one of these statuses; any, when empty.
    pub statuses: Vec<Status>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Of this namespace.
    pub namespace: Option<Namespace>,
}

impl RunFilter {
    /// Whether a run is among them.
    pub fn matches(&self, header: &RunHeader) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&header.status))
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == header.workflow)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == header.namespace)
    }
}

/// A part of a listing.
#[derive(Debug, Clone)]
pub struct Page<K> {
    /// What the page before ended with.
    pub after: Option<K>,
    /// How many rows at most; at least 1 and at most [`PAGE_MAX_ROWS`] are given.
    pub limit: usize,
}

impl<K> Page<K> {
    /// The limit within its bounds.
    pub(crate) fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX_ROWS)
    }
}

/// Runs, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// The rows.
    pub runs: Vec<RunHeader>,
    /// What to ask the next page with; nothing when this was the last.
    pub next: Option<RunId>,
}

/// Which approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalFilter {
    /// Of this run.
    pub run: Option<RunId>,
    /// Those that somebody may answer who is this person and belongs to these groups; any, when empty.
    pub asked: Vec<String>,
    /// Those that somebody holds at an instant, or that nobody does.
    pub claimed: Option<(bool, Timestamp)>,
    /// Of this namespace.
    pub namespace: Option<Namespace>,
}

impl ApprovalFilter {
    /// Those of a run.
    pub fn of_run(run: Option<RunId>) -> Self {
        Self { run, ..Self::default() }
    }

    /// Whether an approval is among them.
    pub fn matches(&self, open: &OpenApproval) -> bool {
        self.run.is_none_or(|run| run == open.run)
            && (self.asked.is_empty() || open.is_asked(&self.asked))
            && self.claimed.is_none_or(|(claimed, now)| open.inbox.held(now).is_some() == claimed)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == open.namespace)
    }
}

/// Open approvals, oldest first.
#[derive(Debug, Clone, Default)]
pub struct ApprovalPage {
    /// The rows.
    pub approvals: Vec<OpenApproval>,
    /// What to ask the next page with, opaque; nothing when this was the last.
    pub next: Option<String>,
}

/// The text that names an approval's place in the listing.
pub(crate) fn approval_cursor(approval: &OpenApproval) -> String {
    format!("{:016x}{}", approval.created_at.0, approval.id)
}

/// The place that a text from [`approval_cursor`] names.
pub(crate) fn approval_place(cursor: &str) -> Result<(Timestamp, ApprovalId), StoreError> {
    let place = cursor.split_at_checked(16).and_then(|(created_at, id)| {
        let created_at = u64::from_str_radix(created_at, 16).ok()?;
        Some((Timestamp(created_at), id.parse().ok()?))
    });
    place.ok_or_else(|| StoreError::Engine(format!("'{cursor}' is not the end of a page of approvals")))
}
