//! What comes from outside the run: signals, and events of other runs.

use serde_json::{Value, json};

use super::Draft;
use super::advance::Arrival;
use crate::call::CallRequest;
use crate::definition::{EmitStep, SignalStep, Verb};
use crate::event::{Actor, Awaited, Event, Origin, SignalReceived};
use crate::expression::{EvaluationError, Template};
use crate::refusal::Refusal;
use crate::topic::{check_pattern, check_topic, matches};
use crate::trace::TraceContext;
use crate::{Duration, Failure, FailureKind, FrameId, Timestamp, VisitId};

/// How many signals of a run may wait to be taken.
pub const SIGNALS_KEPT_MAX: usize = 1_000;
/// How long a signal's key may be, in bytes.
pub const SIGNAL_KEY_MAX_BYTES: usize = 256;

impl Draft<'_> {
    /// Takes the oldest signal of the name that came early, or waits for the next.
    pub(super) fn begin_signal(&mut self, visit: VisitId, signal: &SignalStep) -> Arrival {
        if let Some((number, data)) = self.kept(&signal.name) {
            self.push(Event::SignalTaken { visit, signal: number, call: None });
            return self.came_of(visit, Ok(data));
        }
        let awaited = Awaited::Signal(signal.name.clone());
        let until = signal.due.map(|due| self.now.after(due));
        self.push(Event::ListenStarted { visit, awaited, until });
        Arrival::Stays
    }

    /// An agent waits for a signal: the oldest of the name that came early is the answer, or else the next.
    pub(super) fn await_signal(&mut self, visit: VisitId, call: u32, name: &str, due: Option<Duration>) {
        let allowed = self.step_of(visit).is_some_and(|step| {
            if let Verb::Agent(agent) = &step.verb { agent.permissions.signals.contains(name) } else { false }
        });
        let request = CallRequest::Signal { name: name.to_owned(), due };
        if !allowed {
            let step = self.step_of(visit).map(|step| step.id.to_string()).unwrap_or_default();
            let message = format!(
                "step '{step}' may not wait for the signal '{name}'; add it to `permissions: signals`"
            );
            return self.record(visit, call, request, Err(Failure::new(FailureKind::Denied, message)));
        }
        if let Some((number, data)) = self.kept(name) {
            self.push(Event::SignalTaken { visit, signal: number, call: Some(call) });
            return self.record(visit, call, request, Ok(data));
        }
        let until = due.map(|due| self.now.after(due));
        self.push(Event::CallStarted { visit, call, request, until });
    }

    /// Who has waited longest for a signal: a step, or an agent's call.
    fn listener(&self, name: &str) -> Option<(VisitId, Option<u32>)> {
        let awaited = Awaited::Signal(name.to_owned());
        self.state.active().find_map(|(id, visit)| {
            if visit.awaited() == Some(&awaited) {
                return Some((id, None));
            }
            let mut calls = visit.calls.open();
            let call = calls.find(|(_, call)| call.awaited().is_some_and(|(waits, _)| waits == name))?;
            Some((id, Some(call.0)))
        })
    }

    /// The signal that an agent waits for did not come in time.
    pub(super) fn call_not_heard(&mut self, visit: VisitId, call: u32) {
        let waits = self.state.visit(visit).and_then(|at| at.calls.get(call)).and_then(|call| call.awaited());
        let Some((name, Some(until))) = waits else { return };
        let message = format!("no signal '{name}' came until {until}");
        self.return_to(visit, call, Err(Failure::new(FailureKind::Timeout, message)));
    }

    fn kept(&self, name: &str) -> Option<(u32, Value)> {
        self.state.signals.first(name).map(|(number, signal)| (number, (*signal.data).clone()))
    }

    /// Waits for an event of another run. What was emitted before is not heard.
    pub(super) fn begin_topic(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        pattern: &Template,
        due: Option<Duration>,
    ) -> Result<Arrival, EvaluationError> {
        let pattern = pattern.evaluate_text(&self.scope(frame))?;
        if let Err(error) = check_pattern(&pattern) {
            return Ok(self.came_of(visit, Err(invalid(&error))));
        }
        let until = due.map(|due| self.now.after(due));
        self.push(Event::ListenStarted { visit, awaited: Awaited::Topic(pattern), until });
        Ok(Arrival::Stays)
    }

    pub(super) fn emit(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        emit: &EmitStep,
    ) -> Result<Arrival, EvaluationError> {
        let scope = self.scope(frame);
        let topic = emit.topic.evaluate_text(&scope)?;
        let data = emit.data.evaluate(&scope)?;
        if let Err(error) = check_topic(&topic) {
            return Ok(self.came_of(visit, Err(invalid(&error))));
        }
        let output = json!({ "topic": topic });
        // Whoever heard of it would do something.
        if !self.state.is_dry() {
            self.push(Event::Emitted { visit, topic, data: data.into() });
        }
        Ok(self.came_of(visit, Ok(output)))
    }

    /// Keeps a signal, and gives it to the step that has waited longest.
    pub(super) fn receive(
        &mut self,
        name: &str,
        data: Value,
        by: Actor,
        (key, trace): (Option<String>, Option<TraceContext>),
    ) -> Result<(), Refusal> {
        if key.as_ref().is_some_and(|key| self.state.signals.has_key(key)) {
            return Ok(());
        }
        if let Some(key) = key.as_ref().filter(|key| key.len() > SIGNAL_KEY_MAX_BYTES) {
            let bytes = key.len();
            let problem =
                format!("its key has {bytes} bytes; signal_key_max_bytes is {SIGNAL_KEY_MAX_BYTES}");
            return Err(Refusal::InvalidSignal { name: name.to_owned(), problems: vec![problem] });
        }
        self.check_signal(name, &data)?;
        let number = self.state.signals.received().saturating_add(1);
        let signal = SignalReceived { number, name: name.to_owned(), data: data.into(), by, key, trace };
        self.push(Event::SignalReceived(Box::new(signal)));
        if let Some((visit, call)) = self.listener(name)
            && let Some((signal, data)) = self.kept(name)
        {
            self.push(Event::SignalTaken { visit, signal, call });
            match call {
                Some(call) => self.return_to(visit, call, Ok(data)),
                None => self.complete_step(visit, data),
            }
        }
        Ok(())
    }

    fn check_signal(&self, name: &str, data: &Value) -> Result<(), Refusal> {
        let signal = self.definition.signals().find(|(_, signal)| signal.name == name);
        let granted = || self.definition.signals_of_agents();
        if signal.is_none() && !granted().any(|granted| granted == name) {
            let steps = self.definition.signals().map(|(_, signal)| signal.name.clone());
            let mut known: Vec<String> = steps.chain(granted().map(str::to_owned)).collect();
            known.sort_unstable();
            known.dedup();
            return Err(Refusal::UnknownSignal { name: name.to_owned(), known });
        }
        // Every step that waits for the name has the same schema, or none has: the loading sees to it.
        let schema = signal.and_then(|(_, signal)| signal.schema.as_ref());
        let problems = schema.map(|schema| schema.problems(data)).unwrap_or_default();
        if !problems.is_empty() {
            return Err(Refusal::InvalidSignal { name: name.to_owned(), problems });
        }
        // Those that were taken are bounded by the visits that took them.
        let kept = self.state.signals.kept();
        if kept >= SIGNALS_KEPT_MAX {
            return Err(Refusal::TooManySignals { kept, max: SIGNALS_KEPT_MAX });
        }
        Ok(())
    }

    /// Gives an event of another run to every step that waits for it, once.
    pub(super) fn hear(&mut self, (topic, data): (&str, &Value), from: Origin, trace: Option<&TraceContext>) {
        if self.state.heard.contains(&from) {
            return;
        }
        let waiting: Vec<VisitId> =
            self.state.active().filter(|(_, at)| hears(at, topic)).map(|(id, _)| id).collect();
        for visit in waiting {
            let output = json!({ "topic": topic, "data": data });
            let (topic, data, trace) = (topic.to_owned(), data.clone().into(), trace.cloned().map(Box::new));
            self.push(Event::TopicHeard { visit, topic, data, from, trace });
            self.complete_step(visit, output);
        }
    }

    /// What was waited for did not come in time.
    pub(super) fn not_heard(&mut self, id: VisitId, until: Timestamp) {
        let Some(visit) = self.state.visit(id) else { return };
        let what = match visit.awaited() {
            Some(Awaited::Signal(name)) => format!("no signal '{name}' came"),
            Some(Awaited::Topic(pattern)) => format!("no event came whose topic matches {pattern}"),
            None => return,
        };
        self.fail_step(id, Failure::new(FailureKind::Timeout, format!("{what} until {until}")));
    }
}

fn hears(visit: &crate::state::Visit, topic: &str) -> bool {
    matches!(visit.awaited(), Some(Awaited::Topic(pattern)) if matches(pattern, topic))
}

fn invalid(error: &crate::topic::InvalidTopic) -> Failure {
    Failure::new(FailureKind::InvalidInput, error.to_string())
}

/// The signals that a definition's steps wait for with one schema each; where two differ, the second step.
pub(crate) fn differing(definition: &crate::definition::Definition) -> Option<(usize, String)> {
    let mut seen: std::collections::BTreeMap<&str, Option<&Value>> = std::collections::BTreeMap::new();
    for (index, step) in definition.steps.iter().enumerate() {
        let Verb::Signal(signal) = &step.verb else { continue };
        let schema = signal.schema.as_ref().map(crate::definition::Schema::json);
        if seen.insert(&signal.name, schema).is_some_and(|before| before != schema) {
            return Some((index, signal.name.clone()));
        }
    }
    None
}
