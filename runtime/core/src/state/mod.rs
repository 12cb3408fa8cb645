//! The state of a run: a fold over its events, and nothing else.
//!
//! [`RunState::apply`] never fails, never evaluates and never decides. A
//! journal that says something impossible (a visit that is not there) was
//! altered, which the hash chain shows; applying it changes nothing.

mod apply;
mod approval;
mod budget;
mod called;
mod calls;
mod dialogue;
mod frame;
mod guard;
mod header;
mod outside;
mod route;
mod signals;
mod slot;
mod taint;
mod travel;
mod undo;
mod upgrade;
mod visit;
mod wreck;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

pub use approval::Approval;
pub use budget::{Budgets, Meter};
pub use calls::{CallProgress, CallState, Calls};
pub use dialogue::{Dialogue, ToolAnswer};
pub use frame::{Frame, Inside};
pub use route::Routing;
pub use signals::{Signal, Signals};
pub use slot::Slot;
pub use travel::{Held, Suspension};
pub use undo::{Around, Kept, Undoing};
pub use visit::{Activity, Visit};

use taint::Taints;
use wreck::Wreck;

use crate::budget::{Amounts, Prices};
use crate::event::{Actor, Origin, Parent};
use crate::guard::Policy;
use crate::plugin::{FolderMode, Mount, Permissions, PluginPins, WorkflowPins, absolute, around};
use crate::trace::TraceContext;
use crate::travel::Rehearsal;
use crate::{
    ApprovalId, Digest, Failure, FrameId, MemoryScope, Namespace, RunId, StepId, Timestamp, VisitId,
};

/// Where a run stands as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// No event yet.
    New,
    /// Under way or waiting.
    Open,
    /// Done, with its outputs.
    Completed(Arc<Value>),
    /// Ended with a failure.
    Failed(Failure),
    /// Ended by a person.
    Cancelled,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    pub(crate) id: RunId,
    pub(crate) phase: Phase,
    pub(crate) workflow: String,
    pub(crate) version: String,
    pub(crate) definition: Digest,
    pub(crate) inputs: Arc<Value>,
    pub(crate) vars: Arc<Value>,
    pub(crate) plugins: Arc<PluginPins>,
    pub(crate) rehearsal: Option<Arc<Rehearsal>>,
    pub(crate) allowed: Permissions,
    pub(crate) policy: Arc<Policy>,
    pub(crate) taints: Taints,
    /// The folder of its workflow's file, where that grants files.
    pub(crate) folder: Option<String>,
    pub(crate) seed: Digest,
    pub(crate) facts: Arc<Value>,
    /// When the run fails with `timeout`.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) visits: BTreeMap<VisitId, Visit>,
    pub(crate) active: Vec<VisitId>,
    pub(crate) frames: BTreeMap<FrameId, Frame>,
    /// How many frames were begun, the workflow's own not counted.
    pub(crate) frames_begun: u32,
    /// The completed visits that are undone when the run fails, in the order of their completion.
    pub(crate) kept: Vec<Kept>,
    /// What they hold, in bytes of JSON.
    pub(crate) kept_bytes: usize,
    pub(crate) undoing: Option<Box<Undoing>>,
    pub(crate) has_undone: bool,
    pub(crate) approvals: BTreeMap<ApprovalId, Approval>,
    pub(crate) memory: BTreeMap<String, Value>,
    /// What a dry rehearsal would have put into memories that runs share.
    pub(crate) dry_memory: BTreeMap<MemoryScope, BTreeMap<String, Value>>,
    /// Who suspended it; nothing while it goes on.
    pub(crate) suspension: Option<Suspension>,
    /// Steps that begin when it is resumed.
    pub(crate) held: Vec<Held>,
    /// What the failure took away that the run is ending with, or has ended with.
    pub(crate) wreck: Option<Box<Wreck>>,
    pub(crate) workflows: Arc<WorkflowPins>,
    pub(crate) parent: Option<Parent>,
    pub(crate) by: Option<Actor>,
    /// Who started it, and who forked it.
    pub(crate) initiators: Vec<String>,
    pub(crate) namespace: Namespace,
    pub(crate) priority: Option<u8>,
    /// The run's own slot, asked for or taken.
    pub(crate) slot: Option<Box<Slot>>,
    /// What the step that started it allows it to use.
    pub(crate) allowance: Amounts,
    /// What models cost, where money is counted.
    pub(crate) prices: Prices,
    pub(crate) budgets: Budgets,
    pub(crate) signals: Signals,
    /// The events of other runs that it has heard.
    pub(crate) heard: BTreeSet<Origin>,
    /// The trace that whoever started it was in.
    pub(crate) trace: Option<Arc<TraceContext>>,
}

impl RunState {
    /// A run without events.
    pub fn new(id: RunId) -> Self {
        Self {
            id,
            phase: Phase::New,
            workflow: String::new(),
            version: String::new(),
            definition: Digest::from_bytes([0; 32]),
            inputs: Arc::default(),
            vars: Arc::new(Value::Object(serde_json::Map::new())),
            plugins: Arc::default(),
            rehearsal: None,
            allowed: Permissions::default(),
            policy: Arc::default(),
            taints: Taints::default(),
            folder: None,
            seed: Digest::from_bytes([0; 32]),
            facts: Arc::default(),
            deadline: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            visits: BTreeMap::new(),
            active: Vec::new(),
            frames: BTreeMap::from([(FrameId::ROOT, Frame::default())]),
            frames_begun: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            undoing: None,
            has_undone: false,
            approvals: BTreeMap::new(),
            memory: BTreeMap::new(),
            dry_memory: BTreeMap::new(),
            suspension: None,
            held: Vec::new(),
            wreck: None,
            workflows: Arc::default(),
            parent: None,
            by: None,
            initiators: Vec::new(),
            namespace: Namespace::default(),
            priority: None,
            slot: None,
            allowance: Amounts::default(),
            prices: Prices::new(),
            budgets: Budgets::default(),
            signals: Signals::default(),
            heard: BTreeSet::new(),
            trace: None,
        }
    }

    /// The run's id.
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// The trace that whoever started it was in.
    pub const fn trace(&self) -> Option<&Arc<TraceContext>> {
        self.trace.as_ref()
    }

    /// Where it stands as a whole.
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether it goes on.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// The definition that it goes by: the one that it started with, unless it was moved.
    pub const fn definition(&self) -> Digest {
        self.definition
    }

    /// The accepted inputs.
    pub const fn inputs(&self) -> &Arc<Value> {
        &self.inputs
    }

    /// Its variables, an object.
    pub const fn vars(&self) -> &Arc<Value> {
        &self.vars
    }

    /// The plugins of its definition, and those that were chosen for it.
    pub const fn plugins(&self) -> &Arc<PluginPins> {
        &self.plugins
    }

    /// The workflows that its steps start.
    pub const fn workflows(&self) -> &Arc<WorkflowPins> {
        &self.workflows
    }

    /// The step that started it, of another run.
    pub const fn parent(&self) -> Option<Parent> {
        self.parent
    }

    /// Whose run it is.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Who started it.
    pub const fn by(&self) -> Option<&Actor> {
        self.by.as_ref()
    }

    /// The runs that its steps started and wait for.
    pub fn children(&self) -> impl Iterator<Item = (VisitId, RunId)> {
        self.active().filter_map(|(id, visit)| Some((id, visit.child()?)))
    }

    /// What the operator allows it beyond what stays inside.
    pub const fn allowed(&self) -> &Permissions {
        &self.allowed
    }

    /// What its operator, and the runs around it, ask for beyond its workflow.
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The folder of its workflow's file, where that grants files.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }

    /// What a step has of what its workflow grants it: what stays inside the run as far as its policy goes, the
    /// network as far as the operator allowed it as well.
    pub fn granted(&self, declared: &Permissions) -> Permissions {
        let narrowed = self.policy.narrow(declared);
        Permissions { http: narrowed.http.common(&self.allowed.http), ..narrowed }
    }

    /// The folders that a step's tools have, of those that its workflow grants: within the operator's, and within
    /// what the steps that led to the run grant.
    pub fn mounts(&self, declared: &Permissions) -> Vec<Mount> {
        let mount = |(name, mode): (&String, &FolderMode)| {
            let path = absolute(self.folder.as_deref()?, name);
            let (root, most) = around(&self.policy.files, &path)?;
            let within = match &self.policy.around.files {
                Some(folders) => around(folders, &path)?.1,
                None => FolderMode::Write,
            };
            let below = path[root.trim_end_matches('/').len()..].trim_start_matches('/').to_owned();
            let mode = *mode.min(&most).min(&within);
            Some(Mount { name: name.clone(), root: root.to_owned(), below, mode })
        };
        declared.files.iter().filter_map(mount).collect()
    }

    /// When its last event was decided.
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// A visit.
    pub fn visit(&self, id: VisitId) -> Option<&Visit> {
        self.visits.get(&id)
    }

    /// All visits in the order of arrival.
    pub fn visits(&self) -> impl Iterator<Item = (VisitId, &Visit)> {
        self.visits.iter().map(|(id, visit)| (*id, visit))
    }

    /// The visits that are not done, in the order of arrival.
    pub fn active(&self) -> impl Iterator<Item = (VisitId, &Visit)> {
        self.active.iter().filter_map(|id| self.visits.get(id).map(|visit| (*id, visit)))
    }

    /// The approvals of the run, open and closed.
    pub fn approvals(&self) -> impl Iterator<Item = (&ApprovalId, &Approval)> {
        self.approvals.iter()
    }

    /// A frame that is under way.
    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(&id)
    }

    /// The last output of a step of the workflow's own list that has one.
    pub fn output(&self, step: &str) -> Option<&Value> {
        self.frame(FrameId::ROOT)?.outputs.get(&StepId::new(step)).map(AsRef::as_ref)
    }

    /// What it would have put into a memory that runs share, where it is a dry rehearsal; null takes a value away.
    pub fn dry_memory(&self, scope: &MemoryScope) -> Option<&BTreeMap<String, Value>> {
        self.dry_memory.get(scope)
    }

    /// What its agents keep in memory.
    pub const fn memory(&self) -> &BTreeMap<String, Value> {
        &self.memory
    }

    /// The seed of an attempt's randomness: the same in every replay, another for every attempt.
    pub fn attempt_seed(&self, visit: VisitId, attempt: u32) -> Digest {
        let seed = self.seed.as_bytes();
        Digest::of_parts(&[seed, &visit.0.to_be_bytes(), &attempt.to_be_bytes()])
    }

    /// The key under which a tool step's visit reaches outside: the same for
    /// every attempt, so that a repeated one can be recognized there.
    pub fn step_key(&self, visit: VisitId) -> String {
        format!("{}/{visit}", self.id)
    }

    /// The key of an agent's call. A new attempt of the agent is free to call
    /// otherwise, so its calls have keys of their own.
    pub fn call_key(&self, visit: VisitId, attempt: u32, call: u32) -> String {
        format!("{}/{visit}/{attempt}/{call}", self.id)
    }
}
