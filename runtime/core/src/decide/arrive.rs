//! A step is reached: its condition, and the beginning of what it does.

use serde_json::{Map, Value};

use super::advance::{Arrival, evaluation_failure, open};
use super::map::items_of;
use super::{Draft, Next, RUN_MAX_VISITS, TRANSITION_MAX_BYTES, TRANSITION_MAX_VISITS};
use crate::call::Question;
use crate::definition::{
    AgentStep, Case, FailStep, HumanStep, MemoryOf, Step, SwitchStep, Target, ToolStep, Verb, WaitStep,
};
use crate::event::{Asker, Because, Event, Work};
use crate::expression::EvaluationError;
use crate::{Failure, FailureKind, FrameId, MEMORY_KEY_MAX_BYTES, MemoryScope, Timestamp, VisitId};

impl Draft<'_> {
    pub(super) fn arrive(&mut self, frame: FrameId, step: &Step, because: Because) -> Arrival {
        let arrivals = self.state.frames.get(&frame).and_then(|frame| frame.arrivals.get(&step.id)).copied();
        let arrivals = arrivals.unwrap_or_default();
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
        let condition = step.condition.as_ref().map(|condition| condition.holds(&self.scope(frame)));
        if let Some(Ok(false)) = condition {
            self.push(Event::StepSkipped { visit, step: step.id.clone(), because, frame });
            // A skipped step does nothing; its `then` is part of what it does.
            return Arrival::Leads(step.below.map_or(Target::End, Target::Step), Because::Next);
        }
        self.push(Event::StepStarted { visit, step: step.id.clone(), because, frame });
        self.limit_visit(visit, step);
        self.set_visit_budget(frame, visit, step, because);
        if let Some(Err(error)) = condition {
            return self.came_of(visit, Err(evaluation_failure(&error)));
        }
        match self.request_slot(frame, visit, step) {
            Ok(true) => Arrival::Stays,
            Ok(false) => self.begin_work(frame, visit, step),
            Err(failure) => self.came_of(visit, Err(failure)),
        }
    }

    /// Begins what a step does, and gives what came of it if it is over at once.
    fn begin_work(&mut self, frame: FrameId, visit: VisitId, step: &Step) -> Arrival {
        let outcome = self.begin(frame, visit, step);
        outcome.unwrap_or_else(|error| self.came_of(visit, Err(evaluation_failure(&error))))
    }

    /// The same for a visit that had to wait for its slot. A step that can wait for one never leads on at once.
    pub(super) fn begin_visit(&mut self, frame: FrameId, visit: VisitId, step: &Step) {
        if let Arrival::Fails(failure) = self.begin_work(frame, visit, step) {
            self.fail_frame(frame, failure, Some(step.id.clone()));
        }
    }

    fn limit_visit(&mut self, visit: VisitId, step: &Step) {
        if let Some(total) = step.timeout.total {
            let total = self.now.after(total);
            self.push(Event::DeadlineSet { visit: Some(visit), total });
        }
    }

    /// How many visits the run may have: what is undone may take as many again.
    pub(super) const fn visits_max(&self) -> usize {
        let most = if self.state.undoing.is_some() { RUN_MAX_VISITS * 2 } else { RUN_MAX_VISITS };
        most as usize
    }

    /// Why a run can go on no further: one that goes round in a circle must
    /// not hold up the others, nor fill the memory or the journal.
    fn beyond_limits(&self, step: &Step) -> Option<Failure> {
        let message = if self.state.visits.len() >= self.visits_max() {
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

    /// The visit is over as soon as it began.
    pub(super) fn came_of(&mut self, visit: VisitId, result: Result<Value, Failure>) -> Arrival {
        self.next.push_back(Next::Settle(visit, result));
        Arrival::Stays
    }

    fn begin(&mut self, frame: FrameId, visit: VisitId, step: &Step) -> Result<Arrival, EvaluationError> {
        match &step.verb {
            Verb::Tool(tool) => {
                if let Some(route) = &tool.route {
                    return self.route_tool(frame, visit, (tool, route));
                }
                let work = self.tool_work(frame, tool)?;
                self.taint_visit(frame, visit, &tool.with);
                if let Ok(Work::Tool { plugin, tool, arguments, .. }) = &work
                    && self.stop_step(visit, &format!("{plugin}.{tool}"), &arguments.share())
                {
                    return Ok(Arrival::Stays);
                }
                Ok(self.attempt_or_fail(visit, step, work))
            }
            Verb::Agent(agent) => {
                if let Some(route) = &agent.route {
                    return self.route_agent(frame, visit, (agent, route));
                }
                let work = self.agent_work(frame, agent)?;
                self.taint_visit(frame, visit, &agent.with);
                Ok(self.attempt_or_fail(visit, step, work))
            }
            Verb::Human(human) => self.ask_step(frame, visit, human).map(|()| Arrival::Stays),
            Verb::Set(template) => {
                let output = template.evaluate(&self.scope(frame))?;
                self.taint_visit(frame, visit, template);
                Ok(self.came_of(visit, Ok(output)))
            }
            Verb::Switch(switch) => self.choose(frame, visit, step, switch),
            Verb::Wait(wait) => self.begin_wait(frame, visit, wait),
            Verb::Fail(fail) => self.give_up(frame, visit, fail),
            Verb::Signal(signal) => Ok(self.begin_signal(visit, signal)),
            Verb::Emit(emit) => self.emit(frame, visit, emit),
            Verb::Workflow(workflow) => self.begin_child(frame, visit, workflow),
            Verb::Parallel(parallel) => {
                self.begin_branches(visit, parallel);
                Ok(Arrival::Stays)
            }
            Verb::Map(map) => {
                let items = map.items.evaluate(&self.scope(frame))?;
                match items_of(items) {
                    Ok(items) => {
                        self.taint_visit_by(visit, self.sources_of(frame, map.items.references()));
                        self.push(Event::ItemsTaken { visit, items: items.into() });
                        self.go_on_with_items(visit, map);
                        Ok(Arrival::Stays)
                    }
                    Err(failure) => Ok(self.came_of(visit, Err(failure))),
                }
            }
            Verb::Loop(repeat) => {
                self.begin_turns(visit, repeat);
                Ok(Arrival::Stays)
            }
        }
    }

    pub(super) fn attempt_or_fail(
        &mut self,
        visit: VisitId,
        step: &Step,
        work: Result<Work, Failure>,
    ) -> Arrival {
        match work {
            Ok(work) => {
                let deadline = step.timeout.attempt.map(|timeout| self.now.after(timeout));
                let work = Some(Box::new(work));
                // Not always the first: a call by the plugin that takes a failed one's place is asked about as well.
                let attempt = self.state.visit(visit).map_or(1, |at| at.attempt.saturating_add(1));
                self.begin_attempt(visit, Event::AttemptStarted { visit, attempt, work, deadline });
                Arrival::Stays
            }
            Err(failure) => self.came_of(visit, Err(failure)),
        }
    }

    fn tool_work(&self, frame: FrameId, step: &ToolStep) -> Result<Result<Work, Failure>, EvaluationError> {
        let arguments = step.with.evaluate(&self.scope(frame))?;
        Ok(self.work_of_tool(&step.plugin, &step.tool, arguments))
    }

    pub(super) fn work_of_tool(&self, plugin: &str, name: &str, arguments: Value) -> Result<Work, Failure> {
        let full = format!("{plugin}.{name}");
        if !self.state.policy.grants.lets_tool(&full) {
            return Err(withheld("tools", &full));
        }
        let Some(pin) = self.state.plugins.get(plugin) else { return Err(no_plugin(plugin)) };
        let Some(tool) = pin.description.tool(name) else {
            let message = format!("plugin '{plugin}' has no tool '{name}'");
            return Err(Failure::new(FailureKind::InvalidInput, message));
        };
        Ok(Work::Tool {
            plugin: plugin.to_owned(),
            tool: name.to_owned(),
            component: pin.component,
            effect: tool.effect,
            arguments: arguments.into(),
        })
    }

    fn agent_work(&self, frame: FrameId, step: &AgentStep) -> Result<Result<Work, Failure>, EvaluationError> {
        let input = step.with.evaluate(&self.scope(frame))?.into();
        if !self.state.policy.grants.lets_agent(&step.agent) {
            return Ok(Err(withheld("agents", &step.agent)));
        }
        let Some(pin) = self.state.plugins.get(&step.agent) else { return Ok(Err(no_plugin(&step.agent))) };
        let (agent, component) = (step.agent.clone(), pin.component);
        let memory = self.memory_of(frame, &step.memory)?;
        Ok(memory.map(|memory| Work::Agent { agent, component, input, memory }))
    }

    pub(super) fn memory_of(
        &self,
        frame: FrameId,
        memory: &MemoryOf,
    ) -> Result<Result<Option<MemoryScope>, Failure>, EvaluationError> {
        let own = &self.state.namespace;
        // A name is looked at as the workflow has it: what an operator gives a namespace is about its own.
        let beyond = |name: &str| {
            let is_let = self.state.policy.grants.lets_memory(name);
            (!is_let).then(|| withheld("memory", &format!("the memory '{name}'")))
        };
        let key = match memory {
            MemoryOf::Run => return Ok(Ok(None)),
            MemoryOf::Workflow => {
                let name = self.definition.name.clone();
                let scope =
                    beyond(&name).map_or_else(|| Ok(Some(MemoryScope::Workflow(own.qualify(name)))), Err);
                return Ok(scope);
            }
            MemoryOf::Key(key) => key.evaluate_text(&self.scope(frame))?,
        };
        if let Some(failure) = beyond(&key) {
            return Ok(Err(failure));
        }
        let bytes = key.len();
        let message = if key.contains('\0') {
            "the key of memory has a zero byte in it".to_owned()
        } else if (1..=MEMORY_KEY_MAX_BYTES).contains(&bytes) {
            // A key may have any character in it, the name of a workflow has no `/`: so these cannot meet.
            let scope = if own.is_default() {
                MemoryScope::Key(key)
            } else {
                MemoryScope::Workflow(own.qualify(format!("key/{key}")))
            };
            return Ok(Ok(Some(scope)));
        } else {
            format!(
                "the key of memory has {bytes} bytes; at least 1, and at most memory_key_max_bytes ({MEMORY_KEY_MAX_BYTES})"
            )
        };
        Ok(Err(Failure::new(FailureKind::InvalidInput, message)))
    }

    fn ask_step(&mut self, frame: FrameId, visit: VisitId, human: &HumanStep) -> Result<(), EvaluationError> {
        let scope = self.scope(frame);
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
            terms: human.terms.clone(),
        };
        self.ask(visit, Asker::Step, question);
        Ok(())
    }

    fn choose(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        step: &Step,
        switch: &SwitchStep,
    ) -> Result<Arrival, EvaluationError> {
        for (number, Case { when, to }) in (0..).zip(&switch.cases) {
            if open(when.as_ref(), &self.scope(frame))? {
                let output = Value::Object(Map::from_iter([("case".to_owned(), Value::from(number))]));
                // A switch says itself where it leads, so it has neither `catch` nor `finally` to wait for.
                self.push(Event::StepCompleted { visit, output: output.into() });
                return Ok(match self.assign(frame, Some(visit), &step.vars) {
                    Ok(()) => Arrival::Leads(*to, Because::Case(number)),
                    Err(failure) => Arrival::Fails(failure),
                });
            }
        }
        let message = "no case of the switch holds; add a last case without `when`";
        Ok(self.came_of(visit, Err(Failure::new(FailureKind::Permanent, message))))
    }

    fn begin_wait(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        wait: &WaitStep,
    ) -> Result<Arrival, EvaluationError> {
        let until = match wait {
            WaitStep::For(duration) => Ok(self.later(*duration)),
            WaitStep::Until(template) => {
                let until = instant(&template.evaluate(&self.scope(frame))?);
                until.map(|until| if self.state.rehearsal().is_some() { self.now } else { until })
            }
            WaitStep::Topic { pattern, due } => return self.begin_topic(frame, visit, pattern, *due),
        };
        Ok(match until {
            Ok(until) => {
                self.push(Event::WaitStarted { visit, until });
                Arrival::Stays
            }
            Err(failure) => self.came_of(visit, Err(failure)),
        })
    }

    fn give_up(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        fail: &FailStep,
    ) -> Result<Arrival, EvaluationError> {
        let message = fail.message.evaluate_text(&self.scope(frame))?;
        self.taint_visit(frame, visit, &fail.message);
        Ok(self.came_of(visit, Err(Failure::new(fail.kind, message))))
    }
}

/// The run was started where the operator's file lets it do less than its workflow asks.
pub(super) fn withheld(kind: &str, name: &str) -> Failure {
    let message = format!("the operator withholds {name}; it is not under `grants: {kind}` of pawl.yaml");
    Failure::new(FailureKind::Denied, message)
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
