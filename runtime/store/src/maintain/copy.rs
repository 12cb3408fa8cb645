//! Everything of one store in another.

use pawl_core::RunId;
use pawl_core::journal::{self, Head};

use super::{Changes, Maintain, RowChange, Table, Walk, journal_row};
use crate::StoreError;

/// What was copied, and found to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Journals whose chain was checked.
    pub journals: u64,
    /// Their events.
    pub events: u64,
}

/// What is not the same in two stores, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which table.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// What is wrong.
    pub what: String,
}

/// Copies all rows, a few megabytes at a time. `told` hears how many rows are there.
pub async fn copy(
    from: &dyn Maintain,
    to: &dyn Maintain,
    told: &mut (dyn FnMut(Table, u64) + Send),
) -> Result<u64, StoreError> {
    let mut copied = 0;
    for table in Table::ALL {
        let (mut walk, mut changes) = (Walk::new(from, table), Changes::new(to));
        while let Some(row) = walk.next().await? {
            changes.add(RowChange { table, key: row.key, value: Some(row.value) }).await?;
            copied += 1;
            told(table, copied);
        }
        changes.flush().await?;
    }
    Ok(copied)
}

/// Compares two stores row by row, and checks the chain of each journal. The first difference ends it.
pub async fn compare(
    from: &dyn Maintain,
    to: &dyn Maintain,
    told: &mut (dyn FnMut(Table, u64) + Send),
) -> Result<Result<Copied, Difference>, StoreError> {
    let mut copied = Copied::default();
    for table in Table::ALL {
        let (mut left, mut right) = (Walk::new(from, table), Walk::new(to, table));
        let mut chain = Chain::default();
        loop {
            let (expected, found) = (left.next().await?, right.next().await?);
            let row = match (expected, found) {
                (None, None) => break,
                (Some(expected), Some(found)) if expected == found => found,
                (Some(row), _) | (None, Some(row)) => {
                    let what = "it is not the same in both".to_owned();
                    return Ok(Err(Difference { table, key: row.key, what }));
                }
            };
            copied.rows += 1;
            copied.bytes += (row.key.len() + row.value.len()) as u64;
            if table == Table::Journal {
                let followed = match chain.ends_before(&row) {
                    Some(end) => chain_is_whole(to, end).await?.and_then(|()| chain.follow(&row)),
                    None => chain.follow(&row),
                };
                match followed {
                    Ok(events) => copied.events += events,
                    Err(what) => return Ok(Err(Difference { table, key: row.key, what })),
                }
            }
            told(table, copied.rows);
        }
        copied.journals += chain.journals;
        if let Some(end) = chain.at
            && let Err(what) = chain_is_whole(to, end).await?
        {
            return Ok(Err(Difference { table, key: super::event_key(end.0, end.1.seq), what }));
        }
    }
    Ok(Ok(copied))
}

/// Checks the chain of each journal of a store, and that none ends before its header says. The first that is not whole
/// ends it.
pub async fn check_journals(
    store: &dyn Maintain,
    told: &mut (dyn FnMut(Table, u64) + Send),
) -> Result<Result<Copied, Difference>, StoreError> {
    let (mut walk, mut chain, mut found) =
        (Walk::new(store, Table::Journal), Chain::default(), Copied::default());
    while let Some(row) = walk.next().await? {
        found.rows += 1;
        found.bytes += (row.key.len() + row.value.len()) as u64;
        let followed = match chain.ends_before(&row) {
            Some(end) => chain_is_whole(store, end).await?.and_then(|()| chain.follow(&row)),
            None => chain.follow(&row),
        };
        match followed {
            Ok(events) => found.events += events,
            Err(what) => return Ok(Err(Difference { table: Table::Journal, key: row.key, what })),
        }
        told(Table::Journal, found.rows);
    }
    found.journals = chain.journals;
    if let Some(end) = chain.at
        && let Err(what) = chain_is_whole(store, end).await?
    {
        return Ok(Err(Difference { table: Table::Journal, key: super::event_key(end.0, end.1.seq), what }));
    }
    Ok(Ok(found))
}

/// Whether a journal ends with the event that its header was made of, or behind it: no other event holds the hash of
/// its last one.
async fn chain_is_whole(
    store: &dyn Maintain,
    (run, head): (RunId, Head),
) -> Result<Result<(), String>, StoreError> {
    let Some(header) = store.run(run).await? else { return Ok(Err(format!("run {run} has no header"))) };
    let is_whole = header.head == head || header.head.seq < head.seq;
    let what = || format!("the journal of run {run} does not end with the event that its header was made of");
    Ok(if is_whole { Ok(()) } else { Err(what()) })
}

/// The chain of journals whose rows come in order.
#[derive(Debug, Default)]
struct Chain {
    at: Option<(RunId, Head)>,
    journals: u64,
}

impl Chain {
    /// Where the journal ends before this row, if it is of another run.
    fn ends_before(&self, row: &super::TableRow) -> Option<(RunId, Head)> {
        self.at.filter(|(run, _)| !row.key.starts_with(run.as_bytes()))
    }

    /// Takes the next row in; gives how many events it has, or what is wrong.
    fn follow(&mut self, row: &super::TableRow) -> Result<u64, String> {
        let (run, first, events) = journal_row(row).map_err(|error| error.to_string())?;
        let mut head = match self.at {
            Some((same, head)) if same == run => head,
            _ => {
                self.journals += 1;
                Head::empty(run)
            }
        };
        if first != head.seq + 1 {
            return Err(format!("event {} of run {run} is missing", head.seq + 1));
        }
        journal::decode(run, &mut head, events.iter().map(Vec::as_slice))
            .map_err(|error| error.to_string())?;
        self.at = Some((run, head));
        Ok(events.len() as u64)
    }
}
