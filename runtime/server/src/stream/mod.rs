//! Server-sent events: a run's journal as it grows, what changes in all runs, and what waits for people.
//!
//! A stream is read by whoever listens, at their pace: what is not read yet is in the store, and not in memory. A
//! client that comes back with the id of what it saw last goes on behind it, without a gap or a repeat.

mod changes;
mod hub;
mod inbox;
mod run;

use std::convert::Infallible;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::Problem;
use crate::app::App;

pub(crate) use changes::{__path_changes, Changes, changes};
pub(crate) use hub::Hub;
pub(crate) use inbox::{__path_inbox, inbox};
pub(crate) use run::{__path_run, run};

type Events = Sse<KeepAliveStream<Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// The highest position: that of the API's `int64`.
const POSITION_MAX: u64 = i64::MAX as u64;

/// What the client has seen last: the number that it gives as `Last-Event-ID`, or else as `after`.
fn last_seen(headers: &HeaderMap, after: Option<u64>) -> Result<Option<u64>, Problem> {
    if after.is_some_and(|after| after > POSITION_MAX) {
        return Err(Problem::bad_request(format!("after is at most {POSITION_MAX}")));
    }
    let Some(id) = headers.get("last-event-id") else { return Ok(after) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok()).filter(|id| *id <= POSITION_MAX);
    id.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID is not the id of an event of this stream"))
}

/// What a parameter says that is true or false, or nothing.
fn flag(name: &str, text: Option<&str>) -> Result<Option<bool>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(Problem::bad_request(format!("{name} is true or false, and not '{other}'"))),
    }
}

/// What `follow` says: whether a stream goes on with what is yet to come.
fn follows(follow: Option<&str>) -> Result<bool, Problem> {
    Ok(flag("follow", follow)?.unwrap_or(true))
}

/// A stream that keeps its place, and ends with the server.
fn events(
    app: &App,
    place: OwnedSemaphorePermit,
    stream: impl Stream<Item = Event> + Send + 'static,
) -> Events {
    // Counted as long as the stream is there.
    let reader = app.engine.metrics().reader();
    let stream = stream.take_until(app.closing.clone().cancelled_owned()).map(move |event| {
        let _kept = (&place, &reader);
        Ok(event)
    });
    let stream: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(stream);
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// The same of events that are written already.
fn texts(
    app: &App,
    place: OwnedSemaphorePermit,
    stream: impl Stream<Item = Bytes> + Send + 'static,
) -> Response {
    let reader = app.engine.metrics().reader();
    let stream = stream.take_until(app.closing.clone().cancelled_owned()).map(move |text| {
        let _kept = (&place, &reader);
        Ok::<_, Infallible>(text)
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(stream)).into_response()
}

fn event(name: &str, id: u64, data: &Value) -> Event {
    Event::default().event(name).id(id.to_string()).data(data.to_string())
}

/// How a stream of changes begins: with where it stands, so that whoever is cut off before the first change goes on
/// from here; with `reset` where what was seen last is forgotten.
fn begin(has_seen: bool, reset: bool, position: u64) -> Option<Event> {
    match (reset, has_seen) {
        (true, _) => Some(self::reset(position)),
        (false, false) => Some(event("begin", position, &Value::Object(serde_json::Map::new()))),
        (false, true) => None,
    }
}

/// What was seen last is forgotten: whoever hears this looks anew, and goes on from here.
fn reset(position: u64) -> Event {
    event("reset", position, &Value::Object(serde_json::Map::new()))
}
