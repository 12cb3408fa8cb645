//! A run's journal as it grows.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::RunId;
use pawl_core::event::Event;
use pawl_core::journal::{Envelope, Head};
use pawl_store::Store;
use tokio::sync::broadcast;

use crate::progress::{ProgressNote, Said};
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
    notes: broadcast::Receiver<ProgressNote>,
    /// What models say, for those who want to hear it.
    said: Option<broadcast::Receiver<Said>>,
}

/// Tells that something was committed, whatever the run.
#[derive(Debug)]
pub struct Notices(pub(crate) broadcast::Receiver<RunId>);

impl Notices {
    /// Waits until something was committed since the last time; false when the engine has ended. What was committed
    /// since is in the store.
    pub async fn next(&mut self) -> bool {
        let told = match self.0.recv().await {
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => true,
            Err(broadcast::error::RecvError::Closed) => false,
        };
        // What was told meanwhile is looked for once.
        while let Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) = self.0.try_recv() {}
        told
    }

    /// Waits until something was committed since the last time, and says of which runs; nothing when the engine has
    /// ended.
    pub async fn runs(&mut self) -> Option<Grown> {
        let mut grown = match self.0.recv().await {
            Ok(run) => Grown::Runs(vec![run]),
            Err(broadcast::error::RecvError::Lagged(_)) => Grown::Missed,
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        loop {
            match self.0.try_recv() {
                Ok(run) => {
                    if let Grown::Runs(runs) = &mut grown {
                        runs.push(run);
                    }
                }
                Err(broadcast::error::TryRecvError::Lagged(_)) => grown = Grown::Missed,
                Err(_) => return Some(grown),
            }
        }
    }
}

/// Of which runs something was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grown {
    /// Of these; one may be named more than once.
    Runs(Vec<RunId>),
    /// More than could be told: it may be any.
    Missed,
}

/// What there is to tell of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// An event of its journal.
    Event(Box<Envelope>),
    /// What a plugin says of its progress, right now. Some may be missed.
    Progress(ProgressNote),
    /// What a model says to an agent, right now. Some may be missed.
    Said(Said),
}

impl Follower {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        run: RunId,
        from_seq: u64,
        grown: Option<broadcast::Receiver<RunId>>,
        notes: broadcast::Receiver<ProgressNote>,
    ) -> Self {
        Self {
            store,
            run,
            from_seq,
            head: Head::empty(run),
            ready: VecDeque::new(),
            grown,
            notes,
            said: None,
        }
    }

    /// The same, which hears what models say as well: they are asked to answer piece by piece while it listens.
    pub(crate) fn hearing(self, said: broadcast::Receiver<Said>) -> Self {
        Self { said: Some(said), ..self }
    }

    /// The same from this head on, which somebody has checked.
    pub(crate) fn after(self, head: Head) -> Self {
        Self { head, ..self }
    }

    /// The next event; waits for it.
    pub async fn next(&mut self) -> Result<Envelope, EngineError> {
        loop {
            if let Some(envelope) = self.ready.pop_front() {
                return Ok(envelope);
            }
            self.read().await?;
            if self.ready.is_empty() {
                let Some(grown) = &mut self.grown else { return Err(EngineError::Closed) };
                if let Err(closed) = grows(grown, self.run).await {
                    return Err(self.end(closed).await);
                }
            }
        }
    }

    /// The next event, or what a plugin of the run says of its progress before it; waits for either.
    pub async fn news(&mut self) -> Result<News, EngineError> {
        loop {
            if self.ready.is_empty() {
                self.read().await?;
            }
            let next = self.ready.pop_front();
            if let Some(news) = self.heard(next.as_ref()) {
                if let Some(envelope) = next {
                    self.ready.push_front(envelope);
                }
                return Ok(news);
            }
            if let Some(envelope) = next {
                return Ok(News::Event(Box::new(envelope)));
            }
            let Some(grown) = &mut self.grown else { return Err(EngineError::Closed) };
            let heard = tokio::select! {
                biased;
                note = comes(&mut self.notes, |note| note.run == self.run) => Ok(Some(News::Progress(note))),
                said = hears(self.said.as_mut(), self.run) => Ok(Some(News::Said(said))),
                grown = grows(grown, self.run) => grown.map(|()| None),
            };
            match heard {
                Ok(Some(news)) => return Ok(news),
                Ok(None) => {}
                Err(closed) => return Err(self.end(closed).await),
            }
        }
    }

    /// What was said of the run and not told yet, where it is to be told before this event: what is said comes before
    /// what came of it, and after what began.
    pub fn heard(&mut self, next: Option<&Envelope>) -> Option<News> {
        if next.is_some_and(|envelope| begins(&envelope.event)) {
            return None;
        }
        if let Some(note) = there(&mut self.notes, |note| note.run == self.run) {
            return Some(News::Progress(note));
        }
        let said = self.said.as_mut()?;
        there(said, |said| said.run == self.run).map(News::Said)
    }

    /// Waits for what is said of the run, and for nothing else. May be dropped and called again without loss.
    pub async fn hears(&mut self) -> News {
        tokio::select! {
            biased;
            note = comes(&mut self.notes, |note| note.run == self.run) => News::Progress(note),
            said = hears(self.said.as_mut(), self.run) => News::Said(said),
        }
    }

    /// Why there is nothing more: where the store has failed for good, it says so itself.
    async fn end(&mut self, closed: EngineError) -> EngineError {
        self.read().await.err().unwrap_or(closed)
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
}

/// Returns when a run may have new events.
pub(crate) async fn grows(grown: &mut broadcast::Receiver<RunId>, this: RunId) -> Result<(), EngineError> {
    loop {
        match grown.recv().await {
            Ok(run) if run == this => return Ok(()),
            // Notices were missed: the journal itself tells.
            Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => return Err(EngineError::Closed),
        }
    }
}

/// Whether something begins with an event of which a plugin may speak.
const fn begins(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted(_)
            | Event::StepStarted { .. }
            | Event::AttemptStarted { .. }
            | Event::AgentCalled { .. }
            | Event::TaskHandedOver { .. }
    )
}

/// The next that is meant, if it is there.
fn there<T: Clone>(heard: &mut broadcast::Receiver<T>, is_meant: impl Fn(&T) -> bool) -> Option<T> {
    loop {
        match heard.try_recv() {
            Ok(next) if is_meant(&next) => return Some(next),
            Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                return None;
            }
        }
    }
}

/// Waits for the next that is meant. The end of the engine is heard of elsewhere.
async fn comes<T: Clone>(heard: &mut broadcast::Receiver<T>, is_meant: impl Fn(&T) -> bool) -> T {
    loop {
        match heard.recv().await {
            Ok(next) if is_meant(&next) => return next,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Waits for what a model says in a run.
async fn hears(said: Option<&mut broadcast::Receiver<Said>>, this: RunId) -> Said {
    match said {
        Some(said) => comes(said, |said| said.run == this).await,
        None => std::future::pending().await,
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
