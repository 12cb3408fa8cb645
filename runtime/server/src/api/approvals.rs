//! What waits for people: listing, showing, deciding.

use axum::Json;
use axum::extract::{Path, Query, State};
use pawl_core::ApprovalId;
use pawl_engine::Answer;
use pawl_store::{ApprovalFilter, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Listing, PageQuery};
use super::runs::run_id;
use crate::app::App;
use crate::caller::Caller;
use crate::{Problem, shape};

/// Which approvals.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalsQuery {
    /// Of this run.
    run: Option<String>,
}

fn approval_id(text: &str) -> Result<ApprovalId, Problem> {
    text.parse().map_err(|_| Problem::not_found("open approval", text))
}

/// Open approvals, oldest first.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(ApprovalsQuery, PageQuery), responses(
    (status = 200, description = "a page of approvals", body = Listing),
    (status = 400, description = "the query cannot be understood", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<ApprovalsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Listing>, Problem> {
    let filter = ApprovalFilter::of_run(which.run.as_deref().map(run_id).transpose()?);
    let page = Page { limit: page.rows()?, after: page.cursor };
    let found = app.engine.store().approvals(&filter, &page).await?;
    Ok(Json(Listing { items: found.approvals.iter().map(shape::approval).collect(), next: found.next }))
}

/// An open approval.
#[utoipa::path(get, path = "/v1/approvals/{approval}", tag = "approvals", params(("approval", description = "its id")), responses(
    (status = 200, description = "the approval", body = Value),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = app.engine.store().approval(&approval_id(&id)?).await?;
    found.map(|open| Json(shape::approval(&open))).ok_or_else(|| Problem::not_found("open approval", &id))
}

/// An answer to an approval.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// One of its actions.
    action: String,
    /// What is filled into its form.
    #[serde(default)]
    data: Value,
    /// Why.
    comment: Option<String>,
}

/// Answers an approval. What that allows is on disk when this is answered.
#[utoipa::path(post, path = "/v1/approvals/{approval}/decide", tag = "approvals", params(("approval", description = "its id")), request_body = Decision, responses(
    (status = 200, description = "the run that goes on", body = Value),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it was answered, or does not take this answer", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Value>, Problem> {
    let Decision { action, data, comment } = decision;
    let answer = Answer { action, data, by: caller.actor, comment };
    let run = app.engine.answer(&approval_id(&id)?, answer).await?;
    Ok(Json(json!({ "run": run })))
}
