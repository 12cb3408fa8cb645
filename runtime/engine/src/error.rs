//! Why the engine did not do what was asked.

use pawl_core::diagnostic::Diagnostics;
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::journal::JournalError;
use pawl_core::topic::InvalidTopic;
use pawl_core::{ApprovalId, Refusal, RunId};
use pawl_registry::{LockError, RegistryError, UntrustedError};
use pawl_sandbox::SandboxError;
use pawl_store::StoreError;

use crate::HeldPlugin;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The workflow has problems.
    #[error("{0}")]
    Definition(Box<Diagnostics>),
    /// The workflow's file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The inputs do not fit.
    #[error("the inputs do not fit workflow '{workflow}': {}", problems.join("; "))]
    Inputs {
        /// The workflow.
        workflow: String,
        /// What is wrong, one text a problem.
        problems: Vec<String>,
    },
    /// A plugin is nowhere to be found.
    #[error("there is no plugin '{name}'; {hint}")]
    NoPlugin {
        /// Its name.
        name: String,
        /// Where it was looked for.
        hint: String,
    },
    /// A plugin cannot be loaded.
    #[error("plugin '{name}' ({place}) cannot be loaded: {source}")]
    Plugin {
        /// Its name.
        name: String,
        /// Where it was found.
        place: String,
        /// Why.
        source: Box<SandboxError>,
    },
    /// An MCP server cannot be used.
    #[error("{}", .0.message)]
    Mcp(pawl_core::Failure),
    /// The operator, or a workflow that starts this one, withholds what this one grants.
    #[error("'{file}' grants what '{by}' withholds: {}; {hint}", withheld.join("; "))]
    Withheld {
        /// The workflow's file.
        file: String,
        /// The file that withholds it.
        by: String,
        /// What, one text a step.
        withheld: Vec<String>,
        /// What to do.
        hint: &'static str,
    },
    /// A workflow brings a plugin under a name that hides what it is from the operator's rules.
    #[error(
        "plugin '{name}' of the workflow cannot go by that name, since rules of '{by}' go by the names of plugins: {why}"
    )]
    Disguised {
        /// What the workflow calls it.
        name: String,
        /// The operator's file.
        by: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Plugins ask for more than was accepted of those that were used by their names.
    #[error(
        "{}; look at it with `pawl plugin inspect`, and run `pawl plugin accept {}` if it may",
        held.iter().map(HeldPlugin::why).collect::<Vec<_>>().join("\n"),
        held.first().map_or("NAME", |plugin| plugin.name.as_str())
    )]
    Held {
        /// Each with what it asks for.
        held: Vec<HeldPlugin>,
    },
    /// The same of one plugin that takes another's place.
    #[error("{0}")]
    HeldOne(String),
    /// A record of what plugins may ask for cannot be read.
    #[error("a record of what plugins may ask for cannot be read: {0}; use the pawl that wrote it")]
    StrangeRecord(String),
    /// A plugin is not signed by anybody whom the operator trusts.
    #[error("plugin '{name}' ({place}) is not trusted: {source}")]
    Untrusted {
        /// Its name.
        name: String,
        /// Where it was found.
        place: String,
        /// Why.
        source: Box<UntrustedError>,
    },
    /// A plugin cannot be fetched.
    #[error("plugin '{name}': {source}")]
    Registry {
        /// Its name.
        name: String,
        /// Why not.
        source: Box<RegistryError>,
    },
    /// A plugin that the operator's file gives cannot be had.
    #[error(
        "plugin '{name}' cannot be had from {from}, where {file} says under `plugins` that it is: {reason}; \
         see that it is there, or change `from`"
    )]
    Supply {
        /// Its name.
        name: Box<str>,
        /// Where it is said to be.
        from: Box<str>,
        /// The operator's file.
        file: Box<str>,
        /// Why not.
        reason: Box<str>,
        /// Whether it is in a registry.
        is_far: bool,
    },
    /// A plugin in a registry is named by a tag alone, which may come to mean another one.
    #[error("plugin '{name}': {reference} names no digest, and no pawl.lock has one; {hint}")]
    NoDigest {
        /// Its name.
        name: String,
        /// How the workflow names it.
        reference: String,
        /// What to write.
        hint: String,
    },
    /// A plugin is not the one that is locked, or the lock cannot be read.
    #[error(transparent)]
    Lock(Box<LockError>),
    /// Workflows start each other for ever.
    #[error(
        "'{file}' starts '{path}', which leads back to it; workflows cannot start each other in a circle"
    )]
    WorkflowCircle {
        /// The workflow's file.
        file: String,
        /// The file that leads back.
        path: String,
    },
    /// Workflows start workflows beyond the limit.
    #[error(
        "'{file}' starts '{path}' too deep within others; workflows_max_depth is {}",
        crate::WORKFLOWS_MAX_DEPTH
    )]
    WorkflowsTooDeep {
        /// The workflow's file.
        file: String,
        /// The file that it starts.
        path: String,
    },
    /// No workflow of this name is registered, or none of its versions is what is asked for.
    #[error("{what}; {hint}")]
    NotRegistered {
        /// What is missing.
        what: String,
        /// What there is, or what to do.
        hint: String,
    },
    /// A version is registered already, with other bytes.
    #[error(
        "version {version} of '{workflow}' is registered with other bytes: {}; give the changed one a version of its own",
        differences.join(", ")
    )]
    RegisteredOtherwise {
        /// The workflow.
        workflow: String,
        /// The version.
        version: String,
        /// What is other than it was, one text each.
        differences: Vec<String>,
    },
    /// Another version is active than was expected.
    #[error("'{workflow}' has {found} active, not the version that was expected; look at it again")]
    ActiveChanged {
        /// The workflow.
        workflow: String,
        /// What is active.
        found: String,
    },
    /// A name that is too long to be registered, or is none.
    #[error("{0}")]
    UnfitName(String),
    /// The sandbox cannot be set up.
    #[error("the sandbox cannot be set up: {0}")]
    Sandbox(#[from] SandboxError),
    /// No such run.
    #[error("there is no run {0}; `pawl runs` lists them")]
    UnknownRun(RunId),
    /// No such approval.
    #[error("there is no approval {0}; `pawl approvals` lists the open ones")]
    UnknownApproval(ApprovalId),
    /// The run did not take the command; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The event's topic is none.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The event brings what no value may be.
    #[error(
        "the event's data is nested deeper than value_max_depth ({VALUE_MAX_DEPTH}) allows; make it flatter"
    )]
    EventTooDeep,
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store failed. Of a commit that failed, other than by [`StoreError::Full`] and
    /// [`StoreError::Conflict`], it is not known whether it is in the store: the run's journal tells.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that a run needs is not in the store.
    #[error("run {run} needs {what}, which is not in the store; restore the data folder from a backup")]
    Missing {
        /// The run.
        run: RunId,
        /// What is missing.
        what: String,
    },
    /// The engine was shut down, or has ended because its store failed for good ([`StoreError::Failed`]).
    #[error("the engine was shut down; what was accepted goes on with `pawl resume`")]
    Closed,
}

impl From<LockError> for EngineError {
    fn from(error: LockError) -> Self {
        Self::Lock(Box::new(error))
    }
}

impl From<Diagnostics> for EngineError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Definition(Box::new(diagnostics))
    }
}
