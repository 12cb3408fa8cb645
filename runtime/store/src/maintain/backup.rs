//! A copy of a store that is in use, as it was at one moment.

use std::sync::Arc;
use std::sync::mpsc;

use super::{Changes, Maintain, ROWS_MAX, ROWS_MAX_BYTES, RowChange, Table, TableRow};
use crate::{Store, StoreError};

/// Parts of a store that may be in memory at once, each of at most [`ROWS_MAX`] rows and about [`ROWS_MAX_BYTES`].
const PARTS_MAX: usize = 2;

/// Copies all rows as they are at one moment, while others write. `told` hears how many rows are there.
///
/// Must be called within a multi-threaded runtime of tokio: reading takes a thread of its own.
pub async fn backup(
    from: Arc<dyn Store>,
    to: &dyn Maintain,
    told: &mut (dyn FnMut(Table, u64) + Send),
) -> Result<u64, StoreError> {
    let (parts, mut coming) = mpsc::sync_channel(PARTS_MAX);
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || runtime.block_on(read(from.as_ref(), parts)));
    let (mut changes, mut copied) = (Changes::new(to), 0);
    loop {
        let next = tokio::task::spawn_blocking(move || (coming.recv().ok(), coming)).await;
        let (part, rest) = next.map_err(|error| StoreError::Engine(error.to_string()))?;
        coming = rest;
        // Nothing more comes: the reader has ended, well or not.
        let Some(part) = part else { break };
        for (table, TableRow { key, value }) in part {
            changes.add(RowChange { table, key, value: Some(value) }).await?;
            copied += 1;
            told(table, copied);
        }
    }
    reading.await.map_err(|error| StoreError::Engine(error.to_string()))??;
    changes.flush().await?;
    Ok(copied)
}

type Part = Vec<(Table, TableRow)>;

/// Reads all rows, a part at a time. Who does not listen any more has failed, and says so itself.
async fn read(from: &dyn Store, parts: mpsc::SyncSender<Part>) -> Result<(), StoreError> {
    let (mut part, mut bytes) = (Part::new(), 0);
    let mut each = |table, row: TableRow| {
        bytes += row.key.len() + row.value.len();
        part.push((table, row));
        if part.len() == ROWS_MAX || bytes >= ROWS_MAX_BYTES {
            bytes = 0;
            parts.send(std::mem::take(&mut part)).map_err(|_| StoreError::Closed)?;
        }
        Ok(())
    };
    let rows = from.maintain().ok_or_else(|| StoreError::Engine("a store in memory has no backup".into()))?;
    rows.snapshot(&mut each).await?;
    parts.send(part).map_err(|_| StoreError::Closed)
}
