//! Approvals before they are decided: holding one, giving it back, asking others, saying something.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::approvals::find;
use super::{Body, OptionalBody, Path, Refusals};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Approval;
use crate::{Problem, shape};

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {}

async fn now(app: &App, caller: &Caller, approval: &str) -> Result<Json<Value>, Problem> {
    Ok(Json(shape::approval(&find(app, caller, approval).await?)))
}

/// Holds an approval, so that nobody else answers it meanwhile. An operator takes it over from who holds it.
#[utoipa::path(post, path = "/v1/approvals/{approval}/claim", operation_id = "claim_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), request_body = Option<Hold>, responses(
    (status = 200, description = "the approval", body = Approval),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn claim(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
    OptionalBody(Hold {}): OptionalBody<Hold>,
) -> Result<Json<Value>, Problem> {
    let open = find(&app, &caller, &approval).await?;
    app.engine.claim(&open.id, caller.actor.clone()).await?;
    now(&app, &caller, &approval).await
}

/// Lets go of an approval that the caller holds.
#[utoipa::path(post, path = "/v1/approvals/{approval}/release", operation_id = "release_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), request_body = Option<Hold>, responses(
    (status = 200, description = "the approval", body = Approval),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn release(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
    OptionalBody(Hold {}): OptionalBody<Hold>,
) -> Result<Json<Value>, Problem> {
    let open = find(&app, &caller, &approval).await?;
    app.engine.release(&open.id, caller.actor.clone()).await?;
    now(&app, &caller, &approval).await
}

/// Whom to ask.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delegate {
    /// Users and groups: `user:ann`, `group:finance`.
    to: Vec<String>,
    /// Why.
    comment: Option<String>,
}

/// Asks others to answer in the caller's place.
#[utoipa::path(post, path = "/v1/approvals/{approval}/delegate", operation_id = "delegate_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), request_body = Delegate, responses(
    (status = 200, description = "the approval", body = Approval),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn delegate(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
    Body(Delegate { to, comment }): Body<Delegate>,
) -> Result<Json<Value>, Problem> {
    let open = find(&app, &caller, &approval).await?;
    app.engine.delegate(&open.id, to, caller.actor.clone(), comment).await?;
    now(&app, &caller, &approval).await
}

/// What is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comment {
    /// In the person's words.
    text: String,
}

/// Says something about an approval.
#[utoipa::path(post, path = "/v1/approvals/{approval}/comment", operation_id = "comment_approval", tag = "approvals", params(
    ("approval" = String, Path, description = "its id", pattern = "^[0-9a-z]{26}$"),
), request_body = Comment, responses(
    (status = 200, description = "the approval", body = Approval),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn comment(
    State(app): State<App>,
    caller: Caller,
    Path(approval): Path<String>,
    Body(Comment { text }): Body<Comment>,
) -> Result<Json<Value>, Problem> {
    let open = find(&app, &caller, &approval).await?;
    app.engine.comment(&open.id, text, caller.actor.clone()).await?;
    now(&app, &caller, &approval).await
}
