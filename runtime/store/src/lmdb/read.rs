//! What is read in one short transaction.
//!
//! A transaction that stays open keeps pages from being used again, so the
//! listings that may have to look at much more than they give stop after
//! [`SCAN_MAX_ROWS`] rows and say where to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::codec;
use super::failure::from_heed;
use super::tables::Tables;
use crate::{ApprovalFilter, RunFilter, StoreError, TicketPlace};

/// How many rows a listing looks at in one transaction.
const SCAN_MAX_ROWS: usize = 4_096;

/// How many bytes of a journal are read in one transaction, and the record that goes beyond.
const JOURNAL_READ_MAX_BYTES: usize = 4 << 20;

/// The store as it is in one read transaction.
pub(super) struct View<'t> {
    pub(super) txn: RoTxn<'t, WithoutTls>,
    pub(super) tables: Tables,
}

/// Rows, and where a scan stopped before it came to the end.
type Scanned<T, K> = (Vec<T>, Option<K>);

impl View<'_> {
    /// Events from a seq on, and whether these were all.
    pub(super) fn journal(&self, run: RunId, from_seq: u64) -> Result<(Vec<EncodedEvent>, bool), StoreError> {
        let wanted = codec::journal_key(run, from_seq);
        // The record with this seq may begin before it.
        let start =
            match self.tables.journal.get_lower_than_or_equal_to(&self.txn, &wanted).map_err(from_heed)? {
                Some((key, _)) if key.starts_with(run.as_bytes()) => key,
                _ => &wanted[..],
            };
        let end = codec::journal_key(run, u64::MAX);
        let range = (Bound::Included(start), Bound::Included(&end[..]));
        let (mut events, mut bytes) = (Vec::new(), 0);
        for row in self.tables.journal.range(&self.txn, &range).map_err(from_heed)? {
            let (key, record) = row.map_err(from_heed)?;
            if bytes >= JOURNAL_READ_MAX_BYTES {
                return Ok((events, false));
            }
            let (_, first) = codec::split_journal_key(key)?;
            let skip = usize::try_from(from_seq.saturating_sub(first)).unwrap_or(usize::MAX);
            events.extend(codec::unframe(record, skip)?);
            bytes += record.len();
        }
        Ok((events, true))
    }

    /// Up to `limit` events that others must be told of.
    pub(super) fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        let after = after.map(|at| codec::journal_key(at.run, at.seq));
        let from = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
        let rows = self.tables.outgoing.range(&self.txn, &(from, Bound::Unbounded)).map_err(from_heed)?;
        let origin = |key| codec::split_journal_key(key).map(|(run, seq)| Origin { run, seq });
        rows.take(limit).map(|row| origin(row.map_err(from_heed)?.0)).collect()
    }

    /// The runs that wait for a topic with one of the patterns.
    pub(super) fn subscribers(&self, patterns: &[String]) -> Result<BTreeSet<RunId>, StoreError> {
        let mut runs = BTreeSet::new();
        for pattern in patterns {
            let prefix = codec::pattern_prefix(pattern);
            for row in self.tables.subscriptions.prefix_iter(&self.txn, &prefix).map_err(from_heed)? {
                let (key, _) = row.map_err(from_heed)?;
                let run = key.get(prefix.len()..).and_then(|rest| rest.get(..16)).unwrap_or_default();
                runs.insert(codec::run_id(run)?);
            }
        }
        Ok(runs)
    }

    pub(super) fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        let bytes = self.tables.runs.get(&self.txn, run.as_bytes()).map_err(from_heed)?;
        bytes.map(|bytes| codec::decode("a run's header", bytes)).transpose()
    }

    /// Up to `wanted` runs before `after`.
    pub(super) fn runs(
        &self,
        filter: &RunFilter,
        after: Option<RunId>,
        wanted: usize,
    ) -> Result<Scanned<RunHeader, RunId>, StoreError> {
        let indexed: Option<Vec<u8>> =
            filter.statuses.iter().map(|status| codec::indexed_status(*status)).collect();
        match indexed {
            Some(statuses) if !statuses.is_empty() => self.runs_by_index(filter, &statuses, after, wanted),
            _ => self.runs_by_scan(filter, after, wanted),
        }
    }

    fn runs_by_scan(
        &self,
        filter: &RunFilter,
        after: Option<RunId>,
        wanted: usize,
    ) -> Result<Scanned<RunHeader, RunId>, StoreError> {
        let before = after.as_ref().map_or(Bound::Unbounded, |run| Bound::Excluded(&run.as_bytes()[..]));
        let range = (Bound::Unbounded, before);
        let mut runs = Vec::new();
        let rows = self.tables.runs.rev_range(&self.txn, &range).map_err(from_heed)?;
        for (place, row) in rows.enumerate() {
            let (key, bytes) = row.map_err(from_heed)?;
            if matches(filter, bytes)? {
                runs.push(codec::decode("a run's header", bytes)?);
            }
            if runs.len() == wanted || place + 1 == SCAN_MAX_ROWS {
                return Ok((runs, Some(codec::run_id(key)?)));
            }
        }
        Ok((runs, None))
    }

    fn runs_by_index(
        &self,
        filter: &RunFilter,
        statuses: &[u8],
        after: Option<RunId>,
        wanted: usize,
    ) -> Result<Scanned<RunHeader, RunId>, StoreError> {
        // With a workflow to look for, most candidates may not be of it.
        let candidates = if filter.workflow.is_some() { SCAN_MAX_ROWS } else { wanted };
        let mut ids = BTreeSet::new();
        for status in statuses {
            ids.extend(self.newest_with_status(*status, after, candidates)?);
        }
        let complete = ids.len() < candidates;
        let (mut runs, mut last) = (Vec::new(), after);
        for id in ids.into_iter().rev().take(candidates) {
            let header = self.run(id)?.ok_or_else(|| {
                StoreError::Damaged(format!("{id:?} is in the index of statuses and has no header"))
            })?;
            last = Some(id);
            if filter.matches(&header) {
                runs.push(header);
            }
            if runs.len() == wanted {
                return Ok((runs, last));
            }
        }
        Ok((runs, last.filter(|_| !complete)))
    }

    fn newest_with_status(
        &self,
        status: u8,
        after: Option<RunId>,
        count: usize,
    ) -> Result<Vec<RunId>, StoreError> {
        let low = codec::status_key(status, RunId::from_bytes([0; 16]));
        let high = codec::status_key(status, after.unwrap_or(RunId::from_bytes([0xff; 16])));
        let before = if after.is_some() { Bound::Excluded(&high[..]) } else { Bound::Included(&high[..]) };
        let range = (Bound::Included(&low[..]), before);
        let rows = self.tables.statuses.rev_range(&self.txn, &range).map_err(from_heed)?;
        rows.take(count).map(|row| codec::run_id(&row.map_err(from_heed)?.0[1..])).collect()
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        let last = codec::due_key(now, RunId::from_bytes([0xff; 16]));
        let range = (Bound::Unbounded, Bound::Included(&last[..]));
        let rows = self.tables.due.range(&self.txn, &range).map_err(from_heed)?;
        rows.take(limit).map(|row| codec::split_due_key(row.map_err(from_heed)?.0)).collect()
    }

    /// Up to `wanted` open approvals after a key.
    pub(super) fn approvals(
        &self,
        filter: &ApprovalFilter,
        after: Option<&[u8]>,
        wanted: usize,
    ) -> Result<Scanned<OpenApproval, Vec<u8>>, StoreError> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut approvals = Vec::new();
        let rows = self.tables.approvals.range(&self.txn, &range).map_err(from_heed)?;
        for (place, row) in rows.enumerate() {
            let (key, value) = row.map_err(from_heed)?;
            if filter.run.is_none_or(|run| value.starts_with(run.as_bytes())) {
                approvals.push(open_approval(value)?);
            }
            if approvals.len() == wanted || place + 1 == SCAN_MAX_ROWS {
                return Ok((approvals, Some(key.to_vec())));
            }
        }
        Ok((approvals, None))
    }

    pub(super) fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        let Some((_, created_at)) = self.tables.approval_place(&self.txn, id)? else { return Ok(None) };
        let key = codec::approval_key(created_at, id);
        self.tables.approvals.get(&self.txn, &key).map_err(from_heed)?.map(open_approval).transpose()
    }

    pub(super) fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        Ok(self.tables.approval_place(&self.txn, id)?.map(|(run, _)| run))
    }

    pub(super) fn tickets(
        &self,
        after: Option<TicketPlace>,
        limit: usize,
    ) -> Result<Vec<Ticket>, StoreError> {
        let after = after.map(|(run, visit)| codec::ticket_key(run, visit));
        let from = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
        let rows = self.tables.tickets.range(&self.txn, &(from, Bound::Unbounded)).map_err(from_heed)?;
        rows.take(limit).map(|row| codec::decode("a ticket", row.map_err(from_heed)?.1)).collect()
    }

    pub(super) fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        let mut found: Vec<MemoryScope> = Vec::new();
        let mut past = after.map(memory_end);
        while found.len() < limit {
            let from = past.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(&key[..]));
            let mut rows =
                self.tables.memories.range(&self.txn, &(from, Bound::Unbounded)).map_err(from_heed)?;
            let Some(row) = rows.next() else { break };
            let (scope, _) = codec::split_memory_key(row.map_err(from_heed)?.0)?;
            past = Some(memory_end(&scope));
            found.push(scope);
        }
        Ok(found)
    }

    pub(super) fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        let prefix = codec::memory_prefix(scope);
        let rows = self.tables.memories.prefix_iter(&self.txn, &prefix).map_err(from_heed)?;
        rows.map(|row| {
            let (key, value) = row.map_err(from_heed)?;
            let (_, key) = codec::split_memory_key(key)?;
            Ok((key, codec::decode("a value of a memory", value)?))
        })
        .collect()
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.tables.blobs.get(&self.txn, digest.as_bytes()).map_err(from_heed)?.map(Arc::from))
    }
}

/// Behind all that a memory holds: its name's end is a zero byte.
fn memory_end(scope: &MemoryScope) -> Vec<u8> {
    let mut key = codec::memory_prefix(scope);
    key.pop();
    key.push(1);
    key
}

fn open_approval(value: &[u8]) -> Result<OpenApproval, StoreError> {
    codec::decode("an open approval", value.get(16..).unwrap_or_default())
}

/// Whether a stored header is asked for, without decoding all of it.
fn matches(filter: &RunFilter, header: &[u8]) -> Result<bool, StoreError> {
    #[derive(Deserialize)]
    struct Filtered<'a> {
        status: Status,
        workflow: &'a str,
    }
    if filter.statuses.is_empty() && filter.workflow.is_none() {
        return Ok(true);
    }
    let row: Filtered<'_> = codec::decode("a run's header", header)?;
    Ok((filter.statuses.is_empty() || filter.statuses.contains(&row.status))
        && filter.workflow.as_ref().is_none_or(|workflow| workflow == row.workflow))
}
