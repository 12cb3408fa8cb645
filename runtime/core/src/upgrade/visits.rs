//! Where a run stands, step by step, in the new definition.

use std::collections::BTreeSet;

use super::frames::block_in;
use super::{Check, ObstacleKind, named, same};
use crate::definition::{AgentStep, HumanStep, ParallelStep, Schema, Step, Verb, WaitStep};
use crate::event::{Asker, Awaited, Work};
use crate::plugin::split_tool;
use crate::state::{Activity, CallProgress, Visit};
use crate::{ApprovalId, StepId};

/// What to do where a step is in the middle of something that changes.
const GET_PAST: &str = "let the run get past the step, or keep it as it was";

impl Check<'_> {
    /// Every step that has begun goes on.
    pub(super) fn visits(&mut self) {
        let state = self.state;
        for (_, visit) in state.active() {
            self.visit(visit);
        }
        for held in state.held() {
            match named(self.to, &held.step) {
                None => self.missing(&held.step),
                Some(step) => {
                    let frame = state.frame(held.frame);
                    if frame.and_then(|frame| block_in(self.to, state, frame)) != Some(step.block) {
                        self.moved(&held.step);
                    }
                }
            }
        }
    }

    fn missing(&mut self, step: &StepId) {
        let what = "it is where the run stands, and the new version has no such step".to_owned();
        self.add(ObstacleKind::StepMissing, Some(step), what, "let the run get past the step, or keep it");
    }

    fn visit(&mut self, visit: &Visit) {
        let (Some(new), Some(old)) = (named(self.to, &visit.step), named(self.from, &visit.step)) else {
            return self.missing(&visit.step);
        };
        if is_under_way(visit) {
            let what = "it is under way".to_owned();
            let next = "try again when it is done; `pawl suspend RUN` lets the run come to rest behind it";
            self.add(ObstacleKind::UnderWay, Some(&visit.step), what, next);
        }
        if old.verb.name() != new.verb.name() {
            let what = format!("it is a `{}` and becomes a `{}`", old.verb.name(), new.verb.name());
            return self.add(ObstacleKind::VerbChanged, Some(&visit.step), what, GET_PAST);
        }
        let frame = self.state.frame(visit.frame);
        let block = frame.and_then(|frame| block_in(self.to, self.state, frame));
        if block.is_some_and(|block| block != new.block) {
            self.moved(&visit.step);
        }
        self.activity(visit, old, new);
    }

    fn activity(&mut self, visit: &Visit, old: &Step, new: &Step) {
        match &visit.activity {
            Activity::Inside => self.inside(visit, old, new),
            Activity::Attempting => self.in_the_middle(visit, old, new),
            Activity::Asking(approval) => self.asking(approval, visit, old, new),
            Activity::BackingOff(_) | Activity::Seeking | Activity::Unknown(_) => {
                self.recorded(visit, old, new);
            }
            Activity::Waiting(_) | Activity::Listening(..) => self.waiting(visit, old, new),
            Activity::Child(_) => self.child(visit, new),
            // What is under way is told of before; a step that waits for its slot has not begun. What is done is not
            // active.
            Activity::Arrived
            | Activity::Routing
            | Activity::Queued(_)
            | Activity::Skipped
            | Activity::Completed
            | Activity::Failed(_)
            | Activity::Cancelled => {}
        }
    }

    /// The branches of a `parallel` are told apart by their numbers.
    fn inside(&mut self, visit: &Visit, old: &Step, new: &Step) {
        let names = |parallel: &ParallelStep| {
            parallel.branches.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        if let (Verb::Parallel(before), Verb::Parallel(now)) = (&old.verb, &new.verb)
            && names(before) != names(now)
        {
            let what = "its branches are under way, and the new version has others, or another order";
            self.add(ObstacleKind::ListChanged, Some(&visit.step), what.to_owned(), GET_PAST);
        }
    }

    /// An agent waits within an attempt: it is replayed by the component that began it, with the same grants.
    fn in_the_middle(&mut self, visit: &Visit, old: &Step, new: &Step) {
        let (Verb::Agent(before), Verb::Agent(now)) = (&old.verb, &new.verb) else { return };
        if !is_same_agent(before, now) {
            let what = "its agent is in the middle of its work, and the new version has another, or grants it \
                        other things";
            return self.add(ObstacleKind::AgentChanged, Some(&visit.step), what.to_owned(), GET_PAST);
        }
        if let Some(plugin) = self.changed_plugin(visit, old) {
            let what = format!(
                "its agent is in the middle of its work, and '{plugin}', which it is or uses, has other bytes"
            );
            return self.add(ObstacleKind::AgentChanged, Some(&visit.step), what, GET_PAST);
        }
        if !same(&before.with, &now.with) {
            self.note(format!("the agent of step '{}' goes on with the input that it was given", visit.step));
        }
    }

    /// What was recorded for the next attempt is done by it, so it must be what the new version would do.
    fn recorded(&mut self, visit: &Visit, old: &Step, new: &Step) {
        let is_same = match (&old.verb, &new.verb) {
            (Verb::Agent(before), Verb::Agent(now)) => {
                is_same_agent(before, now) && same(&before.with, &now.with)
            }
            (Verb::Tool(before), Verb::Tool(now)) => {
                (&before.plugin, &before.tool) == (&now.plugin, &now.tool)
                    && same(&before.route, &now.route)
                    && same(&before.with, &now.with)
            }
            _ => true,
        };
        if !is_same {
            let what = "what its next attempt does is recorded, and the new version does otherwise";
            return self.add(ObstacleKind::WorkChanged, Some(&visit.step), what.to_owned(), GET_PAST);
        }
        if let Some(plugin) = self.changed_plugin(visit, old) {
            let what =
                format!("its next attempt is recorded for '{plugin}' as it was, and that has other bytes");
            self.add(ObstacleKind::WorkChanged, Some(&visit.step), what, GET_PAST);
        }
    }

    /// A plugin that a step uses whose bytes change.
    fn changed_plugin(&self, visit: &Visit, step: &Step) -> Option<String> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        match visit.work.as_deref() {
            Some(Work::Agent { agent, .. }) => names.insert(agent),
            Some(Work::Tool { plugin, .. }) => names.insert(plugin),
            None => false,
        };
        if let Verb::Agent(agent) = &step.verb {
            names.insert(&agent.agent);
            names.extend(agent.permissions.agents.iter().map(String::as_str));
            let tools = agent.permissions.tools.iter().filter_map(|tool| split_tool(tool));
            names.extend(tools.map(|(plugin, _)| plugin));
        } else if let Verb::Tool(tool) = &step.verb {
            names.insert(&tool.plugin);
        }
        let changed = |name: &&str| {
            let pins = self.state.plugins.get(*name).zip(self.target.plugins.get(*name));
            pins.is_some_and(|(before, now)| before.component != now.component)
        };
        names.into_iter().find(changed).map(str::to_owned)
    }

    fn asking(&mut self, approval: &ApprovalId, visit: &Visit, old: &Step, new: &Step) {
        let asker = self.state.approvals.get(approval).map(|approval| approval.asker);
        let (Some(Asker::Step), Verb::Human(before), Verb::Human(now)) = (asker, &old.verb, &new.verb) else {
            return self.recorded(visit, old, new);
        };
        if let Some(part) = changed_question(before, now) {
            let what = format!("a person is asked, and its {part} is another in the new version");
            let next = "have it answered first, or keep the question as it was";
            return self.add(ObstacleKind::QuestionChanged, Some(&visit.step), what, next);
        }
        if !same(&before.title, &now.title) || before.due != now.due {
            self.note(format!("the question of step '{}' stays as it was asked", visit.step));
        }
    }

    fn waiting(&mut self, visit: &Visit, old: &Step, new: &Step) {
        let fits = match (&visit.activity, &old.verb, &new.verb) {
            (Activity::Listening(Awaited::Signal(name), _), _, Verb::Signal(now)) => *name == now.name,
            (_, Verb::Wait(WaitStep::For(before)), Verb::Wait(WaitStep::For(now))) => {
                if before != now {
                    self.note(format!("the wait of step '{}' ends when it was to end", visit.step));
                }
                true
            }
            (_, Verb::Wait(before), Verb::Wait(now)) => same(before, now),
            _ => false,
        };
        if !fits {
            let what = "it waits, and the new version waits for something else".to_owned();
            self.add(ObstacleKind::WaitChanged, Some(&visit.step), what, GET_PAST);
        }
    }

    fn child(&mut self, visit: &Visit, new: &Step) {
        let (Verb::Workflow(now), Some(Verb::Workflow(before))) =
            (&new.verb, named(self.from, &visit.step).map(|step| &step.verb))
        else {
            return;
        };
        let old = self.state.workflows.get(&before.workflow).map(|pin| pin.definition);
        let new = self.target.workflows.get(&now.workflow).map(|pin| pin.definition);
        if old != new {
            let what =
                format!("it waits for a run of '{}', which is another one in the new version", now.workflow);
            let next = "let that run end first; it can be moved by itself";
            self.add(ObstacleKind::ChildChanged, Some(&visit.step), what, next);
        }
    }
}

/// Whether something is done for it now, in some process.
fn is_under_way(visit: &Visit) -> bool {
    let runs =
        |progress: &CallProgress| matches!(progress, CallProgress::Running(_) | CallProgress::Cleared(_));
    visit.is_busy() || visit.calls.open().any(|(_, call)| runs(&call.progress))
}

/// Whether an agent that is replayed finds all as it was.
fn is_same_agent(before: &AgentStep, now: &AgentStep) -> bool {
    before.agent == now.agent
        && same(&before.route, &now.route)
        && before.permissions == now.permissions
        && same(&before.memory, &now.memory)
}

/// What of a question that a person has before them is another one.
fn changed_question(before: &HumanStep, now: &HumanStep) -> Option<&'static str> {
    let json = |form: &Option<Schema>| form.as_ref().map(|form| form.json().clone());
    if json(&before.form) != json(&now.form) {
        Some("form")
    } else if before.actions != now.actions {
        Some("list of actions")
    } else if before.to != now.to {
        Some("list of those who may answer")
    } else if !same(&before.subject, &now.subject) {
        Some("subject")
    } else {
        None
    }
}
