//! What waits for people: listing, showing, deciding.

use axum::Json;
use axum::extract::State;
use pawl_core::view::OpenApproval;
use pawl_core::{ApprovalId, RunId};
use pawl_engine::Answer;
use pawl_store::{ApprovalFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Path, Query, Refusals, Rejections, rows};
use crate::app::{App, now};
use crate::caller::Caller;
use crate::documents::{Answered, Approval, ApprovalHistory, ApprovalPage};
use crate::{Problem, shape};

/// Which approvals.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalsQuery {
    /// Of this run.
    #[param(format = "uuid")]
    run: Option<String>,
    /// Those that the caller may answer.
    mine: Option<bool>,
    /// Those that somebody holds, or that nobody does.
    claimed: Option<bool>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many rows, at most 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// An approval's id as it is written.
fn id(text: &str) -> Result<ApprovalId, Problem> {
    text.parse().map_err(|_| Problem::not_found("approval", text))
}

/// Whether a text is the `next` of a page: the store takes anything else for a failure of its own.
fn is_cursor(text: &str) -> bool {
    text.split_at_checked(16).is_some_and(|(created_at, id)| {
        created_at.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.parse::<ApprovalId>().is_ok()
    })
}

/// An open approval, for who may see it. Every path that names an approval finds it here, but for decisions: of those
/// that are closed the engine tells what became of them.
pub(crate) async fn find(app: &App, _caller: &Caller, text: &str) -> Result<OpenApproval, Problem> {
    let found = app.engine.store().approval(&id(text)?).await?;
    found.ok_or_else(|| Problem::not_found("open approval", text))
}

/// Open approvals, oldest first.
#[utoipa::path(get, path = "/v1/approvals", operation_id = "list_approvals", tag = "approvals", params(ApprovalsQuery), responses(
    (status = 200, description = "a page of approvals", body = ApprovalPage),
    Rejections,
))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<ApprovalsQuery>,
) -> Result<Json<Value>, Problem> {
    let run = which.run.as_deref().map(str::parse::<RunId>).transpose();
    let run = run.map_err(|error| Problem::bad_request(format!("run: {error}")))?;
    if which.cursor.as_deref().is_some_and(|cursor| !is_cursor(cursor)) {
        return Err(Problem::bad_request("cursor is not the `next` of a page of approvals"));
    }
    let page = Page { limit: rows(which.limit)?, after: which.cursor };
    let actor = &caller.actor;
    let asked = if which.mine == Some(true) {
        [vec![actor.name.clone()], actor.groups.clone()].concat()
    } else {
        Vec::new()
    };
    let claimed = which.claimed.map(|claimed| (claimed, now()));
    let filter = caller.approvals(ApprovalFilter { run, asked, claimed, ..ApprovalFilter::default() });
    let found = app.engine.store().approvals(&filter, &page).await?;
    let items: Vec<_> = found.approvals.iter().map(shape::approval).collect();
    Ok(Json(json!({ "items": items, "next": found.next })))
}

/// An open approval.
#[utoipa::path(get, path = "/v1/approvals/{approval}", operation_id = "show_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), responses(
    (status = 200, description = "the approval", body = Approval),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(shape::approval(&find(&app, &caller, &approval).await?)))
}

/// An approval, open or closed, and all that was done with it: who held it, was asked, said something, answered.
#[utoipa::path(get, path = "/v1/approvals/{approval}/history", operation_id = "approval_history", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), responses(
    (status = 200, description = "the approval and its events", body = ApprovalHistory),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "the run's journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn history(
    State(app): State<App>,
    _caller: Caller,
    Path(approval): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = id(&approval)?;
    let none = || Problem::not_found("approval", &approval);
    let run = app.engine.store().run_of_approval(&id).await?.ok_or_else(none)?;
    let history = app.engine.history(run).await?;
    let (found, is_open) = history.state.approval(&id).ok_or_else(none)?;
    let about = history.envelopes.iter().filter(|envelope| envelope.event.approval() == Some(&id));
    let items: Vec<_> = about.map(shape::event).collect();
    Ok(Json(json!({ "approval": shape::approval(&found), "open": is_open, "items": items })))
}

/// An answer to an approval.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// One of its actions.
    action: String,
    /// What is filled into its form.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    data: Value,
    /// Why.
    comment: Option<String>,
}

/// Answers an approval. What that allows is on disk when this is answered.
#[utoipa::path(post, path = "/v1/approvals/{approval}/decide", operation_id = "decide_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), request_body = Decision, responses(
    (status = 200, description = "the run that goes on", body = Answered),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
    Body(decision): Body<Decision>,
) -> Result<Json<Value>, Problem> {
    let approval = id(&approval)?;
    let Decision { action, data, comment } = decision;
    let answer = Answer { action, data, by: caller.actor.clone(), comment };
    let run = app.engine.answer(&approval, answer).await?;
    Ok(Json(json!({ "run": run })))
}
