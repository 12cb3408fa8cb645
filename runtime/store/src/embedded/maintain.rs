//! An embedded store's rows, for who looks after it.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::Status;
use pawl_core::{Digest, RunId};
use serde::Deserialize;

use super::prepared::Prepared;
use super::{EmbeddedStore, Engine, Rows, Table, codec, read};
use crate::maintain::{
    EachRow, Maintain, ROWS_MAX, ROWS_MAX_BYTES, RowChange, StoreStats, TableRow, TableStats,
};
use crate::{Batch, Store, StoreError, Upkeep};

/// How many rows are counted in one transaction.
const COUNT_MAX_ROWS: usize = 4_096;
/// How many bytes of rows are counted in one transaction.
const COUNT_MAX_BYTES: u64 = 16 << 20;

/// A second sweep would end the first one's notes.
pub(crate) fn second_sweep() -> StoreError {
    StoreError::Engine("blobs that nobody names are looked for already; wait until that is done".into())
}

#[async_trait]
impl<E: Engine> Upkeep for EmbeddedStore<E> {
    async fn journals(&self, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        self.engine.read(|rows| read::journals(rows, after, limit.min(ROWS_MAX))).await
    }

    async fn blobs(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Digest>, StoreError> {
        self.engine.read(|rows| read::blobs(rows, after, limit)).await
    }

    async fn begin_sweep(&self) -> Result<(), StoreError> {
        if !self.sweep.begin() {
            return Err(second_sweep());
        }
        // What was written before it began is durable when this is, and can be read.
        let drained = self.commit(&Batch::default()).await;
        if drained.is_err() {
            self.sweep.end();
        }
        drained
    }

    fn end_sweep(&self) {
        self.sweep.end();
    }
}

#[async_trait]
impl<E: Engine> Maintain for EmbeddedStore<E> {
    async fn rows(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Vec<TableRow>, StoreError> {
        let page = |rows: &E::Rows<'_>| {
            let (mut found, mut bytes) = (Vec::new(), 0);
            for row in rows.range(table, from, to)? {
                let (key, value) = row?;
                bytes += key.len() + value.len();
                found.push(TableRow { key: key.into_owned(), value: value.into_owned() });
                if found.len() == ROWS_MAX || bytes >= ROWS_MAX_BYTES {
                    break;
                }
            }
            Ok(found)
        };
        self.engine.read(page).await
    }

    async fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read(|rows| Ok(rows.get(table, key)?.map(std::borrow::Cow::into_owned))).await
    }

    async fn snapshot(&self, each: &mut EachRow<'_>) -> Result<(), StoreError> {
        let all = |rows: &E::Rows<'_>| {
            for table in Table::ALL {
                for row in rows.range(table, Bound::Unbounded, Bound::Unbounded)? {
                    let (key, value) = row?;
                    each(table, TableRow { key: key.into_owned(), value: value.into_owned() })?;
                }
            }
            Ok(())
        };
        self.engine.read(all).await
    }

    async fn change(&self, rows: Vec<RowChange>) -> Result<(), StoreError> {
        self.submit(Prepared::of_rows(rows)?).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        let mut stats = StoreStats::default();
        for table in Table::ALL {
            let mut count = Count::default();
            loop {
                let after = count.after.take();
                let part = self.engine.read(|rows| count_some(rows, table, after.as_deref())).await?;
                let is_all = part.after.is_none();
                count.add(part);
                if is_all {
                    break;
                }
                tokio::task::yield_now().await;
            }
            stats.events += count.events;
            stats.unreadable += count.unreadable;
            for (status, runs) in count.statuses {
                *stats.runs.entry(status).or_default() += runs;
            }
            let table = table.name().to_owned();
            stats.tables.push(TableStats { table, rows: count.rows, bytes: count.bytes });
        }
        Ok(stats)
    }
}

/// What a part of a table holds.
#[derive(Debug, Default)]
struct Count {
    rows: u64,
    bytes: u64,
    events: u64,
    unreadable: u64,
    statuses: BTreeMap<Status, u64>,
    /// The last key, where there may be more behind it.
    after: Option<Vec<u8>>,
}

impl Count {
    fn add(&mut self, part: Self) {
        self.rows += part.rows;
        self.bytes += part.bytes;
        self.events += part.events;
        self.unreadable += part.unreadable;
        for (status, runs) in part.statuses {
            *self.statuses.entry(status).or_default() += runs;
        }
        self.after = part.after;
    }
}

fn count_some(rows: &impl Rows, table: Table, after: Option<&[u8]>) -> Result<Count, StoreError> {
    #[derive(Deserialize)]
    struct Shown {
        status: Status,
    }
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut count = Count::default();
    for (place, row) in rows.range(table, from, Bound::Unbounded)?.enumerate() {
        let (key, value) = row?;
        count.rows += 1;
        count.bytes += (key.len() + value.len()) as u64;
        if table == Table::Journal {
            // One that does not read is found by who reads it.
            count.events += codec::framed_count(&value).unwrap_or(0);
        } else if table == Table::Runs {
            match codec::decode::<Shown>("a run's header", &value) {
                Ok(Shown { status }) => *count.statuses.entry(status).or_default() += 1,
                Err(_) => count.unreadable += 1,
            }
        }
        if place + 1 == COUNT_MAX_ROWS || count.bytes >= COUNT_MAX_BYTES {
            count.after = Some(key.into_owned());
            break;
        }
    }
    Ok(count)
}

/// The run, the first seq and the events of a row of a journal.
pub(crate) fn journal_row(key: &[u8], value: &[u8]) -> Result<(RunId, u64, Vec<EncodedEvent>), StoreError> {
    let (run, first) = codec::split_journal_key(key)?;
    Ok((run, first, codec::unframe(value, 0)?))
}

pub(crate) fn event_key(run: RunId, seq: u64) -> Vec<u8> {
    codec::journal_key(run, seq).to_vec()
}

/// Whether a row is a value of a memory.
pub(crate) fn memory_reads(key: &[u8], value: &[u8]) -> bool {
    let value = codec::decode::<serde_json::Value>("a value of a memory", value);
    codec::split_memory_key(key).is_ok() && value.is_ok()
}

/// Whether a row is a record.
pub(crate) fn record_reads(key: &[u8], value: &[u8]) -> bool {
    codec::split_record_key(key).is_ok() && codec::decode::<serde_json::Value>("a record", value).is_ok()
}

/// Whether a row is a change.
pub(crate) fn change_reads(key: &[u8], value: &[u8]) -> bool {
    codec::change(key, value).is_ok()
}

/// Whether two stores hold the same rows.
pub(crate) fn same_rows(one: &impl Rows, other: &impl Rows) -> Result<bool, StoreError> {
    for table in Table::ALL {
        let mut others = other.range(table, Bound::Unbounded, Bound::Unbounded)?;
        for row in one.range(table, Bound::Unbounded, Bound::Unbounded)? {
            let row = row?;
            if others.next().transpose()?.as_ref() != Some(&row) {
                return Ok(false);
            }
        }
        if others.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
