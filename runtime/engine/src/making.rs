//! How a run is started, and how one is made of another.

use std::sync::Arc;

use pawl_core::budget::Amounts;
use pawl_core::event::{Actor, Event};
use pawl_core::guard::Policy;
use pawl_core::plugin::Permissions;
use pawl_core::trace::TraceContext;
use pawl_core::travel::Ancestor;
use pawl_core::{Namespace, RunId};
use pawl_store::RecordChange;

use crate::RunHistory;

/// How a run is started.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// Who starts it.
    pub by: Actor,
    /// What the operator allows beyond what stays inside the run: hosts.
    pub allowed: Permissions,
    /// The id that it has, where its caller needs it before it is there: see [`Engine::new_run_id`](crate::Engine::new_run_id).
    pub run: Option<RunId>,
    /// Whose run it is.
    pub namespace: Namespace,
    /// Records that are written in the same commit; one that says what it does not expect refuses the start.
    pub records: Vec<RecordChange>,
    /// The trace that they are in, which the run's own spans become a part of.
    pub trace: Option<TraceContext>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            by: library(),
            allowed: Permissions::default(),
            run: None,
            namespace: Namespace::default(),
            records: Vec::new(),
            trace: None,
        }
    }
}

/// The program that embeds the engine, as the operator.
fn library() -> Actor {
    Actor { name: "user:library".into(), groups: Vec::new(), operator: true, via: "library".into() }
}

/// How a run is made of another.
#[derive(Debug, Clone)]
pub struct Making {
    /// Who makes it.
    pub by: Actor,
    /// Whether they may answer approvals at all, where those ask for them.
    pub decides: bool,
    /// The trace that they are in, which the run's own spans become a part of.
    pub trace: Option<TraceContext>,
    /// The id that it has, where its caller needs it before it is there: see
    /// [`Engine::new_run_id`](crate::Engine::new_run_id).
    pub run: Option<RunId>,
    /// Records that are written in the same commit; one that says what it does not expect refuses the run.
    pub records: Vec<RecordChange>,
}

impl From<Actor> for Making {
    fn from(by: Actor) -> Self {
        Self { by, decides: true, trace: None, run: None, records: Vec::new() }
    }
}

/// What a run that is started anew has of the one that it is made of.
#[derive(Debug, Clone)]
pub(crate) struct MadeOf {
    pub(crate) ancestor: Ancestor,
    /// What others that led to that run could use of their budgets: as much again, and no more.
    pub(crate) allowance: Amounts,
    /// What bound it, where others led to it.
    led: Option<Arc<Policy>>,
    keeps_inputs: bool,
    had_parent: bool,
}

impl MadeOf {
    pub(crate) fn new(run: RunId, history: &RunHistory, keeps_inputs: bool) -> Self {
        let started = history.envelopes.first().and_then(|first| match &first.event {
            Event::RunStarted(started) => Some(started),
            _ => None,
        });
        let had_parent = started.is_some_and(|started| started.parent.is_some());
        let policy = history.state.policy();
        Self {
            ancestor: Ancestor::Rerun { run },
            allowance: started.map(|started| started.allowance.clone()).unwrap_or_default(),
            led: (had_parent || policy.is_led()).then(|| Arc::clone(policy)),
            keeps_inputs,
            had_parent,
        }
    }

    /// What is asked of the new run, where the operator asks this now.
    pub(crate) fn policy(&self, now: Policy) -> Policy {
        match &self.led {
            Some(led) => now.carried(led, self.keeps_inputs, self.had_parent),
            None => now,
        }
    }
}
