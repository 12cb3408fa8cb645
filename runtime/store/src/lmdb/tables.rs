//! The tables of the store, and what is written to them.

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, PutFlags, RoTxn, RwTxn, WithoutTls};
use pawl_core::view::Status;
use pawl_core::{ApprovalId, RunId, Timestamp};
use serde::Deserialize;

use super::codec;
use super::failure::WriteError;
use super::prepared::{IndexEntries, Prepared, PreparedApproval, PreparedHeader, PreparedRun};
use crate::StoreError;

/// How many tables there are, for LMDB: those of [`Tables`], and `meta` (`format`, `created_by`).
pub(super) const COUNT: u32 = 12;

type Table<'e> = Database<'e, Bytes, Bytes>;

/// All tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    /// (run, first seq) → the framed events of one commit.
    pub(super) journal: Table<'static>,
    /// Run → its header.
    pub(super) runs: Table<'static>,
    /// (status, run) of runs that are not final → nothing.
    pub(super) statuses: Table<'static>,
    /// (`wake_at`, run) → nothing.
    pub(super) due: Table<'static>,
    /// (`created_at`, id) of open approvals → run, approval.
    pub(super) approvals: Table<'static>,
    /// Id of an approval, open or closed → run, `created_at`.
    pub(super) approval_runs: Table<'static>,
    /// Digest → bytes.
    pub(super) blobs: Table<'static>,
    /// (run, seq) of events that others must be told of → nothing.
    pub(super) outgoing: Table<'static>,
    /// (pattern, 0, run, visit) of waits for topics → nothing.
    pub(super) subscriptions: Table<'static>,
    /// (run, visit, or 0) of slots that are held or waited for → ticket.
    pub(super) tickets: Table<'static>,
    /// (scope, key) → value.
    pub(super) memories: Table<'static>,
}

const NAMES: [&str; COUNT as usize] = [
    "journal",
    "runs",
    "statuses",
    "due",
    "approvals",
    "approval_runs",
    "blobs",
    "meta",
    "outgoing",
    "subscriptions",
    "tickets",
    "memories",
];

const fn named(tables: [Table<'static>; COUNT as usize]) -> Tables {
    let [
        journal,
        runs,
        statuses,
        due,
        approvals,
        approval_runs,
        blobs,
        _meta,
        outgoing,
        subscriptions,
        tickets,
        memories,
    ] = tables;
    Tables {
        journal,
        runs,
        statuses,
        due,
        approvals,
        approval_runs,
        blobs,
        outgoing,
        subscriptions,
        tickets,
        memories,
    }
}

impl Tables {
    /// Makes the tables that are not there yet, all of them in a new store, with what `meta` says of it, durably.
    pub(super) fn create(env: &Env<WithoutTls>, meta: &[(&str, &[u8])]) -> Result<(), heed::Error> {
        Self::create_some(env, &NAMES, meta)
    }

    fn create_some(env: &Env<WithoutTls>, names: &[&str], meta: &[(&str, &[u8])]) -> Result<(), heed::Error> {
        env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            for name in names {
                let table: Table<'_> = opener.create_database(txn, Some(name))?;
                if *name == "meta" {
                    for (key, value) in meta {
                        table.put(txn, key.as_bytes(), value)?;
                    }
                }
            }
            Ok(CommitOrAbort::<(), ()>::Commit(()))
        })
        .map(|_| ())
    }

    /// The tables of a store; nothing when one is missing.
    pub(super) fn open(env: &Env<WithoutTls>) -> Result<Option<Self>, heed::Error> {
        let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
            let mut tables = [None; COUNT as usize];
            for (place, name) in tables.iter_mut().zip(NAMES) {
                *place = opener.open_database::<Bytes, Bytes>(txn, Some(name))?;
            }
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
        })?;
        let present: Vec<_> = opened.commit().unwrap_or_default().into_iter().flatten().collect();
        Ok(present.try_into().ok().map(named))
    }

    /// The seq of a run's last event, 0 when it has none: read from its last record.
    ///
    /// The record stands where the next one goes, so the pages that this reads
    /// are those that the commit writes anyway; a table of heads of its own
    /// would add a page to every commit.
    pub(super) fn last_seq(&self, txn: &RoTxn<'_>, run: RunId) -> Result<u64, WriteError> {
        let Some((key, record)) =
            self.journal.get_lower_than_or_equal_to(txn, &codec::journal_key(run, u64::MAX))?
        else {
            return Ok(0);
        };
        match codec::split_journal_key(key)? {
            (found, first) if found == run => Ok(first + codec::framed_count(record)? - 1),
            _ => Ok(0),
        }
    }

    /// Writes a batch if nobody was first; says how many bytes it wrote.
    ///
    /// All that can refuse it is checked before anything of it is written, so
    /// that a refused batch leaves no trace in the transaction it shares.
    pub(super) fn write(&self, txn: &mut RwTxn<'_>, batch: &Prepared) -> Result<usize, WriteError> {
        for commit in &batch.runs {
            let (run, expected) = (commit.run, commit.expected_seq);
            let found = self.last_seq(txn, run)?;
            if found != expected {
                return Err(WriteError::Refused(StoreError::Conflict { run, expected, found }));
            }
        }
        let mut bytes = 0;
        for blob in &batch.blobs {
            match self.blobs.put_with_flags(txn, PutFlags::NO_OVERWRITE, blob.digest.as_bytes(), &blob.bytes)
            {
                Ok(()) => bytes += blob.bytes.len(),
                Err(heed::Error::Mdb(heed::MdbError::KeyExist)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for commit in &batch.runs {
            bytes += self.write_run(txn, commit)?;
        }
        for origin in &batch.delivered {
            self.outgoing.delete(txn, &codec::journal_key(origin.run, origin.seq))?;
        }
        for (key, value) in &batch.remembered {
            match value {
                Some(value) => self.memories.put(txn, key, value)?,
                None => drop(self.memories.delete(txn, key)?),
            }
            bytes += value.as_ref().map_or(0, Vec::len);
        }
        Ok(bytes)
    }

    fn write_run(&self, txn: &mut RwTxn<'_>, commit: &PreparedRun) -> Result<usize, WriteError> {
        let mut bytes = 0;
        if let Some(record) = &commit.record {
            self.journal.put(txn, &codec::journal_key(commit.run, commit.expected_seq + 1), record)?;
            bytes += record.len();
        }
        if let Some(header) = &commit.header {
            self.write_header(txn, commit.run, header)?;
            bytes += header.bytes.len();
        }
        for approval in &commit.opened {
            self.open_approval(txn, approval)?;
            bytes += approval.value.len();
        }
        for id in &commit.closed {
            self.close_approval(txn, id)?;
        }
        for seq in &commit.outgoing {
            self.outgoing.put(txn, &codec::journal_key(commit.run, *seq), &[])?;
        }
        for key in &commit.returned {
            self.tickets.delete(txn, key)?;
        }
        for (key, ticket) in &commit.tickets {
            self.tickets.put(txn, key, ticket)?;
            bytes += ticket.len();
        }
        for key in &commit.unsubscribed {
            self.subscriptions.delete(txn, key)?;
        }
        for key in &commit.subscribed {
            self.subscriptions.put(txn, key, &[])?;
        }
        Ok(bytes)
    }

    /// Writes a header, and those index rows that differ from the header before.
    fn write_header(
        &self,
        txn: &mut RwTxn<'_>,
        run: RunId,
        header: &PreparedHeader,
    ) -> Result<(), WriteError> {
        let before = match self.runs.get(txn, run.as_bytes())? {
            Some(bytes) => index_entries(bytes)?,
            None => IndexEntries { status: None, wake_at: None },
        };
        let now = header.index;
        if before.status != now.status {
            if let Some(status) = before.status {
                self.statuses.delete(txn, &codec::status_key(status, run))?;
            }
            if let Some(status) = now.status {
                self.statuses.put(txn, &codec::status_key(status, run), &[])?;
            }
        }
        if before.wake_at != now.wake_at {
            if let Some(wake_at) = before.wake_at {
                self.due.delete(txn, &codec::due_key(wake_at, run))?;
            }
            if let Some(wake_at) = now.wake_at {
                self.due.put(txn, &codec::due_key(wake_at, run), &[])?;
            }
        }
        Ok(self.runs.put(txn, run.as_bytes(), &header.bytes)?)
    }

    fn open_approval(&self, txn: &mut RwTxn<'_>, approval: &PreparedApproval) -> Result<(), WriteError> {
        self.close_approval(txn, &approval.id)?;
        self.approvals.put(txn, &approval.key, &approval.value)?;
        Ok(self.approval_runs.put(txn, approval.id.as_str().as_bytes(), &approval.run_value)?)
    }

    /// Takes an approval from the open ones; which run it belonged to stays known.
    fn close_approval(&self, txn: &mut RwTxn<'_>, id: &ApprovalId) -> Result<(), WriteError> {
        if let Some((_, created_at)) = self.approval_place(txn, id)? {
            self.approvals.delete(txn, &codec::approval_key(created_at, id))?;
        }
        Ok(())
    }

    /// The run of an approval and when it was opened, which is where its row stands while it is open.
    pub(super) fn approval_place(
        &self,
        txn: &RoTxn<'_>,
        id: &ApprovalId,
    ) -> Result<Option<(RunId, Timestamp)>, WriteError> {
        let Some(value) = self.approval_runs.get(txn, id.as_str().as_bytes())? else { return Ok(None) };
        let (run, created_at) = codec::split_journal_key(value)?;
        Ok(Some((run, Timestamp(created_at))))
    }
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

#[cfg(test)]
impl Tables {
    /// What a pawl of the first format made.
    pub(super) fn create_first_format(env: &Env<WithoutTls>) -> Result<(), heed::Error> {
        Self::create_some(env, &NAMES[..8], &[("format", &1_u32.to_be_bytes())])
    }
}
