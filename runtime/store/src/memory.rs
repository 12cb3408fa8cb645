//! A store in memory, for tests and for runs that need not outlive the process.
//!
//! It behaves as the durable engines do in everything but durability: one
//! conformance suite is run against all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, Remembered, RunId, Ticket, Timestamp, VisitId};
use serde_json::Value;

use crate::embedded::Sweep;
use crate::query::{approval_cursor, approval_place};
use crate::{
    ApprovalFilter, ApprovalPage, Batch, CHANGES_MAX, Change, Changed, Expected, PAGE_MAX_ROWS, Page, Record,
    RecordChange, Remembers, Removal, RunCommit, RunFilter, RunPage, Store, StoreError, StoreInfo,
    Subscription, TicketPlace, Upkeep,
};

/// The store in memory. A clone is the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    journals: HashMap<RunId, Vec<EncodedEvent>>,
    runs: BTreeMap<RunId, RunHeader>,
    due: BTreeSet<(Timestamp, RunId)>,
    approvals: BTreeMap<(Timestamp, ApprovalId), OpenApproval>,
    approval_places: HashMap<ApprovalId, (RunId, Timestamp)>,
    blobs: HashMap<Digest, Arc<[u8]>>,
    outgoing: BTreeSet<Origin>,
    subscriptions: BTreeSet<(String, RunId, VisitId)>,
    tickets: BTreeMap<TicketPlace, Ticket>,
    /// None of them is empty.
    memories: BTreeMap<MemoryScope, BTreeMap<String, Value>>,
    /// How many changes are remembered, where not [`CHANGES_MAX`].
    changes_max: Option<u64>,
    /// By position.
    changes: BTreeMap<u64, (RunId, Changed)>,
    /// By kind and key; none of them is null.
    records: BTreeMap<(String, String), Value>,
    sweep: Sweep,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that remembers so many changes, at least one, instead of [`CHANGES_MAX`]: for tests of what comes
    /// of those that are forgotten.
    pub fn remembering(changes_max: u64) -> Self {
        let store = Self::default();
        store.with(|state| state.changes_max = Some(changes_max.max(1)));
        store
    }

    /// No change of the state can panic half-way, so a poisoned lock is as good as any.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn last_seq(&self, run: RunId) -> u64 {
        self.journals.get(&run).map_or(0, |events| events.len() as u64)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        for &RunCommit { run, expected_seq: expected, .. } in &batch.runs {
            let found = self.last_seq(run);
            if found != expected {
                return Err(StoreError::Conflict { run, expected, found });
            }
        }
        for removal in &batch.removed {
            self.check_removal(removal)?;
        }
        for change in &batch.records {
            self.check_record(change)?;
        }
        for blob in batch.blobs {
            self.sweep.keep(&blob.digest);
            self.blobs.entry(blob.digest).or_insert(blob.bytes);
        }
        for commit in batch.runs {
            self.commit_run(commit);
        }
        for origin in &batch.delivered {
            self.outgoing.remove(origin);
        }
        for remembered in batch.remembered {
            self.remember(remembered);
        }
        for RecordChange { kind, key, value, .. } in batch.records {
            match value {
                Value::Null => self.records.remove(&(kind, key)),
                value => self.records.insert((kind, key), value),
            };
        }
        for removal in &batch.removed {
            self.remove(removal);
        }
        for digest in batch.unused.iter().filter(|digest| !self.sweep.spares(digest)) {
            self.blobs.remove(digest);
        }
        Ok(())
    }

    fn check_removal(&self, removal: &Removal) -> Result<(), StoreError> {
        let (run, expected, found) = (removal.run, removal.expected_seq, self.last_seq(removal.run));
        if found != expected {
            return Err(StoreError::Conflict { run, expected, found });
        }
        if self.runs.get(&run).is_some_and(|header| !header.status.is_final()) {
            return Err(StoreError::Needed { run, reason: "it is not over" });
        }
        if self.outgoing.iter().any(|origin| origin.run == run) {
            return Err(StoreError::Needed { run, reason: "others must still be told of it" });
        }
        Ok(())
    }

    fn check_record(&self, change: &RecordChange) -> Result<(), StoreError> {
        let RecordChange { kind, key, expected, .. } = change;
        let Expected::Value(expected) = expected else { return Ok(()) };
        let found = self.records.get(&(kind.clone(), key.clone())).unwrap_or(&Value::Null);
        if found == expected {
            return Ok(());
        }
        Err(StoreError::Stale { kind: kind.clone(), key: key.clone() })
    }

    fn note_change(&mut self, run: RunId, what: Changed) {
        if what.is_nothing() {
            return;
        }
        let position = self.changes.last_key_value().map_or(0, |(last, _)| *last) + 1;
        self.changes.insert(position, (run, what));
        if let Some(old) = position.checked_sub(self.changes_max.unwrap_or(CHANGES_MAX)) {
            self.changes.remove(&old);
        }
    }

    fn remove(&mut self, removal: &Removal) {
        self.note_change(removal.run, crate::batch::gone(removal));
        self.journals.remove(&removal.run);
        if let Some(wake_at) = self.runs.remove(&removal.run).and_then(|header| header.wake_at) {
            self.due.remove(&(wake_at, removal.run));
        }
        for id in &removal.approvals {
            self.close(id);
            self.approval_places.remove(id);
        }
    }

    fn remember(&mut self, Remembered { scope, key, value }: Remembered) {
        if !value.is_null() {
            self.memories.entry(scope).or_default().insert(key, value);
        } else if let Some(memory) = self.memories.get_mut(&scope) {
            memory.remove(&key);
            if memory.is_empty() {
                self.memories.remove(&scope);
            }
        }
    }

    fn commit_run(&mut self, commit: RunCommit) {
        self.note_change(commit.run, crate::batch::changed(&commit));
        if !commit.events.is_empty() {
            self.journals.entry(commit.run).or_default().extend(commit.events);
        }
        if let Some(header) = commit.header {
            let wake_at = header.wake_at;
            if let Some(wake_at) = self.runs.insert(commit.run, header).and_then(|before| before.wake_at) {
                self.due.remove(&(wake_at, commit.run));
            }
            self.due.extend(wake_at.map(|wake_at| (wake_at, commit.run)));
        }
        for approval in commit.opened {
            self.close(&approval.id);
            self.approval_places.insert(approval.id.clone(), (approval.run, approval.created_at));
            self.approvals.insert((approval.created_at, approval.id.clone()), approval);
        }
        for id in &commit.closed {
            self.close(id);
        }
        let run = commit.run;
        self.outgoing.extend(commit.outgoing.into_iter().map(|seq| Origin { run, seq }));
        for Subscription { pattern, visit } in commit.unsubscribed {
            self.subscriptions.remove(&(pattern, run, visit));
        }
        for visit in commit.returned {
            self.tickets.remove(&(run, visit));
        }
        self.tickets.extend(commit.tickets.into_iter().map(|ticket| ((run, ticket.visit), ticket)));
        let subscribed = commit.subscribed.into_iter();
        self.subscriptions.extend(subscribed.map(|Subscription { pattern, visit }| (pattern, run, visit)));
    }

    fn close(&mut self, id: &ApprovalId) {
        if let Some((_, created_at)) = self.approval_places.get(id) {
            self.approvals.remove(&(*created_at, id.clone()));
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        crate::batch::check_runs(batch)?;
        self.with(|state| state.commit(batch.clone()))
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.journal_part(run, from_seq, usize::MAX).await
    }

    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError> {
        let skip = usize::try_from(from_seq.saturating_sub(1)).unwrap_or(usize::MAX);
        let part = |events: &Vec<EncodedEvent>| events.iter().skip(skip).take(limit).cloned().collect();
        Ok(self.with(|state| state.journals.get(&run).map(part)).unwrap_or_default())
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        Ok(self.with(|state| state.runs.get(&run).cloned()))
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        let before = page.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut runs: Vec<RunHeader> = self.with(|state| {
            let older = state.runs.range((Bound::Unbounded, before)).rev();
            older
                .map(|(_, header)| header)
                .filter(|header| filter.matches(header))
                .take(page.rows() + 1)
                .cloned()
                .collect()
        });
        let more = runs.len() > page.rows();
        runs.truncate(page.rows());
        Ok(RunPage { next: runs.last().filter(|_| more).map(|header| header.id), runs })
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        Ok(self.with(|state| {
            let due = state.due.iter().take_while(|(wake_at, _)| *wake_at <= now);
            due.take(limit.min(PAGE_MAX_ROWS)).copied().collect()
        }))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.with(|state| state.due.first().map(|(wake_at, _)| *wake_at)))
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        let after = page.after.as_deref().map(approval_place).transpose()?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut approvals: Vec<OpenApproval> = self.with(|state| {
            let later = state.approvals.range((after, Bound::Unbounded)).map(|(_, approval)| approval);
            let asked = later.filter(|approval| filter.matches(approval));
            asked.take(page.rows() + 1).cloned().collect()
        });
        let more = approvals.len() > page.rows();
        approvals.truncate(page.rows());
        Ok(ApprovalPage { next: approvals.last().filter(|_| more).map(approval_cursor), approvals })
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        Ok(self.with(|state| {
            let (_, created_at) = state.approval_places.get(id)?;
            state.approvals.get(&(*created_at, id.clone())).cloned()
        }))
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        Ok(self.with(|state| state.approval_places.get(id).map(|(run, _)| *run)))
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(|state| state.outgoing.range((from, Bound::Unbounded)).take(limit).copied().collect()))
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        let runs: BTreeSet<RunId> = self.with(|state| {
            let matching = state.subscriptions.iter().filter(|(pattern, ..)| patterns.contains(pattern));
            matching.map(|(_, run, _)| *run).collect()
        });
        Ok(runs.into_iter().collect())
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(|state| {
            let rows = state.tickets.range((from, Bound::Unbounded));
            rows.take(limit.min(PAGE_MAX_ROWS)).map(|(_, ticket)| ticket.clone()).collect()
        }))
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(|state| {
            let rows = state.memories.range((from, Bound::Unbounded));
            rows.take(limit.min(PAGE_MAX_ROWS)).map(|(scope, _)| scope.clone()).collect()
        }))
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        Ok(self.with(|state| state.memories.get(scope).cloned()).unwrap_or_default())
    }

    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.with(|state| state.records.get(&(kind.to_owned(), key.to_owned())).cloned()))
    }

    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let begin = (kind.to_owned(), prefix.to_owned());
        let after = after.map(|after| (kind.to_owned(), after.to_owned())).filter(|after| *after >= begin);
        let from = after.map_or(Bound::Included(begin), Bound::Excluded);
        Ok(self.with(|state| {
            let rows = state.records.range((from, Bound::Unbounded));
            let of_kind = rows.take_while(|((of, key), _)| of == kind && key.starts_with(prefix));
            let record = |((kind, key), value): (&(String, String), &Value)| Record {
                kind: kind.clone(),
                key: key.clone(),
                value: value.clone(),
            };
            of_kind.take(limit.min(PAGE_MAX_ROWS)).map(record).collect()
        }))
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        Ok(self.with(|state| {
            let rows = state.changes.range((Bound::Excluded(after), Bound::Unbounded));
            let change = |(position, (run, what)): (&u64, &(RunId, Changed))| Change {
                position: *position,
                run: *run,
                what: what.clone(),
            };
            rows.take(limit.min(PAGE_MAX_ROWS)).map(change).collect()
        }))
    }

    async fn remembers(&self) -> Result<Option<Remembers>, StoreError> {
        let ends = |state: &mut State| {
            let (first, _) = state.changes.first_key_value()?;
            let (last, _) = state.changes.last_key_value()?;
            Some(Remembers { first: *first, last: *last })
        };
        Ok(self.with(ends))
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.with(|state| state.blobs.get(digest).cloned()))
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        Ok(StoreInfo { engine: "memory", place: "memory".into(), format: 1, bytes: 0 })
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }
}

#[async_trait]
impl Upkeep for MemoryStore {
    async fn journals(&self, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let runs: BTreeSet<RunId> = self.with(|state| state.journals.keys().copied().collect());
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(runs.range((from, Bound::Unbounded)).take(limit).copied().collect())
    }

    async fn blobs(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Digest>, StoreError> {
        let blobs: BTreeSet<Digest> = self.with(|state| state.blobs.keys().copied().collect());
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(blobs.range((from, Bound::Unbounded)).take(limit).copied().collect())
    }

    async fn begin_sweep(&self) -> Result<(), StoreError> {
        if self.with(|state| state.sweep.begin()) { Ok(()) } else { Err(crate::embedded::second_sweep()) }
    }

    fn end_sweep(&self) {
        self.with(|state| state.sweep.end());
    }
}
