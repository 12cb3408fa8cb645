//! When nothing can happen any more: everything is over, nothing is left, and what was acknowledged is kept.

use pawl_core::event::Origin;
use pawl_core::topic::matches;
use pawl_core::view::RunHeader;
use pawl_core::{ApprovalId, Digest, RunId, Ticket, Timestamp, VisitId};
use pawl_store::memory::MemoryStore;
use pawl_store::{ApprovalFilter, Page, RunFilter, Store as _, StoreError, Upkeep as _};

use super::Truth;

/// Rows that are asked for at once; a simulation has fewer.
const ROWS: usize = 1_000;

/// What pawl has acknowledged and must not forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Promise {
    /// What the event of this name tells of, done by somebody.
    Done {
        run: RunId,
        event: &'static str,
        by: String,
    },
    Answered(ApprovalId),
    Signalled(RunId, String),
}

/// What the store holds when nothing can happen any more.
#[derive(Debug, Default)]
pub(crate) struct Left {
    headers: Vec<RunHeader>,
    outgoing: Vec<Origin>,
    tickets: Vec<Ticket>,
    due: Option<Timestamp>,
    approvals: usize,
    journals: usize,
    blobs: Vec<Digest>,
}

impl Left {
    pub(crate) async fn read(store: &MemoryStore) -> Result<Self, StoreError> {
        let page = |limit| Page { after: None, limit };
        Ok(Self {
            headers: store.runs(&RunFilter::default(), &page(ROWS)).await?.runs,
            outgoing: store.outgoing(None, ROWS).await?,
            tickets: store.tickets(None, ROWS).await?,
            due: store.next_due().await?,
            approvals: store
                .approvals(&ApprovalFilter::default(), &Page { after: None, limit: ROWS })
                .await?
                .approvals
                .len(),
            journals: store.journals(None, ROWS).await?.len(),
            blobs: store.blobs(None, ROWS).await?,
        })
    }
}

impl Truth {
    /// Everything must be over, nothing left, and all that was acknowledged in a journal.
    pub(crate) fn check_end(&mut self, left: &Left, promises: &[Promise]) {
        for Origin { run, seq } in &left.outgoing {
            self.violated(format!("event {seq} of run {run}, that nobody was told of, is left in the end"));
        }
        for Ticket { run, key, taken, .. } in &left.tickets {
            let what = if *taken { "holds" } else { "waits for" };
            self.violated(format!("run {run} {what} a slot of {key} in the end"));
        }
        if let Some(due) = left.due {
            self.violated(format!("a timer, due at {due}, is left in the end"));
        }
        for header in left.headers.iter().filter(|header| !header.status.is_final()) {
            let (run, status, waiting) = (header.id, header.status, &header.waiting);
            self.violated(format!("run {run} has not ended: {status:?}, {waiting:?}"));
        }
        if left.headers.iter().map(|header| &header.id).rev().ne(self.runs.keys()) {
            self.violated("the runs that are listed are not those that were committed".to_owned());
        }
        for promise in promises {
            self.check_kept(promise);
        }
    }

    fn check_kept(&mut self, promise: &Promise) {
        let (kept, what) = match promise {
            Promise::Done { run, event, by } => {
                let mark = (*run, *event, by.clone());
                (self.marks.contains(&mark), format!("what {by} did to run {run} ({event})"))
            }
            Promise::Answered(approval) => {
                (self.decided.contains(approval), format!("the answer to {approval}"))
            }
            Promise::Signalled(run, key) => {
                (self.signals.contains(&(*run, key.clone())), format!("the signal {key} to run {run}"))
            }
        };
        if !kept {
            self.violated(format!("{what} was acknowledged and is in no journal"));
        }
    }

    /// Everything that is over was removed: nothing is left but what runs remember together.
    pub(crate) fn check_emptied(&mut self, left: &Left) {
        let Left { headers, outgoing, tickets, due, approvals, journals, blobs } = left;
        let (due, blobs) = (usize::from(due.is_some()), blobs.len());
        let counts = [
            ("headers", headers.len()),
            ("events that others must be told of", outgoing.len()),
            ("slots", tickets.len()),
            ("timers", due),
            ("approvals", *approvals),
            ("journals", *journals),
            ("blobs", blobs),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.violated(format!("{count} {what} are left when all runs are removed"));
        }
    }

    /// The visits that wait for an event of this topic.
    pub(crate) fn listeners(&self, topic: &str) -> Vec<(RunId, VisitId)> {
        let of_run = |(run, followed): (&RunId, &super::Followed)| {
            let waits = followed.listed.patterns();
            waits
                .filter(|(pattern, _)| matches(pattern, topic))
                .map(|(_, visit)| (*run, visit))
                .collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of_run).collect()
    }

    /// An event was published to these, and that was acknowledged: each has heard of it, or waits no more.
    pub(crate) fn check_heard(&mut self, topic: &str, from: Origin, listeners: &[(RunId, VisitId)]) {
        let waiting = self.listeners(topic);
        for (run, visit) in listeners.iter().filter(|at| waiting.contains(at)) {
            if !self.heard.contains(&(*run, *visit, from)) {
                self.violated(format!(
                    "event {} on {topic} was published, and visit {visit} of run {run} still waits",
                    from.seq
                ));
            }
        }
    }
}
