//! The trace that a request belongs to.
//!
//! It goes with the task that asks, and not through every function on the way: what a model or a server is asked
//! does not depend on it, and what has no trace says nothing of one.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The name of the header, and of the key in what MCP calls `_meta`.
pub const TRACEPARENT: &str = "traceparent";
/// What the systems on the way want to be told.
pub const TRACESTATE: &str = "tracestate";

/// What others are told of the trace that they are asked in, as W3C has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`.
    pub state: Option<String>,
}

tokio::task_local! {
    static HEADERS: TraceHeaders;
}

/// Does something in a trace, if there is one: whoever is asked by it in this task is told.
pub async fn within<T>(headers: Option<TraceHeaders>, asking: impl Future<Output = T>) -> T {
    match headers {
        Some(headers) => HEADERS.scope(headers, asking).await,
        None => asking.await,
    }
}

/// The trace that this task asks in.
pub fn current() -> Option<TraceHeaders> {
    HEADERS.try_with(Clone::clone).ok()
}

impl TraceHeaders {
    /// Adds them to those of a request. What is no header is left out.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        let state = self.state.as_ref().map(|state| (TRACESTATE, state));
        for (name, value) in [(TRACEPARENT, &self.parent)].into_iter().chain(state) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}
