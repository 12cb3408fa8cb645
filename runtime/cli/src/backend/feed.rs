//! A run's events one after the other, from this process or from another.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use pawl_core::RunId;
use pawl_core::journal::Envelope;
use pawl_core::view::RunHeader;
use pawl_engine::{EngineError, Follower, News, ProgressNote, Said};

use super::Service;
use super::api::ApiFeed;
use super::client::RemoteFeed;
use crate::fault::Fault;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// An event, durable.
    Event(Box<Envelope>),
    /// What a plugin says of its progress right now.
    Progress(Box<ProgressNote>),
    /// What a model says right now.
    Said(Box<Said>),
    /// The end: the run has ended or waits for a person.
    Settled(Box<RunHeader>),
    /// The end, for now: the process that holds the data folder ends.
    Moved,
}

/// A run's events one after the other.
#[derive(Debug)]
pub(crate) enum Feed {
    /// What was read.
    Read(VecDeque<Envelope>, Option<Box<RunHeader>>),
    /// What happens here.
    Live(Box<LiveFeed>),
    /// The process where it happened has ended.
    Gone,
    /// What happens in another process.
    Remote(Box<RemoteFeed>),
    /// What happens at a server.
    Api(Box<ApiFeed>),
}

impl Feed {
    pub(super) fn read(envelopes: Vec<Envelope>, header: RunHeader) -> Self {
        Self::Read(envelopes.into(), Some(Box::new(header)))
    }

    /// There is no one to follow it: look again.
    pub(super) const fn moved() -> Self {
        Self::Gone
    }

    pub(super) fn live(service: Service, run: RunId, follower: Follower, to_end: bool) -> Self {
        Self::Live(Box::new(LiveFeed::new(service, run, follower, to_end)))
    }

    /// What comes next; waits for it. May be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Result<Next, Fault> {
        match self {
            Self::Read(envelopes, header) => match envelopes.pop_front() {
                Some(envelope) => Ok(Next::Event(Box::new(envelope))),
                None => header.take().map(Next::Settled).ok_or_else(super::strange),
            },
            Self::Live(live) => live.next().await,
            Self::Gone => Ok(Next::Moved),
            Self::Remote(remote) => remote.next().await,
            Self::Api(feed) => feed.next().await,
        }
    }
}

type Settling = Pin<Box<dyn Future<Output = Result<RunHeader, EngineError>> + Send>>;

/// Follows a run of this process's engine.
pub(crate) struct LiveFeed {
    service: Service,
    run: RunId,
    follower: Follower,
    /// Returns when the run has ended or waits for a person; absent while it waits and that is not the end.
    settling: Option<Settling>,
    to_end: bool,
    /// Events up to the one that settled the run.
    last: VecDeque<Envelope>,
    settled: Option<Box<RunHeader>>,
}

impl std::fmt::Debug for LiveFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveFeed").field("follower", &self.follower).finish_non_exhaustive()
    }
}

impl LiveFeed {
    fn new(service: Service, run: RunId, follower: Follower, to_end: bool) -> Self {
        let settling = Some(settling(&service, run));
        Self { service, run, follower, settling, to_end, last: VecDeque::new(), settled: None }
    }

    async fn next(&mut self) -> Result<Next, Fault> {
        let next = self.wait().await;
        if next.is_err() {
            // Its header may say that it runs, but nobody can go on with it here.
            self.service.let_go(self.run);
        }
        next
    }

    async fn wait(&mut self) -> Result<Next, Fault> {
        while self.settled.is_none() {
            let settles = async {
                match &mut self.settling {
                    Some(settling) => settling.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                news = self.follower.news() => {
                    let envelope = match news? {
                        News::Event(envelope) => envelope,
                        News::Progress(note) => return Ok(Next::Progress(Box::new(note))),
                        News::Said(said) => return Ok(Next::Said(Box::new(said))),
                    };
                    // Whatever it waited for may be over.
                    self.settling.get_or_insert_with(|| settling(&self.service, self.run));
                    return Ok(Next::Event(envelope));
                }
                header = settles => {
                    let header = header?;
                    if self.to_end && !header.status.is_final() {
                        self.settling = None;
                        continue;
                    }
                    self.settled = Some(Box::new(header));
                }
            }
            let head = self.settled.as_ref().map_or(0, |header| header.head.seq);
            // What an answer brings meanwhile belongs to whoever answered.
            let available = self.follower.available().await?;
            self.last.extend(available.into_iter().filter(|envelope| envelope.seq <= head));
        }
        match self.last.pop_front() {
            Some(envelope) => Ok(Next::Event(Box::new(envelope))),
            None => self.settled.take().map(Next::Settled).ok_or_else(super::strange),
        }
    }
}

fn settling(service: &Service, run: RunId) -> Settling {
    let engine = service.engine().clone();
    Box::pin(async move { engine.settled(run).await })
}
