//! Whether what expressions name exists: inputs, steps, and the fields of values whose shape is known.

use serde_json::{Map, Value, json};

use super::Places;
use super::fields::{Missing, missing_field, template_schema};
use super::lower::within;
use super::sites::{Moment, Site, sites};
use super::vars;
use crate::StepId;
use crate::definition::{Definition, OnError, Role, Step, Verb, WaitStep};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Reference, Root};

/// Reports every reference to something that does not exist.
pub(super) fn check(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    let schemas: Vec<Value> = definition.steps.iter().map(own_schema).collect();
    for site in sites(definition, places) {
        for reference in site.expression.references() {
            let mut report = Report { site: &site, reference, places, problems };
            if let Moment::Start(number) = site.moment {
                check_at_start(definition, number, &mut report);
                continue;
            }
            match &reference.root {
                Root::Inputs => check_input(definition, &mut report),
                Root::Steps => check_step(definition, &schemas, &mut report),
                Root::Item | Root::Index => check_local(definition, &mut report),
                Root::Local(_) => {}
                Root::Vars => check_var(definition, &mut report),
                Root::Run => report.field(&run_schema(), 0, "run"),
                Root::Error => {
                    let roles = roles_around(definition, &site);
                    let caught = roles.contains(&Role::Catch) || roles.contains(&Role::Undo);
                    if !reference.asks && !caught {
                        let (message, help) = if roles.contains(&Role::Finally) {
                            (
                                "there may be no error at hand here",
                                "ask with `error is defined`, or `error.message | default(…)`",
                            )
                        } else {
                            (
                                "there is no error at hand here",
                                "an error is at hand within `catch` and `undo`",
                            )
                        };
                        report.push(Code::UnknownName, message.to_owned(), Some(help.to_owned()));
                    }
                }
            }
        }
    }
}

/// What is wrong with a reference is reported at its place.
pub(super) struct Report<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) reference: &'a Reference,
    pub(super) places: &'a Places,
    pub(super) problems: &'a mut Diagnostics,
}

impl Report<'_> {
    fn push(&mut self, code: Code, message: String, help: Option<String>) {
        let holder = self.places.value(&self.site.pointer);
        let span = within(&self.problems.text, &holder, self.site.expression.source(), &self.reference.range);
        self.problems.push(code, span, message, "", help);
    }

    /// Checks the path from a position on against a schema.
    pub(super) fn field(&mut self, schema: &Value, from: usize, what: &str) {
        let path = self.reference.path.get(from..).unwrap_or_default();
        if let Some(Missing { above, name, known }) = missing_field(schema, path) {
            let message = format!("{what}{above} has no field '{name}'");
            let help = among(&name, "it has", known.iter().map(String::as_str));
            self.push(Code::NoSuchField, message, help);
        }
    }
}

fn run_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({ "type": "object", "properties": {
        "id": text, "workflow": text, "version": text, "started_at": {},
    } })
}

/// Before the first step there are inputs, the run, and the variables above.
fn check_at_start(definition: &Definition, number: usize, report: &mut Report<'_>) {
    match &report.reference.root {
        Root::Inputs => check_input(definition, report),
        Root::Run => report.field(&run_schema(), 0, "run"),
        Root::Vars => {
            check_var(definition, report);
            let Some(name) = report.reference.field(0) else { return };
            let made = definition.vars.iter().take(number).any(|(var, _)| var == name);
            if !made && vars::is_declared(definition, name) {
                let message = format!("the variable '{name}' is not made yet");
                let help = "variables are made from the first to the last: move it up".to_owned();
                report.push(Code::UnknownVar, message, Some(help));
            }
        }
        Root::Steps | Root::Item | Root::Index | Root::Error | Root::Local(_) => {
            let message = format!("'{}' is nothing before the first step", report.reference.root.name());
            let help = "there are `inputs` and `run`, and for a variable those above it";
            report.push(Code::UnknownName, message, Some(help.to_owned()));
        }
    }
}

fn check_var(definition: &Definition, report: &mut Report<'_>) {
    let Some(name) = report.reference.field(0).map(str::to_owned) else { return };
    if !vars::is_declared(definition, &name) {
        report.push(Code::UnknownVar, vars::unknown(&name), Some(vars::help(definition, &name)));
    }
}

fn check_input(definition: &Definition, report: &mut Report<'_>) {
    let schema = definition.inputs.json();
    let Some(name) = report.reference.field(0) else { return };
    let known = schema.get("properties").and_then(Value::as_object);
    if known.is_some_and(|known| !known.contains_key(name)) {
        let message = format!("there is no input '{name}'");
        let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
        let help = among(name, "inputs are", names)
            .or_else(|| Some(format!("declare it: `inputs: {{ {name}: string }}`")));
        report.push(Code::UnknownInput, message, help);
    } else {
        report.field(schema, 0, "inputs");
    }
}

/// What the lists are for that a place stands in, the innermost first.
fn roles_around(definition: &Definition, site: &Site<'_>) -> Vec<Role> {
    definition.around(site.block(definition)).map(|block| block.role).collect()
}

/// `item` is there within `map`, `index` also within `loop`.
fn check_local(definition: &Definition, report: &mut Report<'_>) {
    let roles = roles_around(definition, report.site);
    let root = &report.reference.root;
    let known = roles.contains(&Role::Item) || (*root == Root::Index && roles.contains(&Role::Turn));
    if known || report.reference.asks {
        return;
    }
    let within = if *root == Root::Item { "`map`" } else { "`map` and `loop`" };
    let help = Some(format!("it is there within {within}"));
    report.push(Code::UnknownName, format!("there is no {} here", root.name()), help);
}

fn check_step(definition: &Definition, schemas: &[Value], report: &mut Report<'_>) {
    let ids = || definition.steps.iter().map(|step| step.id.as_str());
    let Some(name) = report.reference.field(0) else {
        let help = Some("write steps.<id>.output, with the id itself".to_owned());
        report.push(Code::UnknownStep, "a step must be named".to_owned(), help);
        return;
    };
    let Some(index) = definition.index_of(&StepId::new(name)) else {
        let help = among(name, "steps are", ids());
        report.push(Code::UnknownStep, format!("there is no step '{name}'"), help);
        return;
    };
    if !definition.is_visible(index, report.site.block(definition)) {
        let holder = definition.step(index).and_then(|step| definition.block(step.block)?.parent);
        let holder = holder.and_then(|holder| definition.step(holder));
        let help = holder.map(|holder| format!("use steps.{}.output, which is made of it", holder.id));
        report.push(Code::UnknownStep, format!("the step '{name}' stands in a list that is over here"), help);
        return;
    }
    match (report.reference.path.get(1), report.reference.field(1)) {
        (_, Some("output")) => {}
        (_, Some(field)) => {
            let help = Some(format!("write steps.{name}.output.{field}"));
            report.push(Code::NoSuchField, format!("a step has an output, no '{field}'"), help);
            return;
        }
        (None, None) if report.reference.asks => {}
        (_, None) => {
            let help = Some(format!("write steps.{name}.output"));
            report.push(Code::NoSuchField, format!("the step '{name}' is no value, its output is"), help);
            return;
        }
    }
    if let Some(schema) = schemas.get(index.0) {
        report.field(schema, 2, &format!("steps.{name}.output"));
    }
}

/// What a step's output looks like, as far as the definition alone says.
pub(super) fn own_schema(step: &Step) -> Value {
    // What a `catch` gives takes the place of what the step gives.
    if step.catch.is_some() {
        return json!({});
    }
    match &step.verb {
        Verb::Human(human) => {
            let data = human.form.as_ref().map_or_else(|| json!({}), |form| form.json().clone());
            let text = json!({ "type": "string" });
            let mut schema =
                json!({ "type": "object", "properties": { "action": text, "data": data, "by": {} } });
            if human.terms.quorum.is_some() {
                schema["properties"]["decisions"] = json!({ "type": "array" });
            }
            schema
        }
        Verb::Set(template) => template_schema(template),
        Verb::Switch(_) => json!({ "type": "object", "properties": { "case": { "type": "integer" } } }),
        Verb::Parallel(parallel) => {
            let branches: Map<_, _> =
                parallel.branches.iter().map(|(name, _)| (name.clone(), json!({}))).collect();
            json!({ "type": "object", "properties": branches, "additionalProperties": false })
        }
        Verb::Map(map) if map.on_error == OnError::Collect => json!({ "type": "array", "items": {
            "type": "object", "properties": { "output": {}, "error": {} }, "additionalProperties": false,
        } }),
        Verb::Map(_) => json!({ "type": "array" }),
        Verb::Signal(signal) => {
            signal.schema.as_ref().map_or_else(|| json!({}), |schema| schema.json().clone())
        }
        Verb::Emit(_) => json!({ "type": "object", "properties": { "topic": { "type": "string" } } }),
        Verb::Wait(WaitStep::Topic { .. }) => {
            json!({ "type": "object", "properties": { "topic": { "type": "string" }, "data": {} } })
        }
        Verb::Agent(_)
        | Verb::Tool(_)
        | Verb::Wait(_)
        | Verb::Fail(_)
        | Verb::Loop(_)
        | Verb::Workflow(_) => json!({}),
    }
}
