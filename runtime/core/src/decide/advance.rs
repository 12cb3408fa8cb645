//! From one step to the next: conditions, ways, and steps that are done at once.

use serde_json::{Map, Value};

use super::{Draft, RUN_MAX_VISITS, TRANSITION_MAX_BYTES, TRANSITION_MAX_VISITS};
use crate::call::Question;
use crate::definition::{
    AgentStep, Branch, Case, FailStep, HumanStep, Step, StepIndex, SwitchStep, Target, Then, ToolStep, Verb,
    WaitStep,
};
use crate::event::{Asker, Because, Event, Work};
use crate::expression::{EvaluationError, Expression, Scope};
use crate::{Failure, FailureKind, StepId, Timestamp, VisitId};

/// What came of arriving at a step.
enum Arrival {
    /// Something is under way or waited for.
    Stays,
    /// Done at once; the run goes on there.
    Leads(Target, Because),
    /// It failed, and the run with it.
    Fails(Failure),
}

impl Draft<'_> {
    /// Goes to a place, and on from there through every step that is done at
    /// once, until something is under way or the run has ended. `max_visits`
    /// bounds every circle.
    pub(super) fn go(&mut self, target: Target, because: Because) {
        let (mut target, mut because) = (target, because);
        loop {
            let definition = self.definition;
            let Target::Step(index) = target else { return self.complete() };
            let Some(step) = definition.step(index) else { return self.complete() };
            match self.arrive(index, step, because) {
                Arrival::Stays => return,
                Arrival::Leads(next, why) => (target, because) = (next, why),
                Arrival::Fails(failure) => return self.fail_run(failure, Some(step.id.clone())),
            }
        }
    }

    /// Ends a visit with its output and goes on.
    pub(super) fn complete_step(&mut self, id: VisitId, output: Value) {
        let Some(index) = self.index_of(id) else { return };
        self.push(Event::StepCompleted { visit: id, output: output.into() });
        match self.way_on(index) {
            Ok((target, because)) => self.go(target, because),
            Err(error) => {
                let step = self.definition.step(index).map(|step| step.id.clone());
                self.fail_run(evaluation_failure(&error), step);
            }
        }
    }

    /// Ends a visit, and the run, with a failure.
    pub(super) fn fail_step(&mut self, id: VisitId, failure: Failure) {
        let step = self.state.visit(id).map(|visit| visit.step.clone());
        self.push(Event::StepFailed { visit: id, failure: failure.clone() });
        self.fail_run(failure, step);
    }

    fn fail_run(&mut self, failure: Failure, step: Option<StepId>) {
        self.push(Event::RunFailed { failure, step });
    }

    fn index_of(&self, id: VisitId) -> Option<StepIndex> {
        self.state.visit(id).and_then(|visit| self.definition.index_of(&visit.step))
    }

    /// The step of a visit.
    pub(super) fn step_of(&self, id: VisitId) -> Option<&'_ Step> {
        self.index_of(id).and_then(|index| self.definition.step(index))
    }

    fn arrive(&mut self, index: StepIndex, step: &Step, because: Because) -> Arrival {
        let arrivals = self.state.arrivals.get(&step.id).copied().unwrap_or_default();
        if arrivals >= step.max_visits {
            return Arrival::Fails(Failure::new(
                FailureKind::Limit,
                format!(
                    "step '{}' was reached more often than max_visits allows ({}); raise max_visits or end the circle",
                    step.id, step.max_visits
                ),
            ));
        }
        if let Some(failure) = self.beyond_limits(step) {
            return Arrival::Fails(failure);
        }
        let visit = VisitId(u32::try_from(self.state.visits.len()).unwrap_or(u32::MAX).saturating_add(1));
        let condition = step.condition.as_ref().map(|condition| condition.holds(&self.scope(None)));
        if let Some(Ok(false)) = condition {
            self.push(Event::StepSkipped { visit, step: step.id.clone(), because });
            // A skipped step does nothing; its `then` is part of what it does.
            return Arrival::Leads(below(index), Because::Next);
        }
        self.push(Event::StepStarted { visit, step: step.id.clone(), because });
        let outcome = match condition {
            Some(Err(error)) => Err(error),
            _ => self.begin(visit, index, step),
        };
        outcome.unwrap_or_else(|error| self.fails(visit, evaluation_failure(&error)))
    }

    /// Why a run can go on no further: one that goes round in a circle must
    /// not hold up the others, nor fill the memory or the journal.
    fn beyond_limits(&self, step: &Step) -> Option<Failure> {
        let message = if self.state.visits.len() >= RUN_MAX_VISITS as usize {
            format!(
                "the run has more visits than run_max_visits ({RUN_MAX_VISITS}) allows; split the workflow"
            )
        } else if self.visits >= TRANSITION_MAX_VISITS {
            format!(
                "the run went through more than transition_max_visits ({TRANSITION_MAX_VISITS}) steps without \
                 waiting for anything; let a tool do what is heavy"
            )
        } else if self.bytes > TRANSITION_MAX_BYTES {
            format!(
                "the run made more outputs than transition_max_bytes ({TRANSITION_MAX_BYTES}) allows without \
                 waiting for anything; let a tool do what is heavy"
            )
        } else {
            return None;
        };
        Some(Failure::new(FailureKind::Limit, format!("at step '{}': {message}", step.id)))
    }

    fn fails(&mut self, visit: VisitId, failure: Failure) -> Arrival {
        self.push(Event::StepFailed { visit, failure: failure.clone() });
        Arrival::Fails(failure)
    }

    fn begin(&mut self, visit: VisitId, index: StepIndex, step: &Step) -> Result<Arrival, EvaluationError> {
        match &step.verb {
            Verb::Tool(tool) => {
                let work = self.tool_work(tool)?;
                Ok(self.attempt_or_fail(visit, step, work))
            }
            Verb::Agent(agent) => {
                let work = self.agent_work(agent)?;
                Ok(self.attempt_or_fail(visit, step, work))
            }
            Verb::Human(human) => self.ask_step(visit, human).map(|()| Arrival::Stays),
            Verb::Set(template) => {
                let output = template.evaluate(&self.scope(None))?;
                self.push(Event::StepCompleted { visit, output: output.into() });
                Ok(self.lead_on(index))
            }
            Verb::Switch(switch) => self.choose(visit, switch),
            Verb::Wait(wait) => self.begin_wait(visit, wait),
            Verb::Fail(fail) => self.give_up(visit, fail),
        }
    }

    fn attempt_or_fail(&mut self, visit: VisitId, step: &Step, work: Result<Work, Failure>) -> Arrival {
        match work {
            Ok(work) => {
                let deadline = step.timeout.map(|timeout| self.now.after(timeout));
                let work = Some(Box::new(work));
                self.push(Event::AttemptStarted { visit, attempt: 1, work, deadline });
                Arrival::Stays
            }
            Err(failure) => self.fails(visit, failure),
        }
    }

    fn tool_work(&self, step: &ToolStep) -> Result<Result<Work, Failure>, EvaluationError> {
        let arguments = step.with.evaluate(&self.scope(None))?.into();
        let Some(pin) = self.state.plugins.get(&step.plugin) else {
            return Ok(Err(no_plugin(&step.plugin)));
        };
        let Some(tool) = pin.description.tool(&step.tool) else {
            let message = format!("plugin '{}' has no tool '{}'", step.plugin, step.tool);
            return Ok(Err(Failure::new(FailureKind::InvalidInput, message)));
        };
        Ok(Ok(Work::Tool {
            plugin: step.plugin.clone(),
            tool: step.tool.clone(),
            component: pin.component,
            effect: tool.effect,
            arguments,
        }))
    }

    fn agent_work(&self, step: &AgentStep) -> Result<Result<Work, Failure>, EvaluationError> {
        let input = step.with.evaluate(&self.scope(None))?.into();
        Ok(match self.state.plugins.get(&step.agent) {
            Some(pin) => Ok(Work::Agent { agent: step.agent.clone(), component: pin.component, input }),
            None => Err(no_plugin(&step.agent)),
        })
    }

    fn ask_step(&mut self, visit: VisitId, human: &HumanStep) -> Result<(), EvaluationError> {
        let scope = self.scope(None);
        let subject = human.subject.as_ref().map(|subject| subject.evaluate(&scope)).transpose()?;
        // The journal does not tell `null` from nothing.
        let subject = subject.filter(|subject| !subject.is_null());
        let question = Question {
            title: human.title.evaluate_text(&scope)?,
            to: human.to.clone(),
            actions: human.actions.clone(),
            form: human.form.as_ref().map(|form| form.json().clone()),
            subject,
            due: human.due.as_ref().map(|(due, _)| *due),
            on_timeout: human.due.as_ref().map(|(_, action)| action.clone()),
        };
        self.ask(visit, Asker::Step, question);
        Ok(())
    }

    fn choose(&mut self, visit: VisitId, switch: &SwitchStep) -> Result<Arrival, EvaluationError> {
        for (number, Case { when, to }) in (0..).zip(&switch.cases) {
            if open(when.as_ref(), &self.scope(None))? {
                let output = Value::Object(Map::from_iter([("case".to_owned(), Value::from(number))]));
                self.push(Event::StepCompleted { visit, output: output.into() });
                return Ok(Arrival::Leads(*to, Because::Case(number)));
            }
        }
        let message = "no case of the switch holds; add a last case without `when`";
        Ok(self.fails(visit, Failure::new(FailureKind::Permanent, message)))
    }

    fn begin_wait(&mut self, visit: VisitId, wait: &WaitStep) -> Result<Arrival, EvaluationError> {
        let until = match wait {
            WaitStep::For(duration) => Ok(self.now.after(*duration)),
            WaitStep::Until(template) => instant(&template.evaluate(&self.scope(None))?),
        };
        Ok(match until {
            Ok(until) => {
                self.push(Event::WaitStarted { visit, until });
                Arrival::Stays
            }
            Err(failure) => self.fails(visit, failure),
        })
    }

    fn give_up(&mut self, visit: VisitId, fail: &FailStep) -> Result<Arrival, EvaluationError> {
        let message = fail.message.evaluate_text(&self.scope(None))?;
        Ok(self.fails(visit, Failure::new(fail.kind, message)))
    }

    fn lead_on(&mut self, index: StepIndex) -> Arrival {
        match self.way_on(index) {
            Ok((target, because)) => Arrival::Leads(target, because),
            Err(error) => Arrival::Fails(evaluation_failure(&error)),
        }
    }

    /// Where a step that is done leads.
    fn way_on(&self, index: StepIndex) -> Result<(Target, Because), EvaluationError> {
        let below = below(index);
        let Some(step) = self.definition.step(index) else { return Ok((Target::End, Because::Next)) };
        match &step.then {
            Then::Next => Ok((below, Because::Next)),
            Then::To(target) => Ok((*target, Because::Then)),
            Then::Choose(branches) => {
                for (number, Branch { when, to }) in (0..).zip(branches) {
                    if open(when.as_ref(), &self.scope(None))? {
                        return Ok((*to, Because::Branch(number)));
                    }
                }
                Ok((below, Because::Next))
            }
        }
    }

    fn complete(&mut self) {
        match self.outputs() {
            Ok(outputs) => self.push(Event::RunCompleted { outputs: outputs.into() }),
            Err(failure) => self.fail_run(failure, None),
        }
    }

    fn outputs(&self) -> Result<Value, Failure> {
        let scope = self.scope(None);
        let mut outputs = Map::new();
        for (name, output) in &self.definition.outputs {
            let value = output.value.evaluate(&scope).map_err(|error| evaluation_failure(&error))?;
            let problems = output.schema.as_ref().map(|schema| schema.problems(&value)).unwrap_or_default();
            if !problems.is_empty() {
                let message = format!("output '{name}' is not as declared: {}", problems.join("; "));
                return Err(Failure::new(FailureKind::InvalidInput, message));
            }
            outputs.insert(name.clone(), value);
        }
        Ok(Value::Object(outputs))
    }
}

/// The place after a step: the next one in the list, or the end.
const fn below(index: StepIndex) -> Target {
    Target::Step(StepIndex(index.0 + 1))
}

/// Whether a way is open: it has no condition, or one that holds.
fn open(when: Option<&Expression>, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
    when.map_or(Ok(true), |condition| condition.holds(scope))
}

fn evaluation_failure(error: &EvaluationError) -> Failure {
    Failure::new(FailureKind::InvalidInput, error.to_string())
}

fn no_plugin(name: &str) -> Failure {
    Failure::new(FailureKind::InvalidInput, format!("the run has no plugin '{name}'"))
}

fn instant(value: &Value) -> Result<Timestamp, Failure> {
    let parsed = match value {
        Value::Number(ms) => ms.as_u64().map(Timestamp),
        Value::String(text) => Timestamp::parse(text).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    parsed.ok_or_else(|| {
        let message = format!("cannot wait until {value}; give RFC 3339 text or milliseconds since 1970");
        Failure::new(FailureKind::InvalidInput, message)
    })
}
