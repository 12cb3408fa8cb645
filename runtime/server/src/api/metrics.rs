//! What the engine counts, for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::Problem;
use crate::app::App;

/// The text format that is spoken.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this process counts, of the engine and of who is told of approvals, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "the numbers", body = String, content_type = "text/plain"),
    (status = 503, description = "the store failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let mut text = app.engine.metrics_text().await?;
    text.push_str(&app.telling.metrics(&app.engine).await?);
    Ok(([(CONTENT_TYPE, FORMAT)], text))
}
