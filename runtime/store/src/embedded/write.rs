//! What a batch writes, whatever the engine.

use pawl_core::view::Status;
use pawl_core::{ApprovalId, RunId, Timestamp};
use serde::Deserialize;

use super::prepared::{
    IndexEntries, Prepared, PreparedApproval, PreparedHeader, PreparedRecord, PreparedRemoval, PreparedRun,
};
use super::sweep::Sweep;
use super::{Table, WriteError, WriteRows, codec};
use crate::{CHANGES_MAX, Expected, RecordChange, StoreError};

type Written<W, T> = Result<T, WriteError<<W as WriteRows>::Fault>>;

/// Writes a batch if nobody was first; says how many bytes it wrote.
///
/// All that can refuse it is checked before anything of it is written, so
/// that a refused batch leaves no trace in the transaction it shares.
pub(super) fn batch<W: WriteRows>(rows: &mut W, batch: &Prepared, sweep: &Sweep) -> Written<W, usize> {
    for commit in &batch.runs {
        let (run, expected) = (commit.run, commit.expected_seq);
        let found = last_seq(rows, run)?;
        if found != expected {
            return Err(WriteError::Refused(StoreError::Conflict { run, expected, found }));
        }
    }
    for removal in &batch.removed {
        check_removal(rows, removal)?;
    }
    for record in &batch.records {
        check_record(rows, record)?;
    }
    let mut bytes = 0;
    for blob in &batch.blobs {
        sweep.keep(&blob.digest);
        if rows.put_new(Table::Blobs, blob.digest.as_bytes(), &blob.bytes)? {
            bytes += blob.bytes.len();
        }
    }
    for commit in &batch.runs {
        bytes += write_run(rows, commit)?;
    }
    for origin in &batch.delivered {
        rows.delete(Table::Outgoing, &codec::journal_key(origin.run, origin.seq))?;
    }
    for (key, value) in &batch.remembered {
        match value {
            Some(value) => rows.put(Table::Memories, key, value)?,
            None => rows.delete(Table::Memories, key)?,
        }
        bytes += value.as_ref().map_or(0, Vec::len);
    }
    for PreparedRecord { key, value, .. } in &batch.records {
        match value {
            Some(value) => rows.put(Table::Records, key, value)?,
            None => rows.delete(Table::Records, key)?,
        }
        bytes += value.as_ref().map_or(0, Vec::len);
    }
    for removal in &batch.removed {
        remove_run(rows, removal)?;
    }
    for digest in batch.unused.iter().filter(|digest| !sweep.spares(digest)) {
        rows.delete(Table::Blobs, digest.as_bytes())?;
    }
    for change in &batch.rows {
        match &change.value {
            Some(value) => rows.put(change.table, &change.key, value)?,
            None => rows.delete(change.table, &change.key)?,
        }
        bytes += change.value.as_ref().map_or(0, Vec::len);
    }
    Ok(bytes)
}

/// Refuses to remove a run that someone needs: it goes on, or others must still be told of it.
fn check_removal<W: WriteRows>(rows: &W, removal: &PreparedRemoval) -> Written<W, ()> {
    let (run, expected) = (removal.removal.run, removal.removal.expected_seq);
    let found = last_seq(rows, run)?;
    if found != expected {
        return Err(WriteError::Refused(StoreError::Conflict { run, expected, found }));
    }
    let needed = |reason| Err(WriteError::Refused(StoreError::Needed { run, reason }));
    if let Some(header) = rows.get(Table::Runs, run.as_bytes())?
        && index_entries(&header)?.status.is_some()
    {
        return needed("it is not over");
    }
    let told = rows.last_up_to(Table::Outgoing, &codec::journal_key(run, u64::MAX))?;
    if told.is_some_and(|(key, _)| key.starts_with(run.as_bytes())) {
        return needed("others must still be told of it");
    }
    Ok(())
}

/// Refuses a change of a record that says something else than is expected.
fn check_record<W: WriteRows>(rows: &W, record: &PreparedRecord) -> Written<W, ()> {
    let Expected::Value(expected) = &record.change.expected else { return Ok(()) };
    let found = match rows.get(Table::Records, &record.key)? {
        Some(bytes) => codec::decode("a record", &bytes)?,
        None => serde_json::Value::Null,
    };
    if found == *expected {
        return Ok(());
    }
    let RecordChange { kind, key, .. } = record.change.clone();
    Err(WriteError::Refused(StoreError::Stale { kind, key }))
}

/// Writes what changed at the next position, and forgets what is too old.
fn write_change<W: WriteRows>(rows: &mut W, change: &[u8]) -> Written<W, usize> {
    let last = match rows.last_up_to(Table::Changes, &u64::MAX.to_be_bytes())? {
        Some((key, _)) => codec::position(&key)?,
        None => 0,
    };
    let position = last + 1;
    if let Some(old) = position.checked_sub(CHANGES_MAX).filter(|old| *old > 0) {
        rows.delete(Table::Changes, &old.to_be_bytes())?;
    }
    rows.put(Table::Changes, &position.to_be_bytes(), change)?;
    Ok(change.len())
}

fn remove_run<W: WriteRows>(rows: &mut W, removal: &PreparedRemoval) -> Written<W, ()> {
    for key in &removal.journal {
        rows.delete(Table::Journal, key)?;
    }
    let run = removal.removal.run;
    // One that is over is in no index but this.
    if let Some(header) = rows.get(Table::Runs, run.as_bytes())?
        && let Some(wake_at) = index_entries(&header)?.wake_at
    {
        rows.delete(Table::Due, &codec::due_key(wake_at, run))?;
    }
    rows.delete(Table::Runs, run.as_bytes())?;
    for id in &removal.removal.approvals {
        close_approval(rows, id)?;
        rows.delete(Table::ApprovalRuns, id.as_str().as_bytes())?;
    }
    write_change(rows, &removal.change).map(|_| ())
}

/// The seq of a run's last event, 0 when it has none: read from its last record.
///
/// The record stands where the next one goes, so the pages that this reads
/// are those that the commit writes anyway; a table of heads of its own
/// would add a page to every commit.
fn last_seq<W: WriteRows>(rows: &W, run: RunId) -> Written<W, u64> {
    let last = rows.last_up_to(Table::Journal, &codec::journal_key(run, u64::MAX))?;
    let Some((key, record)) = last else { return Ok(0) };
    match codec::split_journal_key(&key)? {
        (found, first) if found == run => Ok(first + codec::framed_count(&record)? - 1),
        _ => Ok(0),
    }
}

fn write_run<W: WriteRows>(rows: &mut W, commit: &PreparedRun) -> Written<W, usize> {
    let mut bytes = 0;
    if let Some(record) = &commit.record {
        rows.put(Table::Journal, &codec::journal_key(commit.run, commit.expected_seq + 1), record)?;
        bytes += record.len();
    }
    if let Some(header) = &commit.header {
        write_header(rows, commit.run, header)?;
        bytes += header.bytes.len();
    }
    for approval in &commit.opened {
        open_approval(rows, approval)?;
        bytes += approval.value.len();
    }
    for id in &commit.closed {
        close_approval(rows, id)?;
    }
    for seq in &commit.outgoing {
        rows.put(Table::Outgoing, &codec::journal_key(commit.run, *seq), &[])?;
    }
    for key in &commit.returned {
        rows.delete(Table::Tickets, key)?;
    }
    for (key, ticket) in &commit.tickets {
        rows.put(Table::Tickets, key, ticket)?;
        bytes += ticket.len();
    }
    for key in &commit.unsubscribed {
        rows.delete(Table::Subscriptions, key)?;
    }
    for key in &commit.subscribed {
        rows.put(Table::Subscriptions, key, &[])?;
    }
    if let Some(change) = &commit.change {
        bytes += write_change(rows, change)?;
    }
    Ok(bytes)
}

/// Writes a header, and those index rows that differ from the header before.
fn write_header<W: WriteRows>(rows: &mut W, run: RunId, header: &PreparedHeader) -> Written<W, ()> {
    let before = match rows.get(Table::Runs, run.as_bytes())? {
        Some(bytes) => index_entries(&bytes)?,
        None => IndexEntries { status: None, wake_at: None },
    };
    let now = header.index;
    if before.status != now.status {
        if let Some(status) = before.status {
            rows.delete(Table::Statuses, &codec::status_key(status, run))?;
        }
        if let Some(status) = now.status {
            rows.put(Table::Statuses, &codec::status_key(status, run), &[])?;
        }
    }
    if before.wake_at != now.wake_at {
        if let Some(wake_at) = before.wake_at {
            rows.delete(Table::Due, &codec::due_key(wake_at, run))?;
        }
        if let Some(wake_at) = now.wake_at {
            rows.put(Table::Due, &codec::due_key(wake_at, run), &[])?;
        }
    }
    rows.put(Table::Runs, run.as_bytes(), &header.bytes)
}

fn open_approval<W: WriteRows>(rows: &mut W, approval: &PreparedApproval) -> Written<W, ()> {
    close_approval(rows, &approval.id)?;
    rows.put(Table::Approvals, &approval.key, &approval.value)?;
    rows.put(Table::ApprovalRuns, approval.id.as_str().as_bytes(), &approval.run_value)
}

/// Takes an approval from the open ones; which run it belonged to stays known.
fn close_approval<W: WriteRows>(rows: &mut W, id: &ApprovalId) -> Written<W, ()> {
    let Some(value) = rows.get(Table::ApprovalRuns, id.as_str().as_bytes())? else { return Ok(()) };
    let (_, created_at) = codec::split_journal_key(&value)?;
    rows.delete(Table::Approvals, &codec::approval_key(Timestamp(created_at), id))
}

/// What the indexes have for a header that is stored.
fn index_entries(header: &[u8]) -> Result<IndexEntries, StoreError> {
    #[derive(Deserialize)]
    struct Indexed {
        status: Status,
        wake_at: Option<Timestamp>,
    }
    let Indexed { status, wake_at } = codec::decode("a run's header", header)?;
    Ok(IndexEntries { status: codec::indexed_status(status), wake_at })
}
