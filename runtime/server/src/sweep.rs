//! Records that are good for a time only are forgotten when it is over: idempotency keys, and links that were used.

use std::time::Duration;

use pawl_core::Timestamp;
use pawl_store::{Batch, Record, RecordChange, Store, StoreError};
use serde_json::Value;

use crate::api::idempotency;
use crate::app::{App, now};
use crate::links;

/// How often records are looked through, in milliseconds.
const SWEEP_EVERY_MS: u64 = 3_600_000;
/// Records that are looked at at once.
const SWEEP_ROWS: usize = 500;

/// Forgets what is over, until the server ends.
pub(crate) fn forget_in_time(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        loop {
            if let Err(error) = sweep_all(&app, now()).await {
                tracing::warn!(%error, "old idempotency keys and used links are not forgotten");
            }
            tokio::select! {
                () = app.closing.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(SWEEP_EVERY_MS)) => {}
            }
        }
    });
}

/// Takes away all that is over at an instant; says how many records that were.
async fn sweep_all(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let (store, kept) = (app.engine.store().as_ref(), pawl_core::Duration(app.limits.idempotency_kept_ms));
    let keys = sweep(store, idempotency::KIND, |record| idempotency::is_over(record, now, kept)).await?;
    let links = sweep(store, links::USED, |record| links::is_over(record, now)).await?;
    Ok(keys + links)
}

/// Takes away the records of a kind that are over.
async fn sweep(
    store: &dyn Store,
    kind: &'static str,
    is_over: impl Fn(&Record) -> bool + Send + Sync,
) -> Result<usize, StoreError> {
    let (mut after, mut forgotten) = (None::<String>, 0);
    loop {
        let found = store.records(kind, "", after.as_deref(), SWEEP_ROWS).await?;
        let Some(last) = found.last() else { return Ok(forgotten) };
        after = Some(last.key.clone());
        let over = found.into_iter().filter(|record| is_over(record));
        let records: Vec<_> = over.map(|record| RecordChange::put(kind, record.key, Value::Null)).collect();
        forgotten += records.len();
        if !records.is_empty() {
            store.commit(&Batch { records, ..Batch::default() }).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use pawl_core::{Digest, RunId};
    use serde_json::json;

    use super::*;
    use crate::bench::Bench;

    async fn keys(store: &dyn Store, kind: &'static str) -> Vec<String> {
        store.records(kind, "", None, 1_000).await.unwrap().into_iter().map(|record| record.key).collect()
    }

    #[tokio::test]
    async fn keys_and_used_links_are_forgotten_when_their_time_is_over_and_not_before() {
        let bench = Bench::new().await;
        let store = bench.engine.store().as_ref();
        let kept = bench.app.limits.idempotency_kept_ms;
        // More than are looked at at once.
        let rows = SWEEP_ROWS as u64 + 10;
        let seen =
            |at: u64| json!({ "run": RunId::from_bytes([1; 16]), "request": Digest::of(b"x"), "at": at });
        let used = |expires: u64| json!({ "approval": "a", "for": "user:ann", "at": 1, "expires": expires });
        let records = (0..rows).flat_map(|at| {
            let key = format!("{at:05}");
            let link = RecordChange::new(links::USED, key.clone(), used(kept + at + 1));
            [RecordChange::new(idempotency::KIND, key, seen(at)), link]
        });
        store.commit(&Batch { records: records.collect(), ..Batch::default() }).await.unwrap();
        assert_eq!(sweep_all(&bench.app, Timestamp(kept)).await.unwrap(), 0);
        assert_eq!(sweep_all(&bench.app, Timestamp(kept + 505)).await.unwrap(), 2 * 505);
        for kind in [idempotency::KIND, links::USED] {
            assert_eq!(keys(store, kind).await, (505..rows).map(|at| format!("{at:05}")).collect::<Vec<_>>());
        }
        // What was used before its end was written down is kept for as long as any link is good.
        let old = json!({ "approval": "a", "for": "user:ann", "at": 1_000 });
        let record = RecordChange::new(links::USED, "old", old);
        store.commit(&Batch { records: vec![record], ..Batch::default() }).await.unwrap();
        let end = 1_000 + links::LINK_EXPIRES_MAX_MS;
        for (at, is_kept) in [(end - 1, true), (end, false)] {
            sweep_all(&bench.app, Timestamp(at)).await.unwrap();
            assert_eq!(keys(store, links::USED).await.contains(&"old".to_owned()), is_kept, "{at}");
        }
    }
}
