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
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": now().since(app.began).0,
        "store": { "engine": store.engine, "bytes": store.bytes, "format": store.format },
        "runs_in_memory": app.engine.in_memory().await?,
        "commands_waiting": waiting,
        "commands_max": max,
        "streams_open": app.places.streams_open(),
        "limits": app.limits.named(),
    })))
}
