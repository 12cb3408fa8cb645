//! Whether the server lives, and whether it can be used.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::Problem;
use crate::app::App;
use crate::documents::Health;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "check_health", tag = "health", responses((status = 200, description = "it does", body = Health)))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether it takes requests: the store answers, and the engine runs.
#[utoipa::path(get, path = "/readyz", operation_id = "check_readiness", tag = "health", responses(
    (status = 200, description = "it does", body = Health),
    (status = 503, description = "it does not", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    app.engine.store().next_due().await?;
    app.engine.in_memory().await?;
    Ok(Json(json!({ "status": "ok" })))
}
