//! What two runs did otherwise, step by step.
//!
//! A step is told from its like by its items and turns and by how often it was
//! reached before, so steps that went on beside each other are compared whatever
//! their order was. Times, ids and seqs are no differences.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::call::CallRequest;
use pawl_core::event::{Entry, Event, Payload, RunStarted, Work};
use pawl_core::journal::Envelope;
use pawl_core::plugin::PluginPins;
use pawl_core::{FrameId, StepId, VisitId};
use serde_json::{Map, Value, json};

use crate::story::Story;
use crate::summary;

/// Where two runs are not the same.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// The step; nothing for the run as a whole.
    pub(crate) step: Option<String>,
    /// Of what: `output`, `attempts`; `path` where only one of them came there.
    pub(crate) what: &'static str,
    /// In the first run; null where there is nothing.
    pub(crate) first: Value,
    /// In the second.
    pub(crate) second: Value,
}

impl Difference {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "step": self.step, "what": self.what, "first": self.first, "second": self.second })
    }
}

/// What is compared of a step, in the order in which it comes about.
const FIELDS: [&str; 8] = ["because", "work", "input", "attempts", "calls", "approvals", "status", "output"];

/// What a run did.
#[derive(Debug, Default)]
struct Trail {
    start: Vec<(&'static str, Value)>,
    /// In the order of arrival.
    steps: Vec<(String, Mark)>,
    end: Vec<(&'static str, Value)>,
}

/// What a step did.
type Mark = BTreeMap<&'static str, Value>;

/// Everything that is not the same, the first place at which they part first.
pub(crate) fn compare(first: &[Envelope], second: &[Envelope]) -> Vec<Difference> {
    let (first, second) = (trail(first), trail(second));
    let mut differences = Vec::new();
    of_whole(&first.start, &second.start, &mut differences);
    let others: BTreeMap<&String, &Mark> = second.steps.iter().map(|(name, mark)| (name, mark)).collect();
    let known: BTreeSet<&String> = first.steps.iter().map(|(name, _)| name).collect();
    // Steps that only the second came to stand where it came to them.
    let mut rest = second.steps.iter();
    for (name, mark) in &first.steps {
        let Some(other) = others.get(name) else {
            differences.push(only(name, mark.get("because"), None));
            continue;
        };
        for (passed, mark) in rest.by_ref() {
            if passed == name {
                break;
            }
            if !known.contains(passed) {
                differences.push(only(passed, None, mark.get("because")));
            }
        }
        for what in FIELDS {
            let (first, second) = (field(mark, what), field(other, what));
            if first != second {
                let (first, second) = (first.clone(), second.clone());
                differences.push(Difference { step: Some(name.clone()), what, first, second });
            }
        }
    }
    let told: BTreeSet<_> = differences.iter().filter_map(|difference| difference.step.clone()).collect();
    for (name, mark) in &second.steps {
        if !known.contains(name) && !told.contains(name) {
            differences.push(only(name, None, mark.get("because")));
        }
    }
    of_whole(&first.end, &second.end, &mut differences);
    differences
}

fn field<'a>(mark: &'a Mark, what: &str) -> &'a Value {
    mark.get(what).unwrap_or(&Value::Null)
}

fn only(step: &str, first: Option<&Value>, second: Option<&Value>) -> Difference {
    let value = |because: Option<&Value>| because.cloned().unwrap_or_default();
    Difference { step: Some(step.to_owned()), what: "path", first: value(first), second: value(second) }
}

fn of_whole(
    first: &[(&'static str, Value)],
    second: &[(&'static str, Value)],
    differences: &mut Vec<Difference>,
) {
    for ((what, first), (_, second)) in first.iter().zip(second) {
        if first != second {
            let (first, second) = (first.clone(), second.clone());
            differences.push(Difference { step: None, what, first, second });
        }
    }
}

fn trail(envelopes: &[Envelope]) -> Trail {
    let story = Story::of(envelopes);
    let mut names = Names::default();
    let mut trail = Trail::default();
    let mut marks: BTreeMap<VisitId, Mark> = BTreeMap::new();
    let (mut outputs, mut failure) = (Value::Null, Value::Null);
    for Envelope { event, .. } in envelopes {
        match event {
            Event::RunStarted(started) => trail.start = start_of(started),
            Event::InputsChanged(changed) => {
                trail.start.retain(|(what, _)| *what != "inputs");
                trail.start.push(("inputs", changed.inputs.clone().into_value()));
            }
            Event::RunForked(forked) => put_in(&mut trail.start, &forked.agents),
            Event::DefinitionChanged(changed) => {
                let to = json!({ "version": changed.version, "definition": changed.to });
                for (what, value) in &mut trail.start {
                    match (*what, &changed.inputs) {
                        ("moved to", _) => {
                            if let Value::Array(moves) = value {
                                moves.push(to.clone());
                            }
                        }
                        ("inputs", Some(inputs)) => *value = inputs.clone().into_value(),
                        _ => {}
                    }
                }
            }
            Event::StepStarted { visit, because, step, frame }
            | Event::StepSkipped { visit, because, step, frame } => {
                names.latest.insert((*frame, step.clone()), *visit);
                let name = story.step(*visit).map(|step| names.next(&step.id)).unwrap_or_default();
                trail.steps.push((name, Mark::new()));
                let because = serde_json::to_value(because).unwrap_or_default();
                marks.insert(*visit, Mark::from([("because", because)]));
                names.order.push(*visit);
            }
            Event::ApprovalOpened(opened) => {
                names.asked.insert(opened.approval.clone(), (opened.visit, opened.question.title.clone()));
            }
            Event::ApprovalDecided(decided) => {
                if let Some((visit, title)) = names.asked.get(&decided.approval) {
                    let data = decided.data.clone().into_value();
                    let by = &decided.by.name;
                    let answer = json!({ "asked": title, "action": decided.action, "data": data, "by": by });
                    append(&mut marks, *visit, "approvals", answer);
                }
            }
            Event::OutputChanged(changed) => {
                if let Some(visit) = names.latest.get(&(changed.frame, changed.step.clone())) {
                    put(&mut marks, *visit, &changed.output);
                }
            }
            Event::RunCompleted { outputs: given } => outputs = given.clone().into_value(),
            Event::RunFailed { failure: why, .. } => failure = json!(why),
            event => of_step(event, &mut marks),
        }
    }
    for ((_, mark), visit) in trail.steps.iter_mut().zip(&names.order) {
        if let Some(found) = marks.remove(visit) {
            *mark = found;
        }
        if let Some(step) = story.step(*visit) {
            mark.insert("status", json!(step.status));
        }
    }
    trail.end = vec![("outputs", outputs), ("failure", failure)];
    trail
}

fn of_step(event: &Event, marks: &mut BTreeMap<VisitId, Mark>) {
    match event {
        Event::AttemptStarted { visit, work: Some(work), .. } => {
            if let Some(mark) = marks.get_mut(visit) {
                let (Work::Tool { arguments: input, .. } | Work::Agent { input, .. }) = &**work;
                mark.insert("work", summary::work(work).into());
                mark.insert("input", input.clone().into_value());
                mark.entry("attempts").or_insert_with(|| json!([]));
            }
        }
        Event::AttemptFailed { visit, failure, .. } => {
            append(marks, *visit, "attempts", json!(failure));
            // The calls of the next attempt are compared.
            if let Some(mark) = marks.get_mut(visit) {
                mark.remove("calls");
            }
        }
        Event::ItemsTaken { visit, items } => {
            if let Some(mark) = marks.get_mut(visit) {
                mark.insert("input", items.clone().into_value());
            }
        }
        Event::CallStarted { visit, request, .. } => append(marks, *visit, "calls", asked(request)),
        Event::CallCompleted { visit, request, response, .. } => {
            if let Some(request) = request {
                append(marks, *visit, "calls", asked(request));
            }
            let given = match response {
                Ok(payload) => payload.clone().into_value(),
                Err(failure) => json!({ "failed": failure }),
            };
            let calls = marks.get_mut(visit).and_then(|mark| mark.get_mut("calls"));
            if let Some(Value::Object(call)) = calls.and_then(Value::as_array_mut).and_then(|c| c.last_mut())
            {
                call.insert("answer".to_owned(), given);
            }
        }
        Event::FrameStarted { visit, entry: Entry::Catch { failure }, .. } => {
            append(marks, *visit, "attempts", json!({ "caught": failure }));
        }
        Event::StepCompleted { visit, output } => put(marks, *visit, output),
        Event::StepFailed { visit, failure } => {
            if let Some(mark) = marks.get_mut(visit) {
                mark.insert("output", json!({ "failed": failure }));
            }
        }
        _ => {}
    }
}

fn put(marks: &mut BTreeMap<VisitId, Mark>, visit: VisitId, output: &Payload) {
    if let Some(mark) = marks.get_mut(&visit) {
        mark.insert("output", output.clone().into_value());
    }
}

fn asked(request: &CallRequest) -> Value {
    Value::Object(Map::from_iter([("call".to_owned(), request.to_json())]))
}

fn append(marks: &mut BTreeMap<VisitId, Mark>, visit: VisitId, what: &'static str, value: Value) {
    let Some(mark) = marks.get_mut(&visit) else { return };
    if let Value::Array(values) = mark.entry(what).or_insert_with(|| json!([])) {
        values.push(value);
    }
}

/// The components of agents that a rehearsal has put in the place of others.
fn put_in(start: &mut [(&'static str, Value)], agents: &PluginPins) {
    let plugins = start.iter_mut().find(|(what, _)| *what == "plugins");
    if let Some((_, Value::Object(plugins))) = plugins {
        plugins.extend(agents.iter().map(|(name, pin)| (name.clone(), json!(pin.component))));
    }
}

fn start_of(started: &RunStarted) -> Vec<(&'static str, Value)> {
    let plugins: Map<_, _> =
        started.plugins.iter().map(|(name, pin)| (name.clone(), json!(pin.component))).collect();
    vec![
        ("workflow", json!(format!("{} {}", started.workflow, started.version))),
        ("definition", json!(started.definition)),
        ("plugins", plugins.into()),
        ("moved to", json!([])),
        ("inputs", started.inputs.clone().into_value()),
    ]
}

/// Tells visits of the same step apart.
#[derive(Debug, Default)]
struct Names {
    seen: BTreeMap<String, u32>,
    order: Vec<VisitId>,
    /// The last visit of each step in each going-through of its list.
    latest: BTreeMap<(FrameId, StepId), VisitId>,
    asked: BTreeMap<pawl_core::ApprovalId, (VisitId, String)>,
}

impl Names {
    /// `draft`, and `draft (2)` the second time.
    fn next(&mut self, id: &str) -> String {
        let count = self.seen.entry(id.to_owned()).or_default();
        *count += 1;
        if *count == 1 { id.to_owned() } else { format!("{id} ({count})") }
    }
}
