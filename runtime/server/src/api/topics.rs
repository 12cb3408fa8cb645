//! Events from outside.

use axum::Json;
use axum::extract::State;
use pawl_core::Namespace;
use pawl_core::trace::TraceContext;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{OptionalBody, Path, Refusals};
use crate::Problem;
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Published;
use crate::trace::Trace;

/// An event.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    /// What it says.
    #[serde(default)]
    data: Value,
    /// By which a repeated event is recognized: a run that has heard of it takes no notice of it again.
    id: Option<String>,
}

/// Tells every run that waits for a topic of an event. It is on disk in each of them when this is answered; who begins
/// to wait later does not hear of it. The levels of the topic may be written with `/` as they are, or as `%2F`.
#[utoipa::path(post, path = "/v1/topics/{topic}", operation_id = "publish_event", tag = "topics", params(
    ("topic" = String, Path, description = "the topic: levels with `/` between them", min_length = 1),
), request_body = Option<Publish>, responses(
    (status = 200, description = "it was told", body = Published),
    (status = 404, description = "there is no topic without a name", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn publish(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    Path(topic): Path<String>,
    OptionalBody(event): OptionalBody<Publish>,
) -> Result<Json<Value>, Problem> {
    tell(&app, &caller.namespace, &topic, (event, trace)).await
}

/// The same with levels as they are written.
pub(crate) async fn publish_below(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    Path((first, rest)): Path<(String, String)>,
    OptionalBody(event): OptionalBody<Publish>,
) -> Result<Json<Value>, Problem> {
    tell(&app, &caller.namespace, &format!("{first}/{rest}"), (event, trace)).await
}

async fn tell(
    app: &App,
    namespace: &Namespace,
    topic: &str,
    (Publish { data, id }, trace): (Publish, Option<TraceContext>),
) -> Result<Json<Value>, Problem> {
    app.engine.publish_in_trace(namespace, (topic, data), id.as_deref(), trace.as_ref()).await?;
    Ok(Json(json!({ "topic": topic })))
}
