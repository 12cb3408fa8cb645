//! Keys by which a repeated request is recognized. A key is written in the commit that starts the run, so that either
//! both are there or neither.

use std::time::Duration;

use axum::http::HeaderMap;
use pawl_core::{Digest, RunId, Timestamp};
use pawl_store::{Batch, Record, RecordChange, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Problem;
use crate::app::{App, now};
use crate::caller::Caller;
use crate::problem::Code;

/// The longest key, in bytes.
const KEY_MAX_BYTES: usize = 255;
/// The kind of the records.
const KIND: &str = "idempotency";
/// How often keys are looked through, in milliseconds.
const SWEEP_EVERY_MS: u64 = 3_600_000;
/// Keys that are looked at at once.
const SWEEP_ROWS: usize = 500;

/// What a key did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The run that it started.
    pub(crate) run: RunId,
    /// What was asked, as a digest.
    pub(crate) request: Digest,
    /// When.
    at: Timestamp,
}

/// The key of a request, as it is kept: nobody meets the keys of others.
pub(crate) fn key(headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() > KEY_MAX_BYTES || !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(Problem::bad_request(format!(
            "Idempotency-Key has 1 to idempotency_key_max_bytes ({KEY_MAX_BYTES}) visible ASCII characters"
        )));
    }
    let whose = json!([caller.namespace, caller.actor.name, value.to_str().unwrap_or_default()]);
    Ok(Some(Digest::of(whose.to_string().as_bytes()).to_string()))
}

/// What a key did before.
pub(crate) async fn seen(app: &App, key: &str) -> Result<Option<Seen>, Problem> {
    let Some(value) = app.engine.store().record(KIND, key).await? else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|error| {
        Problem::of(Code::Damaged, format!("the record of an idempotency key does not read: {error}"))
    })
}

/// That a key starts a run now; refused where it did before.
pub(crate) fn record(key: &str, run: RunId, request: Digest) -> RecordChange {
    RecordChange::new(KIND, key, json!(Seen { run, request, at: now() }))
}

/// Forgets keys when their time is over, until the server ends.
pub(crate) fn forget_in_time(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        loop {
            let kept = pawl_core::Duration(app.limits.idempotency_kept_ms);
            if let Err(error) = sweep(app.engine.store().as_ref(), now(), kept).await {
                tracing::warn!(%error, "old idempotency keys are not forgotten");
            }
            tokio::select! {
                () = app.closing.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(SWEEP_EVERY_MS)) => {}
            }
        }
    });
}

/// Takes away the keys whose time is over; says how many.
async fn sweep(store: &dyn Store, now: Timestamp, kept: pawl_core::Duration) -> Result<usize, StoreError> {
    let (mut after, mut forgotten) = (None::<String>, 0);
    loop {
        let found = store.records(KIND, "", after.as_deref(), SWEEP_ROWS).await?;
        let Some(last) = found.last() else { return Ok(forgotten) };
        after = Some(last.key.clone());
        let records: Vec<_> =
            found.into_iter().filter(|record| is_over(record, now, kept)).map(forget).collect();
        forgotten += records.len();
        if !records.is_empty() {
            store.commit(&Batch { records, ..Batch::default() }).await?;
        }
    }
}

fn is_over(record: &Record, now: Timestamp, kept: pawl_core::Duration) -> bool {
    let at = record.value["at"].as_u64().unwrap_or_default();
    now.since(Timestamp(at)) > kept
}

fn forget(record: Record) -> RecordChange {
    RecordChange::put(KIND, record.key, Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_store::memory::MemoryStore;

    #[tokio::test]
    async fn keys_are_forgotten_when_their_time_is_over_and_not_before() {
        let store = MemoryStore::new();
        let kept = pawl_core::Duration(1_000);
        let seen = |at: u64| {
            json!(Seen { run: RunId::from_bytes([1; 16]), request: Digest::of(b"x"), at: Timestamp(at) })
        };
        // More than are looked at at once.
        let keys =
            (0..SWEEP_ROWS as u64 + 10).map(|at| RecordChange::new(KIND, format!("{at:05}"), seen(at)));
        store.commit(&Batch { records: keys.collect(), ..Batch::default() }).await.unwrap();
        assert_eq!(sweep(&store, Timestamp(1_000), kept).await.unwrap(), 0);
        assert_eq!(sweep(&store, Timestamp(1_505), kept).await.unwrap(), 505);
        let left = store.records(KIND, "", None, 1_000).await.unwrap();
        assert_eq!(left.first().map(|record| record.key.as_str()), Some("00505"));
        assert_eq!(left.len(), 5);
    }
}
