//! Why a request was not answered as asked: RFC 9457, `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pawl_engine::EngineError;
use pawl_store::StoreError;
use serde::Serialize;
use serde_json::Value;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Value>,
}

impl Problem {
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
        Self { errors: Some(errors), ..self }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-path",
            "there is nothing here",
            "look at /openapi.json for what there is",
        )
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "it is not there", format!("there is no {what} {name}"))
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "the request cannot be understood", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let text = error.to_string();
        match error {
            EngineError::Definition(problems) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-workflow",
                "the workflow has problems",
                problems.render(false),
            )
            .errors(problems.to_json()),
            EngineError::Inputs { problems, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-inputs",
                "the inputs do not fit the workflow",
                text,
            )
            .errors(problems.into()),
            EngineError::UnknownRun(_) | EngineError::UnknownApproval(_) => {
                Self::new(StatusCode::NOT_FOUND, "not-found", "it is not there", text)
            }
            EngineError::Refused(_) => Self::new(
                StatusCode::CONFLICT,
                "refused",
                "the run does not take it; nothing has changed",
                text,
            ),
            EngineError::Store(error) => error.into(),
            EngineError::Closed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ending",
                "the server ends",
                "what was accepted is on disk; try again when the server is back",
            ),
            _ => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-possible",
                "it cannot be done as asked",
                text,
            ),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Conflict { .. } | StoreError::Stale { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", "somebody else changed it first", text)
            }
            StoreError::Full(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "store-full", "the store is full", text)
            }
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-failed", "the store failed", text),
        }
    }
}
