//! What is not counted but looked up when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::Timestamp;
use pawl_core::view::Status;
use pawl_store::{ApprovalFilter, CommitStats, Page, RunFilter};

use tokio::sync::Semaphore;

use super::{Metrics, text};
use crate::{Engine, EngineError};

/// How many rows of a kind (open approvals, runs of a status, slots) are counted: of more it is said that there are
/// so many.
pub const METRIC_ROWS_COUNTED_MAX: usize = 10_000;
/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;
/// The statuses of runs that are not over.
const UNFINISHED: [Status; 4] = [Status::Pending, Status::Running, Status::Waiting, Status::Suspended];

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) runs: BTreeMap<&'static str, usize>,
    pub(super) in_memory: usize,
    pub(super) commands: usize,
    /// How many wait for a slot, and how long the first of them has, in milliseconds.
    pub(super) queued: (usize, u64),
    pub(super) approvals: (usize, u64),
    /// How long what is due has been so, in milliseconds.
    pub(super) overdue_ms: u64,
    pub(super) store_bytes: u64,
    pub(super) commits: CommitStats,
}

impl Engine {
    /// What this process counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    /// All numbers, in the text format of Prometheus (version 0.0.4).
    pub async fn metrics_text(&self) -> Result<String, EngineError> {
        let gathered = self.gather().await?;
        Ok(text::render(self.metrics(), &gathered))
    }

    async fn gather(&self) -> Result<Gathered, EngineError> {
        let (store, now) = (self.store(), self.context.config.clock.now());
        let mut gathered = Gathered {
            in_memory: self.in_memory().await?,
            commands: self.commands_unanswered(),
            queued: self.queued(now).await?,
            approvals: self.open_approvals(now).await?,
            store_bytes: store.info().await?.bytes,
            commits: store.commit_stats(),
            ..Gathered::default()
        };
        if let Some(due) = store.next_due().await? {
            gathered.overdue_ms = now.since(due).0;
        }
        for status in UNFINISHED {
            gathered.runs.insert(status.name(), self.runs_that_are(status).await?);
        }
        Ok(gathered)
    }

    /// How many commands from outside are accepted and not answered yet.
    fn commands_unanswered(&self) -> usize {
        let most = self.context.config.commands_max.clamp(1, Semaphore::MAX_PERMITS);
        most.saturating_sub(self.turns.available_permits())
    }

    /// How many rows of a kind are counted.
    fn most(&self) -> usize {
        self.context.config.metric_rows_counted_max
    }

    async fn runs_that_are(&self, status: Status) -> Result<usize, EngineError> {
        let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
        let (most, mut after, mut count) = (self.most(), None, 0);
        while count < most {
            let page = Page { after, limit: PAGE_ROWS.min(most - count) };
            let found = self.store().runs(&filter, &page).await?;
            count += found.runs.len();
            match found.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(count)
    }

    /// How many approvals are open, and how long the oldest has been, in milliseconds.
    async fn open_approvals(&self, now: Timestamp) -> Result<(usize, u64), EngineError> {
        let (most, mut after, mut count, mut oldest) = (self.most(), None, 0, 0);
        while count < most {
            let page = Page { after, limit: PAGE_ROWS.min(most - count) };
            let found = self.store().approvals(&ApprovalFilter::default(), &page).await?;
            if let (0, Some(first)) = (count, found.approvals.first()) {
                oldest = now.since(first.created_at).0;
            }
            count += found.approvals.len();
            match found.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok((count, oldest))
    }

    /// How many runs and steps wait for a slot, and how long the first of them has, in milliseconds.
    async fn queued(&self, now: Timestamp) -> Result<(usize, u64), EngineError> {
        let (most, mut count, mut first, mut after) = (self.most(), 0, None, None);
        while count < most {
            let page = self.store().tickets(after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.run, last.visit));
            for ticket in page.iter().filter(|ticket| !ticket.taken).take(most - count) {
                count += 1;
                first = Some(first.map_or(ticket.since, |at: Timestamp| at.min(ticket.since)));
            }
            if page.len() < PAGE_ROWS {
                break;
            }
        }
        Ok((count, first.map_or(0, |at| now.since(at).0)))
    }
}
