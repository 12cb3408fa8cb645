//! Whether what comes from outside in a test is what its workflow waits for.

use super::check::Check;
use super::{OutsideEvent, Place, Placed, SentSignal, TestCase};
use crate::StepId;
use crate::definition::{SignalStep, Verb, WaitStep};
use crate::diagnostic::{Code, among};
use crate::expression::Template;
use crate::topic::matches;

impl Check<'_> {
    pub(super) fn outside(&mut self, test: &TestCase) {
        for signal in &test.signals {
            self.signal(signal);
        }
        for event in &test.events {
            self.event(event);
        }
        if let Some(step) = test.cancel.as_ref().and_then(|cancel| cancel.step.as_ref()) {
            self.step(&step.value, &step.place);
        }
    }

    fn signal(&mut self, signal: &SentSignal) {
        let SentSignal { name, data, comes, refused, .. } = signal;
        if let Some(step) = &comes.step {
            let waits = |verb: &Verb| {
                matches!(verb, Verb::Signal(waits) if waits.name == name.value)
                    || matches!(verb, Verb::Agent(agent) if agent.permissions.signals.contains(&name.value))
            };
            self.waits(step, waits, &format!("for the signal '{}'", name.value));
        }
        // It can be meant for a run that a step starts, of which nothing is known here.
        if *refused || (!self.definition.workflows.is_empty() && !comes.early) {
            return;
        }
        let of_agents = || self.definition.signals_of_agents();
        let taken = self.taken(&name.value).map(|waits| problems(waits, &data.value));
        // What agents wait for has no schema of its own.
        let taken = taken.or_else(|| of_agents().any(|known| known == name.value).then(Vec::new));
        let Some(problems) = taken else {
            let known: std::collections::BTreeSet<&str> = self
                .definition
                .signals()
                .map(|(_, signal)| signal.name.as_str())
                .chain(of_agents())
                .collect();
            let help = among(&name.value, "it takes", known);
            let message = format!("the workflow has no signal '{}'", name.value);
            return self.report(Code::TestMismatch, &name.place, message, help);
        };
        if !problems.is_empty() {
            let message =
                format!("the signal '{}' does not accept this: {}", name.value, problems.join("; "));
            let help = "a signal that must be refused says `refused: true`".to_owned();
            self.report(Code::TestMismatch, &data.place, message, Some(help));
        }
    }

    fn taken(&self, name: &str) -> Option<&SignalStep> {
        self.definition.signals().map(|(_, signal)| signal).find(|signal| signal.name == name)
    }

    fn event(&mut self, event: &OutsideEvent) {
        let topic = &event.topic;
        if let Some(step) = &event.comes.step {
            let waits = |verb: &Verb| pattern(verb).is_some_and(|pattern| may_match(pattern, &topic.value));
            return self.waits(step, waits, &format!("for the topic {}", topic.value));
        }
        if event.comes.early || !self.definition.workflows.is_empty() {
            return;
        }
        let patterns: Vec<&Template> =
            self.definition.steps.iter().filter_map(|step| pattern(&step.verb)).collect();
        if !patterns.iter().any(|pattern| may_match(pattern, &topic.value)) {
            let written = patterns.iter().filter_map(|pattern| pattern.as_literal()?.as_str());
            let help = match written.collect::<Vec<_>>().join(", ") {
                written if written.is_empty() => "it has no `wait` with a `topic`".to_owned(),
                written => format!("its steps wait for {written}"),
            };
            let message = format!("no step of the workflow waits for the topic {}", topic.value);
            self.report(Code::TestMismatch, &topic.place, message, Some(help));
        }
    }

    /// A step that is there and waits for what comes.
    fn waits(&mut self, step: &Placed<String>, waits: impl Fn(&Verb) -> bool, what: &str) {
        let Placed { value, place } = step;
        let found = self.definition.index_of(&StepId::new(value.as_str()));
        let Some(found) = found.and_then(|index| self.definition.step(index)) else {
            return self.step(value, place);
        };
        if !waits(&found.verb) {
            self.no_wait(value, place, what);
        }
    }

    fn no_wait(&mut self, step: &str, place: &Place, what: &str) {
        let help = Some("name the step that does, or leave `step` out".to_owned());
        self.report(Code::TestMismatch, place, format!("step '{step}' does not wait {what}"), help);
    }
}

fn problems(signal: &SignalStep, data: &serde_json::Value) -> Vec<String> {
    signal.schema.as_ref().map(|schema| schema.problems(data)).unwrap_or_default()
}

fn pattern(verb: &Verb) -> Option<&Template> {
    if let Verb::Wait(WaitStep::Topic { pattern, .. }) = verb { Some(pattern) } else { None }
}

/// A pattern that is computed may match anything.
fn may_match(pattern: &Template, topic: &str) -> bool {
    let written = pattern.as_literal().and_then(serde_json::Value::as_str);
    written.is_none_or(|pattern| matches(pattern, topic))
}
