//! `/v1/me`, tokens and namespaces over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pawl_core::Namespace;
use pawl_engine::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NamespaceLimits, NewToken, Verb, namespace, token};
use crate::Problem;
use crate::api::{Body, Path, Refusals, Rejections};
use crate::app::App;
use crate::caller::Caller;

/// All there are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Listing {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// Null: all are given at once.
    next: Option<String>,
}

/// Who asks: name, groups, roles, rights and namespace.
#[utoipa::path(get, path = "/v1/me", tag = "identity", responses(
    (status = 200, description = "the caller", body = serde_json::Map<String, Value>),
    Rejections,
))]
pub(crate) async fn me(caller: Caller) -> Json<Value> {
    let verbs: Vec<_> = Verb::ALL.into_iter().filter(|verb| caller.may(*verb).is_ok()).collect();
    Json(json!({
        "name": caller.actor.name,
        "groups": caller.actor.groups,
        "operator": caller.actor.operator,
        "via": caller.actor.via,
        "roles": caller.roles,
        "verbs": verbs,
        "namespace": caller.namespace,
        "all_namespaces": !caller.is_scoped,
        "bound": caller.is_bound,
        "token": caller.token,
    }))
}

/// Tokens, by id, without their secrets: those of the caller's namespace.
#[utoipa::path(get, path = "/v1/tokens", tag = "identity", responses(
    (status = 200, description = "all tokens that the caller may see", body = Listing),
    Rejections,
))]
pub(crate) async fn tokens(State(app): State<App>, caller: Caller) -> Result<Json<Listing>, Problem> {
    caller.may(Verb::Manage)?;
    let tokens = token::list(app.engine.store().as_ref(), caller.scope().as_ref()).await?;
    let items = tokens.iter().map(|(id, token)| token.shape(id)).collect();
    Ok(Json(Listing { items, next: None }))
}

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/tokens", tag = "identity", request_body = NewToken, responses(
    (status = 201, description = "the token, with `secret`", body = serde_json::Map<String, Value>),
    (status = 404, description = "there is no such namespace", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn make_token(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewToken>,
) -> Result<Response, Problem> {
    caller.may(Verb::Manage)?;
    let new = match (caller.scope(), new.namespace) {
        (None, namespace) => NewToken { namespace, ..new },
        // Who is within one makes tokens for that one, and for no more.
        (Some(own), None) => NewToken { namespace: Some(own), ..new },
        (Some(own), Some(namespace)) if own == namespace => NewToken { namespace: Some(own), ..new },
        (Some(_), Some(other)) => return Err(Problem::not_found("namespace", other.as_str())),
    };
    let made =
        token::create(app.engine.store().as_ref(), new, (&caller.actor).into(), SystemClock.now()).await?;
    let mut shape = made.token.shape(&made.id);
    shape["secret"] = made.secret.into();
    Ok((StatusCode::CREATED, Json(shape)).into_response())
}

/// Takes a token back: it is refused from the next request on, and streams that it has open end.
#[utoipa::path(delete, path = "/v1/tokens/{token}", tag = "identity", params(("token" = String, Path, description = "its id")), responses(
    (status = 200, description = "the token", body = serde_json::Map<String, Value>),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    caller.may(Verb::Manage)?;
    let scope = caller.scope();
    let which = (scope.as_ref(), false);
    let by = (&caller.actor).into();
    let token = token::revoke(app.engine.store().as_ref(), &id, which, by, SystemClock.now()).await?;
    Ok(Json(token.shape(&id)))
}

/// Namespaces, by name: those that the caller sees.
#[utoipa::path(get, path = "/v1/namespaces", tag = "identity", responses(
    (status = 200, description = "the namespaces", body = Listing),
    Rejections,
))]
pub(crate) async fn namespaces(State(app): State<App>, caller: Caller) -> Result<Json<Listing>, Problem> {
    caller.may(Verb::Manage)?;
    let mut known = namespace::list(app.engine.store().as_ref()).await?;
    known.retain(|(name, _)| caller.scope().is_none_or(|own| own.as_str() == name));
    let items = known.iter().map(|(name, record)| record.shape(name)).collect();
    Ok(Json(Listing { items, next: None }))
}

/// A namespace as it is to be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetNamespace {
    /// Its name.
    #[schema(value_type = String)]
    name: Namespace,
    /// How much it may.
    #[serde(default)]
    limits: NamespaceLimits,
}

/// Makes a namespace, or sets how much it may.
#[utoipa::path(post, path = "/v1/namespaces", tag = "identity", request_body = SetNamespace, responses(
    (status = 200, description = "the namespace", body = serde_json::Map<String, Value>),
    Refusals,
))]
pub(crate) async fn set_namespace(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<SetNamespace>,
) -> Result<Json<Value>, Problem> {
    caller.may(Verb::Manage)?;
    if caller.is_bound {
        return Err(Problem::forbidden(
            "only an admin of all namespaces makes namespaces and sets their limits",
        ));
    }
    let store = app.engine.store().as_ref();
    let by = (&caller.actor).into();
    let record = namespace::set(store, &new.name, new.limits, &by, SystemClock.now()).await?;
    Ok(Json(record.shape(new.name.as_str())))
}
