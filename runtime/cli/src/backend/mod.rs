//! How commands reach the runs of a data folder: directly, when this process
//! holds the store; through the process that holds it, when there is one.
//!
//! There is one set of operations, [`Request`], and one place that carries
//! them out, [`Service`]. The socket only carries requests and replies, so a
//! command prints the same whichever way it goes.

mod api;
mod backup;
mod client;
mod feed;
mod given;
mod identity;
mod kept;
mod memory;
mod open;
mod operator;
mod protocol;
mod register;
mod request;
pub(crate) mod retention;
mod server;
mod service;
mod settings;
mod settle;
mod telemetry;
mod travel;
mod verify;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use pawl_core::event::Actor;
use pawl_core::journal::Envelope;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId};
use pawl_engine::{ActiveVersion, HeldPlugin, Pruned, RegisteredWorkflow, Retention};
use pawl_store::maintain::StoreStats;
use serde_json::Value;

pub(crate) use api::Api;
pub(crate) use backup::{NOTE as BACKUP_NOTE, copy_files};
pub(crate) use feed::{Feed, Next};
pub(crate) use identity::issuer;
pub(crate) use kept::{Checked, KeptWorkflow, Registering, Upgraded, WorkflowAt};
pub(crate) use open::{api, in_memory, open};
pub(crate) use operator::{configured, notifying, read as read_operator, registries, trusted_keys, unasked};
pub(crate) use protocol::{
    About, Answered, BackedUp, InboxAct, Latest, Opened, Replayed, Reply, Request, Signalled, SourceOf,
    Verified,
};
pub(crate) use server::Listener;
pub(crate) use service::{Service, engine_config};

use crate::fault::Fault;
use crate::place::Place;

/// The way to the runs of a data folder.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    /// This process holds the store.
    Direct(Service),
    /// Another one does, and listens at this socket.
    Remote(PathBuf, Place),
    /// A server does, which is asked over its API.
    Api(Api),
}

/// A run's journal with its header.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) header: RunHeader,
    pub(crate) envelopes: Vec<Envelope>,
}

/// The other process speaks this protocol and still answers something else.
pub(crate) fn strange() -> Fault {
    Fault::failed("the process that holds the data folder gave an answer that does not fit")
        .hint("stop that process and try again")
}

/// A request or its answer is longer than a line may be.
fn too_long() -> Fault {
    let mib = protocol::LINE_MAX_BYTES >> 20;
    Fault::failed(format!(
        "what would pass between this process and the one that holds the data folder is longer than {mib} MiB"
    ))
    .hint("wait until that process has ended and try again, or ask for less")
}

/// The process that held the folder ended before it did what was asked: whoever holds it now does
/// it, if need be this process for as long as that takes.
async fn once_more(place: &Place, request: Request) -> Result<Reply, Fault> {
    match open(place).await? {
        Backend::Direct(service) => {
            let reply = service.handle(request).await;
            service.settle().await;
            service.shut_down().await;
            reply
        }
        Backend::Api(api) => api.call(request).await,
        Backend::Remote(socket, place) => {
            client::call(&socket, &request).await?.ok_or_else(|| open::gone(&place))
        }
    }
}

/// The journal that a feed gives; nothing when the process that read it ended first.
async fn collect(mut feed: Feed) -> Result<Option<History>, Fault> {
    let mut envelopes = Vec::new();
    loop {
        match feed.next().await? {
            Next::Event(envelope) => envelopes.push(*envelope),
            Next::Progress(_) | Next::Said(_) => {}
            Next::Settled(header) => return Ok(Some(History { header: *header, envelopes })),
            Next::Moved => return Ok(None),
        }
    }
}

macro_rules! expect_reply {
    ($reply:expr, $variant:ident) => {
        match $reply {
            Reply::$variant(value) => Ok(value),
            _ => Err(strange()),
        }
    };
}

impl Backend {
    /// Carries out one request.
    async fn call(&self, request: Request) -> Result<Reply, Fault> {
        // What is large is on the heap: every command would carry it along.
        match self {
            Self::Direct(service) => service.handle(request).await,
            Self::Api(api) => Box::pin(api.call(request)).await,
            Self::Remote(socket, place) => match client::call(socket, &request).await? {
                Some(reply) => Ok(reply),
                None => Box::pin(once_more(place, request)).await,
            },
        }
    }

    /// The engine of this process.
    pub(crate) fn engine(&self) -> Result<&pawl_engine::Engine, Fault> {
        Ok(self.service()?.engine())
    }

    /// The operations of this process's engine.
    pub(crate) fn service(&self) -> Result<&Service, Fault> {
        match self {
            Self::Direct(service) => Ok(service),
            Self::Remote(..) => Err(strange()),
            Self::Api(_) => Err(Fault::usage("this needs a data folder, and --server names a server")
                .hint("leave out --server, on the machine that has the folder")),
        }
    }

    /// Starts a run, makes one of another; gives its id and the workflow's warnings.
    pub(crate) async fn start(&self, start: Request) -> Result<Opened, Fault> {
        expect_reply!(self.call(start).await?, Started)
    }

    /// Headers, newest first.
    pub(crate) async fn runs(&self, request: Request) -> Result<Vec<RunHeader>, Fault> {
        expect_reply!(self.call(request).await?, Runs)
    }

    /// The one run whose id is, starts or ends like this.
    pub(crate) async fn find_run(&self, text: &str) -> Result<RunHeader, Fault> {
        let reply = self.call(Request::FindRun { text: text.to_owned() }).await?;
        expect_reply!(reply, Run).map(|header| *header)
    }

    /// Open approvals, oldest first.
    pub(crate) async fn approvals(&self, run: Option<RunId>) -> Result<Vec<OpenApproval>, Fault> {
        let request = Request::Approvals { run, asked: Vec::new(), claimed: None };
        expect_reply!(self.call(request).await?, Approvals)
    }

    /// Those of them that somebody may answer who is or belongs to these, or that somebody holds.
    pub(crate) async fn approvals_for(
        &self,
        run: Option<RunId>,
        asked: Vec<String>,
        claimed: Option<bool>,
    ) -> Result<Vec<OpenApproval>, Fault> {
        expect_reply!(self.call(Request::Approvals { run, asked, claimed }).await?, Approvals)
    }

    /// The run of an approval, open or closed.
    pub(crate) async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, Fault> {
        expect_reply!(self.call(Request::RunOfApproval { id: id.clone() }).await?, RunOfApproval)
    }

    /// Does something with an approval beside answering it; gives it as it is then, if it is still open.
    pub(crate) async fn inbox(
        &self,
        approval: ApprovalId,
        act: InboxAct,
        by: Actor,
    ) -> Result<Option<OpenApproval>, Fault> {
        let reply = self.call(Request::Inbox { approval, act, by }).await?;
        expect_reply!(reply, Approval).map(|open| open.map(|open| *open))
    }

    /// The memories that runs share and that hold something.
    pub(crate) async fn memories(&self) -> Result<Vec<MemoryScope>, Fault> {
        expect_reply!(self.call(Request::Memories).await?, Memories)
    }

    /// What a memory holds.
    pub(crate) async fn memory(&self, scope: MemoryScope) -> Result<BTreeMap<String, Value>, Fault> {
        expect_reply!(self.call(Request::Memory { scope }).await?, Memory)
    }

    /// Takes away what a memory holds, or what it holds under a key; gives what that was.
    pub(crate) async fn forget(
        &self,
        scope: MemoryScope,
        key: Option<String>,
    ) -> Result<BTreeMap<String, Value>, Fault> {
        expect_reply!(self.call(Request::Forget { scope, key }).await?, Memory)
    }

    /// An approval, if it is open.
    pub(crate) async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, Fault> {
        let reply = self.call(Request::Approval { id: id.clone() }).await?;
        expect_reply!(reply, Approval).map(|open| open.map(|open| *open))
    }

    /// Answers an approval, lets a failed or suspended run go on; what that allows is on disk when this returns.
    pub(crate) async fn answer(&self, answer: Request) -> Result<Answered, Fault> {
        expect_reply!(self.call(answer).await?, Answered)
    }

    /// Sends a signal; it is on disk when this returns.
    pub(crate) async fn signal(&self, signal: Request) -> Result<Signalled, Fault> {
        expect_reply!(self.call(signal).await?, Signalled)
    }

    /// Ends or suspends a run; gives its header after that.
    pub(crate) async fn cancel(&self, cancel: Request) -> Result<RunHeader, Fault> {
        expect_reply!(self.call(cancel).await?, Run).map(|header| *header)
    }

    /// The source of a definition that the store keeps.
    pub(crate) async fn source(&self, definition: Digest, of: SourceOf) -> Result<String, Fault> {
        expect_reply!(self.call(Request::Source { definition, of }).await?, Source)
    }

    /// Tells every run that waits for its topic of an event.
    pub(crate) async fn publish(&self, publish: Request) -> Result<(), Fault> {
        match self.call(publish).await? {
            Reply::Published => Ok(()),
            _ => Err(strange()),
        }
    }

    /// Keeps a workflow under its name and version.
    pub(crate) async fn register(&self, register: Request) -> Result<Registering, Fault> {
        expect_reply!(self.call(register).await?, Registered).map(|registered| *registered)
    }

    /// The workflows that are kept.
    pub(crate) async fn workflows(&self) -> Result<Vec<RegisteredWorkflow>, Fault> {
        expect_reply!(self.call(Request::Workflows).await?, Workflows)
    }

    /// The versions of a workflow that is kept.
    pub(crate) async fn versions(&self, name: String) -> Result<KeptWorkflow, Fault> {
        expect_reply!(self.call(Request::Versions { name }).await?, Versions).map(|kept| *kept)
    }

    /// Makes a version the one that a start by name starts.
    pub(crate) async fn activate(&self, activate: Request) -> Result<ActiveVersion, Fault> {
        expect_reply!(self.call(activate).await?, Activated).map(|active| *active)
    }

    /// Which runs can go on with another version.
    pub(crate) async fn check_upgrade(&self, check: Request) -> Result<Checked, Fault> {
        expect_reply!(self.call(check).await?, Checked).map(|checked| *checked)
    }

    /// Moves runs to another version.
    pub(crate) async fn upgrade(&self, upgrade: Request) -> Result<Upgraded, Fault> {
        expect_reply!(self.call(upgrade).await?, Upgraded).map(|upgraded| *upgraded)
    }

    /// Returns when no run that this process was asked to go on with is in the middle of a step.
    pub(crate) async fn settle(&self) {
        if let Self::Direct(service) = self {
            service.settle().await;
        }
    }

    /// From now on, serves what time brings; gives every run that has not ended.
    pub(crate) async fn recover(&self) -> Result<Vec<RunHeader>, Fault> {
        expect_reply!(self.call(Request::Recover).await?, Runs)
    }

    /// The plugins that are held for what they ask for, or what becomes of them.
    pub(crate) async fn held(&self, request: Request) -> Result<Vec<HeldPlugin>, Fault> {
        expect_reply!(self.call(request).await?, Held)
    }

    /// What is wrong with the journals of some runs or of all.
    pub(crate) async fn verify(&self, run: Option<RunId>) -> Result<Vec<Verified>, Fault> {
        expect_reply!(self.call(Request::Verify { run }).await?, Verified)
    }

    /// Runs the agents of a run again, against its journal.
    pub(crate) async fn replay(&self, run: RunId) -> Result<Replayed, Fault> {
        expect_reply!(self.call(Request::Replay { run }).await?, Replayed).map(|replayed| *replayed)
    }

    /// What the store says of itself.
    pub(crate) async fn about(&self) -> Result<About, Fault> {
        expect_reply!(self.call(Request::About).await?, About).map(|about| *about)
    }

    /// What is in the store.
    pub(crate) async fn stats(&self) -> Result<StoreStats, Fault> {
        expect_reply!(self.call(Request::Stats).await?, Stats).map(|stats| *stats)
    }

    /// Copies the store as it is now into a folder of its own, and checks the copy.
    /// `told` hears how far it is.
    pub(crate) async fn back_up(
        &self,
        to: PathBuf,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<BackedUp, Fault> {
        let reply = match self {
            Self::Direct(service) => service.back_up(&to, &mut |line| told(&line)).await?,
            Self::Remote(socket, place) => {
                let request = Request::Backup { to };
                match client::call_told(socket, &request, told).await? {
                    Some(reply) => reply,
                    None => Box::pin(once_more(place, request)).await?,
                }
            }
            Self::Api(api) => Box::pin(api.call(Request::Backup { to })).await?,
        };
        expect_reply!(reply, BackedUp)
    }

    /// Removes runs that are over, and blobs that nothing names any more.
    pub(crate) async fn prune(&self, retention: Retention) -> Result<Pruned, Fault> {
        expect_reply!(self.call(Request::Prune { retention }).await?, Pruned).map(|pruned| *pruned)
    }

    /// A run's journal.
    pub(crate) async fn history(&self, run: RunId) -> Result<History, Fault> {
        if let Some(history) = collect(self.feed(Request::History { run }).await?).await? {
            return Ok(history);
        }
        // Only a process that ends gives half of a journal.
        let Self::Remote(_, place) = self else { return Err(strange()) };
        let other = open(place).await?;
        let history = match other.feed(Request::History { run }).await {
            Ok(feed) => collect(feed).await,
            Err(fault) => Err(fault),
        };
        other.close().await;
        history?.ok_or_else(|| open::gone(place))
    }

    /// A run's events from a seq on, until it has ended or waits for a person. Goes on with the
    /// run if no one does. With what models say where `aloud`.
    pub(crate) async fn follow(&self, run: RunId, from_seq: u64, aloud: bool) -> Result<Feed, Fault> {
        self.feed(Request::Follow { run, from_seq, to_end: false, aloud }).await
    }

    /// Has models answer piece by piece from now on, as long as what it gives is held, where they are asked from here.
    pub(crate) fn listen(&self) -> Option<impl Sized + use<>> {
        match self {
            Self::Direct(service) => Some(service.engine().listen_to_models()),
            Self::Remote(..) | Self::Api(_) => None,
        }
    }

    /// The same, until it has ended.
    pub(crate) async fn follow_to_end(&self, run: RunId, from_seq: u64, aloud: bool) -> Result<Feed, Fault> {
        self.feed(Request::Follow { run, from_seq, to_end: true, aloud }).await
    }

    async fn feed(&self, request: Request) -> Result<Feed, Fault> {
        match self {
            Self::Direct(service) => Box::pin(service.feed(request)).await,
            Self::Api(api) => api.feed(request).await,
            // Whoever wants them looks for the run again.
            Self::Remote(socket, _) => Ok(client::feed(socket, &request).await?.unwrap_or_else(Feed::moved)),
        }
    }

    /// Stops the engine, if it is this process's.
    pub(crate) async fn close(&self) {
        if let Self::Direct(service) = self {
            service.shut_down().await;
        }
    }
}
