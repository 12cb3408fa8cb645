//! What comes in: paths, queries and bodies. What cannot be read is answered with a problem, as all else is.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

use crate::Problem;
use crate::app::App;
use crate::problem::Code;

/// Parts of the path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    Problem::bad_request(format!("'{key}' in the path is not UTF-8"))
                }
                _ => Problem::bad_request(error.body_text()),
            }),
            Err(error) => Err(Problem::bad_request(error.body_text())),
        }
    }
}

/// What stands behind the `?`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|error| {
            // The library says first what it did, then what is wrong.
            let text = error.body_text();
            let wrong = text.split_once(": ").map_or(text.as_str(), |(_, wrong)| wrong);
            Problem::bad_request(format!("the query does not fit: {wrong}"))
        })
    }
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request, app).await?;
        if !is_json {
            return Err(not_json());
        }
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if is_json { parse(&bytes).map(Self) } else { Err(not_json()) }
    }
}

fn not_json() -> Problem {
    Problem::of(Code::NotJson, "send the body with Content-Type: application/json")
}

fn is_json(headers: &HeaderMap) -> bool {
    is_of(headers, "application/json")
}

fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(wanted)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be taken for the fields in their order.
    let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !is_object && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        return Err(Problem::of(
            Code::BodyDoesNotFit,
            "the body is an object with the fields of /openapi.json",
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() { Code::BodyDoesNotFit } else { Code::BadJson };
        Problem::of(code, format!("{error}; look at /openapi.json for what is taken"))
    })
}

/// The fields of a form, within the limits of a body.
pub(crate) async fn form(request: Request, app: &App) -> Result<Vec<(String, String)>, Problem> {
    if !is_of(request.headers(), "application/x-www-form-urlencoded") {
        return Err(Problem::of(Code::NotJson, "send the form as the page does, form-urlencoded"));
    }
    let bytes = read(request, app).await?;
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

/// The whole body, within the limits.
async fn read(request: Request, app: &App) -> Result<Vec<u8>, Problem> {
    let most = app.limits.body_max_bytes;
    let too_long =
        || Problem::of(Code::BodyTooLong, format!("body_max_bytes allows {most} bytes; send less"));
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if told.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let mut pieces = request.into_body().into_data_stream();
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece =
                piece.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
            if bytes.len() + piece.len() > most {
                return Err(too_long());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    let most_ms = app.limits.body_max_ms;
    timeout(Duration::from_millis(most_ms), reading).await.unwrap_or_else(|_| {
        let detail = format!("it was not there within body_max_ms ({most_ms}); send it again");
        Err(Problem::of(Code::BodyTooSlow, detail))
    })
}
