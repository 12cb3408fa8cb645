//! What changes in all runs, read once for all who listen.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use pawl_engine::Engine;
use pawl_store::{Change, StoreError};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

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

    /// All changes behind a position, or from now on.
    pub(crate) async fn follow(
        &self,
        engine: &Engine,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Event> + use<>, StoreError> {
        // Before it is looked where the list ends, so that nothing falls between.
        let heard = self.told.subscribe();
        let remembers = engine.store().remembers().await?;
        let last = remembers.map_or(0, |range| range.last);
        let first = remembers.map_or(1, |range| range.first);
        let after_seen = after.unwrap_or(last);
        // Behind the end: the list is another one than the client has seen.
        let is_lost = after_seen > last || after_seen.saturating_add(1) < first;
        let position = if is_lost { last } else { after_seen };
        let reset = is_lost.then(|| Event::default().event("reset").id(last.to_string()).data("{}"));
        let listener = Listener {
            engine: engine.clone(),
            heard,
            position,
            behind: position < last,
            ready: VecDeque::new(),
        };
        let told = stream::unfold(listener, async |mut listener| {
            let change = listener.next().await?;
            Some((event(&change), listener))
        });
        Ok(stream::StreamExt::chain(stream::iter(reset), told))
    }
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
struct Listener {
    engine: Engine,
    heard: broadcast::Receiver<Arc<Change>>,
    /// What it has heard last.
    position: u64,
    /// Whether the store has more than it was told.
    behind: bool,
    ready: VecDeque<Arc<Change>>,
}

impl Listener {
    async fn next(&mut self) -> Option<Arc<Change>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                if change.position <= self.position {
                    continue;
                }
                self.position = change.position;
                return Some(change);
            }
            if self.behind {
                let found = self.engine.store().changes(self.position, READ_MAX).await.ok()?;
                self.behind = found.len() == READ_MAX;
                self.ready = found.into_iter().map(Arc::new).collect();
                continue;
            }
            match self.heard.recv().await {
                Ok(change) => self.ready.push_back(change),
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

fn event(change: &Change) -> Event {
    super::event("change", change.position, &shape(change))
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
