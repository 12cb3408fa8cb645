//! A run against what its test expects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pawl_core::expression::{Layer, Scope};
use pawl_core::source::test_file::{
    CallsExpected, ErrorExpected, EventExpected, Expect, Holds, Place, Placed,
};
use pawl_core::view::Status;
use serde_json::{Value, json};

use crate::ledger::Call;
use crate::play::Played;
use crate::report::Finding;
use crate::value::{Unlike, differences, lacking, shown};

/// The most calls or events that a report lists.
const LISTED_MAX: usize = 40;

/// Everything that is not as the test expects it.
pub(crate) fn check(expect: &Expect, played: &Played) -> Vec<Finding> {
    let mut check = Check { played, findings: Vec::new() };
    check.status(expect);
    if let Some(path) = &expect.path {
        check.steps("path", &path.place, &path.value, played.way.own());
    }
    for within in &expect.within {
        check.within(&within.list, &within.steps);
    }
    if let Some(outputs) = &expect.outputs {
        check.outputs(outputs, differences);
    }
    if let Some(outputs) = &expect.outputs_include {
        check.outputs(outputs, lacking);
    }
    check.holds(expect);
    check.events(&expect.events);
    for calls in &expect.calls {
        check.calls(&calls.place, &calls.value);
    }
    for held in &expect.memory {
        check.memory(held);
    }
    if let Some(error) = &expect.error {
        check.error(&error.place, &error.value);
    }
    check.findings
}

struct Check<'a> {
    played: &'a Played,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, place: &Place, what: &str, expected: String, found: String) {
        self.findings.push(Finding { place: place.clone(), what: what.to_owned(), expected, found });
    }

    fn status(&mut self, expect: &Expect) {
        let usual = if expect.error.is_some() { Status::Failed } else { Status::Completed };
        let expected = expect.status.value.unwrap_or(usual);
        let found = self.played.header.status;
        if expected == found {
            return;
        }
        let why = self.played.failure.as_ref().map(|(failure, step)| {
            let step = step.as_ref().map(|step| format!(" at step '{step}'")).unwrap_or_default();
            format!("{step}: {failure}")
        });
        let found = format!("{}{}", found.name(), why.unwrap_or_default());
        self.find(&expect.status.place, "status", expected.name().to_owned(), found);
    }

    fn steps(&mut self, what: &str, place: &Place, expected: &[String], found: &[String]) {
        if expected != found {
            self.find(place, what, arrows(expected), arrows(found));
        }
    }

    fn within(&mut self, list: &Placed<String>, expected: &[String]) {
        let played = self.played;
        let what = format!("steps within {}", list.value);
        if let Some(found) = played.way.lists.get(&list.value) {
            return self.steps(&what, &list.place, expected, found);
        }
        let known = played.way.lists.keys().filter(|name| !name.is_empty());
        let known: Vec<&str> = known.map(String::as_str).collect();
        let found = match known.as_slice() {
            [] => "the run went through no list of steps within a step".to_owned(),
            known => format!("the run went through: {}", known.join(", ")),
        };
        self.find(&list.place, &what, arrows(expected), found);
    }

    fn outputs(&mut self, expected: &Placed<Value>, compare: fn(&Value, &Value) -> Vec<Unlike>) {
        let Some(outputs) = &self.played.header.outputs else {
            let found = format!("the run gave none: it is {}", self.played.header.status.name());
            return self.find(&expected.place, "outputs", shown(&expected.value), found);
        };
        for Unlike { at, expected: wanted, found } in compare(&expected.value, outputs) {
            self.find(&expected.place, &format!("outputs{at}"), wanted, found);
        }
    }

    fn holds(&mut self, expect: &Expect) {
        if expect.holds.is_empty() {
            return;
        }
        let header = &self.played.header;
        let outputs = Arc::new(header.outputs.clone().unwrap_or_else(|| json!({})));
        let run = Arc::new(json!({
            "id": header.id.to_string(), "workflow": header.workflow, "version": header.version,
            "started_at": header.created_at.to_string(),
        }));
        let none = BTreeMap::new();
        let failure = self.played.failure.as_ref().map(|(failure, _)| failure);
        let layer = |outputs, item, name| Layer { outputs, item, name, index: None, error: failure };
        let scope = Scope {
            inputs: self.played.state.inputs(),
            vars: self.played.state.vars(),
            run: &run,
            layers: vec![
                layer(&none, Some(&outputs), Some("outputs")),
                layer(&self.played.way.outputs, None, None),
            ],
        };
        let mut found = Vec::new();
        for holds in &expect.holds {
            let problem = match holds.value.holds(&scope) {
                Ok(true) => continue,
                Ok(false) => {
                    let given = self.played.header.outputs.as_ref();
                    given.map_or_else(
                        || "it does not hold".to_owned(),
                        |outputs| format!("it does not hold; outputs are {}", shown(outputs)),
                    )
                }
                Err(error) => error.to_string(),
            };
            found.push((holds.place.clone(), holds.value.to_string(), problem));
        }
        for (place, expression, problem) in found {
            self.find(&place, "holds", expression, problem);
        }
    }

    fn events(&mut self, expected: &[Placed<EventExpected>]) {
        let played = self.played;
        let mut rest = played.way.events.iter();
        for wanted in expected {
            let EventExpected { name, step } = &wanted.value;
            let is = |event: &&crate::report::EventLine| {
                event.name == name && (step.is_none() || event.step == *step)
            };
            if rest.by_ref().any(|event| is(&event)) {
                continue;
            }
            let shown = shown_event(name, step.as_deref());
            let elsewhere = played.way.events.iter().any(|event| is(&event));
            let found = if elsewhere {
                "not behind those that stand before it".to_owned()
            } else {
                let known: BTreeSet<&str> = played.way.events.iter().map(|event| event.name).collect();
                let known: Vec<&str> = known.into_iter().take(LISTED_MAX).collect();
                format!("it did not happen; these did: {}", known.join(", "))
            };
            return self.find(&wanted.place, "events", shown, found);
        }
    }

    fn calls(&mut self, place: &Place, expected: &CallsExpected) {
        let mut seen = BTreeSet::new();
        // An agent that goes on after a wait runs from the top: that is one run of it all the same.
        let is_new = |call: &&Call| call.effect.is_some() || seen.insert(call.id);
        let of_name = self.played.calls.iter().filter(|call| call.name == expected.name);
        let calls: Vec<&Call> = of_name.filter(is_new).collect();
        let what = format!("calls of {}", expected.name);
        let list = || {
            let arguments = calls.iter().take(LISTED_MAX).map(|call| shown(&call.arguments));
            let arguments: Vec<String> = arguments.collect();
            if arguments.is_empty() {
                "none".to_owned()
            } else {
                format!("{}: {}", calls.len(), arguments.join(", "))
            }
        };
        if let Some(times) = expected.times
            && times as usize != calls.len()
        {
            return self.find(place, &what, times.to_string(), list());
        }
        let Some(with) = &expected.with else { return };
        let fits = with.len() == calls.len()
            && with.iter().zip(&calls).all(|(with, call)| lacking(with, &call.arguments).is_empty());
        if !fits {
            let wanted: Vec<String> = with.iter().map(shown).collect();
            self.find(place, &what, format!("{}: {}", wanted.len(), wanted.join(", ")), list());
        }
    }

    fn memory(&mut self, expected: &Holds) {
        let scope = expected.scope(&self.played.header.workflow);
        let found = self.played.memories.get(&scope).cloned().unwrap_or_default();
        for Unlike { at, expected: wanted, found } in differences(&expected.values.value, &json!(found)) {
            self.find(&expected.values.place, &format!("memory of {scope}: {at}"), wanted, found);
        }
    }

    fn error(&mut self, place: &Place, expected: &ErrorExpected) {
        let Some((failure, step)) = self.played.failure.clone() else { return };
        if let Some(kind) = expected.kind
            && kind != failure.kind
        {
            self.find(place, "error.kind", kind.name().to_owned(), failure.to_string());
        }
        if let Some(message) = &expected.message
            && !failure.message.contains(message)
        {
            self.find(place, "error.message", format!("a message with \"{message}\""), failure.message);
        }
        if expected.step.is_some() && expected.step != step {
            let found = step.unwrap_or_else(|| "no step".to_owned());
            self.find(place, "error.step", expected.step.clone().unwrap_or_default(), found);
        }
    }
}

fn arrows(steps: &[String]) -> String {
    if steps.is_empty() { "nothing".to_owned() } else { steps.join(" → ") }
}

fn shown_event(name: &str, step: Option<&str>) -> String {
    step.map_or_else(|| name.to_owned(), |step| format!("{name} {step}"))
}
