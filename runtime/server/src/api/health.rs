//! Whether the server lives, and whether it can be used.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::Problem;
use crate::app::App;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "it does", body = Value)))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether it takes requests: the store answers, and the engine runs.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "it does", body = Value),
    (status = 503, description = "it does not", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    app.engine.store().next_due().await?;
    let in_memory = app.engine.in_memory().await?;
    Ok(Json(json!({ "status": "ok", "runs_in_memory": in_memory })))
}
