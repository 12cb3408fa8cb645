//! A run's journal as it grows.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::RunId;
use pawl_core::journal::{Envelope, Head};
use pawl_store::Store;
use tokio::sync::broadcast;

use crate::{EngineError, journal};

/// A run's journal as it grows: every event once, in order, after it is durable.
#[derive(Debug)]
pub struct Follower {
    store: Arc<dyn Store>,
    run: RunId,
    from_seq: u64,
    head: Head,
    ready: VecDeque<Envelope>,
    /// Absent once the engine was shut down.
    grown: Option<broadcast::Receiver<RunId>>,
}

impl Follower {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        run: RunId,
        from_seq: u64,
        grown: Option<broadcast::Receiver<RunId>>,
    ) -> Self {
        Self { store, run, from_seq, head: Head::empty(run), ready: VecDeque::new(), grown }
    }

    /// The next event; waits for it.
    pub async fn next(&mut self) -> Result<Envelope, EngineError> {
        loop {
            if let Some(envelope) = self.ready.pop_front() {
                return Ok(envelope);
            }
            self.read().await?;
            if self.ready.is_empty() {
                self.grows().await?;
            }
        }
    }

    /// The events that are there, without waiting.
    pub async fn available(&mut self) -> Result<Vec<Envelope>, EngineError> {
        self.read().await?;
        Ok(self.ready.drain(..).collect())
    }

    async fn read(&mut self) -> Result<(), EngineError> {
        // From the first event on, whatever `from_seq` is: the chain is checked as a whole.
        let new = journal::read_on(self.store.as_ref(), self.run, &mut self.head).await?;
        self.ready.extend(new.into_iter().filter(|envelope| envelope.seq >= self.from_seq));
        Ok(())
    }

    async fn grows(&mut self) -> Result<(), EngineError> {
        let Some(grown) = &mut self.grown else { return Err(EngineError::Closed) };
        grows(grown, self.run).await
    }
}

/// Returns when a run may have new events.
pub(crate) async fn grows(grown: &mut broadcast::Receiver<RunId>, run: RunId) -> Result<(), EngineError> {
    loop {
        match grown.recv().await {
            Ok(grew) if grew == run => return Ok(()),
            // Notices were missed: the journal itself tells.
            Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => return Err(EngineError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::NOTICES_MAX;

    #[tokio::test]
    async fn a_follower_that_missed_notices_reads_the_journal() {
        let run = |byte: u8| RunId::from_bytes([byte; 16]);
        let (told, mut grown) = broadcast::channel(NOTICES_MAX);
        // The notice of its own run is the one that is pushed out by those of another.
        told.send(run(1)).unwrap();
        for _ in 0..NOTICES_MAX {
            told.send(run(2)).unwrap();
        }
        let missed = tokio::spawn(async move { grows(&mut grown, run(1)).await });
        missed.await.unwrap().unwrap();
    }
}
