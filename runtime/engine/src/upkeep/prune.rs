//! Runs that are over and that nobody needs any more, removed while others go on.
//!
//! A run goes when it is over for long enough and is not among the newest that are kept. It stays while it has
//! something to tell others, while the run that started it stays, while a run that it started is not over, and
//! while a run that was made of it is not over. Each removal is a commit of a few runs that says at which event
//! each ends: a run that a person lets go on in that moment is not removed. Then blobs are removed that no journal
//! names any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pawl_core::event::{Event, Origin};
use pawl_core::journal::{self, Head};
use pawl_core::travel::Ancestor;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{Duration, RunId, Timestamp};
use pawl_store::{Batch, Page, Removal, RunFilter, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::sweep;
use crate::driver::Context;
use crate::{Engine, EngineError};

/// Headers looked at at once.
const PAGE_RUNS: usize = 256;
/// Runs removed by one commit.
const BATCH_MAX_RUNS: usize = 32;

/// Which of the runs that are over are kept. A run is removed when it is beyond all that is said here; where
/// nothing is said, nothing is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// Those that ended no longer ago.
    pub older_than: Option<Duration>,
    /// So many of the newest.
    pub keep: Option<u64>,
}

/// A retention that the engine keeps to by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSetting {
    /// Which runs are kept.
    pub retention: Retention,
    /// How long between two times that runs are removed.
    pub every: Duration,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Runs that would have gone and that another one needs.
    pub needed: u64,
    /// Runs that would have gone and whose journal does not read.
    pub unreadable: Vec<RunId>,
    /// Blobs that no journal named any more.
    pub blobs: u64,
    /// The run because of whose journal no blob was removed: what it names cannot be told.
    pub blobs_kept_for: Option<RunId>,
}

impl Engine {
    /// Removes runs that are over and beyond what is to be kept, and blobs that nothing names any more. Other
    /// runs go on meanwhile.
    pub async fn prune(&self, retention: Retention) -> Result<Pruned, EngineError> {
        prune(&self.context, retention, true).await
    }
}

/// Keeps to the engine's retention until its loop ends.
pub(crate) fn keep_house(context: &Arc<Context>) {
    let Some(RetentionSetting { retention, every }) = context.config.retention else { return };
    let (context, clock) = (Arc::downgrade(context), Arc::clone(&context.config.clock));
    tokio::spawn(async move {
        let mut is_first = true;
        loop {
            clock.sleep_until(clock.now().after(every)).await;
            let Some(context) = context.upgrade().filter(|context| context.is_alive()) else { return };
            match prune(&context, retention, is_first).await {
                Ok(pruned) if pruned.runs > 0 || pruned.blobs > 0 => {
                    tracing::info!(runs = pruned.runs, blobs = pruned.blobs, "removed what is not kept");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("runs that are not kept were not all removed: {error}"),
            }
            is_first = false;
        }
    });
}

async fn prune(context: &Context, retention: Retention, sweeps: bool) -> Result<Pruned, EngineError> {
    let _only = context.pruning.lock().await;
    let mut pruned = Pruned::default();
    if retention != Retention::default() {
        let mut round = Pruner { context, retention, now: context.config.clock.now(), ancestors: None };
        round.all(&mut pruned).await?;
    }
    // Those that a process left that ended in between are found by the next first time.
    if sweeps || pruned.runs > 0 {
        match sweep::sweep(context).await? {
            sweep::Swept::Removed(blobs) => pruned.blobs = blobs,
            sweep::Swept::Unreadable(run) => pruned.blobs_kept_for = Some(run),
        }
    }
    Ok(pruned)
}

struct Pruner<'c> {
    context: &'c Context,
    retention: Retention,
    now: Timestamp,
    /// Those of which runs were made that are not over; read when they are needed first.
    ancestors: Option<HashSet<RunId>>,
}

/// Whether a run goes.
#[derive(Clone)]
enum Verdict {
    /// With the run that started it.
    Goes(Removal, Option<RunId>),
    Needed,
    Unreadable,
    /// It went with one that it had started.
    Gone,
}

/// What was found of runs by themselves.
type Verdicts = HashMap<RunId, Verdict>;

impl Pruner<'_> {
    fn store(&self) -> &dyn Store {
        self.context.store.as_ref()
    }

    async fn all(&mut self, pruned: &mut Pruned) -> Result<(), EngineError> {
        let (mut over, mut page) = (0, Page { after: None, limit: PAGE_RUNS });
        loop {
            let found = self.store().runs(&RunFilter::default(), &page).await?;
            let mut expired = Vec::new();
            for header in found.runs.iter().filter(|header| header.status.is_final()) {
                over += 1;
                if over > self.retention.keep.unwrap_or(0) && self.is_expired(header) {
                    expired.push(header.id);
                }
            }
            for some in expired.chunks(BATCH_MAX_RUNS) {
                if !self.context.is_alive() {
                    return Ok(());
                }
                self.some(some, pruned).await?;
                tokio::task::yield_now().await;
            }
            match found.next {
                Some(after) => page.after = Some(after),
                None => return Ok(()),
            }
        }
    }

    /// Whether it is over for long enough. One that is older than a run beyond the newest is beyond them as well.
    fn is_expired(&self, header: &RunHeader) -> bool {
        let age = self.now.since(header.updated_at);
        header.status.is_final() && self.retention.older_than.is_none_or(|older_than| age > older_than)
    }

    async fn some(&mut self, runs: &[RunId], pruned: &mut Pruned) -> Result<(), EngineError> {
        if self.ancestors.is_none() {
            self.ancestors = Some(ancestors(self.store()).await?);
        }
        // A run that is made of one of these has its own journal before they go, or finds none of them.
        let _alone = self.context.made_of.write().await;
        let (mut removed, mut verdicts) = (BTreeMap::new(), Verdicts::new());
        for run in runs {
            match self.with_parents(*run, &mut verdicts).await? {
                Ok(removals) => removed.extend(removals.into_iter().map(|removal| (removal.run, removal))),
                Err(Verdict::Unreadable) => pruned.unreadable.push(*run),
                Err(Verdict::Gone) => {}
                Err(Verdict::Needed | Verdict::Goes(..)) => pruned.needed += 1,
            }
        }
        if self.commit(removed.values().cloned().collect(), pruned).await? {
            return Ok(());
        }
        // One of them goes on again. It must not keep the others.
        for run in removed.into_keys().rev() {
            let is_done = match self.with_parents(run, &mut Verdicts::new()).await? {
                Ok(removals) => self.commit(removals, pruned).await?,
                Err(verdict) => matches!(verdict, Verdict::Gone),
            };
            pruned.needed += u64::from(!is_done);
        }
        Ok(())
    }

    /// Removes runs together; false when one of them is needed after all.
    async fn commit(&self, removed: Vec<Removal>, pruned: &mut Pruned) -> Result<bool, EngineError> {
        let (runs, events) =
            (removed.len() as u64, removed.iter().map(|removal| removal.expected_seq).sum::<u64>());
        match self.store().commit(&Batch { removed, ..Batch::default() }).await {
            Ok(()) => {
                pruned.runs += runs;
                pruned.events += events;
                Ok(true)
            }
            Err(StoreError::Conflict { .. } | StoreError::Needed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A run that goes, with the run that started it and so on: a run that stays keeps those that it started.
    async fn with_parents(
        &self,
        run: RunId,
        verdicts: &mut Verdicts,
    ) -> Result<Result<Vec<Removal>, Verdict>, EngineError> {
        let (mut removals, mut above) = (Vec::new(), Some(run));
        while let Some(run) = above {
            let known = verdicts.get(&run).cloned();
            let verdict = if let Some(known) = known { known } else { self.verdict(run).await? };
            verdicts.insert(run, verdict.clone());
            above = match verdict {
                Verdict::Goes(removal, parent) => {
                    removals.push(removal);
                    parent
                }
                // Its parent went before.
                Verdict::Gone if !removals.is_empty() => None,
                _ if !removals.is_empty() => return Ok(Err(Verdict::Needed)),
                verdict => return Ok(Err(verdict)),
            };
        }
        Ok(Ok(removals))
    }

    /// Whether a run goes, whatever becomes of the one that started it.
    async fn verdict(&self, run: RunId) -> Result<Verdict, EngineError> {
        let Some(header) = self.store().run(run).await? else { return Ok(Verdict::Gone) };
        let is_ancestor = self.ancestors.as_ref().is_some_and(|ancestors| ancestors.contains(&run));
        if is_ancestor || !self.is_expired(&header) || self.tells(run).await? {
            return Ok(Verdict::Needed);
        }
        let records = self.store().journal(run, 1).await?;
        let mut head = Head::empty(run);
        let Ok(envelopes) = journal::decode(run, &mut head, records.iter().map(Vec::as_slice)) else {
            return Ok(Verdict::Unreadable);
        };
        let mut approvals = Vec::new();
        for envelope in envelopes {
            match envelope.event {
                Event::ApprovalOpened(opened) => approvals.push(opened.approval),
                Event::ChildStarted { child, .. } => {
                    let child = self.store().run(child).await?;
                    if child.is_some_and(|child| child.parent == Some(run) && !child.status.is_final()) {
                        return Ok(Verdict::Needed);
                    }
                }
                _ => {}
            }
        }
        Ok(Verdict::Goes(
            Removal { run, expected_seq: head.seq, approvals, namespace: header.namespace.clone() },
            header.parent,
        ))
    }

    /// Whether others must still be told of an event of a run.
    async fn tells(&self, run: RunId) -> Result<bool, EngineError> {
        let first = self.store().outgoing(Some(Origin { run, seq: 0 }), 1).await?;
        Ok(first.first().is_some_and(|origin| origin.run == run))
    }
}

/// The runs of which others were made that are not over.
async fn ancestors(store: &dyn Store) -> Result<HashSet<RunId>, EngineError> {
    let statuses = Status::OF_RUNS.into_iter().filter(|status| !status.is_final()).collect();
    let filter = RunFilter { statuses, ..RunFilter::default() };
    let (mut ancestors, mut page) = (HashSet::new(), Page { after: None, limit: PAGE_RUNS });
    loop {
        let found = store.runs(&filter, &page).await?;
        for header in &found.runs {
            let records = store.journal(header.id, 1).await?;
            let first = records.first().map(Vec::as_slice);
            // A run that does not read goes on no more.
            let first = journal::decode(header.id, &mut Head::empty(header.id), first).unwrap_or_default();
            if let Some(Event::RunStarted(started)) = first.into_iter().next().map(|first| first.event)
                && let Some(Ancestor::Rerun { run } | Ancestor::Forked { run, .. }) = started.ancestor
            {
                ancestors.insert(run);
            }
        }
        match found.next {
            Some(after) => page.after = Some(after),
            None => return Ok(ancestors),
        }
    }
}
