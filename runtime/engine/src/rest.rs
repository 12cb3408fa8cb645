//! When a run has come to rest: it has ended, or only something outside brings it on.

use std::future::Future;
use std::pin::Pin;

use pawl_core::RunId;
use pawl_core::view::{RunHeader, Waiting};
use tokio::task::JoinSet;

use crate::driver::Message;
use crate::follow::grows;
use crate::{Engine, EngineError};

/// A run's rest, when it comes.
type Rest = Pin<Box<dyn Future<Output = Result<RunHeader, EngineError>> + Send>>;

/// What of others a run waits for.
enum Others {
    /// The ends of those that its steps started.
    Children(Vec<RunId>),
    /// A slot that one of these holds.
    Ahead(Vec<RunId>),
}

impl Engine {
    /// Boxed, because it asks the same of the runs that this one waits for. `above` are those that wait
    /// for this one: what waits for itself, around however many corners, is at rest.
    pub(crate) fn rest(self, run: RunId, above: Vec<RunId>) -> Rest {
        Box::pin(async move { self.rests(run, above).await })
    }

    async fn rests(&self, run: RunId, mut above: Vec<RunId>) -> Result<RunHeader, EngineError> {
        above.push(run);
        loop {
            let mut grown = self.context.grown.upgrade().ok_or(EngineError::Closed)?.subscribe();
            let header = self.ask(|reply| Message::Watch { run, reply }).await??;
            let others = match header.waiting {
                Some(Waiting::Run { .. }) => {
                    let state = self.history(run).await?.state;
                    Others::Children(state.children().map(|(_, child)| child).collect())
                }
                Some(Waiting::Slot { .. }) => {
                    Others::Ahead(self.ask(|reply| Message::WhoIsAhead { run, reply }).await?)
                }
                _ => return Ok(header),
            };
            let for_slot = matches!(others, Others::Ahead(_));
            tokio::select! {
                rested = self.others_rest(others, &above) => if !rested? { continue },
                grew = grows(&mut grown, run) => {
                    grew?;
                    continue;
                }
            }
            // The others were asked one after the other, and some of them about this run: it may have gone on
            // meanwhile, or be about to.
            let ahead = self.ask(|reply| Message::WhoIsAhead { run, reply }).await?;
            tokio::select! {
                biased;
                grew = grows(&mut grown, run) => grew?,
                () = std::future::ready(()) => if !for_slot || !ahead.is_empty() { return Ok(header) },
            }
        }
    }

    /// Whether all of them wait for something from outside; false when one has ended, so that others may be
    /// waited for now.
    async fn others_rest(&self, others: Others, above: &[RunId]) -> Result<bool, EngineError> {
        let mut resting: JoinSet<Result<bool, EngineError>> = JoinSet::new();
        match others {
            Others::Children(children) => {
                for child in children {
                    resting.spawn(self.clone().child_rests(child, above.to_vec()));
                }
            }
            // It is about to get its slot.
            Others::Ahead(ahead) if ahead.is_empty() => return std::future::pending().await,
            Others::Ahead(ahead) => {
                for run in ahead.into_iter().filter(|run| !above.contains(run)) {
                    let (engine, above) = (self.clone(), above.to_vec());
                    resting.spawn(async move { Ok(!engine.rest(run, above).await?.status.is_final()) });
                }
            }
        }
        while let Some(rested) = resting.join_next().await {
            if !rested.map_err(|_| EngineError::Closed)?? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns when a child waits for something from outside. Of one that has ended its parent will be told,
    /// so this waits for ever then. What a process that is gone left to be told about it is told now.
    async fn child_rests(self, child: RunId, above: Vec<RunId>) -> Result<bool, EngineError> {
        loop {
            let mut grown = self.context.grown.upgrade().ok_or(EngineError::Closed)?.subscribe();
            match self.clone().rest(child, above.clone()).await {
                Ok(header) if !header.status.is_final() => return Ok(true),
                Ok(_) => {
                    self.redeliver().await?;
                    return std::future::pending().await;
                }
                Err(EngineError::UnknownRun(_)) => {
                    self.redeliver().await?;
                    grows(&mut grown, child).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
