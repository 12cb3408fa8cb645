//! Making a run of another.

use axum::extract::State;
use axum::response::Response;
use pawl_core::StepId;
use pawl_core::fork::Change;
use pawl_engine::Rehearse;
use serde::Deserialize;
use serde_json::Value;

use super::{find, made};
use crate::Problem;
use crate::api::{Body, OptionalBody, Path, Refusals};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Run;

/// What is other in a run that is started anew.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rerun {
    /// Other inputs; the same, where nothing is said.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Value>,
}

/// Starts a new run as another was started: with the same definition and components.
#[utoipa::path(post, path = "/v1/runs/{run}/rerun", operation_id = "rerun_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = Option<Rerun>, responses(
    (status = 201, description = "the new run", body = Run, headers(("Location" = String, description = "where it is"))),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn rerun(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    OptionalBody(rerun): OptionalBody<Rerun>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    let new = app.engine.rerun(run, None, rerun.inputs, caller.actor.clone()).await?;
    made(&app, &caller, new).await
}

/// A recorded value that shall be another.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedValue {
    /// The output of this step; the inputs, where there is none.
    step: Option<String>,
    /// The way to the value: fields of objects, numbers of items.
    #[serde(default)]
    path: Vec<String>,
    /// What it shall be.
    value: Value,
}

/// Where a run is forked, and what is other.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkRun {
    /// The last event that both have.
    #[schema(minimum = 1)]
    at: u64,
    /// Values that shall be others.
    #[serde(default)]
    changes: Vec<ChangedValue>,
    /// Whether it is a rehearsal: what it asks is answered from the journal, where that asked the same, and what would
    /// change something outside is refused where it has no recorded answer.
    #[serde(default)]
    dry: bool,
}

/// Makes a new run that begins with the events of another.
#[utoipa::path(post, path = "/v1/runs/{run}/fork", operation_id = "fork_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), request_body = ForkRun, responses(
    (status = 201, description = "the new run", body = Run, headers(("Location" = String, description = "where it is"))),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn fork(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Body(ForkRun { at, changes, dry }): Body<ForkRun>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &run).await?.id;
    let change = |ChangedValue { step, path, value }| Change { step: step.map(StepId::new), path, value };
    let (changes, by) = (changes.into_iter().map(change).collect(), caller.actor.clone());
    let new = if dry {
        let how = Rehearse { dry, ..Rehearse::default() };
        app.engine.rehearse(run, at, changes, how, by).await?
    } else {
        app.engine.fork(run, at, changes, by).await?
    };
    made(&app, &caller, new).await
}
