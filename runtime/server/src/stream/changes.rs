//! What changes in all runs, read once for all who listen.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use pawl_engine::{Engine, Notices};
use pawl_store::{Change, PAGE_MAX_ROWS, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{follows, last_seen, texts};
use crate::Problem;
use crate::api::{Query, Rejections};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::StreamEvent;

/// The most that a listener can be let lag behind.
const LAG_CAP: usize = 1 << 20;
/// Changes that are read at once.
const READ_MAX: usize = 500;
/// The pause after changes were told, in milliseconds: what comes meanwhile is told at once, so that many listeners are
/// not each woken by each change.
const TOLD_PAUSE_MS: u64 = 50;
/// How long a stream says nothing before it says that it is there, in milliseconds.
const ALIVE_MS: u64 = 15_000;
const _: () = assert!(READ_MAX <= PAGE_MAX_ROWS, "fewer than were asked for would be taken for the last");
/// The pause after changes could not be read, in milliseconds.
const READ_PAUSE_MS: u64 = 1_000;

/// What changes in all runs, read once for all who listen.
#[derive(Debug)]
pub(crate) struct Changes {
    told: broadcast::Sender<Arc<Told>>,
}

/// Changes that are told at once, one behind the other.
#[derive(Debug)]
struct Told {
    changes: Vec<Arc<Change>>,
    /// What is sent to those who are told of all of them: made once for all.
    text: OnceLock<Bytes>,
}

impl Told {
    fn new(changes: Vec<Change>) -> Arc<Self> {
        Arc::new(Self { changes: changes.into_iter().map(Arc::new).collect(), text: OnceLock::new() })
    }

    fn text(&self) -> Bytes {
        let written = || {
            let mut text = String::new();
            self.changes.iter().for_each(|change| write(&mut text, change));
            text.into()
        };
        self.text.get_or_init(written).clone()
    }
}

impl Changes {
    /// Begins to read, and lets those who listen lag behind by so many changes before they read the store instead. It
    /// ends with the engine, or when it is cancelled.
    pub(crate) async fn begin(
        engine: &Engine,
        lag_max: usize,
        closing: CancellationToken,
    ) -> Result<Self, StoreError> {
        let told = broadcast::Sender::new((lag_max.min(LAG_CAP) / READ_MAX).max(1));
        // From where on is settled before anybody can listen, and the notices are there before it: what is committed
        // from here on is told to all who do.
        let notices = engine.notices();
        let position = engine.store().remembers().await?.map_or(0, |range| range.last);
        let (engine, teller) = (engine.clone(), told.clone());
        tokio::spawn(async move {
            let Some(notices) = notices else { return };
            tokio::select! {
                () = closing.cancelled() => {}
                () = read_on(&engine, notices, position, &teller) => {}
            }
        });
        Ok(Self { told })
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
/// first event is `begin`, which says where the stream begins. One that comes back too late hears `reset` instead, and so
/// does one that reads too slowly: what happened meanwhile is forgotten, and it must look anew.
#[utoipa::path(get, path = "/v1/events", operation_id = "follow_changes", tag = "streams", params(
    ChangesQuery, ("Last-Event-ID" = Option<String>, Header, description = "the position of the change that was seen last", pattern = "^[0-9]{1,18}$"),
), responses(
    (status = 200, description = "events named `begin`, `change` and `reset`", content_type = "text/event-stream", body = StreamEvent),
    Rejections,
))]
pub(crate) async fn changes(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ChangesQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = last_seen(&headers, query.after)?;
    let follows = follows(query.follow.as_deref())?;
    let place = app.places.stream()?;
    let (listener, is_lost) = app.changes.listen(&app.engine, caller, seen).await?;
    let listener = listener.following(follows);
    let first = match (is_lost, seen) {
        (true, _) => Some("reset"),
        (false, None) => Some("begin"),
        (false, Some(_)) => None,
    };
    let first = first.map(|name| empty(name, listener.position()));
    let told = stream::unfold(listener, async |mut listener| {
        let alive = Duration::from_millis(ALIVE_MS);
        let text = match tokio::time::timeout(alive, listener.next_text()).await {
            Ok(text) => text?,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((text, listener))
    });
    Ok(texts(&app, place, stream::iter(first).chain(told)))
}

/// Reads what is new behind a position whenever a run has new events.
async fn read_on(
    engine: &Engine,
    mut notices: Notices,
    mut position: u64,
    told: &broadcast::Sender<Arc<Told>>,
) {
    while notices.next().await {
        loop {
            if told.receiver_count() == 0 {
                // Who listens from here on begins at the end of the list, or reads what is missing.
                position =
                    engine.store().remembers().await.ok().flatten().map_or(position, |range| range.last);
                break;
            }
            let found = match engine.store().changes(position, READ_MAX).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "what changed cannot be read; it is tried again");
                    tokio::time::sleep(Duration::from_millis(READ_PAUSE_MS)).await;
                    continue;
                }
            };
            let Some(last) = found.last() else { break };
            position = last.position;
            let is_all = found.len() < READ_MAX;
            // Nobody listens any more: that is no error.
            let _ = told.send(Told::new(found));
            if is_all {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(TOLD_PAUSE_MS)).await;
    }
}

/// What one who listens hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// A change.
    Change(Arc<Change>),
    /// Changes were forgotten before they were told: whoever listens must look anew, and goes on behind this position.
    Lost(u64),
}

/// One who listens.
#[derive(Debug)]
pub(crate) struct Listener {
    engine: Engine,
    /// Who is told: of the runs that they see.
    caller: Caller,
    heard: broadcast::Receiver<Arc<Told>>,
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

    /// What is sent next; waits for it. Nothing when there will be no more. May be dropped and called again without
    /// loss.
    async fn next_text(&mut self) -> Option<Bytes> {
        loop {
            if !self.ready.is_empty() || self.behind || !self.follows {
                let mut text = String::new();
                match self.next().await? {
                    Heard::Change(change) => write(&mut text, &change),
                    Heard::Lost(position) => return Some(empty("reset", position)),
                }
                return Some(text.into());
            }
            if let Some(told) = self.wait().await? {
                return Some(told.text());
            }
        }
    }

    /// Waits for what is told, and gives it where all of it is for who listens and follows from what they know; else
    /// it is ready, or in the store. Nothing at all when there will be no more.
    async fn wait(&mut self) -> Option<Option<Arc<Told>>> {
        match self.heard.recv().await {
            Ok(told) => {
                let first = told.changes.first().map(|change| change.position);
                let follows = first == Some(self.position.saturating_add(1));
                if follows && told.changes.iter().all(|change| self.caller.hears(&change.what)) {
                    self.position = told.changes.last().map_or(self.position, |change| change.position);
                    return Some(Some(told));
                }
                self.ready.extend(told.changes.iter().cloned());
            }
            Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
            Err(broadcast::error::RecvError::Closed) => return None,
        }
        Some(None)
    }

    /// The next change; waits for it. Nothing when there will be none. May be dropped and called again without loss.
    ///
    /// Positions are dense, so a change that does not follow from the one before says that some were missed: those are
    /// read from the store, and where it has forgotten them that is told.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                if change.position <= self.position {
                    continue;
                }
                if change.position > self.position.saturating_add(1) {
                    self.ready.clear();
                    self.behind = true;
                    continue;
                }
                self.position = change.position;
                if !self.caller.hears(&change.what) {
                    continue;
                }
                return Some(Heard::Change(change));
            }
            if self.behind {
                let found = self.engine.store().changes(self.position, READ_MAX).await.ok()?;
                let first = found.first().map(|change| change.position);
                if first.is_some_and(|first| first > self.position.saturating_add(1)) {
                    let last = self.engine.store().remembers().await.ok()?.map_or(0, |range| range.last);
                    self.position = last.max(self.position);
                    self.behind = false;
                    return Some(Heard::Lost(self.position));
                }
                self.behind = found.len() >= READ_MAX;
                self.ready = found.into_iter().map(Arc::new).collect();
                continue;
            }
            if !self.follows {
                return None;
            }
            match self.heard.recv().await {
                Ok(told) => self.ready.extend(told.changes.iter().cloned()),
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Adds a change as an event of a stream.
fn write(text: &mut String, change: &Change) {
    use std::fmt::Write as _;
    let (position, data) = (change.position, shape(change));
    // Into a text nothing fails to be written.
    let _ = write!(text, "event: change\nid: {position}\ndata: {data}\n\n");
}

/// An event that says no more than where a stream stands.
fn empty(name: &str, position: u64) -> Bytes {
    format!("event: {name}\nid: {position}\ndata: {{}}\n\n").into()
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pawl_engine::{EngineConfig, StartOptions};
    use pawl_store::memory::MemoryStore;

    use super::*;

    const QUICK: &str = "\
pawl: 1
workflow: quick
version: 1.0.0
steps:
  - { id: a, set: 1 }
";

    async fn engine(store: &MemoryStore) -> Engine {
        Engine::open(Arc::new(store.clone()), EngineConfig::default()).await.unwrap()
    }

    /// Runs so many to their ends; gives the position of the last change.
    async fn runs(engine: &Engine, count: usize) -> u64 {
        let workflow = engine.prepare_workflow("w.yaml", QUICK, Path::new(".")).await.unwrap();
        for _ in 0..count {
            let run = engine.start(&workflow, json!({}), StartOptions::default()).await.unwrap();
            engine.settled(run).await.unwrap();
        }
        engine.store().remembers().await.unwrap().unwrap().last
    }

    /// Nobody reads on: what is told, the test tells.
    fn silent() -> Changes {
        Changes { told: broadcast::Sender::new(8) }
    }

    async fn told(changes: &Changes, engine: &Engine, position: u64) {
        let last = engine.store().changes(position - 1, 1).await.unwrap().remove(0);
        changes.told.send(Told::new(vec![last])).unwrap();
    }

    async fn listen(changes: &Changes, engine: &Engine, after: Option<u64>) -> Listener {
        let (listener, is_lost) = changes.listen(engine, Caller::local(), after).await.unwrap();
        assert!(!is_lost);
        listener
    }

    async fn position(listener: &mut Listener) -> u64 {
        match listener.next().await {
            Some(Heard::Change(change)) => change.position,
            other => panic!("no change: {other:?}"),
        }
    }

    #[tokio::test]
    async fn what_was_skipped_is_read_from_the_store() {
        let engine = engine(&MemoryStore::new()).await;
        let changes = silent();
        let mut listener = listen(&changes, &engine, None).await;
        let last = runs(&engine, 3).await;
        // All but the last change were told to nobody.
        told(&changes, &engine, last).await;
        for expected in 1..=last {
            assert_eq!(position(&mut listener).await, expected);
        }
    }

    #[tokio::test]
    async fn what_was_skipped_and_is_forgotten_is_told_as_lost() {
        let engine = engine(&MemoryStore::remembering(4)).await;
        let changes = silent();
        let mut listener = listen(&changes, &engine, None).await;
        let last = runs(&engine, 6).await;
        told(&changes, &engine, last).await;
        assert!(matches!(listener.next().await, Some(Heard::Lost(at)) if at == last));
        // It goes on behind what was lost.
        let next = runs(&engine, 1).await;
        told(&changes, &engine, next).await;
        assert_eq!(position(&mut listener).await, last + 1);
        // Who comes back to what is forgotten hears of it at once.
        let (listener, is_lost) = changes.listen(&engine, Caller::local(), Some(1)).await.unwrap();
        assert!(is_lost && listener.position() == next);
    }

    #[tokio::test]
    async fn who_lags_behind_what_is_held_for_them_misses_nothing() {
        let engine = engine(&MemoryStore::new()).await;
        let changes = Changes::begin(&engine, 2, CancellationToken::new()).await.unwrap();
        let mut listener = listen(&changes, &engine, None).await;
        let last = runs(&engine, 20).await;
        assert!(last > 8, "{last}");
        for expected in 1..=last {
            assert_eq!(position(&mut listener).await, expected);
        }
    }

    #[tokio::test]
    async fn who_lags_behind_what_the_store_remembers_hears_of_it_while_connected() {
        let engine = engine(&MemoryStore::remembering(4)).await;
        let changes = Changes::begin(&engine, 2, CancellationToken::new()).await.unwrap();
        let mut listener = listen(&changes, &engine, None).await;
        let last = runs(&engine, 20).await;
        let mut heard = 0;
        let forgotten = loop {
            match listener.next().await.unwrap() {
                Heard::Change(change) => {
                    heard += 1;
                    assert_eq!(change.position, heard);
                }
                Heard::Lost(at) => break at,
            }
        };
        assert_eq!(forgotten, last);
        runs(&engine, 1).await;
        assert_eq!(position(&mut listener).await, last + 1);
    }

    #[tokio::test]
    async fn who_listens_from_the_beginning_of_a_server_misses_nothing_that_comes() {
        let engine = engine(&MemoryStore::new()).await;
        let before = runs(&engine, 2).await;
        let changes = Changes::begin(&engine, 8, CancellationToken::new()).await.unwrap();
        let mut listener = listen(&changes, &engine, None).await;
        let last = runs(&engine, 2).await;
        for expected in before + 1..=last {
            assert_eq!(position(&mut listener).await, expected);
        }
    }
}
