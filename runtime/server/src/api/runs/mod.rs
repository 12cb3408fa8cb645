//! Runs: starting, listing, showing, changing.

mod bound;
mod change;
mod list;
mod make;
mod once;
mod show;
mod start;

pub(crate) use bound::Turns;
pub(crate) use change::{
    __path_cancel, __path_resume, __path_retry, __path_signal, __path_suspend, cancel, resume, retry, signal,
    suspend,
};
pub(crate) use list::{__path_list, list};
pub(crate) use make::{__path_fork, __path_rerun, fork, rerun};
pub(crate) use show::{
    __path_graph, __path_journal, __path_show, __path_usage, __path_workflow, graph, journal, show, usage,
    workflow,
};
pub(crate) use start::{__path_start, start};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pawl_core::RunId;
use pawl_core::view::RunHeader;

use crate::app::App;
use crate::caller::Caller;
use crate::{Problem, shape};

/// A run that is there, for who may see it. Every path that names a run finds it here.
pub(crate) async fn find(app: &App, _caller: &Caller, text: &str) -> Result<RunHeader, Problem> {
    let run: RunId = text.parse().map_err(|_| Problem::not_found("run", text))?;
    app.engine.store().run(run).await?.ok_or_else(|| Problem::not_found("run", text))
}

/// A run as it stands now.
async fn now(app: &App, caller: &Caller, run: RunId) -> Result<Json<serde_json::Value>, Problem> {
    Ok(Json(shape::run(&find(app, caller, &run.to_string()).await?)))
}

/// A run that was made.
async fn made(app: &App, caller: &Caller, run: RunId) -> Result<Response, Problem> {
    let place = [("location", format!("/v1/runs/{run}"))];
    Ok((StatusCode::CREATED, place, now(app, caller, run).await?).into_response())
}
