//! What goes over the socket: one JSON document a line, one request a connection.
//!
//! The client sends one [`Call`]. The server answers `accepted` at once. The
//! client sends [`Go`], and only then the server begins: a client that has given
//! up meanwhile can make the request elsewhere. The server sends any number of
//! `event` and `progress` lines, then one of `done`, `fault` or `moved`, and closes. A version
//! that it does not know is answered with `fault`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pawl_core::event::Actor;
use pawl_core::journal::Envelope;
use pawl_core::plugin::Hosts;
use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, StepId};
use pawl_engine::{
    ActiveVersion, Demands, HeldPlugin, ProgressNote, Pruned, RegisteredWorkflow, Rehearse, Retention, Said,
};
use pawl_server::identity::{IdentityReply, IdentityRequest};
use pawl_store::maintain::StoreStats;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use super::given::{About, Answered, BackedUp, Opened, Replayed, Signalled, Verified};
use super::kept::{Checked, KeptWorkflow, Registering, Upgraded, WorkflowAt};
use crate::fault::Fault;

/// The version that this pawl speaks.
pub(crate) const PROTOCOL_VERSION: u32 = 11;
/// The longest line, in bytes; a longer one is not sent.
pub(crate) const LINE_MAX_BYTES: usize = 64 << 20;
/// How long a process that listens may take to accept a request, in milliseconds.
pub(crate) const ACCEPT_MAX_MS: u64 = 5_000;
/// Connections served at once, but for those that follow a run; more wait.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// Connections that follow a run at once; more wait.
pub(crate) const FOLLOWERS_MAX: usize = 512;

/// The line of a client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The version that it speaks.
    pub(crate) pawl: u32,
    /// What is asked. Read only after the version is known.
    pub(crate) request: Value,
}

/// The client's answer to `accepted`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Go {
    /// Begin.
    Go,
}

/// What commands ask for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Prepare a workflow and start a run.
    Start {
        /// The file's name, for messages.
        file: String,
        /// The workflow.
        text: String,
        /// What paths in it are relative to, absolute.
        base: PathBuf,
        /// Its inputs.
        inputs: Value,
        /// Hosts that the operator allows.
        allow_http: Hosts,
        /// Who starts it.
        by: Actor,
        /// Whether its plugins must be those of the lock beside it.
        #[serde(default)]
        locked: bool,
    },
    /// Headers, newest first.
    Runs {
        /// With one of these statuses; any, when empty.
        statuses: Vec<Status>,
        /// Of this workflow.
        workflow: Option<String>,
        /// How many at most.
        limit: usize,
        /// Those that come after this one.
        after: Option<RunId>,
    },
    /// The one run whose id is, starts or ends like this.
    FindRun {
        /// The id or a part of it.
        text: String,
    },
    /// Open approvals.
    Approvals {
        /// Of this run.
        run: Option<RunId>,
        /// That somebody may answer who is this person and belongs to these groups; any, when empty.
        #[serde(default)]
        asked: Vec<String>,
        /// That somebody holds, or nobody does.
        #[serde(default)]
        claimed: Option<bool>,
    },
    /// The memories that runs share and that hold something.
    Memories,
    /// What a memory holds.
    Memory {
        /// Whose.
        scope: MemoryScope,
    },
    /// The plugins that were refused for what they ask for.
    HeldPlugins,
    /// Accept what was refused last under a plugin's name.
    AcceptPlugin {
        /// The name.
        name: String,
    },
    /// Accept what plugins ask for that were locked.
    AcceptDemands {
        /// Each with its name.
        plugins: Vec<(String, Demands)>,
    },
    /// Take away what a memory holds.
    Forget {
        /// Whose.
        scope: MemoryScope,
        /// Only what it holds under this key.
        key: Option<String>,
    },
    /// An approval, if it is open.
    Approval {
        /// Which.
        id: ApprovalId,
    },
    /// The run of an approval, open or closed.
    RunOfApproval {
        /// Which.
        id: ApprovalId,
    },
    /// Do something with an open approval beside answering it.
    Inbox {
        /// Which.
        approval: ApprovalId,
        /// What.
        act: InboxAct,
        /// Who.
        by: Actor,
    },
    /// Answer an approval.
    Answer {
        /// Which.
        approval: ApprovalId,
        /// What is chosen.
        action: String,
        /// What is filled in.
        data: Value,
        /// Who.
        by: Actor,
        /// Why.
        comment: Option<String>,
    },
    /// Send a signal.
    Signal {
        /// To which run.
        run: RunId,
        /// Its name.
        name: String,
        /// What it brings.
        data: Value,
        /// Fields of it as they were typed, to be read as the step's schema wants them.
        texts: serde_json::Map<String, Value>,
        /// Who.
        by: Actor,
        /// By which a repeated signal is recognized.
        key: Option<String>,
    },
    /// End a run.
    Cancel {
        /// Which.
        run: RunId,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<String>,
    },
    /// Start a run as another was started.
    Rerun {
        /// Which.
        run: RunId,
        /// Inputs that shall be others, `inputs.name=value`.
        settings: Vec<String>,
        /// The workflow as it is now, instead of the one that the run started with.
        latest: Option<Latest>,
        /// Who.
        by: Actor,
    },
    /// Make a run that begins with the events of another.
    Fork {
        /// Which.
        run: RunId,
        /// The last event that both have.
        seq: u64,
        /// Values that shall be others, `inputs.name=value`, `steps.id.output.field=value`.
        settings: Vec<String>,
        /// How it is rehearsed, if it is.
        rehearse: Option<Rehearse>,
        /// Who.
        by: Actor,
    },
    /// Try the step of a failed run again.
    Retry {
        /// Which.
        run: RunId,
        /// The step; the innermost that failed, when absent.
        step: Option<StepId>,
        /// Who.
        by: Actor,
    },
    /// Begin nothing new in a run.
    Suspend {
        /// Which.
        run: RunId,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<String>,
    },
    /// Let a suspended run go on.
    Lift {
        /// Which.
        run: RunId,
        /// Who.
        by: Actor,
    },
    /// Run the agents of a run again, against its journal.
    Replay {
        /// Which.
        run: RunId,
    },
    /// Go on with every unfinished run.
    Recover,
    /// Read a journal; its events come before the header.
    History {
        /// Whose.
        run: RunId,
    },
    /// The same, until the run has ended or waits for a person.
    Follow {
        /// Which.
        run: RunId,
        /// The first event.
        from_seq: u64,
        /// Not until it waits for a person: until it has ended.
        #[serde(default)]
        to_end: bool,
        /// With what models say.
        #[serde(default)]
        aloud: bool,
    },
    /// Keep a workflow under its name and version.
    Register {
        /// Its file.
        workflow: Latest,
        /// Whether it is to be the active version.
        activate: bool,
        /// Whether its plugins must be those of the lock beside it.
        locked: bool,
        /// Who.
        by: Actor,
    },
    /// The workflows that are kept.
    Workflows,
    /// The versions of one.
    Versions {
        /// Its name.
        name: String,
    },
    /// Make a version the active one.
    Activate {
        /// The workflow's name.
        name: String,
        /// The version.
        version: String,
        /// Who.
        by: Actor,
    },
    /// Start a run of a workflow that is kept.
    StartKept {
        /// Its name.
        name: String,
        /// The version; the active one, when absent.
        version: Option<String>,
        /// Its inputs.
        inputs: Value,
        /// Hosts that the operator allows.
        allow_http: Hosts,
        /// Who starts it.
        by: Actor,
    },
    /// Say which runs can go on with another version of their workflow.
    CheckUpgrade {
        /// The other version.
        to: WorkflowAt,
        /// Only this run.
        run: Option<RunId>,
        /// Those that come after this one.
        after: Option<RunId>,
        /// How many at most.
        limit: usize,
    },
    /// Move runs to another version of their workflow.
    Upgrade {
        /// The other version.
        to: WorkflowAt,
        /// Which.
        runs: Vec<RunId>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<String>,
    },
    /// The source of a definition.
    Source {
        /// Its digest.
        definition: Digest,
        /// What goes by it.
        of: SourceOf,
    },
    /// Tell every run that waits for a topic of an event.
    Publish {
        /// The topic.
        topic: String,
        /// What it says.
        data: Value,
        /// By which a repeated event is recognized.
        id: Option<String>,
    },
    /// Check journals.
    Verify {
        /// Whose; all, when absent.
        run: Option<RunId>,
    },
    /// Describe the store.
    About,
    /// Count what is in the store.
    Stats,
    /// Copy the store, as it is at one moment, into a folder of its own.
    Backup {
        /// The folder, absolute.
        to: PathBuf,
    },
    /// Remove runs that are over, and blobs that nothing names any more.
    Prune {
        /// Which runs are kept.
        retention: Retention,
    },
    /// Make, list or take back tokens; set or list namespaces.
    Identity {
        /// What.
        request: IdentityRequest,
        /// Who.
        by: Actor,
    },
}

/// A line of the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// The request is understood, and under way when the client says so.
    Accepted,
    /// One event of a journal.
    Event(Box<Envelope>),
    /// What a plugin says of its progress; not in the journal.
    Progress(Box<ProgressNote>),
    /// What a model says; not in the journal.
    Said(Box<Said>),
    /// How far it is.
    Noted(String),
    /// The end: it was done.
    Done(Reply),
    /// The end: it was not.
    Fault(Fault),
    /// The end: this process ends, and what was asked for was not done here; ask the one that holds
    /// the data folder next, or be it.
    Moved,
}

/// What is done with an approval beside answering it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InboxAct {
    /// Hold it.
    Claim,
    /// Let go of it.
    Release,
    /// Ask others to answer it.
    Delegate {
        /// Whom.
        to: Vec<String>,
        /// Why.
        comment: Option<String>,
    },
    /// Say something about it.
    Comment {
        /// What.
        text: String,
    },
}

/// What a request gives.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The run is on disk.
    Started(Opened),
    /// Headers.
    Runs(Vec<RunHeader>),
    /// A header.
    Run(Box<RunHeader>),
    /// Open approvals.
    Approvals(Vec<OpenApproval>),
    /// The memories that hold something.
    Memories(Vec<MemoryScope>),
    /// Plugins that were refused for what they ask for.
    Held(Vec<HeldPlugin>),
    /// What a memory holds, or held.
    Memory(BTreeMap<String, Value>),
    /// An approval, if it is open.
    Approval(Option<Box<OpenApproval>>),
    /// The run of an approval, if there was such an approval.
    RunOfApproval(Option<RunId>),
    /// The answer is on disk.
    Answered(Answered),
    /// The source of a definition.
    Source(String),
    /// The signal is on disk.
    Signalled(Signalled),
    /// What is wrong with each run's journal.
    Verified(Vec<Verified>),
    /// What the store says.
    About(Box<About>),
    /// What is in the store.
    Stats(Box<StoreStats>),
    /// What was copied.
    BackedUp(BackedUp),
    /// What was removed.
    Pruned(Box<Pruned>),
    /// What a replay found.
    Replayed(Box<Replayed>),
    /// The workflow is kept.
    Registered(Box<Registering>),
    /// The workflows that are kept.
    Workflows(Vec<RegisteredWorkflow>),
    /// The versions of one.
    Versions(Box<KeptWorkflow>),
    /// The active version.
    Activated(Box<ActiveVersion>),
    /// Which runs can be moved.
    Checked(Box<Checked>),
    /// Which runs were.
    Upgraded(Box<Upgraded>),
    /// The event is on disk in every run that waited for it.
    Published,
    /// Of tokens and namespaces.
    Identity(Box<IdentityReply>),
}

/// Whose source is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceOf {
    /// That of a run.
    Run(RunId),
    /// That of a version that is kept.
    Kept {
        /// The workflow's name.
        name: String,
        /// The version.
        version: String,
    },
}

/// A workflow's file as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Latest {
    /// The file's name, for messages.
    pub(crate) file: String,
    pub(crate) text: String,
    /// What paths in it are relative to, absolute.
    pub(crate) base: PathBuf,
    /// Whether only what is in the lock beside it may be used.
    #[serde(default)]
    pub(crate) locked: bool,
}
