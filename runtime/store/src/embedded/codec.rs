//! How keys and values are laid out. Keys sort as what they name does.

use pawl_core::view::Status;
use pawl_core::{ApprovalId, MemoryScope, RunId, Ticket, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

use crate::{Change, Changed, StoreError};

/// A journal record's key: the run, then the seq of the record's first event.
pub(crate) fn journal_key(run: RunId, first_seq: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(run.as_bytes());
    key[16..].copy_from_slice(&first_seq.to_be_bytes());
    key
}

/// The run and the first seq of a journal key.
pub(crate) fn split_journal_key(key: &[u8]) -> Result<(RunId, u64), StoreError> {
    let (run, seq) = key.split_first_chunk().ok_or_else(|| damaged("a journal key"))?;
    let seq = seq.try_into().map_err(|_| damaged("a journal key"))?;
    Ok((RunId::from_bytes(*run), u64::from_be_bytes(seq)))
}

/// A due row's key: when, then which run.
pub(crate) fn due_key(wake_at: Timestamp, run: RunId) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&wake_at.0.to_be_bytes());
    key[8..].copy_from_slice(run.as_bytes());
    key
}

/// When and which run of a due key.
pub(crate) fn split_due_key(key: &[u8]) -> Result<(Timestamp, RunId), StoreError> {
    let (wake_at, run) = key.split_first_chunk().ok_or_else(|| damaged("a due key"))?;
    Ok((Timestamp(u64::from_be_bytes(*wake_at)), run_id(run)?))
}

/// A status row's key: the status, then the run.
pub(crate) fn status_key(status: u8, run: RunId) -> [u8; 17] {
    let mut key = [status; 17];
    key[1..].copy_from_slice(run.as_bytes());
    key
}

/// An open approval's key: when it was opened, then its id.
pub(crate) fn approval_key(created_at: Timestamp, id: &ApprovalId) -> Vec<u8> {
    [&created_at.0.to_be_bytes(), id.as_str().as_bytes()].concat()
}

/// What the keys of all waits for a pattern begin with. A pattern has no zero byte.
pub(crate) fn pattern_prefix(pattern: &str) -> Vec<u8> {
    [pattern.as_bytes(), &[0]].concat()
}

/// A wait for a topic: the pattern, then which visit of which run.
pub(crate) fn subscription_key(pattern: &str, run: RunId, visit: VisitId) -> Vec<u8> {
    [&pattern_prefix(pattern)[..], run.as_bytes(), &visit.0.to_be_bytes()].concat()
}

/// A ticket's key: the run, then the visit; for the run's own slot no visit, 0.
pub(crate) fn ticket_key(run: RunId, visit: Option<VisitId>) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(run.as_bytes());
    // Visits count from 1.
    key[16..].copy_from_slice(&visit.map_or(0, |visit| visit.0).to_be_bytes());
    key
}

/// What the keys of all that a memory holds begin with: its kind, its name, which has no zero byte, and a zero byte.
pub(crate) fn memory_prefix(scope: &MemoryScope) -> Vec<u8> {
    let kind = match scope {
        MemoryScope::Workflow(_) => 0,
        MemoryScope::Key(_) => 1,
    };
    [&[kind], scope.name().as_bytes(), &[0]].concat()
}

/// The memory and the key in it of a row.
pub(crate) fn split_memory_key(row: &[u8]) -> Result<(MemoryScope, String), StoreError> {
    let split = || {
        let (kind, rest) = row.split_first()?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, key) = (text(rest.get(..end)?)?, text(rest.get(end + 1..)?)?);
        let scope = match kind {
            0 => MemoryScope::Workflow(name),
            1 => MemoryScope::Key(name),
            _ => return None,
        };
        Some((scope, key))
    };
    split().ok_or_else(|| StoreError::Damaged("a key of a memory does not read".into()))
}

/// The row of a record: its kind, a zero byte, its key.
pub(crate) fn record_key(kind: &str, key: &str) -> Vec<u8> {
    [kind.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The kind and the key of a record's row.
pub(crate) fn split_record_key(row: &[u8]) -> Result<(String, String), StoreError> {
    let split = || {
        let end = row.iter().position(|byte| *byte == 0)?;
        Some((text(row.get(..end)?)?, text(row.get(end + 1..)?)?))
    };
    split().ok_or_else(|| StoreError::Damaged("a key of a record does not read".into()))
}

/// A change's position of its key.
pub(crate) fn position(key: &[u8]) -> Result<u64, StoreError> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| damaged("a change's position"))
}

/// A change from its row: the run, then what changed of it.
pub(crate) fn change(key: &[u8], value: &[u8]) -> Result<Change, StoreError> {
    let (run, what) = value.split_at_checked(16).ok_or_else(|| damaged("a change"))?;
    Ok(Change { position: position(key)?, run: run_id(run)?, what: decode("a change", what)? })
}

/// What stands in the row of a change.
pub(crate) fn change_value(run: RunId, what: &Changed) -> Result<Vec<u8>, StoreError> {
    let mut value = run.as_bytes().to_vec();
    rmp_serde::encode::write_named(&mut value, what)
        .map_err(|error| StoreError::Engine(format!("cannot encode: {error}")))?;
    Ok(value)
}

fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

/// A ticket from its row.
pub(super) fn ticket(key: &[u8], value: &[u8]) -> Result<Ticket, StoreError> {
    let (run, visit) = key.split_at_checked(16).ok_or_else(|| damaged("a ticket's key"))?;
    let run = run_id(run)?;
    let visit = visit.try_into().map(u32::from_be_bytes).map_err(|_| damaged("a ticket's key"))?;
    rmp_serde::from_slice(value).map_err(|error| {
        let visit = (visit > 0).then_some(VisitId(visit));
        StoreError::DamagedTicket { run, visit, reason: error.to_string() }
    })
}

/// The number of a status in the index; nothing for the final ones, which would
/// only make it large: they are found by scanning the newest runs.
pub(crate) const fn indexed_status(status: Status) -> Option<u8> {
    match status {
        Status::Pending => Some(0),
        Status::Running => Some(1),
        Status::Waiting => Some(2),
        Status::Suspended => Some(3),
        Status::Completed | Status::Failed | Status::Cancelled | Status::Skipped | Status::Unknown => None,
    }
}

/// A run's id from its 16 bytes.
pub(crate) fn run_id(bytes: &[u8]) -> Result<RunId, StoreError> {
    bytes.try_into().map(RunId::from_bytes).map_err(|_| damaged("a run's id"))
}

/// The events of one commit to one run as one record: their count, their lengths, their bytes.
pub(crate) fn frame(events: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    let bytes = 4 + events.iter().map(|event| 4 + event.len()).sum::<usize>();
    let mut record = Vec::with_capacity(bytes);
    record.extend(length(events.len())?);
    for event in events {
        record.extend(length(event.len())?);
    }
    for event in events {
        record.extend_from_slice(event);
    }
    Ok(record)
}

fn length(length: usize) -> Result<[u8; 4], StoreError> {
    let too_long = |_| StoreError::Engine("an event is longer than 4 GiB".into());
    u32::try_from(length).map(u32::to_be_bytes).map_err(too_long)
}

/// How many events a record holds.
pub(crate) fn framed_count(record: &[u8]) -> Result<u64, StoreError> {
    match record.first_chunk().map(|count| u32::from_be_bytes(*count)) {
        None => Err(damaged("a journal record")),
        // None is ever written; a page that was lost reads so.
        Some(0) => Err(StoreError::Damaged("a journal record is empty".into())),
        Some(count) => Ok(count.into()),
    }
}

/// The events of a record, in order, without the first `skip`.
pub(crate) fn unframe(record: &[u8], skip: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let broken = || damaged("a journal record");
    let (count, rest) = record.split_first_chunk().ok_or_else(broken)?;
    let count = u32::from_be_bytes(*count) as usize;
    framed_count(record)?;
    let (lengths, mut bytes) =
        count.checked_mul(4).and_then(|at| rest.split_at_checked(at)).ok_or_else(broken)?;
    let mut events = Vec::with_capacity(count.saturating_sub(skip));
    let (lengths, _) = lengths.as_chunks();
    for (place, length) in lengths.iter().enumerate() {
        let (event, rest) =
            bytes.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(broken)?;
        if place >= skip {
            events.push(event.to_vec());
        }
        bytes = rest;
    }
    Ok(events)
}

/// `MessagePack` with named fields, as in the journal: a field can be added without a new format.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(value).map_err(|error| StoreError::Engine(format!("cannot encode: {error}")))
}

/// What [`encode`] wrote.
pub(crate) fn decode<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes)
        .map_err(|error| StoreError::Damaged(format!("{what} does not read: {error}")))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} is too short"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_its_events() {
        let events = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let record = frame(&events).unwrap();
        assert_eq!(framed_count(&record).unwrap(), 3);
        assert_eq!(unframe(&record, 0).unwrap(), events);
        assert_eq!(unframe(&record, 2).unwrap(), events[2..]);
        assert!(unframe(&[0; 64], 0).is_err() && framed_count(&[0; 64]).is_err());
        for end in 0..record.len() {
            assert!(unframe(&record[..end], 0).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn keys_sort_as_what_they_name() {
        let (low, high) = (RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        assert!(journal_key(low, u64::MAX) < journal_key(high, 0));
        assert!(due_key(Timestamp(255), high) < due_key(Timestamp(256), low));
        assert_eq!(split_journal_key(&journal_key(high, 7)).unwrap(), (high, 7));
        assert_eq!(split_due_key(&due_key(Timestamp(9), low)).unwrap(), (Timestamp(9), low));
    }
}
