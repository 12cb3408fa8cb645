//! The trace that a request is in, and the span of the log around it.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use pawl_core::RunId;
use pawl_core::trace::TraceContext;
use tracing::Instrument as _;

/// The trace that a request is in, as W3C has it; nothing where it says none that can be used.
#[derive(Debug, Clone)]
pub(crate) struct Trace(pub(crate) Option<TraceContext>);

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = |name: &str| {
            let mut all = parts.headers.get_all(name).iter();
            let first = all.next()?.to_str().ok()?;
            // Two parents are none.
            all.next().is_none().then_some(first)
        };
        let context =
            header("traceparent").and_then(|parent| TraceContext::parse(parent, header("tracestate")));
        Ok(Self(context))
    }
}

/// Whatever is logged of a request says which one it is, and of which run: the path as it is documented, for what
/// stands in its place may be a secret.
pub(crate) async fn logged(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let (run, trace) = (tracing::field::Empty, tracing::field::Empty);
    let span = tracing::error_span!("request", method = %request.method(), path, run, trace);
    let parent = request.headers().get("traceparent").and_then(|parent| parent.to_str().ok());
    if let Some(context) = parent.and_then(|parent| TraceContext::parse(parent, None)) {
        span.record("trace", tracing::field::display(context.trace));
    }
    if let Some(run) = run_of(path, request.uri().path()) {
        span.record("run", tracing::field::display(run));
    }
    next.run(request).instrument(span).await
}

/// The run that a request is about, where its path names one.
fn run_of(documented: &str, path: &str) -> Option<RunId> {
    let place = documented.split('/').position(|part| part == "{run}")?;
    path.split('/').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[test]
    fn the_run_of_a_request_is_told_and_nothing_else_of_its_path() {
        let run = "01890a5d-ac96-774b-bcce-b302099a8057";
        let of = |documented, path: &str| run_of(documented, path).map(|run| run.to_string());
        assert_eq!(of("/v1/runs/{run}/cancel", &format!("/v1/runs/{run}/cancel")).as_deref(), Some(run));
        assert_eq!(of("/v1/runs/{run}", "/v1/runs/secret"), None);
        assert_eq!(of("/a/{ticket}", &format!("/a/{run}")), None);
        assert_eq!(of("/v1/runs", "/v1/runs"), None);
    }

    async fn trace(headers: &[(&str, &str)]) -> Option<TraceContext> {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(Trace(context)) = Trace::from_request_parts(&mut parts, &()).await;
        context
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_as_if_it_had_not_come() {
        let parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let context = trace(&[parent, ("tracestate", "a=1")]).await.unwrap();
        assert_eq!((context.traceparent().as_str(), context.state.as_deref()), (parent.1, Some("a=1")));
        assert_eq!(trace(&[]).await, None);
        assert_eq!(trace(&[("traceparent", "nothing")]).await, None);
        assert_eq!(trace(&[parent, parent]).await, None);
    }
}
