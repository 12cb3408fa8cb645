//! Keys by which a repeated request is recognized. A key is written in the commit that starts the run, so that either
//! both are there or neither.

use axum::http::HeaderMap;
use pawl_core::{Digest, RunId, Timestamp};
use pawl_store::{Record, RecordChange};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Problem;
use crate::app::{App, now};
use crate::caller::Caller;
use crate::problem::Code;

/// The longest key, in bytes.
const KEY_MAX_BYTES: usize = 255;
/// The kind of the records.
pub(crate) const KIND: &str = "idempotency";

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

/// Whether the time of a key is over.
pub(crate) fn is_over(record: &Record, now: Timestamp, kept: pawl_core::Duration) -> bool {
    let at = record.value["at"].as_u64().unwrap_or_default();
    now.since(Timestamp(at)) > kept
}
