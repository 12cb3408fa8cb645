//! Runs: starting, listing, showing, ending.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status};
use pawl_engine::StartOptions;
use pawl_store::{Page, RunFilter};
use serde::Deserialize;
use serde_json::Value;

use super::page::{Listing, PageQuery};
use crate::app::App;
use crate::caller::Caller;
use crate::trace::Trace;
use crate::{Problem, shape};

/// Which runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// With one of these statuses, separated by commas.
    status: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
}

impl RunsQuery {
    fn filter(&self) -> Result<RunFilter, Problem> {
        let names = self.status.iter().flat_map(|names| names.split(',')).filter(|name| !name.is_empty());
        let status = |name: &str| {
            let found = Status::OF_RUNS.into_iter().find(|status| status.name() == name);
            found.ok_or_else(|| {
                let all = Status::OF_RUNS.map(Status::name).join(", ");
                Problem::bad_request(format!("'{name}' is no status of a run; there are {all}"))
            })
        };
        Ok(RunFilter {
            statuses: names.map(status).collect::<Result<_, _>>()?,
            workflow: self.workflow.clone(),
        })
    }
}

/// The run that a path names.
pub(crate) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::not_found("run", text))
}

/// The header of a run that is there.
pub(crate) async fn header(app: &App, run: RunId) -> Result<RunHeader, Problem> {
    app.engine.store().run(run).await?.ok_or_else(|| Problem::not_found("run", &run.to_string()))
}

/// Runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunsQuery, PageQuery), responses(
    (status = 200, description = "a page of runs", body = Listing),
    (status = 400, description = "the query cannot be understood", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<RunsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Listing>, Problem> {
    let after = page.cursor.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| Problem::bad_request("cursor is not the `next` of a page of runs"))?;
    let page = Page { after, limit: page.rows()? };
    let found = app.engine.store().runs(&which.filter()?, &page).await?;
    let items = found.runs.iter().map(shape::run).collect();
    Ok(Json(Listing { items, next: found.next.map(|run| run.to_string()) }))
}

/// What a run is started with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRun {
    /// The workflow's text, YAML.
    source: String,
    /// Its inputs.
    #[serde(default)]
    inputs: Value,
}

/// Starts a run. It is on disk when this is answered.
#[utoipa::path(post, path = "/v1/runs", tag = "runs", request_body = StartRun, responses(
    (status = 201, description = "the run", body = Value),
    (status = 422, description = "the workflow or its inputs have problems", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    Json(start): Json<StartRun>,
) -> Result<Response, Problem> {
    let workflow = app.engine.prepare_workflow("workflow.yaml", &start.source, FilePath::new(".")).await?;
    let options = StartOptions { by: caller.actor, trace, ..StartOptions::default() };
    let run = app.engine.start(&workflow, start.inputs, options).await?;
    let header = header(&app, run).await?;
    let place = [("location", format!("/v1/runs/{run}"))];
    Ok((StatusCode::CREATED, place, Json(shape::run(&header))).into_response())
}

/// A run.
#[utoipa::path(get, path = "/v1/runs/{run}", tag = "runs", params(("run", description = "its id")), responses(
    (status = 200, description = "the run", body = Value),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(State(app): State<App>, Path(run): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(shape::run(&header(&app, run_id(&run)?).await?)))
}

/// A run's journal.
#[utoipa::path(get, path = "/v1/runs/{run}/journal", tag = "runs", params(("run", description = "its id")), responses(
    (status = 200, description = "its events", body = Listing),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn journal(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Json<Listing>, Problem> {
    let history = app.engine.history(run_id(&run)?).await?;
    Ok(Json(Listing { items: history.envelopes.iter().map(shape::event).collect(), next: None }))
}

/// Why a run is ended.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    /// In the person's words.
    reason: Option<String>,
}

/// Ends a run.
#[utoipa::path(post, path = "/v1/runs/{run}/cancel", tag = "runs", params(("run", description = "its id")), request_body = Because, responses(
    (status = 200, description = "the run", body = Value),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it has ended", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Json(because): Json<Because>,
) -> Result<Json<Value>, Problem> {
    let run = run_id(&run)?;
    app.engine.cancel(run, caller.actor, because.reason).await?;
    Ok(Json(shape::run(&header(&app, run).await?)))
}
