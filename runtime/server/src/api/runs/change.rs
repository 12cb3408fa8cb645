//! Commands to a run. Each is on disk when it is answered.

use axum::Json;
use axum::extract::State;
use pawl_core::StepId;
use serde::Deserialize;
use serde_json::Value;

use super::{find, now};
use crate::Problem;
use crate::api::{OptionalBody, Path, Refusals};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Run;
use crate::trace::Trace;

/// Why.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    /// In the person's words.
    reason: Option<String>,
}

/// Ends a run; what was under way is stopped.
#[utoipa::path(post, path = "/v1/runs/{run}/cancel", operation_id = "cancel_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = Option<Because>, responses(
    (status = 200, description = "the run", body = Run),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    OptionalBody(because): OptionalBody<Because>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    app.engine.cancel(run, caller.actor.clone(), because.reason).await?;
    now(&app, &caller, run).await
}

/// Stops a run from beginning anything new. What is under way is recorded when it ends, and time does not pass.
#[utoipa::path(post, path = "/v1/runs/{run}/suspend", operation_id = "suspend_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = Option<Because>, responses(
    (status = 200, description = "the run", body = Run),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn suspend(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    OptionalBody(because): OptionalBody<Because>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    app.engine.suspend(run, caller.actor.clone(), because.reason).await?;
    now(&app, &caller, run).await
}

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Lets a suspended run go on.
#[utoipa::path(post, path = "/v1/runs/{run}/resume", operation_id = "resume_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = Option<Nothing>, responses(
    (status = 200, description = "the run", body = Run),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn resume(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    app.engine.resume(run, caller.actor.clone()).await?;
    now(&app, &caller, run).await
}

/// What is tried again.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    /// The step; the innermost that failed, where nothing is said.
    step: Option<String>,
}

/// Lets a failed run go on: the step that failed is tried again where it failed.
#[utoipa::path(post, path = "/v1/runs/{run}/retry", operation_id = "retry_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = Option<Again>, responses(
    (status = 200, description = "the run", body = Run),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    OptionalBody(again): OptionalBody<Again>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    app.engine.retry(run, again.step.map(StepId::new), caller.actor.clone()).await?;
    now(&app, &caller, run).await
}

/// A signal.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signal {
    /// What it brings, as the step's schema wants it.
    #[serde(default)]
    data: Value,
    /// By which a repeated signal is recognized: one with a key that came before changes nothing.
    key: Option<String>,
}

/// Sends a run a signal, whether or not a step waits for it yet.
#[utoipa::path(post, path = "/v1/runs/{run}/signals/{name}", operation_id = "signal_run", tag = "runs", params(
    ("run" = String, Path, description = "the run's id", format = "uuid"),
    ("name" = String, Path, description = "the signal's name", min_length = 1),
), request_body = Option<Signal>, responses(
    (status = 200, description = "the run", body = Run),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn signal(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    Path((run, name)): Path<(String, String)>,
    OptionalBody(Signal { data, key }): OptionalBody<Signal>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    app.engine.signal_within(run, (name, data), caller.actor.clone(), key, trace).await?;
    now(&app, &caller, run).await
}
