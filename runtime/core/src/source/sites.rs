//! Every place of a definition where an expression stands.

use super::Places;
use crate::definition::{BlockIndex, Case, Definition, Output, Route, Step, Then, Verb, WaitStep};
use crate::expression::{Expression, Template};

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the first step, when the variable with this number is first made.
    Start(usize),
    /// Before the step at an index has an output of this visit.
    Before(usize),
    /// After the step at an index.
    After(usize),
    /// Between the turns of the step at an index, where the outputs of its steps can be seen.
    Between(usize),
    /// When the run completes.
    End,
}

/// An expression, when it is evaluated, and where it stands.
#[derive(Debug)]
pub(crate) struct Site<'d> {
    pub(crate) moment: Moment,
    pub(super) pointer: String,
    pub(crate) expression: &'d Expression,
}

impl Site<'_> {
    /// The list of steps from which it sees.
    pub(super) fn block(&self, definition: &Definition) -> BlockIndex {
        let step = match self.moment {
            Moment::Before(index) | Moment::After(index) | Moment::Between(index) => {
                definition.steps.get(index)
            }
            Moment::Start(_) | Moment::End => None,
        };
        match (self.moment, step.map(|step| &step.verb)) {
            (Moment::Between(_), Some(Verb::Loop(repeat))) => repeat.body,
            _ => step.map_or(BlockIndex::ROOT, |step| step.block),
        }
    }
}

/// All of them, in the order of the definition.
pub(crate) fn sites<'d>(definition: &'d Definition, places: &Places) -> Vec<Site<'d>> {
    let mut sites = Vec::new();
    for (number, (name, value)) in definition.vars.iter().enumerate() {
        let pointer = format!("/vars/{}", crate::expression::escaped(name));
        template_sites(value, Moment::Start(number), &pointer, &mut sites);
    }
    let at_start = Moment::Start(0);
    if let Some(key) = definition.concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref()) {
        template_sites(key, at_start, "/concurrency/key", &mut sites);
    }
    if let Some(priority) = &definition.priority {
        template_sites(priority, at_start, "/priority", &mut sites);
    }
    for (index, step) in definition.steps.iter().enumerate() {
        step_sites(step, index, places.step(index), &mut sites);
    }
    for (name, Output { value, .. }) in &definition.outputs {
        let name = crate::expression::escaped(name);
        let long = format!("/outputs/{name}/value");
        let pointer = if places.has(&long) { long } else { format!("/outputs/{name}") };
        template_sites(value, Moment::End, &pointer, &mut sites);
    }
    sites
}

fn step_sites<'d>(step: &'d Step, index: usize, at: &str, sites: &mut Vec<Site<'d>>) {
    let before = Moment::Before(index);
    if let Some(expression) = &step.condition {
        sites.push(Site { moment: before, pointer: format!("{at}/if"), expression });
    }
    if let Some(key) = step.concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref()) {
        template_sites(key, before, &format!("{at}/concurrency/key"), sites);
    }
    if let Some(priority) = &step.priority {
        template_sites(priority, before, &format!("{at}/priority"), sites);
    }
    match &step.verb {
        Verb::Agent(agent) => {
            route_sites(agent.route.as_deref(), before, &format!("{at}/agent"), sites);
            template_sites(&agent.with, before, &format!("{at}/with"), sites);
        }
        Verb::Tool(tool) => {
            route_sites(tool.route.as_deref(), before, &format!("{at}/tool"), sites);
            template_sites(&tool.with, before, &format!("{at}/with"), sites);
        }
        Verb::Human(human) => {
            template_sites(&human.title, before, &format!("{at}/human/title"), sites);
            if let Some(subject) = &human.subject {
                template_sites(subject, before, &format!("{at}/human/subject"), sites);
            }
        }
        Verb::Set(template) => template_sites(template, before, &format!("{at}/set"), sites),
        Verb::Switch(switch) => {
            for (number, Case { when, .. }) in switch.cases.iter().enumerate() {
                let pointer = format!("{at}/switch/{number}/when");
                sites.extend(when.as_ref().map(|expression| Site { moment: before, pointer, expression }));
            }
        }
        Verb::Wait(WaitStep::Until(template)) => {
            template_sites(template, before, &format!("{at}/wait/until"), sites);
        }
        Verb::Wait(WaitStep::Topic { pattern, .. }) => {
            template_sites(pattern, before, &format!("{at}/wait/topic"), sites);
        }
        Verb::Emit(emit) => {
            template_sites(&emit.topic, before, &format!("{at}/emit/topic"), sites);
            template_sites(&emit.data, before, &format!("{at}/emit/data"), sites);
        }
        Verb::Workflow(workflow) => template_sites(&workflow.with, before, &format!("{at}/with"), sites),
        Verb::Wait(WaitStep::For(_)) | Verb::Parallel(_) | Verb::Signal(_) => {}
        Verb::Map(map) => {
            sites.push(Site { moment: before, pointer: format!("{at}/map/items"), expression: &map.items });
        }
        Verb::Loop(repeat) => {
            let (moment, pointer) = (Moment::Between(index), format!("{at}/loop/while"));
            sites.push(Site { moment, pointer, expression: &repeat.condition });
        }
        Verb::Fail(fail) => template_sites(&fail.message, before, &format!("{at}/fail/message"), sites),
    }
    for (name, value) in &step.vars {
        let pointer = format!("{at}/vars/{}", crate::expression::escaped(name));
        template_sites(value, Moment::After(index), &pointer, sites);
    }
    if let Then::Choose(branches) = &step.then {
        for (number, branch) in branches.iter().enumerate() {
            let (moment, pointer) = (Moment::After(index), format!("{at}/then/{number}/when"));
            sites.extend(branch.when.as_ref().map(|expression| Site { moment, pointer, expression }));
        }
    }
}

fn route_sites<'d>(route: Option<&'d Route>, moment: Moment, at: &str, sites: &mut Vec<Site<'d>>) {
    for (name, label) in route.iter().flat_map(|route| &route.labels) {
        let pointer = format!("{at}/match/labels/{}", crate::expression::escaped(name));
        template_sites(label, moment, &pointer, sites);
    }
}

fn template_sites<'d>(template: &'d Template, moment: Moment, at: &str, sites: &mut Vec<Site<'d>>) {
    for found in template.uses() {
        let pointer = format!("{at}{}", found.pointer);
        sites.push(Site { moment, pointer, expression: found.expression });
    }
}
