//! Runs that have grown are heard of, and read by the exporter.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pawl_core::RunId;
use pawl_engine::{Clock as _, Engine, Metrics, SystemClock};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

use crate::cursor::Cursor;
use crate::exporter::Exporter;
use crate::settings::Settings;

/// Runs that have grown and are not read yet; of more it is only known that there are some, and the store is looked
/// through.
pub const RUNS_WAITING_MAX: usize = 10_000;
/// How long what is left is sent when the process ends, in milliseconds. What is not sent then, the next process sends.
pub const CLOSE_MAX_MS: u64 = 2_000;

/// Spans of an engine's runs on their way to a collector, until it is closed or dropped.
#[derive(Debug)]
pub struct Telemetry {
    heard: Arc<Heard>,
    settings: watch::Sender<Arc<Settings>>,
    listener: JoinHandle<()>,
    exporter: JoinHandle<()>,
}

/// Runs that have grown.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    runs: Mutex<Waiting>,
    pub(crate) news: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) runs: BTreeSet<RunId>,
    /// Whether there may be more.
    pub(crate) missed: bool,
    /// Whether nothing more comes.
    pub(crate) closed: bool,
}

impl Heard {
    pub(crate) fn look(&self) -> MutexGuard<'_, Waiting> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.look());
        self.news.notify_one();
    }
}

impl Telemetry {
    /// Begins to send what the engine's runs do from now on, and what they did since the process before this one
    /// noted in the file how far it was.
    pub fn start(engine: &Engine, settings: Settings, file: Option<&Path>) -> std::io::Result<Self> {
        let cursor = Cursor::open(file, SystemClock.now())?;
        let heard = Arc::<Heard>::default();
        heard.with(|waiting| waiting.missed = true);
        let listener =
            tokio::spawn(listen(engine.growing(), Arc::clone(&heard), Arc::clone(engine.metrics())));
        let settings = watch::Sender::new(Arc::new(settings));
        let exporter = Exporter::new(engine, settings.subscribe(), cursor, Arc::clone(&heard));
        let exporter = tokio::spawn(exporter.run());
        Ok(Self { heard, settings, listener, exporter })
    }

    /// From now on, spans go where these say.
    pub fn reload(&self, settings: Settings) {
        self.settings.send_replace(Arc::new(settings));
    }

    /// Sends what is left, for a while. The engine was shut down before, so that nothing more comes.
    pub async fn close(mut self) {
        // It ends by itself with the engine, when it has heard everything.
        let waits = Duration::from_millis(CLOSE_MAX_MS);
        let ended = async {
            let _ = (&mut self.listener).await;
            self.heard.with(|waiting| waiting.closed = true);
            let _ = (&mut self.exporter).await;
        };
        if tokio::time::timeout(waits, ended).await.is_err() {
            tracing::warn!(
                "not all spans were sent within {CLOSE_MAX_MS} ms; the next process sends the rest"
            );
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.listener.abort();
        self.exporter.abort();
    }
}

async fn listen(grown: Option<broadcast::Receiver<RunId>>, heard: Arc<Heard>, metrics: Arc<Metrics>) {
    let Some(mut grown) = grown else { return };
    loop {
        match grown.recv().await {
            Ok(run) => heard.with(|waiting| {
                if waiting.runs.len() < RUNS_WAITING_MAX || waiting.runs.contains(&run) {
                    waiting.runs.insert(run);
                } else {
                    waiting.missed = true;
                }
            }),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                metrics.spans().missed();
                heard.with(|waiting| waiting.missed = true);
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::Timestamp;

    #[tokio::test]
    async fn runs_beyond_the_limit_are_not_kept_in_mind_and_the_store_is_looked_through() {
        let (told, grown) = broadcast::channel(2 * RUNS_WAITING_MAX);
        for number in 0..=RUNS_WAITING_MAX {
            told.send(RunId::at(Timestamp(number as u64), 0)).unwrap();
        }
        drop(told);
        let (heard, metrics) = (Arc::<Heard>::default(), Arc::<Metrics>::default());
        listen(Some(grown), Arc::clone(&heard), metrics).await;
        let waiting = heard.look();
        assert_eq!((waiting.runs.len(), waiting.missed), (RUNS_WAITING_MAX, true));
    }
}
