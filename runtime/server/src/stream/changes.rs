//! What changes in all runs, read once for all who listen.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::stream::{self, StreamExt as _};
use pawl_engine::Engine;
use pawl_store::{Change, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{Events, begin, event, events, follows, last_seen};
use crate::Problem;
use crate::api::{Query, Rejections};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::StreamEvent;

/// Changes that a listener may lag behind before it reads the store instead.
const LAG_MAX: usize = 1_024;
/// Changes that are read at once.
const READ_MAX: usize = 500;

/// What changes in all runs, read once for all who listen.
#[derive(Debug)]
pub(crate) struct Changes {
    told: broadcast::Sender<Arc<Change>>,
}

impl Changes {
    /// Begins to read. It ends with the engine, or when it is cancelled.
    pub(crate) fn begin(engine: &Engine, closing: CancellationToken) -> Self {
        let told = broadcast::Sender::new(LAG_MAX);
        let (engine, teller) = (engine.clone(), told.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = read_on(&engine, &teller) => {}
            }
        });
        Self { told }
    }

    /// Listens to all changes behind a position, or from now on. Says whether that position is forgotten, or was never
    /// reached: then it listens from now on.
    pub(crate) async fn listen(
        &self,
        engine: &Engine,
        caller: Caller,
        after: Option<u64>,
    ) -> Result<(Listener, bool), StoreError> {
        // Before it is looked where the list ends, so that nothing falls between.
        let heard = self.told.subscribe();
        let remembers = engine.store().remembers().await?;
        let last = remembers.map_or(0, |range| range.last);
        let first = remembers.map_or(1, |range| range.first);
        let after_seen = after.unwrap_or(last);
        // Behind the end: the list is another one than the client has seen.
        let is_lost = after_seen > last || after_seen.saturating_add(1) < first;
        let position = if is_lost { last } else { after_seen };
        let listener = Listener {
            engine: engine.clone(),
            heard,
            position,
            caller,
            behind: position < last,
            follows: true,
            ready: VecDeque::new(),
        };
        Ok((listener, is_lost))
    }
}

/// Where a stream of changes begins.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesQuery {
    /// The position behind which it begins, for clients that cannot send `Last-Event-ID`.
    after: Option<u64>,
    /// `false`: what is remembered, and no waiting for more.
    #[param(pattern = "^(true|false|1|0|)$")]
    follow: Option<String>,
}

/// What changes in all runs: `id` is the change's position, so that a client that comes back goes on behind it. The
/// first event is `begin`, which says where the stream begins. One that comes back too late hears `reset` instead: what
/// happened meanwhile is forgotten, and it must look anew.
#[utoipa::path(get, path = "/v1/events", operation_id = "follow_changes", tag = "streams", params(
    ChangesQuery, ("Last-Event-ID" = Option<u64>, Header, description = "the position of the change that was seen last"),
), responses(
    (status = 200, description = "events named `begin`, `change` and `reset`", content_type = "text/event-stream", body = StreamEvent),
    Rejections,
))]
pub(crate) async fn changes(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ChangesQuery>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let seen = last_seen(&headers, query.after)?;
    let follows = follows(query.follow.as_deref())?;
    let place = app.places.stream()?;
    let (listener, reset) = app.changes.listen(&app.engine, caller, seen).await?;
    let listener = listener.following(follows);
    let first = begin(seen.is_some(), reset, listener.position());
    let told = stream::unfold(listener, async |mut listener| {
        let change = listener.next().await?;
        Some((event("change", change.position, &shape(&change)), listener))
    });
    Ok(events(&app, place, stream::iter(first).chain(told)))
}

/// Reads what is new whenever a run has new events.
async fn read_on(engine: &Engine, told: &broadcast::Sender<Arc<Change>>) {
    let Some(mut notices) = engine.notices() else { return };
    let mut position = match engine.store().remembers().await {
        Ok(remembers) => remembers.map_or(0, |range| range.last),
        Err(error) => return tracing::error!(%error, "what changes cannot be told"),
    };
    while notices.next().await {
        loop {
            let found = match engine.store().changes(position, READ_MAX).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "what changed cannot be read");
                    break;
                }
            };
            let Some(last) = found.last() else { break };
            position = last.position;
            for change in found {
                // Nobody listens: that is no error.
                let _ = told.send(Arc::new(change));
            }
        }
    }
}

/// One who listens.
#[derive(Debug)]
pub(crate) struct Listener {
    engine: Engine,
    /// Who is told: of the runs that they see.
    caller: Caller,
    heard: broadcast::Receiver<Arc<Change>>,
    /// What it has heard last.
    position: u64,
    /// Whether the store has more than it was told.
    behind: bool,
    /// Whether it waits for what is yet to come.
    follows: bool,
    ready: VecDeque<Arc<Change>>,
}

impl Listener {
    /// What it has heard last.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// One who hears what there is, and waits for no more where it does not follow.
    pub(super) fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    /// The next change; waits for it. Nothing when there will be none.
    pub(super) async fn next(&mut self) -> Option<Arc<Change>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                if change.position <= self.position {
                    continue;
                }
                self.position = change.position;
                if !self.caller.hears(&change.what) {
                    continue;
                }
                return Some(change);
            }
            if self.behind {
                let found = self.engine.store().changes(self.position, READ_MAX).await.ok()?;
                self.behind = found.len() == READ_MAX;
                self.ready = found.into_iter().map(Arc::new).collect();
                continue;
            }
            if !self.follows {
                return None;
            }
            match self.heard.recv().await {
                Ok(change) => self.ready.push_back(change),
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// `{position, run, status, opened, closed, removed}`.
fn shape(change: &Change) -> Value {
    json!({
        "position": change.position,
        "run": change.run,
        "status": change.what.status,
        "opened": change.what.opened,
        "closed": change.what.closed,
        "removed": change.what.removed,
    })
}
