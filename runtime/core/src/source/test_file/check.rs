//! Whether a test file fits its workflow: what it names is there, what it gives could be given.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CallsExpected, FaultKind, Gives, Mock, Place, TestCase, TestFile};
use crate::StepId;
use crate::definition::{Definition, Schema};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Root, Segment};
use crate::plugin::{Description, PluginPins};

/// Every test of a file that cannot be meant, with its place; `file` and `text` are the test file's.
pub fn check(
    tests: &TestFile,
    file: &str,
    text: &str,
    definition: &Definition,
    plugins: &PluginPins,
) -> Diagnostics {
    let mut check = Check { problems: Diagnostics::new(file, text), definition, plugins };
    for test in &tests.tests {
        check.test(test);
    }
    check.problems
}

/// What can be mocked.
#[derive(Clone, Copy)]
enum Kind {
    Tool,
    Agent,
}

pub(super) struct Check<'a> {
    problems: Diagnostics,
    pub(super) definition: &'a Definition,
    plugins: &'a PluginPins,
}

impl Check<'_> {
    pub(super) fn report(&mut self, code: Code, place: &Place, message: String, help: Option<String>) {
        self.problems.push(code, place.span.clone(), message, "", help);
    }

    fn test(&mut self, test: &TestCase) {
        if let Err(found) = self.definition.inputs.accept(test.inputs.value.clone()) {
            let message = format!("the inputs do not fit the workflow: {}", found.join("; "));
            self.report(Code::TestMismatch, &test.inputs.place, message, None);
        }
        for mock in &test.tools {
            self.mock(mock, Kind::Tool);
        }
        for mock in &test.agents {
            self.mock(mock, Kind::Agent);
        }
        for model in &test.models {
            let granted = || self.definition.models_of_agents();
            if !granted().any(|name| name == model.name) {
                let message = format!("no step of the workflow is granted the model '{}'", model.name);
                let help = among(&model.name, "granted are", granted());
                self.report(Code::TestMismatch, &model.place, message, help);
            }
        }
        for fault in &test.faults {
            match &fault.kind {
                FaultKind::Fail { tool, .. } | FaultKind::Slow { tool, .. } => {
                    self.named(tool, Some(Kind::Tool), &fault.place);
                }
                FaultKind::CrashAfter(_) => {}
            }
        }
        for step in test.people.iter().filter_map(|person| person.asks.step.as_ref()) {
            self.step(&step.value, &step.place);
        }
        self.outside(test);
        self.expectations(test);
    }

    fn expectations(&mut self, test: &TestCase) {
        let expect = &test.expect;
        if let Some(path) = &expect.path {
            for step in &path.value {
                self.step(step, &path.place);
            }
        }
        for within in &expect.within {
            let holder = within.list.value.split(['/', '[']).next().unwrap_or_default();
            self.step(holder, &within.list.place);
            for step in &within.steps {
                self.step(step, &within.list.place);
            }
        }
        for event in &expect.events {
            if let Some(step) = &event.value.step {
                self.step(step, &event.place);
            }
        }
        for calls in &expect.calls {
            let CallsExpected { name, .. } = &calls.value;
            self.named(name, None, &calls.place);
        }
        if let Some(error) = &expect.error
            && let Some(step) = &error.value.step
        {
            self.step(step, &error.place);
        }
        for holds in &expect.holds {
            for reference in holds.value.references() {
                if let (Root::Steps, Some(Segment::Field(step))) = (&reference.root, reference.path.first()) {
                    self.step(step, &holds.place);
                }
            }
        }
    }

    /// A step; a skipped one stands in brackets.
    pub(super) fn step(&mut self, name: &str, place: &Place) {
        let name = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
        if self.definition.index_of(&StepId::new(name)).is_some() {
            return;
        }
        let steps = self.definition.steps.iter().map(|step| step.id.as_str());
        let help = among(name, "its steps are", steps);
        self.report(Code::TestMismatch, place, format!("the workflow has no step '{name}'"), help);
    }

    /// A mock's name and what it gives.
    fn mock(&mut self, mock: &Mock, kind: Kind) {
        let Some(schema) = self.named(&mock.name, Some(kind), &mock.place) else { return };
        let Ok(schema) = Schema::new(schema) else { return };
        for rule in &mock.rules {
            let Gives::Result(value) = &rule.gives else { continue };
            let problems = schema.problems(value);
            if !problems.is_empty() {
                let message = format!("{} never gives this: {}", mock.name, problems.join("; "));
                let help =
                    "the plugin's own description says what it gives; `pawl plugin inspect NAME` shows it";
                self.report(Code::TestMismatch, &rule.place, message, Some(help.to_owned()));
            }
        }
    }

    /// What a tool or agent gives; reports what is not there.
    fn named(&mut self, name: &str, kind: Option<Kind>, place: &Place) -> Option<Value> {
        let known = self.known(kind);
        let found = known.iter().find(|(known, _)| known == name).map(|(_, schema)| schema.clone());
        if found.is_none() {
            let what = match kind {
                Some(Kind::Tool) => "no tool",
                Some(Kind::Agent) => "no agent",
                None => "neither a tool nor an agent",
            };
            let names: BTreeSet<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            let help = among(name, "it has", names);
            self.report(Code::TestMismatch, place, format!("the workflow has {what} '{name}'"), help);
        }
        found
    }

    /// The tools and agents of the workflow, and the schemas of what they give.
    fn known(&self, kind: Option<Kind>) -> Vec<(String, Value)> {
        let mut known = Vec::new();
        for (plugin, pin) in self.plugins {
            match (&pin.description, kind) {
                (Description::Tools(tools), Some(Kind::Tool) | None) => {
                    let tools = tools.iter();
                    known.extend(
                        tools.map(|tool| (format!("{plugin}.{}", tool.name), tool.output_schema.clone())),
                    );
                }
                (Description::Agent(agent), Some(Kind::Agent) | None) => {
                    known.push((plugin.clone(), agent.output_schema.clone()));
                }
                (Description::Tools(_), Some(Kind::Agent)) | (Description::Agent(_), Some(Kind::Tool)) => {}
            }
        }
        known
    }
}
