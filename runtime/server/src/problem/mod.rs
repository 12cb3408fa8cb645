//! Why a request was not answered as asked: RFC 9457, `application/problem+json`.

mod codes;
mod from;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use codes::{Code, reference};

/// When what was refused for want of room is to be asked again, in seconds.
pub(crate) const RETRY_AFTER_S: u32 = 1;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A page about it: `/problems/CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in a few words: the same for all with this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable name, for programs.
    pub code: String,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// Anything a program can use: the problems of a definition, of inputs, of a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub errors: Option<Box<Value>>,
}

impl Problem {
    /// Of a code that the table has: see [`Code`].
    pub(crate) fn of(code: Code, detail: impl Into<String>) -> Self {
        Self::new(code.status(), code.name(), code.title(), detail)
    }

    pub(crate) fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            errors: None,
        }
    }

    /// With anything a program can use.
    #[must_use]
    pub(crate) fn errors(self, errors: Value) -> Self {
        Self { errors: Some(Box::new(errors)), ..self }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::of(Code::NoSuchPath, "look at /openapi.json for what there is")
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::of(Code::NotFound, format!("there is no {what} {name}"))
    }

    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::of(Code::Unauthenticated, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(Code::Forbidden, detail)
    }

    pub(crate) fn wrong_host(detail: impl Into<String>) -> Self {
        Self::of(Code::WrongHost, detail)
    }

    pub(crate) fn cross_site(detail: impl Into<String>) -> Self {
        Self::of(Code::CrossSite, detail)
    }

    pub(crate) fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::of(Code::NotJson, detail)
    }

    pub(crate) fn not_possible(detail: impl Into<String>) -> Self {
        Self::of(Code::NotPossible, detail)
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        Self::of(Code::TooManyRequests, detail)
    }

    pub(crate) fn namespace_full(namespace: &pawl_core::Namespace, max: u64) -> Self {
        let text = format!(
            "the namespace {namespace} has runs_max ({max}) runs that are not over; try again when one is, or ask an \
             admin for more"
        );
        Self::of(Code::NamespaceFull, text)
    }

    pub(crate) fn no_such_method(method: &axum::http::Method, allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        Self::of(Code::NoSuchMethod, format!("this path takes {allowed}, not {method}"))
            .errors(serde_json::json!({ "allow": allowed }))
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(Code::BadRequest, detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::of(Code::Busy, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
        }
        response
    }
}
