//! Effects are carried out, and what came of them comes back.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pawl_core::definition::{Step, Verb};
use pawl_core::event::Work;
use pawl_core::plugin::Permissions;
use pawl_core::state::Activity;
use pawl_core::trace::{SpanOf, TraceContext, TraceId};
use pawl_core::{
    AskedByTool, Command, Effect, Failure, FailureKind, Rank, RunId, RunState, VisitId, effects,
};
use serde_json::Value;

use super::active::{ActiveRun, Live};
use super::context::OnPanic;
use super::message::{AttemptKey, Message, Queued};
use super::routes::{SEARCH, search};
use super::{Driver, Resident};
use crate::attempt::{AttemptEnd, AttemptTask, carry_out};

impl Driver {
    /// Begins what must be under way, stops what must not, and lets go of a run with nothing to do.
    pub(super) fn carry_on(&mut self, run: RunId) {
        let instances = &mut self.instances;
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        let mut wake_at = None;
        let (mut wanted, mut seeking) = (HashSet::new(), Vec::new());
        for effect in effects(&active.state) {
            match effect {
                Effect::WakeAt(at) => wake_at = Some(at),
                Effect::Route { visit, query, failed, waits } => {
                    let Some(request) = active.request(visit, query, failed) else { continue };
                    if active.state.is_suspended() || self.draining.is_some() {
                        continue;
                    }
                    if waits {
                        seeking.push(request);
                        continue;
                    }
                    wanted.insert((visit, SEARCH));
                    if let Entry::Vacant(place) = active.live.entry((visit, SEARCH)) {
                        *instances += 1;
                        let key = AttemptKey { run, visit, attempt: SEARCH, instance: *instances };
                        place.insert(search(&self.context, key, request));
                    }
                }
                Effect::Attempt { visit, attempt, work } => {
                    wanted.insert((visit, attempt));
                    let held = active.state.is_suspended() || self.draining.is_some();
                    if active.live.contains_key(&(visit, attempt)) || held {
                        continue;
                    }
                    let traced = self.context.standing.now().traced;
                    let Some(task) = active.task(visit, work, traced) else { continue };
                    let context = Arc::clone(&self.context);
                    *instances += 1;
                    let instance = *instances;
                    let key = AttemptKey { run, visit, attempt, instance };
                    let panicked =
                        OnPanic::new(&context.mailbox, move || Message::AttemptEnded { key, end: gone() });
                    let handle = tokio::spawn(async move {
                        let end = carry_out(&context, task).await;
                        context.mailbox.send(Message::AttemptEnded { key, end });
                        drop(panicked);
                    });
                    let live = Live { instance, handle: handle.abort_handle(), draining: false };
                    active.live.insert((visit, attempt), live);
                }
            }
        }
        active.live.retain(|key, live| {
            let keep = wanted.contains(key) || (live.draining && under_way(&active.state, *key));
            if !keep {
                live.handle.abort();
            }
            keep
        });
        let idle = active.is_idle();
        self.mind_slots(run);
        self.mind_seekers(run, seeking);
        self.timers.set(run, wake_at, idle);
        if idle {
            self.residents.remove(&run);
        }
    }

    /// An attempt came to its end; one that was stopped meanwhile is not heard.
    pub(super) fn attempt_ended(&mut self, key: AttemptKey, end: AttemptEnd) {
        let AttemptKey { run, visit, attempt, instance } = key;
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        if active.live.get(&(visit, attempt)).is_none_or(|live| live.instance != instance) {
            return;
        }
        active.live.remove(&(visit, attempt));
        let command = match end {
            AttemptEnd::Ended { result, silent, log } => {
                Some(Command::EndAttempt { visit, attempt, result, silent, log })
            }
            AttemptEnd::HandedOver { to, input, silent } => {
                Some(Command::HandOver { visit, attempt, to, input, silent })
            }
            AttemptEnd::Asks(asks) => {
                let asked = AskedByTool { visit, attempt, call: None, asks, silent: Vec::new() };
                Some(Command::AskForTool(Box::new(asked)))
            }
            AttemptEnd::Suspended => None,
        };
        active.queue.extend(command.map(Queued::new));
        self.advance(run);
    }
}

/// Whether an attempt is the one that its visit is in, waiting or not.
fn under_way(state: &RunState, (visit, attempt): (VisitId, u32)) -> bool {
    let visit = state.visit(visit);
    visit.is_some_and(|at| at.attempt == attempt && matches!(at.activity, Activity::Attempting))
}

/// The end of an attempt whose task panicked.
fn gone() -> AttemptEnd {
    let message = "the attempt was ended by a panic in the host, which is a fault of pawl; please report it";
    let result = Err(Failure::new(FailureKind::Trap, message));
    AttemptEnd::Ended { result, silent: Vec::new(), log: Vec::new() }
}

/// What a step's plugin may do, as far as the workflow says.
pub(super) fn declared(step: &Step) -> Permissions {
    match &step.verb {
        Verb::Agent(agent) => agent.permissions.clone(),
        Verb::Tool(tool) => tool.permissions.clone(),
        Verb::Human(_)
        | Verb::Set(_)
        | Verb::Switch(_)
        | Verb::Wait(_)
        | Verb::Fail(_)
        | Verb::Parallel(_)
        | Verb::Map(_)
        | Verb::Loop(_)
        | Verb::Signal(_)
        | Verb::Emit(_)
        | Verb::Workflow(_) => Permissions::default(),
    }
}

impl ActiveRun {
    /// The tools that a step's agent cannot call unasked.
    fn guarded(&self, step: &Step) -> Vec<String> {
        let own = self.definition.approvals.iter().chain(&step.approvals);
        self.state.policy().approvals.iter().chain(own).map(|rule| rule.tool.clone()).collect()
    }

    /// The trace that the run is in: that of whoever started it, or its own, where there is to be one.
    fn trace(&self, traced: bool) -> Option<TraceContext> {
        if let Some(trace) = self.state.trace() {
            return Some(trace.as_ref().clone());
        }
        let run = self.state.id();
        let (trace, span) = (TraceId::of(run), SpanOf::Run.id(run, 0));
        traced.then_some(TraceContext { trace, span, sampled: true, state: None })
    }

    /// What a dry rehearsal would have put into the memory of an agent that runs share.
    fn dry_memory(&self, work: &Work) -> Option<BTreeMap<String, Value>> {
        let Work::Agent { memory: Some(scope), .. } = work else { return None };
        self.state.is_dry().then(|| self.state.dry_memory(scope).cloned().unwrap_or_default())
    }

    /// What an attempt needs to know of its run.
    fn task(&self, id: VisitId, work: Arc<Work>, traced: bool) -> Option<AttemptTask> {
        let visit = self.state.visit(id)?;
        let step = self.definition.step(self.definition.index_of(&visit.step)?)?;
        let declared = declared(step);
        let narrowed = self.state.policy().narrow(&declared);
        let withheld = narrowed.http.beyond(&self.state.allowed().http);
        let policy = self.state.policy();
        let bounded = if policy.is_empty() { None } else { policy.withheld(&declared) };
        let mounts = self.state.mounts(&declared);
        Some(AttemptTask {
            run: self.state.id(),
            visit: id,
            attempt: visit.attempt,
            step: visit.step.clone(),
            dry_memory: self.dry_memory(&work),
            work,
            grants: self.state.granted(&declared),
            withheld,
            bounded,
            mounts: Arc::new(mounts),
            pins: Arc::clone(self.state.plugins()),
            started_at: visit.attempt_at,
            deadline: visit.attempt_deadline(),
            seed: self.state.attempt_seed(id, visit.attempt),
            key: self.state.step_key(id),
            rank: Rank::new(visit.attempt_at, self.state.priority(Some(id))),
            budgeted: self.state.is_budgeted(id),
            recorded: visit.calls.clone(),
            dialogues: visit.dialogues.clone(),
            memory: self.state.memory().clone(),
            rehearsing: self.rehearsing.clone(),
            trace: self.trace(traced),
            guarded: self.guarded(step),
        })
    }
}
