//! Server-sent events: a run's journal as it grows, and what changes in all runs.

mod changes;

use std::convert::Infallible;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::Value;

use crate::api::runs::{header, run_id};
use crate::app::App;
use crate::{Problem, shape};

pub(crate) use changes::Changes;

type Events = Sse<
    axum::response::sse::KeepAliveStream<
        std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>,
    >,
>;

/// What the client has seen last: the number that it gives as `Last-Event-ID`.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID is not the id of an event of this stream"))
}

fn events(app: &App, stream: impl Stream<Item = Event> + Send + 'static) -> Events {
    let reader = app.engine.metrics().reader();
    let stream = stream.map(move |event| {
        // Counted as long as the stream is there.
        let _ = &reader;
        Ok(event)
    });
    let stream = stream.take_until(app.closing.clone().cancelled_owned());
    let stream: std::pin::Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(stream);
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn event(name: &str, id: u64, data: &Value) -> Event {
    Event::default().event(name).id(id.to_string()).data(data.to_string())
}

/// A run's journal as it grows: `id` is the event's seq, so a client that comes back goes on behind it.
#[utoipa::path(get, path = "/v1/runs/{run}/events", tag = "streams", params(("run", description = "its id")), responses(
    (status = 200, description = "events named `event`", content_type = "text/event-stream", body = String),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn run(
    State(app): State<App>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let run = run_id(&run)?;
    header(&app, run).await?;
    let from = last_event_id(&headers)?.unwrap_or(0).saturating_add(1);
    let follower = app.engine.follow(run, from);
    let stream = stream::unfold(follower, async |mut follower| {
        let envelope = follower.next().await.ok()?;
        Some((event("event", envelope.seq, &shape::event(&envelope)), follower))
    });
    Ok(events(&app, stream))
}

/// What changes in all runs: `id` is the change's position, so a client that comes back goes on behind it. One that
/// comes back too late hears `reset` first: what happened meanwhile is forgotten, and it must look anew.
#[utoipa::path(get, path = "/v1/events", tag = "streams", responses(
    (status = 200, description = "events named `change` and `reset`", content_type = "text/event-stream", body = String),
))]
pub(crate) async fn changes(State(app): State<App>, headers: HeaderMap) -> Result<Events, Problem> {
    let stream = app.changes.follow(&app.engine, last_event_id(&headers)?).await?;
    Ok(events(&app, stream))
}
