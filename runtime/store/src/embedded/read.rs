//! What is read at once, of rows that stand still meanwhile.
//!
//! A reader keeps the engine from using pages again, or the committer waiting,
//! so the listings that may have to look at much more than they give stop
//! after [`SCAN_MAX_ROWS`] rows and say where to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Rows, Table, codec};
use crate::{ApprovalFilter, Change, Record, Remembers, RunFilter, StoreError, TicketPlace};

/// How many rows a listing looks at in one transaction.
const SCAN_MAX_ROWS: usize = 4_096;

/// How many bytes of a journal are read in one transaction, and the record that goes beyond.
const JOURNAL_READ_MAX_BYTES: usize = 4 << 20;

/// Rows, and where a scan stopped before it came to the end.
type Scanned<T, K> = (Vec<T>, Option<K>);

/// Events from a seq on, at most `limit`, and whether these were all that are asked for.
pub(super) fn journal(
    rows: &impl Rows,
    run: RunId,
    from_seq: u64,
    limit: usize,
) -> Result<(Vec<EncodedEvent>, bool), StoreError> {
    let wanted = codec::journal_key(run, from_seq);
    // The record with this seq may begin before it.
    let before = rows.last_up_to(Table::Journal, &wanted)?.map(|(key, _)| key);
    let start = before.as_deref().filter(|key| key.starts_with(run.as_bytes())).unwrap_or(&wanted);
    let end = codec::journal_key(run, u64::MAX);
    let (mut events, mut bytes) = (Vec::new(), 0);
    for row in rows.range(Table::Journal, Bound::Included(start), Bound::Included(&end))? {
        let (key, record) = row?;
        if bytes >= JOURNAL_READ_MAX_BYTES {
            return Ok((events, false));
        }
        let (_, first) = codec::split_journal_key(&key)?;
        let skip = usize::try_from(from_seq.saturating_sub(first)).unwrap_or(usize::MAX);
        events.extend(codec::unframe(&record, skip)?);
        if events.len() >= limit {
            events.truncate(limit);
            return Ok((events, true));
        }
        bytes += record.len();
    }
    Ok((events, true))
}

/// The keys of all rows of a journal.
pub(super) fn journal_keys(rows: &impl Rows, run: RunId) -> Result<Vec<Vec<u8>>, StoreError> {
    let (from, to) = (codec::journal_key(run, 0), codec::journal_key(run, u64::MAX));
    let keys = rows.keys(Table::Journal, Bound::Included(&from), Bound::Included(&to))?;
    keys.map(|key| Ok(key?.into_owned())).collect()
}

/// Up to `limit` runs that have a journal.
pub(super) fn journals(
    rows: &impl Rows,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, StoreError> {
    let mut runs: Vec<RunId> = Vec::new();
    while runs.len() < limit {
        let behind = runs.last().copied().or(after).map(|run| codec::journal_key(run, u64::MAX));
        let Some(key) = rows.keys(Table::Journal, beyond(behind.as_ref()), Bound::Unbounded)?.next() else {
            break;
        };
        runs.push(codec::split_journal_key(&key?)?.0);
    }
    Ok(runs)
}

/// Up to `limit` digests of blobs.
pub(super) fn blobs(
    rows: &impl Rows,
    after: Option<Digest>,
    limit: usize,
) -> Result<Vec<Digest>, StoreError> {
    let after = after.map(|digest| *digest.as_bytes());
    let keys = rows.keys(Table::Blobs, beyond(after.as_ref()), Bound::Unbounded)?;
    let digest = |key: &[u8]| key.try_into().map(Digest::from_bytes);
    let wrong = |_| StoreError::Damaged("the key of a blob is no digest".into());
    keys.take(limit).map(|key| digest(&key?).map_err(wrong)).collect()
}

/// Up to `limit` events that others must be told of.
pub(super) fn outgoing(
    rows: &impl Rows,
    after: Option<Origin>,
    limit: usize,
) -> Result<Vec<Origin>, StoreError> {
    let after = after.map(|at| codec::journal_key(at.run, at.seq));
    let found = rows.range(Table::Outgoing, beyond(after.as_ref()), Bound::Unbounded)?;
    let origin = |key: &[u8]| codec::split_journal_key(key).map(|(run, seq)| Origin { run, seq });
    found.take(limit).map(|row| origin(&row?.0)).collect()
}

/// The runs that wait for a topic with one of the patterns.
pub(super) fn subscribers(rows: &impl Rows, patterns: &[String]) -> Result<BTreeSet<RunId>, StoreError> {
    let mut runs = BTreeSet::new();
    for pattern in patterns {
        let prefix = codec::pattern_prefix(pattern);
        for row in rows.range(Table::Subscriptions, Bound::Included(&prefix), Bound::Unbounded)? {
            let (key, _) = row?;
            let Some(rest) = key.strip_prefix(&prefix[..]) else { break };
            runs.insert(codec::run_id(rest.get(..16).unwrap_or_default())?);
        }
    }
    Ok(runs)
}

pub(super) fn run(rows: &impl Rows, run: RunId) -> Result<Option<RunHeader>, StoreError> {
    let bytes = rows.get(Table::Runs, run.as_bytes())?;
    bytes.map(|bytes| codec::decode("a run's header", &bytes)).transpose()
}

/// Up to `wanted` runs before `after`.
pub(super) fn runs(
    rows: &impl Rows,
    filter: &RunFilter,
    after: Option<RunId>,
    wanted: usize,
) -> Result<Scanned<RunHeader, RunId>, StoreError> {
    let indexed: Option<Vec<u8>> =
        filter.statuses.iter().map(|status| codec::indexed_status(*status)).collect();
    match indexed {
        Some(statuses) if !statuses.is_empty() => runs_by_index(rows, filter, &statuses, after, wanted),
        _ => runs_by_scan(rows, filter, after, wanted),
    }
}

fn runs_by_scan(
    rows: &impl Rows,
    filter: &RunFilter,
    after: Option<RunId>,
    wanted: usize,
) -> Result<Scanned<RunHeader, RunId>, StoreError> {
    let before = after.as_ref().map_or(Bound::Unbounded, |run| Bound::Excluded(&run.as_bytes()[..]));
    let mut runs = Vec::new();
    for (place, row) in rows.rev_range(Table::Runs, Bound::Unbounded, before)?.enumerate() {
        let (key, bytes) = row?;
        if matches(filter, &bytes)? {
            runs.push(codec::decode("a run's header", &bytes)?);
        }
        if runs.len() == wanted || place + 1 == SCAN_MAX_ROWS {
            return Ok((runs, Some(codec::run_id(&key)?)));
        }
    }
    Ok((runs, None))
}

fn runs_by_index(
    rows: &impl Rows,
    filter: &RunFilter,
    statuses: &[u8],
    after: Option<RunId>,
    wanted: usize,
) -> Result<Scanned<RunHeader, RunId>, StoreError> {
    // With a workflow or a namespace to look for, most candidates may not be of it.
    let candidates =
        if filter.workflow.is_some() || filter.namespace.is_some() { SCAN_MAX_ROWS } else { wanted };
    let mut ids = BTreeSet::new();
    for status in statuses {
        ids.extend(newest_with_status(rows, *status, after, candidates)?);
    }
    let complete = ids.len() < candidates;
    let (mut runs, mut last) = (Vec::new(), after);
    for id in ids.into_iter().rev().take(candidates) {
        let header = run(rows, id)?.ok_or_else(|| {
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
    rows: &impl Rows,
    status: u8,
    after: Option<RunId>,
    count: usize,
) -> Result<Vec<RunId>, StoreError> {
    let low = codec::status_key(status, RunId::from_bytes([0; 16]));
    let high = codec::status_key(status, after.unwrap_or(RunId::from_bytes([0xff; 16])));
    let before = if after.is_some() { Bound::Excluded(&high[..]) } else { Bound::Included(&high[..]) };
    let found = rows.rev_range(Table::Statuses, Bound::Included(&low), before)?;
    found.take(count).map(|row| codec::run_id(row?.0.get(1..).unwrap_or_default())).collect()
}

pub(super) fn due(
    rows: &impl Rows,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
    let last = codec::due_key(now, RunId::from_bytes([0xff; 16]));
    let found = rows.range(Table::Due, Bound::Unbounded, Bound::Included(&last))?;
    found.take(limit).map(|row| codec::split_due_key(&row?.0)).collect()
}

/// Up to `wanted` open approvals after a key.
pub(super) fn approvals(
    rows: &impl Rows,
    filter: &ApprovalFilter,
    after: Option<&[u8]>,
    wanted: usize,
) -> Result<Scanned<OpenApproval, Vec<u8>>, StoreError> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut approvals = Vec::new();
    for (place, row) in rows.range(Table::Approvals, from, Bound::Unbounded)?.enumerate() {
        let (key, value) = row?;
        // The run stands before the rest: most rows need not be decoded.
        if filter.run.is_none_or(|run| value.starts_with(run.as_bytes())) {
            let approval = open_approval(&value)?;
            if filter.matches(&approval) {
                approvals.push(approval);
            }
        }
        if approvals.len() == wanted || place + 1 == SCAN_MAX_ROWS {
            return Ok((approvals, Some(key.into_owned())));
        }
    }
    Ok((approvals, None))
}

pub(super) fn approval(rows: &impl Rows, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
    let Some((_, created_at)) = approval_place(rows, id)? else { return Ok(None) };
    let value = rows.get(Table::Approvals, &codec::approval_key(created_at, id))?;
    value.map(|value| open_approval(&value)).transpose()
}

/// The run of an approval and when it was opened, which is where its row stands while it is open.
pub(super) fn approval_place(
    rows: &impl Rows,
    id: &ApprovalId,
) -> Result<Option<(RunId, Timestamp)>, StoreError> {
    let Some(value) = rows.get(Table::ApprovalRuns, id.as_str().as_bytes())? else { return Ok(None) };
    let (run, created_at) = codec::split_journal_key(&value)?;
    Ok(Some((run, Timestamp(created_at))))
}

pub(super) fn tickets(
    rows: &impl Rows,
    after: Option<TicketPlace>,
    limit: usize,
) -> Result<Vec<Ticket>, StoreError> {
    let after = after.map(|(run, visit)| codec::ticket_key(run, visit));
    let found = rows.range(Table::Tickets, beyond(after.as_ref()), Bound::Unbounded)?;
    let mut tickets = Vec::new();
    for row in found.take(limit) {
        let (key, value) = row?;
        match codec::ticket(&key, &value) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) if tickets.is_empty() => return Err(error),
            // Whoever asks for what follows hears of it.
            Err(_) => break,
        }
    }
    Ok(tickets)
}

/// Up to `limit` memories that hold something.
pub(super) fn memories(
    rows: &impl Rows,
    after: Option<&MemoryScope>,
    limit: usize,
) -> Result<Vec<MemoryScope>, StoreError> {
    let mut found: Vec<MemoryScope> = Vec::new();
    let mut past = after.map(memory_end);
    while found.len() < limit {
        let from = past.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(&key[..]));
        let Some(row) = rows.range(Table::Memories, from, Bound::Unbounded)?.next() else { break };
        let (scope, _) = codec::split_memory_key(&row?.0)?;
        past = Some(memory_end(&scope));
        found.push(scope);
    }
    Ok(found)
}

/// All that a memory holds, by key.
pub(super) fn memory(rows: &impl Rows, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
    let (prefix, end) = (codec::memory_prefix(scope), memory_end(scope));
    let found = rows.range(Table::Memories, Bound::Included(&prefix), Bound::Excluded(&end))?;
    found
        .map(|row| {
            let (key, value) = row?;
            let (_, key) = codec::split_memory_key(&key)?;
            Ok((key, codec::decode("a value of a memory", &value)?))
        })
        .collect()
}

/// Behind all that a memory holds: its name's end is a zero byte.
fn memory_end(scope: &MemoryScope) -> Vec<u8> {
    let mut key = codec::memory_prefix(scope);
    key.pop();
    key.push(1);
    key
}

pub(super) fn record(rows: &impl Rows, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
    let bytes = rows.get(Table::Records, &codec::record_key(kind, key))?;
    bytes.map(|bytes| codec::decode("a record", &bytes)).transpose()
}

pub(super) fn records(
    rows: &impl Rows,
    kind: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let begin = codec::record_key(kind, prefix);
    let after = after.map(|after| codec::record_key(kind, after)).filter(|after| *after >= begin);
    let from = after.as_deref().map_or(Bound::Included(&begin[..]), Bound::Excluded);
    let found = rows.range(Table::Records, from, Bound::Unbounded)?;
    let mut records = Vec::new();
    for row in found.take(limit) {
        let (key, value) = row?;
        if !key.starts_with(&begin) {
            break;
        }
        let (kind, key) = codec::split_record_key(&key)?;
        records.push(Record { kind, key, value: codec::decode("a record", &value)? });
    }
    Ok(records)
}

pub(super) fn changes(rows: &impl Rows, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
    let after = after.to_be_bytes();
    let found = rows.range(Table::Changes, Bound::Excluded(&after[..]), Bound::Unbounded)?;
    found.take(limit).map(|row| row.and_then(|(key, value)| codec::change(&key, &value))).collect()
}

pub(super) fn remembers(rows: &impl Rows) -> Result<Option<Remembers>, StoreError> {
    let Some(first) = rows.keys(Table::Changes, Bound::Unbounded, Bound::Unbounded)?.next() else {
        return Ok(None);
    };
    let first = codec::position(&first?)?;
    let last = rows.last_up_to(Table::Changes, &u64::MAX.to_be_bytes())?;
    let last = last.map_or(Ok(first), |(key, _)| codec::position(&key))?;
    Ok(Some(Remembers { first, last }))
}

pub(super) fn blob(rows: &impl Rows, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
    Ok(rows.get(Table::Blobs, digest.as_bytes())?.map(|bytes| Arc::from(&bytes[..])))
}

/// Where a listing goes on that ended with this key.
fn beyond<const N: usize>(after: Option<&[u8; N]>) -> Bound<&[u8]> {
    after.map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]))
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
        #[serde(default)]
        namespace: Option<&'a str>,
    }
    if filter.statuses.is_empty() && filter.workflow.is_none() && filter.namespace.is_none() {
        return Ok(true);
    }
    let row: Filtered<'_> = codec::decode("a run's header", header)?;
    Ok((filter.statuses.is_empty() || filter.statuses.contains(&row.status))
        && filter.workflow.as_ref().is_none_or(|workflow| workflow == row.workflow)
        && filter.namespace.as_ref().is_none_or(|namespace| {
            row.namespace.map_or_else(|| namespace.is_default(), |name| name == namespace.as_str())
        }))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use pawl_core::VisitId;
    use pawl_core::event::Overflow;

    use super::super::Row;
    use super::*;

    /// The rows of one table, in memory.
    struct Listed(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Listed {
        fn rows<'a>(
            &'a self,
            range: (Bound<&'a [u8]>, Bound<&'a [u8]>),
        ) -> impl DoubleEndedIterator<Item = Row<'a>> {
            let found = self.0.range::<[u8], _>(range);
            found.map(|(key, value)| (Cow::from(key.as_slice()), Cow::from(value.as_slice())))
        }
    }

    impl Rows for Listed {
        fn get(&self, _: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
            Ok(self.0.get(key).map(|value| Cow::from(value.as_slice())))
        }

        fn last_up_to(&self, _: Table, key: &[u8]) -> Result<Option<Row<'_>>, StoreError> {
            let found = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
            Ok(found.map(|(key, value)| (Cow::from(key.as_slice()), Cow::from(value.as_slice()))))
        }

        fn range<'a>(
            &'a self,
            _: Table,
            from: Bound<&'a [u8]>,
            to: Bound<&'a [u8]>,
        ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
            Ok(self.rows((from, to)).map(Ok))
        }

        fn rev_range<'a>(
            &'a self,
            _: Table,
            from: Bound<&'a [u8]>,
            to: Bound<&'a [u8]>,
        ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
            Ok(self.rows((from, to)).rev().map(Ok))
        }
    }

    #[test]
    fn a_damaged_row_of_the_list_of_slots_is_named_and_those_around_it_are_read() {
        let run = |number| RunId::from_bytes([number; 16]);
        let ticket = |number, visit: Option<u32>| Ticket {
            run: run(number),
            visit: visit.map(VisitId),
            key: "printer".into(),
            limit: 1,
            overflow: Overflow::Queue,
            priority: 50,
            since: Timestamp(1),
            taken: true,
        };
        let listed = [ticket(1, None), ticket(2, Some(7)), ticket(3, None)];
        let row = |ticket: &Ticket| {
            (codec::ticket_key(ticket.run, ticket.visit).to_vec(), codec::encode(ticket).unwrap())
        };
        let mut rows = Listed(listed.iter().map(row).collect());
        rows.0.insert(codec::ticket_key(run(2), Some(VisitId(7))).to_vec(), b"\x81\xa3key".to_vec());
        let at = |ticket: &Ticket| Some((ticket.run, ticket.visit));
        assert_eq!(tickets(&rows, None, 10).unwrap(), listed[..1], "the page ends before it");
        let error = tickets(&rows, at(&listed[0]), 10).unwrap_err();
        let named = format!("the ticket of run {}, visit 7 does not read", run(2));
        assert!(error.to_string().contains(&named), "{error}");
        assert_eq!(tickets(&rows, at(&listed[1]), 10).unwrap(), listed[2..]);
    }
}
