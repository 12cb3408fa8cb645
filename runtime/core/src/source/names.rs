//! Whether what expressions name exists: inputs, steps, and the fields of values whose shape is known.

use serde_json::{Value, json};

use super::Places;
use super::fields::{Missing, missing_field, template_schema};
use super::lower::within;
use super::sites::{Site, sites};
use crate::StepId;
use crate::definition::{Definition, Step, Verb};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Reference, Root};

/// Reports every reference to something that does not exist.
pub(super) fn check(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    let schemas: Vec<Value> = definition.steps.iter().map(own_schema).collect();
    for site in sites(definition, places) {
        for reference in site.expression.references() {
            let mut report = Report { site: &site, reference, places, problems };
            match reference.root {
                Root::Inputs => check_input(definition, &mut report),
                Root::Steps => check_step(definition, &schemas, &mut report),
                Root::Run => report.field(&run_schema(), 0, "run"),
                Root::Error => {
                    if !reference.asks {
                        let help = Some("ask with `error is defined`".to_owned());
                        report.push(Code::UnknownName, "there is no error at hand here".to_owned(), help);
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
fn own_schema(step: &Step) -> Value {
    match &step.verb {
        Verb::Human(human) => {
            let data = human.form.as_ref().map_or_else(|| json!({}), |form| form.json().clone());
            let text = json!({ "type": "string" });
            json!({ "type": "object", "properties": { "action": text, "data": data, "by": {} } })
        }
        Verb::Set(template) => template_schema(template),
        Verb::Switch(_) => json!({ "type": "object", "properties": { "case": { "type": "integer" } } }),
        Verb::Agent(_) | Verb::Tool(_) | Verb::Wait(_) | Verb::Fail(_) => json!({}),
    }
}
