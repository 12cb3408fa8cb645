//! Making a link, the page behind it, and the answer.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use pawl_core::event::Actor;
use pawl_core::view::OpenApproval;
use pawl_core::{ApprovalId, Duration, Timestamp};
use pawl_engine::{Answer, Clock as _, EngineError, SystemClock};
use pawl_store::{Batch, Record, RecordChange, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page;
use super::ticket::{LINK_EXPIRES_MAX_MS, Ticket};
use crate::Problem;
use crate::api::{Body, Refusals, form};
use crate::app::App;
use crate::caller::Caller;
use crate::identity::{Maker, Verb, random_bytes};

/// The kind of the records of links that were used.
pub(crate) const USED: &str = "link-used";
/// How long a link is good for where nothing is said, in milliseconds: a day.
const EXPIRES_MS: u64 = 24 * 60 * 60 * 1_000;

/// A link that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLink {
    /// Who answers with it: `user:ann`.
    #[serde(rename = "for")]
    user: String,
    /// The groups that they answer for.
    #[serde(default)]
    groups: BTreeSet<String>,
    /// For how long it is good, in milliseconds; a day, where nothing is said.
    #[serde(default)]
    expires_ms: Option<u64>,
}

/// Makes a link with which one person answers this approval once, without a token.
#[utoipa::path(post, path = "/v1/approvals/{approval}/links", tag = "approvals", params(("approval" = String, Path, description = "its id")), request_body = NewLink, responses(
    (status = 201, description = "`{url, id, for, expires_at, made_by}`; the url is the secret", body = serde_json::Map<String, Value>),
    (status = 404, description = "none is open with this id", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn make(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(new): Body<NewLink>,
) -> Result<Response, Problem> {
    caller.may(Verb::Manage)?;
    let unknown = || Problem::not_found("open approval", &text);
    let id: ApprovalId = text.parse().map_err(|_| unknown())?;
    let open = caller.approval(app.engine.store().approval(&id).await?, &text)?;
    let NewLink { user, groups, expires_ms } = new;
    if !user.strip_prefix("user:").is_some_and(|name| !name.is_empty() && user.len() <= 200) {
        return Err(Problem::not_possible("`for` names a person: user:ann"));
    }
    if groups.len() > 20 || groups.iter().any(|group| !group.starts_with("group:") || group.len() > 200) {
        return Err(Problem::not_possible("`groups` names at most 20 groups: group:finance"));
    }
    let is_asked = open.to.is_empty() || open.to.iter().any(|who| *who == user || groups.contains(who));
    if !is_asked {
        let asked = open.to.join(", ");
        return Err(Problem::not_possible(format!("the approval does not ask {user}; it asks {asked}")));
    }
    let expires_ms = expires_ms.unwrap_or(EXPIRES_MS);
    if !(1..=LINK_EXPIRES_MAX_MS).contains(&expires_ms) {
        let text = format!(
            "a link is good for at least a millisecond and at most link_expires_max_ms ({LINK_EXPIRES_MAX_MS})"
        );
        return Err(Problem::not_possible(text));
    }
    let expires = Timestamp(SystemClock.now().0.saturating_add(expires_ms));
    let made_by = Maker::from(&caller.actor);
    let (url, link) = new_link(&app, &open, (user.clone(), groups), expires, made_by)?;
    let made = json!({
        "url": url, "id": link, "for": user, "expires_at": expires.to_string(), "made_by": Maker::from(&caller.actor),
    });
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// A new link to an approval as it is now, for one person; its address and its id.
pub(crate) fn new_link(
    app: &App,
    open: &OpenApproval,
    (user, groups): (String, BTreeSet<String>),
    expires: Timestamp,
    by: Maker,
) -> Result<(String, String), Problem> {
    let id = hex::encode(random_bytes::<16>()?);
    let approval = open.id.clone();
    tracing::info!(link = %id, %approval, of = %user, by = %by.name, via = %by.via, "a link was made");
    let made_by = Some(by);
    let ticket = Ticket { id: id.clone(), approval, digest: open.digest, user, groups, expires, made_by };
    Ok((format!("{}/a/{}", app.public_url, app.links.sign(&ticket)), id))
}

/// Why a link leads nowhere.
enum Void {
    Forged,
    Expired,
    Used,
    Closed,
    Changed,
    Failed(Problem),
}

impl From<StoreError> for Void {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Void {
    fn page(self) -> Response {
        let (status, title, text) = match self {
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This link is not valid",
                "It was not made here, or not all of it arrived. Open it as it was sent.".to_owned(),
            ),
            Self::Expired => {
                (StatusCode::GONE, "This link has expired", "Ask whoever sent it for a new one.".to_owned())
            }
            Self::Used => (
                StatusCode::GONE,
                "This link was used",
                "It answers once, and has. Nothing was changed now.".to_owned(),
            ),
            Self::Closed => (
                StatusCode::GONE,
                "This was answered",
                "Somebody has answered, or it is not needed any more. Nothing was changed now.".to_owned(),
            ),
            Self::Changed => (
                StatusCode::CONFLICT,
                "What is asked has changed",
                "The link was made for another question. Ask for a new one, and look at what it shows."
                    .to_owned(),
            ),
            Self::Failed(problem) => return says_why_not(problem),
        };
        page::says(status, title, &text)
    }
}

/// A problem as a page, for whoever has come by a link.
pub(crate) fn says_why_not(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = page::says(status, "This cannot be done now", &problem.detail);
    // The header that the problem itself would have.
    if let Some(later) = problem.into_response().headers_mut().remove(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, later);
    }
    response
}

/// Whether a path is that of a link.
pub(crate) fn is_link(path: &str) -> bool {
    path.starts_with("/a/")
}

/// What a link is good for now.
async fn looked_at(app: &App, link: &str) -> Result<(Ticket, OpenApproval), Void> {
    let ticket = app.links.open(link).ok_or(Void::Forged)?;
    if ticket.expires <= SystemClock.now() {
        return Err(Void::Expired);
    }
    let store = app.engine.store();
    if store.record(USED, &ticket.id).await?.is_some() {
        return Err(Void::Used);
    }
    let open = store.approval(&ticket.approval).await?.ok_or(Void::Closed)?;
    if open.digest != ticket.digest {
        return Err(Void::Changed);
    }
    Ok((ticket, open))
}

/// The page behind a link. Looking at it changes nothing.
#[utoipa::path(get, path = "/a/{link}", tag = "approvals", params(("link" = String, Path, description = "what was sent")), responses(
    (status = 200, description = "a page with what is asked and a form", content_type = "text/html", body = String),
    (status = 403, description = "it was not made here", content_type = "text/html", body = String),
    (status = 409, description = "what is asked has changed", content_type = "text/html", body = String),
    (status = 410, description = "it has expired, was used, or the approval was answered", content_type = "text/html", body = String),
    (status = 503, description = "the store failed", content_type = "text/html", body = String),
))]
pub(crate) async fn look(State(app): State<App>, Path(link): Path<String>) -> Response {
    match looked_at(&app, &link).await {
        Ok((ticket, open)) => {
            page::asks(StatusCode::OK, &open, &ticket.user, &app.links.form_token(&link), None)
        }
        Err(void) => void.page(),
    }
}

/// The answer that the page's form sends. It uses the link up.
#[utoipa::path(post, path = "/a/{link}", tag = "approvals", params(("link" = String, Path, description = "what was sent")), request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "the answer is recorded", content_type = "text/html", body = String),
    (status = 400, description = "the form broke off", content_type = "text/html", body = String),
    (status = 408, description = "the form took too long to arrive", content_type = "text/html", body = String),
    (status = 403, description = "the link was not made here, or the form is not its page's", content_type = "text/html", body = String),
    (status = 409, description = "what is asked has changed", content_type = "text/html", body = String),
    (status = 410, description = "it has expired, was used, or the approval was answered", content_type = "text/html", body = String),
    (status = 413, description = "the form is too long", content_type = "text/html", body = String),
    (status = 415, description = "the body is no form", content_type = "text/html", body = String),
    (status = 422, description = "what was filled in does not fit; the link can be used again", content_type = "text/html", body = String),
    (status = 429, description = "too much is under way; `Retry-After` says when to come back", content_type = "text/html", body = String),
    (status = 503, description = "it took too long, or the server is ending", content_type = "text/html", body = String),
))]
pub(crate) async fn answer(State(app): State<App>, Path(link): Path<String>, request: Request) -> Response {
    answered(&app, &link, request).await.unwrap_or_else(Void::page)
}

async fn answered(app: &App, link: &str, request: Request) -> Result<Response, Void> {
    // First the link, then what is sent: nobody has a body read who has no link.
    looked_at(app, link).await?;
    let pairs = form(request, app).await.map_err(Void::Failed)?;
    taken(app, link, &pairs).await
}

/// Whether a link that was used has expired, so that nobody needs to know that it was.
pub(crate) fn is_over(record: &Record, now: Timestamp) -> bool {
    let instant = |field: &str| record.value[field].as_u64().map(Timestamp);
    let at = instant("at").unwrap_or(Timestamp(0));
    instant("expires").unwrap_or(at.after(Duration(LINK_EXPIRES_MAX_MS))) <= now
}

/// Which link it was, and who made it: the link itself is kept nowhere.
fn through(ticket: &Ticket) -> String {
    let of = ticket.made_by.as_ref().map(|by| format!(" of {}", by.name)).unwrap_or_default();
    format!("link {}{of}", ticket.id)
}

/// What a form says is carried out, once.
async fn taken(app: &App, link: &str, pairs: &[(String, String)]) -> Result<Response, Void> {
    // Anew: it took a while to arrive.
    let (ticket, open) = looked_at(app, link).await?;
    let field = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, text)| text.clone());
    if !app.links.is_form_token(link, &field("_form").unwrap_or_default()) {
        let text = "The answer did not come from the page of this link. Open the link and answer there.";
        return Ok(page::says(StatusCode::FORBIDDEN, "This answer was not taken", text));
    }
    let taken = json!({
        "approval": ticket.approval, "for": ticket.user, "at": SystemClock.now(), "expires": ticket.expires,
        "made_by": ticket.made_by,
    });
    let take = RecordChange::new(USED, &*ticket.id, taken.clone());
    let store = app.engine.store();
    match store.commit(&Batch { records: vec![take], ..Batch::default() }).await {
        Err(StoreError::Stale { .. }) => return Err(Void::Used),
        other => other?,
    }
    let action = field("_action").unwrap_or_default();
    let answer = Answer {
        action: action.clone(),
        data: page::filled(open.form.as_ref(), pairs),
        by: Actor {
            name: ticket.user.clone(),
            groups: ticket.groups.iter().cloned().collect(),
            operator: false,
            via: through(&ticket),
        },
        comment: field("_comment").filter(|text| !text.trim().is_empty()),
    };
    let Err(error) = app.engine.answer(&ticket.approval, answer).await else {
        let text =
            format!("\u{201c}{action}\u{201d} is recorded for {}. You can close this page.", ticket.user);
        return Ok(page::says(StatusCode::OK, "Thank you", &text));
    };
    // Only where it is certain that nothing was decided, the link is good again.
    if let EngineError::Refused(refusal) = &error {
        let back = RecordChange::put(USED, &*ticket.id, Value::Null).instead_of(taken);
        store.commit(&Batch { records: vec![back], ..Batch::default() }).await?;
        if matches!(refusal, pawl_core::Refusal::AlreadyDecided { .. }) {
            return Err(Void::Closed);
        }
        let (status, form) = (StatusCode::UNPROCESSABLE_ENTITY, app.links.form_token(link));
        return Ok(page::asks(status, &open, &ticket.user, &form, Some(&refusal.to_string())));
    }
    Err(Void::Failed(error.into()))
}
