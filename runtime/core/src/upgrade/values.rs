//! What a run has recorded, and what the new definition makes of it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Check, ObstacleKind, named, same};
use crate::definition::{Definition, Output, Schema, VARS_MAX_BYTES, Verb};
use crate::expression::{Layer, Scope};
use crate::state::RunState;
use crate::{FrameId, value_bytes};

impl Check<'_> {
    pub(super) fn inputs_and_vars(&mut self) {
        let inputs = match accepted(self.state, self.to) {
            Ok(inputs) => Arc::new(inputs),
            Err(problems) => {
                let what = format!("its inputs are not accepted: {}", problems.join("; "));
                let next = "give what is new a default, or let the run end on its version";
                return self.add(ObstacleKind::InputsRefused, None, what, next);
            }
        };
        if let Err(error) = new_vars(self.state, &inputs, self.to) {
            let what = format!("a variable that is new cannot be made: {error}");
            self.add(ObstacleKind::Variable, None, what, "make it of what the run has");
        }
    }

    /// What is said of a run as a whole, most of it when it starts.
    pub(super) fn run_wide(&mut self) {
        let policy = self.state.policy();
        let follows = policy.follows || policy.approvals.iter().any(|rule| rule.tainted);
        if self.to.asks_for_taint && !self.from.asks_for_taint && !follows {
            let what = "the new version asks for what is tainted, and the journal does not say what is";
            let next = "let the run end on its version, or leave such rules out";
            self.add(ObstacleKind::TaintUnknown, None, what.to_owned(), next);
        }
        if self.state.parent().is_some() && !keeps_outputs(self.from, self.to) {
            let what = "a step of another run waits for its outputs, and the new version gives others";
            let next = "keep the outputs with their schemas; others may be added";
            self.add(ObstacleKind::OutputsChanged, None, what.to_owned(), next);
        }
        let grants_files =
            |verb: &Verb| matches!(verb, Verb::Tool(tool) if !tool.permissions.files.is_empty());
        if self.state.folder().is_none() && self.to.steps.iter().any(|step| grants_files(&step.verb)) {
            self.note("its tools have no `files`: it started with a version that grants none".to_owned());
        }
        let (from, to) = (self.from, self.to);
        let kept = [
            ("timeout", from.timeout != to.timeout),
            ("budget", from.budget != to.budget),
            ("concurrency", !same(&from.concurrency, &to.concurrency)),
            ("priority", !same(&from.priority, &to.priority)),
        ];
        for (key, _) in kept.into_iter().filter(|(_, changed)| *changed) {
            self.note(format!("`{key}` of the workflow stays what it was when the run started"));
        }
    }

    /// What would be undone can be, with what was kept for it.
    pub(super) fn kept(&mut self) {
        let state = self.state;
        for kept in state.kept() {
            let Some(visit) = state.visit(kept.visit) else { continue };
            let undo = named(self.to, &visit.step).and_then(|step| step.undo.as_ref());
            let has = undo.is_some_and(|undo| undo.uses.iter().all(|step| kept.outputs.contains_key(step)));
            let around = |step| {
                let names = |definition| {
                    let verb = named(definition, step).map(|step| &step.verb);
                    if let Some(Verb::Map(map)) = verb { map.name.clone() } else { None }
                };
                named(self.to, step).is_some() && names(self.from) == names(self.to)
            };
            if !has || !kept.around.iter().all(|at| around(&at.step)) {
                let what = "it was completed, and what was kept to undo it is not what the new version needs";
                let next = "keep the step with its `undo`, or let the run end on its version";
                self.add(ObstacleKind::UndoChanged, Some(&visit.step), what.to_owned(), next);
            }
        }
    }

    /// Signals that came and wait to be taken.
    pub(super) fn signals(&mut self) {
        let signals = &self.state.signals;
        for signal in signals.waiting() {
            let mut takers = self.to.signals().filter(|(_, step)| step.name == signal.name).peekable();
            let by_agents = self.to.signals_of_agents().any(|name| name == signal.name);
            if takers.peek().is_none() && !by_agents {
                self.verdict.note(format!("a signal '{}' was kept that no step takes any more", signal.name));
            }
            for (step, taker) in takers {
                let problems = taker.schema.as_ref().map(|schema| schema.problems(&signal.data));
                let problems = problems.unwrap_or_default();
                if !problems.is_empty() {
                    let what = format!("a signal '{}' was kept for it: {}", signal.name, problems.join("; "));
                    let next = "let the run take it first, or keep the schema of the signal";
                    let (kind, next) = (ObstacleKind::SignalUnfit, next.to_owned());
                    let step = Some(step.id.clone());
                    self.verdict.add(super::Obstacle { kind, step, what, next });
                }
            }
        }
    }
}

/// The run's inputs as another definition accepts them: with the defaults that it adds.
pub(crate) fn accepted(state: &RunState, to: &Definition) -> Result<Value, Vec<String>> {
    to.inputs.accept(Value::clone(state.inputs()))
}

/// The variables that a run does not have yet. One that still waits for its slot makes all of them later.
pub(crate) fn new_vars(
    state: &RunState,
    inputs: &Arc<Value>,
    to: &Definition,
) -> Result<Map<String, Value>, String> {
    let mut made = Map::new();
    let Some(root) = state.frame(FrameId::ROOT).filter(|_| !state.is_queued()) else { return Ok(made) };
    let mut run = Arc::clone(&state.facts);
    if let Value::Object(facts) = Arc::make_mut(&mut run) {
        facts.insert("version".to_owned(), Value::String(to.version.clone()));
    }
    let mut vars = Arc::clone(state.vars());
    for (name, template) in &to.vars {
        if vars.get(name).is_some() {
            continue;
        }
        let layer = Layer { outputs: &root.outputs, item: None, name: None, index: None, error: None };
        let scope = Scope { inputs, vars: &vars, run: &run, layers: vec![layer] };
        let value = template.evaluate(&scope).map_err(|error| error.to_string())?;
        if let Value::Object(vars) = Arc::make_mut(&mut vars) {
            vars.insert(name.clone(), value.clone());
        }
        made.insert(name.clone(), value);
    }
    let bytes = value_bytes(&vars);
    if bytes > VARS_MAX_BYTES {
        return Err(format!("all variables take {bytes} bytes then, and vars_max_bytes is {VARS_MAX_BYTES}"));
    }
    Ok(made)
}

/// Whether whoever waits for the outputs finds those that it knows.
fn keeps_outputs(from: &Definition, to: &Definition) -> bool {
    let schema = |output: &Output| output.schema.as_ref().map(Schema::json).cloned();
    from.outputs
        .iter()
        .all(|(name, before)| to.outputs.get(name).is_some_and(|now| schema(before) == schema(now)))
}
