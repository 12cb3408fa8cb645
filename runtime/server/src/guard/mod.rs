//! What every request passes before a handler sees it: where it comes from, who asks, what they may, whose it is.
//!
//! A path without a row in the table is closed, and a run or an approval of another namespace is not found, whatever
//! the handler behind it does.

#[cfg(test)]
mod golden;
mod headers;
#[cfg(test)]
mod matrix;
mod origin;
mod rate;
mod scope;
#[cfg(test)]
mod side_doors;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use origin::Doors;
pub(crate) use rate::Rates;
pub(crate) use table::{Need, need};

use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use pawl_core::Namespace;
use pawl_engine::{Clock as _, SystemClock};

use crate::Problem;
use crate::app::App;
use crate::caller::{Caller, NAMESPACE_HEADER};
use crate::identity::{IdentityError, check_token, find_namespace, is_own_token, limits_of};

/// How soon a stream ends after its token was revoked or has expired, in milliseconds.
pub(crate) const STREAM_RECHECK_MS: u64 = 2_000;

/// Lets a request through to its handler, or answers it.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match admit(&app, &mut request).await {
        Ok(Passed::Preflight) => StatusCode::NO_CONTENT.into_response(),
        Ok(Passed::Through(is_known)) => {
            let credential = request.headers().get(header::AUTHORIZATION).cloned();
            let response = next.run(request).await;
            if is_known { while_it_holds(&app, response, credential) } else { response }
        }
        Err(problem) => refused(*problem),
    };
    headers::secure(&mut response, app.is_tls);
    app.doors.allow_origin(origin.as_ref(), response.headers_mut());
    response
}

/// What became of a request at the door.
enum Passed {
    /// A browser asks what it may ask.
    Preflight,
    /// It goes on; whether it is known who asks.
    Through(bool),
}

fn refused(problem: Problem) -> Response {
    let allowed = problem.errors.as_ref().and_then(|errors| errors["allow"].as_str()).map(str::to_owned);
    let is_unauthenticated = problem.status == StatusCode::UNAUTHORIZED.as_u16();
    let is_too_many = problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16();
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    if is_unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pawl\""));
    }
    if let Some(allowed) = allowed.and_then(|allowed| allowed.parse().ok()) {
        headers.insert(header::ALLOW, allowed);
    }
    if is_too_many {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

async fn admit(app: &App, request: &mut Request) -> Result<Passed, Box<Problem>> {
    app.doors.check_host(request.headers(), request.uri())?;
    if app.doors.is_preflight(request) {
        return Ok(Passed::Preflight);
    }
    let Some(pattern) = request.extensions().get::<MatchedPath>().cloned() else {
        // The fallback says what is known of it: nothing.
        return Ok(Passed::Through(false));
    };
    let method = request.method().clone();
    let Some(need) = need(&method, pattern.as_str()) else {
        let methods = table::methods(pattern.as_str());
        if !methods.is_empty() {
            return Err(Problem::no_such_method(&method, &methods).into());
        }
        return Err(Problem::forbidden("nobody has said who may use this path, so nobody may").into());
    };
    let changes = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes {
        app.doors.check_origin(request.headers())?;
    }
    let verb = match need {
        Need::Public => return Ok(Passed::Through(false)),
        Need::Known => None,
        Need::May(verb) | Need::House(verb) => Some(verb),
    };
    let caller = identify(app, request.headers()).await?;
    if changes {
        origin::check_content_type(request.headers())?;
    }
    let limits = limits_of(app.engine.store().as_ref(), &caller.namespace).await.map_err(Problem::from)?;
    app.rates.take(&caller, &limits)?;
    if let Some(verb) = verb {
        caller.may(verb)?;
    }
    if matches!(need, Need::House(_)) && caller.is_bound && !caller.namespace.is_default() {
        let text = "this tells of all namespaces, and the token is bound to one";
        return Err(Problem::forbidden(text).into());
    }
    scope::check(app, &caller, pattern.as_str(), request.uri().path()).await?;
    request.extensions_mut().insert(caller);
    Ok(Passed::Through(true))
}

/// Who asks.
async fn identify(app: &App, headers: &HeaderMap) -> Result<Caller, Box<Problem>> {
    let caller = match headers.get(header::AUTHORIZATION) {
        Some(value) => Box::pin(of_credential(app, value)).await?,
        None if app.is_identity_required => {
            let text = "send a token: `Authorization: Bearer pawl_…`; `pawl token create` makes one";
            return Err(Problem::unauthenticated(text).into());
        }
        None => Caller::local(),
    };
    let Some(picked) = headers.get(NAMESPACE_HEADER) else { return Ok(caller) };
    let picked = picked
        .to_str()
        .map_err(|_| Problem::bad_request("Pawl-Namespace is no name"))?
        .parse::<Namespace>()
        .map_err(|error| Problem::bad_request(format!("Pawl-Namespace: {error}")))?;
    if caller.is_bound && picked != caller.namespace {
        // Whether there is such a namespace is not told.
        return Err(Problem::not_found("namespace", picked.as_str()).into());
    }
    if find_namespace(app.engine.store().as_ref(), &picked).await.is_err() {
        return Err(Problem::not_found("namespace", picked.as_str()).into());
    }
    Ok(caller.within(picked))
}

async fn of_credential(app: &App, value: &HeaderValue) -> Result<Caller, Box<Problem>> {
    let text = value.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
    });
    let Some(text) = text else {
        let wanted = "write `Authorization: Bearer TOKEN`";
        return Err(Problem::unauthenticated(wanted).into());
    };
    match &app.issuer {
        Some(issuer) if !is_own_token(text) => {
            let claimed = issuer.check(text, SystemClock.now()).await;
            let claimed = claimed.map_err(|refusal| Problem::unauthenticated(refusal.to_string()))?;
            let caller = Caller::claimed(claimed);
            let found = find_namespace(app.engine.store().as_ref(), &caller.namespace).await;
            match found {
                Ok(_) => Ok(caller),
                Err(IdentityError::Unknown { .. }) => {
                    let text = format!(
                        "the token names the namespace {}, which is not there; `pawl namespace set` makes it",
                        caller.namespace
                    );
                    Err(Problem::forbidden(text).into())
                }
                Err(error) => Err(Problem::from(error).into()),
            }
        }
        _ => {
            let checked = check_token(app.engine.store().as_ref(), text, SystemClock.now()).await;
            match checked.map_err(Problem::from)? {
                Ok((id, token)) => Ok(Caller::of_token(id, token)),
                Err(refusal) => Err(Problem::unauthenticated(refusal.text()).into()),
            }
        }
    }
}

/// A stream goes on only while whoever listens may: it ends soon after its token does.
fn while_it_holds(app: &App, response: Response, credential: Option<HeaderValue>) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    let Some(credential) = credential.filter(|_| is_stream) else { return response };
    let app = app.clone();
    let over = async move {
        loop {
            tokio::time::sleep(Duration::from_millis(STREAM_RECHECK_MS)).await;
            // A store or an issuer that fails for a moment ends nobody's stream.
            if let Err(problem) = of_credential(&app, &credential).await
                && problem.status == StatusCode::UNAUTHORIZED.as_u16()
            {
                return;
            }
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}
