//! What the server takes at most. All of it is in `docs/operations.md`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Problem;
use crate::app::App;
use crate::problem::Code;

/// What the server takes at most.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// The longest body of a request, in bytes.
    pub body_max_bytes: usize,
    /// How long a body may take to arrive, in milliseconds.
    pub body_max_ms: u64,
    /// How long an answer may take, in milliseconds; streams take as long as they are listened to.
    pub request_max_ms: u64,
    /// Requests that are answered at once, streams not counted; more are refused.
    pub requests_at_once_max: usize,
    /// Streams that are open at once; more are refused.
    pub streams_at_once_max: usize,
    /// How long a connection may take none of what it is sent before it is cut, in milliseconds.
    pub stall_max_ms: u32,
    /// How long the key of a started run is kept at least, in milliseconds.
    pub idempotency_kept_ms: u64,
    /// How many runs one request for a listing looks at; it goes on with `next`.
    pub runs_scanned_max: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_max_bytes: 4 << 20,
            body_max_ms: 30_000,
            request_max_ms: 60_000,
            requests_at_once_max: 512,
            streams_at_once_max: 2_000,
            stall_max_ms: 30_000,
            idempotency_kept_ms: 24 * 3_600_000,
            runs_scanned_max: 20_000,
        }
    }
}

/// Places for what is under way.
#[derive(Debug)]
pub(crate) struct Places {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    streams_max: usize,
}

impl Places {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        let streams_max = limits.streams_at_once_max.min(Semaphore::MAX_PERMITS);
        let requests_max = limits.requests_at_once_max.min(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests_max)),
            streams: Arc::new(Semaphore::new(streams_max)),
            streams_max,
        }
    }

    /// A place for a stream, which keeps it as long as it is open.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Problem::busy(format!(
                "streams_at_once_max ({}) streams are open; close one, or come back later",
                self.streams_max
            ))
        })
    }

    /// How many streams are open.
    pub(crate) fn streams_open(&self) -> usize {
        self.streams_max - self.streams.available_permits()
    }
}

/// Whether a path gives a stream, which has places of its own.
fn is_stream(path: &str) -> bool {
    path.ends_with("/events")
}

/// Bounds what is under way at once, and how long it takes. What is refused here has changed nothing.
pub(crate) async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") || is_stream(request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(_place) = Arc::clone(&app.places.requests).try_acquire_owned() else {
        let max = app.limits.requests_at_once_max;
        return Problem::busy(format!(
            "requests_at_once_max ({max}) requests are under way; ask again later"
        ))
        .into_response();
    };
    if *request.method() != Method::GET && !app.engine.has_room() {
        return Problem::busy("the engine's queue of commands is full; ask again later").into_response();
    }
    let most = Duration::from_millis(app.limits.request_max_ms);
    timeout(most, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!(
            "there was no answer within request_max_ms ({}); it may be carried out all the same: look before you ask again",
            app.limits.request_max_ms
        );
        Problem::of(Code::TimedOut, detail).into_response()
    })
}
