//! The server itself.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Rejections;
use crate::Problem;
use crate::app::{App, now};
use crate::caller::Caller;
use crate::documents::System;

/// The server and its store.
#[utoipa::path(get, path = "/v1/system", operation_id = "show_system", tag = "system", responses(
    (status = 200, description = "figures", body = System),
    Rejections,
))]
pub(crate) async fn system(State(app): State<App>, _caller: Caller) -> Result<Json<Value>, Problem> {
    let store = app.engine.store().info().await?;
    let (waiting, max) = app.engine.commands_waiting();
    let limits = &app.limits;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": now().since(app.began).0,
        "store": { "engine": store.engine, "bytes": store.bytes, "format": store.format },
        "runs_in_memory": app.engine.in_memory().await?,
        "commands_waiting": waiting,
        "commands_max": max,
        "streams_open": app.places.streams_open(),
        "limits": {
            "body_max_bytes": limits.body_max_bytes,
            "body_max_ms": limits.body_max_ms,
            "request_max_ms": limits.request_max_ms,
            "requests_at_once_max": limits.requests_at_once_max,
            "streams_at_once_max": limits.streams_at_once_max,
            "stall_max_ms": limits.stall_max_ms,
            "idempotency_kept_ms": limits.idempotency_kept_ms,
            "runs_scanned_max": limits.runs_scanned_max,
        },
    })))
}
