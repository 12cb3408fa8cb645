//! A new run that begins with the events of another.
//!
//! The events up to a place are taken as they are, in a chain of their own:
//! what was recorded is not done again, and what is done from there on is done
//! by the new run, under its own idempotency keys. Approvals get new ids, since
//! an id stands for one question of one run. A place is where the run waits for
//! something, or where a step was completed and it is still to be decided what
//! comes next; anywhere else the fork would begin in the middle of a decision.
//! What people answered before it is gone on with only by who could have answered so.

mod answers;
mod place;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::{Command, Entropy, Moment};
use crate::decide::decide;
use crate::definition::{Definition, Verb};
use crate::event::{Actor, Event};
use crate::expression::VALUE_MAX_DEPTH;
use crate::journal::Envelope;
use crate::plugin::{Description, PluginKind, PluginPin, PluginPins};
use crate::refusal::Refusal;
use crate::state::RunState;
use crate::taint::Sources;
use crate::trace::TraceContext;
use crate::travel::{Ancestor, Rehearsal};
use crate::{ApprovalId, FrameId, RunId, StepId, Timestamp, within_depth};
pub use answers::{Forker, refuse_answers};
pub(crate) use place::Place;
use place::place;

/// How far around the place that was asked for others are looked for, in events.
const NEAR_MAX_EVENTS: usize = 10_000;

/// What is to be forked, and where.
#[derive(Debug)]
pub struct Fork<'a> {
    /// The run.
    pub from: RunId,
    /// All its events.
    pub envelopes: &'a [Envelope],
    /// The last event that both shall have.
    pub seq: u64,
    /// The new run.
    pub run: RunId,
    /// What shall be other than it was.
    pub changes: Vec<Change>,
    /// The agents that shall be others from there on.
    pub agents: PluginPins,
    /// Whether it is a rehearsal.
    pub rehearsal: Option<Rehearsal>,
    /// The trace that whoever forks it is in.
    pub trace: Option<TraceContext>,
    /// Who.
    pub by: Forker,
}

/// A recorded value that shall be another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The inputs, or the output of this step.
    pub step: Option<StepId>,
    /// The way to the value: fields of objects, numbers of items.
    pub path: Vec<String>,
    /// What it shall be.
    pub value: Value,
}

/// A run that was forked: everything that its journal begins with.
#[derive(Debug)]
pub struct Forked {
    /// The fold of its events.
    pub state: RunState,
    /// Its events, with their times.
    pub events: Vec<(Timestamp, Event)>,
}

/// How a forked run goes on.
#[derive(Debug, Clone)]
pub struct Restart {
    pub(crate) from: RunId,
    pub(crate) by: Actor,
    pub(crate) place: Place,
    pub(crate) inputs: Option<Value>,
    pub(crate) outputs: Vec<(FrameId, StepId, Value)>,
    pub(crate) agents: PluginPins,
    pub(crate) rehearsal: Option<Rehearsal>,
    pub(crate) trace: Option<TraceContext>,
}

/// Makes a new run of the events of another up to a place.
pub fn fork(definition: &Definition, fork: Fork<'_>, mut moment: Moment) -> Result<Forked, Refusal> {
    let Fork { from, envelopes, seq, run, changes, agents, rehearsal, trace, by } = fork;
    let taken = usize::try_from(seq).ok().and_then(|seq| envelopes.get(..seq)).unwrap_or_default();
    if taken.is_empty() {
        let text =
            format!("run {from} has no event {seq}; its events have the numbers 1 to {}", envelopes.len());
        return Err(Refusal::CannotFork(text));
    }
    let mut events = copied(taken, from, seq, &mut moment.entropy);
    let mut state = RunState::new(run);
    for (time, event) in &events {
        state.apply(*time, event);
    }
    let place = events
        .last()
        .and_then(|(_, last)| place(&state, definition, last))
        .ok_or_else(|| Refusal::CannotFork(no_place(definition, from, envelopes, seq, &state)))?;
    check_agents(&state, &agents).map_err(Refusal::CannotFork)?;
    let is_dry = rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.dry);
    if is_dry && state.wants_a_slot() {
        let text = format!("a dry rehearsal takes no slots, and run {from} waits for one at event {seq}");
        return Err(Refusal::CannotFork(text));
    }
    if !is_dry {
        refuse_answers(&by, from, taken)?;
        if answers::changed_while_dry(taken) || (place != Place::Start && !changes.is_empty()) {
            answers::refuse_changes(&by, definition)?;
        }
    }
    let (inputs, outputs, by) = (None, Vec::new(), by.actor);
    let mut restart = Restart { from, by, place, inputs, outputs, agents, rehearsal, trace };
    change(&state, definition, changes, &mut restart).map_err(Refusal::CannotFork)?;
    let own = decide(&mut state, definition, Command::Fork(Box::new(restart)), moment)?;
    let now = state.updated_at();
    events.extend(own.into_iter().map(|event| (now, event)));
    Ok(Forked { state, events })
}

/// Whatever takes an agent's place is one.
fn check_agents(state: &RunState, agents: &PluginPins) -> Result<(), String> {
    let is_agent = |pin: &PluginPin| pin.description.kind() == PluginKind::Agent;
    for (name, pin) in agents {
        if !state.plugins.get(name).is_some_and(is_agent) {
            let known: Vec<_> = state.plugins.iter().filter(|(_, pin)| is_agent(pin)).collect();
            let known: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!("the run has no agent '{name}'; its agents: {}", known.join(", ")));
        }
        if !is_agent(pin) {
            return Err(format!("what shall be '{name}' is a plugin of tools, and no agent"));
        }
    }
    Ok(())
}

fn copied(taken: &[Envelope], from: RunId, seq: u64, entropy: &mut Entropy) -> Vec<(Timestamp, Event)> {
    let mut ids: BTreeMap<ApprovalId, ApprovalId> = BTreeMap::new();
    let copy = |envelope: &Envelope| {
        let mut event = envelope.event.clone();
        if let Event::RunStarted(started) = &mut event {
            started.ancestor = Some(Ancestor::Forked { run: from, seq });
            // Nothing else says any more where its inputs come from.
            if started.parent.is_some() && !started.policy.follows {
                started.policy.tainted = Sources::of_a_parent();
            }
            // Who waits for the other run does not wait for this one.
            started.parent = None;
        } else if let Event::ApprovalOpened(opened) = &mut event {
            let id = ApprovalId::from_bits(entropy.bits());
            let before = std::mem::replace(&mut opened.approval, id.clone());
            ids.insert(before, id);
        } else if let Some(named) = event.approval_mut()
            && let Some(id) = ids.get(named)
        {
            *named = id.clone();
        }
        (envelope.time, event)
    };
    taken.iter().map(copy).collect()
}

/// Why there is no place there, with the nearest ones.
fn no_place(
    definition: &Definition,
    from: RunId,
    envelopes: &[Envelope],
    seq: u64,
    there: &RunState,
) -> String {
    let mut state = RunState::new(from);
    let (mut before, mut behind) = (None, None);
    for envelope in envelopes {
        state.apply(envelope.time, &envelope.event);
        // Under another definition its places are others.
        let same = state.definition() == there.definition();
        let near = same && envelope.seq.abs_diff(seq) <= NEAR_MAX_EVENTS as u64;
        if near && behind.is_none() && place(&state, definition, &envelope.event).is_some() {
            if envelope.seq < seq { before = Some(envelope.seq) } else { behind = Some(envelope.seq) }
        }
    }
    let why = if there.has_undone() {
        "it had begun to undo what it did there"
    } else if there.is_open() {
        "it is in the middle of a decision there"
    } else {
        "it had ended there, so there is nothing to go on with"
    };
    let near: Vec<_> = [before, behind].into_iter().flatten().map(|seq| seq.to_string()).collect();
    let near = if near.is_empty() { "there is none near it".to_owned() } else { near.join(" and ") };
    format!(
        "run {from} cannot be forked at event {seq}: {why}; the nearest events at which it can be: {near}"
    )
}

/// Finds and checks what shall be other than it was.
fn change(
    state: &RunState,
    definition: &Definition,
    changes: Vec<Change>,
    restart: &mut Restart,
) -> Result<(), String> {
    for Change { step, path, value } in changes {
        let Some(step) = step else {
            let inputs = restart.inputs.get_or_insert_with(|| Value::clone(&state.inputs));
            put(inputs, &path, value).map_err(|why| format!("inputs: {why}"))?;
            continue;
        };
        let frame = frame_of(state, &step)?;
        let same = restart.outputs.iter().position(|(f, s, _)| *f == frame && *s == step);
        let at = same.unwrap_or_else(|| {
            let before = state.frame(frame).and_then(|frame| frame.outputs.get(&step));
            let before = before.map(|output| Value::clone(output)).unwrap_or_default();
            restart.outputs.push((frame, step.clone(), before));
            restart.outputs.len() - 1
        });
        put(&mut restart.outputs[at].2, &path, value).map_err(|why| format!("steps.{step}.output: {why}"))?;
    }
    if let Some(inputs) = restart.inputs.take() {
        let accepted = definition.inputs.accept(inputs);
        restart.inputs =
            Some(accepted.map_err(|problems| format!("the inputs do not fit: {}", problems.join("; ")))?);
    }
    for (_, step, output) in &restart.outputs {
        check_output(state, definition, step, output)?;
    }
    Ok(())
}

/// The one list of steps that is gone through in which a step has an output.
fn frame_of(state: &RunState, step: &StepId) -> Result<FrameId, String> {
    let mut frames = state.frames.iter().filter(|(_, frame)| frame.outputs.contains_key(step));
    match (frames.next(), frames.next()) {
        (Some((frame, _)), None) => Ok(*frame),
        (None, _) => Err(format!(
            "step '{step}' has no output there that is still seen; fork at or behind the event that completed it"
        )),
        (Some(_), Some(_)) => Err(format!("step '{step}' has several outputs there, one for each item")),
    }
}

/// A changed output is still what the plugin says that it gives.
fn check_output(
    state: &RunState,
    definition: &Definition,
    step: &StepId,
    output: &Value,
) -> Result<(), String> {
    if !within_depth(output, VALUE_MAX_DEPTH) {
        return Err(format!(
            "steps.{step}.output is nested deeper than value_max_depth ({VALUE_MAX_DEPTH}) allows"
        ));
    }
    let index = definition.index_of(step);
    if index.is_some_and(|index| definition.asks_within(index)) {
        return Err(format!(
            "steps.{step}.output is what people answer, or comes of it, and cannot be changed; fork before the question, \
             and answer it there"
        ));
    }
    let verb = index.and_then(|index| definition.step(index)).map(|step| &step.verb);
    let schema = if let Some(Verb::Tool(tool)) = verb {
        let pin = state.plugins.get(&tool.plugin);
        pin.and_then(|pin| pin.description.tool(&tool.tool)).map(|tool| &tool.output_schema)
    } else if let Some(Verb::Agent(agent)) = verb {
        state.plugins.get(&agent.agent).and_then(|pin| match &pin.description {
            Description::Agent(agent) => Some(&agent.output_schema),
            Description::Tools(_) => None,
        })
    } else {
        None
    };
    let schema = schema.and_then(|schema| crate::definition::Schema::new(schema.clone()).ok());
    let problems = schema.map(|schema| schema.problems(output)).unwrap_or_default();
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("steps.{step}.output is not what its plugin says that it gives: {}", problems.join("; ")))
}

/// Puts a value at the end of a way into another.
pub fn put(into: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let mut at = into;
    for part in path {
        at = match at {
            Value::Object(fields) => fields.entry(part.clone()).or_insert(Value::Null),
            Value::Array(items) => {
                let count = items.len();
                let item = part.parse::<usize>().ok().and_then(|number| items.get_mut(number));
                item.ok_or_else(|| format!("there is no item '{part}' in a list of {count}"))?
            }
            Value::Null => {
                *at = Value::Object(serde_json::Map::new());
                let Value::Object(fields) = at else { return Ok(()) };
                fields.entry(part.clone()).or_insert(Value::Null)
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(format!("there is no field '{part}' in what is no object"));
            }
        };
    }
    *at = value;
    Ok(())
}
