//! A batch as it will be written. The encoding is done where the batch comes
//! from, on as many threads as there are: the committer only moves bytes.

use pawl_core::event::Origin;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, Remembered, RunId, Ticket, Timestamp};

use super::codec;
use crate::{Batch, Blob, RecordChange, Removal, RowChange, RunCommit, StoreError, Subscription};

/// The largest value that LMDB takes is 4 GiB; a limit well below leaves room for the page it stands on. It holds
/// for every engine, so that a store can be copied to another.
pub(crate) const VALUE_MAX_BYTES: usize = 1 << 30;
/// The longest key that LMDB takes, and that sled's pages have room for.
const KEY_MAX_BYTES: usize = 511;

/// One batch, encoded.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) runs: Vec<PreparedRun>,
    pub(crate) blobs: Vec<Blob>,
    pub(crate) delivered: Vec<Origin>,
    /// Keys of the table, with what they hold from now on.
    pub(crate) remembered: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) records: Vec<PreparedRecord>,
    pub(crate) removed: Vec<PreparedRemoval>,
    pub(crate) unused: Vec<Digest>,
    /// Rows as they are to be, for who looks after the store.
    pub(crate) rows: Vec<RowChange>,
}

/// A record as it is to be.
#[derive(Debug)]
pub(crate) struct PreparedRecord {
    pub(crate) change: RecordChange,
    /// Its key in the table.
    pub(crate) key: Vec<u8>,
    /// Absent where it is taken away.
    pub(crate) value: Option<Vec<u8>>,
}

/// A run that is removed.
#[derive(Debug)]
pub(crate) struct PreparedRemoval {
    pub(crate) removal: Removal,
    /// All keys of its journal, as it is when it ends at the seq that the removal expects.
    pub(crate) journal: Vec<Vec<u8>>,
    pub(crate) change: Vec<u8>,
}

/// What is written for one run.
#[derive(Debug)]
pub(crate) struct PreparedRun {
    pub(crate) run: RunId,
    pub(crate) expected_seq: u64,
    /// Absent when there is no event.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) header: Option<PreparedHeader>,
    pub(crate) opened: Vec<PreparedApproval>,
    pub(crate) closed: Vec<ApprovalId>,
    pub(crate) outgoing: Vec<u64>,
    /// Keys of the table.
    pub(crate) subscribed: Vec<Vec<u8>>,
    pub(crate) unsubscribed: Vec<Vec<u8>>,
    /// Keys of the table, with the ticket.
    pub(crate) tickets: Vec<([u8; 20], Vec<u8>)>,
    pub(crate) returned: Vec<[u8; 20]>,
    /// What listings show differently; absent where that is nothing.
    pub(crate) change: Option<Vec<u8>>,
}

/// A header and what the indexes take from it.
#[derive(Debug)]
pub(crate) struct PreparedHeader {
    pub(crate) bytes: Vec<u8>,
    pub(crate) index: IndexEntries,
}

/// The rows that the indexes have for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntries {
    pub(crate) status: Option<u8>,
    pub(crate) wake_at: Option<Timestamp>,
}

/// An approval to be opened. The value begins with the run's id, so that the
/// approvals of one run are found without decoding the others.
#[derive(Debug)]
pub(crate) struct PreparedApproval {
    pub(crate) id: ApprovalId,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) run_value: [u8; 24],
}

impl Prepared {
    pub(crate) fn new(batch: &Batch) -> Result<Self, StoreError> {
        crate::batch::check_runs(batch)?;
        let runs = batch.runs.iter().map(PreparedRun::new).collect::<Result<Vec<_>, _>>()?;
        for blob in &batch.blobs {
            within_limit(blob.bytes.len())?;
        }
        let remembered = batch.remembered.iter().map(remembered).collect::<Result<_, _>>()?;
        let records = batch.records.iter().map(record).collect::<Result<_, _>>()?;
        let removed = batch.removed.iter().cloned().map(PreparedRemoval::new).collect::<Result<_, _>>()?;
        Ok(Self {
            runs,
            blobs: batch.blobs.clone(),
            delivered: batch.delivered.clone(),
            remembered,
            records,
            removed,
            unused: batch.unused.clone(),
            rows: Vec::new(),
        })
    }

    /// Rows as they are to be.
    pub(crate) fn of_rows(rows: Vec<RowChange>) -> Result<Self, StoreError> {
        for change in &rows {
            within_limit(change.value.as_ref().map_or(0, Vec::len))?;
        }
        Ok(Self { rows, ..Self::new(&Batch::default())? })
    }

    pub(crate) fn appends(&self) -> usize {
        self.runs.len() + self.removed.len()
    }
}

impl PreparedRun {
    fn new(commit: &RunCommit) -> Result<Self, StoreError> {
        let record = match commit.events.as_slice() {
            [] => None,
            events => Some(codec::frame(events)?),
        };
        within_limit(record.as_ref().map_or(0, Vec::len))?;
        Ok(Self {
            run: commit.run,
            expected_seq: commit.expected_seq,
            record,
            header: commit.header.as_ref().map(PreparedHeader::new).transpose()?,
            opened: commit.opened.iter().map(PreparedApproval::new).collect::<Result<_, _>>()?,
            closed: commit.closed.clone(),
            outgoing: commit.outgoing.clone(),
            subscribed: keys(commit.run, &commit.subscribed),
            unsubscribed: keys(commit.run, &commit.unsubscribed),
            tickets: commit.tickets.iter().map(ticket).collect::<Result<_, _>>()?,
            returned: commit.returned.iter().map(|visit| codec::ticket_key(commit.run, *visit)).collect(),
            change: Some(crate::batch::changed(commit))
                .filter(|what| !what.is_nothing())
                .map(|what| codec::change_value(commit.run, &what))
                .transpose()?,
        })
    }
}

impl PreparedRemoval {
    fn new(removal: Removal) -> Result<Self, StoreError> {
        let removed = crate::batch::gone(&removal);
        Ok(Self { change: codec::change_value(removal.run, &removed)?, removal, journal: Vec::new() })
    }
}

fn record(change: &RecordChange) -> Result<PreparedRecord, StoreError> {
    let key = codec::record_key(&change.kind, &change.key);
    if key.len() > KEY_MAX_BYTES || change.kind.contains('\0') {
        let (kind, key) = (&change.kind, &change.key);
        let message = format!(
            "there can be no {kind:?} named {key:?}: the name is too long, or the kind has a zero byte"
        );
        return Err(StoreError::Engine(message));
    }
    let value = if change.value.is_null() { None } else { Some(codec::encode(&change.value)?) };
    within_limit(value.as_ref().map_or(0, Vec::len))?;
    Ok(PreparedRecord { change: change.clone(), key, value })
}

fn remembered(
    Remembered { scope, key, value }: &Remembered,
) -> Result<(Vec<u8>, Option<Vec<u8>>), StoreError> {
    let row = [&codec::memory_prefix(scope)[..], key.as_bytes()].concat();
    if row.len() > KEY_MAX_BYTES || scope.name().contains('\0') {
        let message =
            format!("the memory of {scope:?} takes no key {key:?}: it is too long, or has a zero byte");
        return Err(StoreError::Engine(message));
    }
    let value = if value.is_null() { None } else { Some(codec::encode(value)?) };
    within_limit(value.as_ref().map_or(0, Vec::len))?;
    Ok((row, value))
}

fn ticket(ticket: &Ticket) -> Result<([u8; 20], Vec<u8>), StoreError> {
    Ok((codec::ticket_key(ticket.run, ticket.visit), codec::encode(ticket)?))
}

fn keys(run: RunId, subscriptions: &[Subscription]) -> Vec<Vec<u8>> {
    subscriptions.iter().map(|at| codec::subscription_key(&at.pattern, run, at.visit)).collect()
}

impl PreparedHeader {
    pub(crate) fn new(header: &RunHeader) -> Result<Self, StoreError> {
        let index = IndexEntries { status: codec::indexed_status(header.status), wake_at: header.wake_at };
        let bytes = codec::encode(header)?;
        within_limit(bytes.len())?;
        Ok(Self { bytes, index })
    }
}

impl PreparedApproval {
    pub(crate) fn new(approval: &OpenApproval) -> Result<Self, StoreError> {
        let mut value = approval.run.as_bytes().to_vec();
        value.extend(codec::encode(approval)?);
        within_limit(value.len())?;
        let mut run_value = [0; 24];
        run_value[..16].copy_from_slice(approval.run.as_bytes());
        run_value[16..].copy_from_slice(&approval.created_at.0.to_be_bytes());
        let key = codec::approval_key(approval.created_at, &approval.id);
        Ok(Self { id: approval.id.clone(), key, value, run_value })
    }
}

fn within_limit(bytes: usize) -> Result<(), StoreError> {
    if bytes <= VALUE_MAX_BYTES {
        return Ok(());
    }
    Err(StoreError::Engine(format!("a value of {bytes} bytes is beyond value_max_bytes, {VALUE_MAX_BYTES}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_limit_is_refused_by_its_size() {
        assert!(within_limit(VALUE_MAX_BYTES).is_ok());
        let error = within_limit(VALUE_MAX_BYTES + 1).unwrap_err().to_string();
        assert!(error.contains("1073741825") && error.contains("value_max_bytes"), "{error}");
    }
}
