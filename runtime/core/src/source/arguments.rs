//! What a step hands to its plugin, against the schema that the plugin gives.
//!
//! Only what is certain before anything runs is reported: values that are
//! written out, texts, and expressions that are one value whose type is known.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::Loaded;
use super::fields::types;
use super::names::own_schema;
use crate::StepId;
use crate::definition::{Schema, Verb, reason};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Expression, Part, Root, Segment, Template, escaped};

/// What there is to compare the arguments of a step with.
pub(super) struct Arguments<'a> {
    pub(super) loaded: &'a Loaded,
    /// The step.
    pub(super) index: usize,
    /// The schema of what it is given.
    pub(super) schema: &'a Value,
    /// The schemas of what the steps give, where plugins say so.
    pub(super) outputs: &'a [Option<&'a Value>],
}

impl Arguments<'_> {
    pub(super) fn check(&self, with: &Template, problems: &mut Diagnostics) {
        let mut computed = BTreeMap::new();
        let value = written(with.part(), String::new(), &mut computed);
        for (place, part) in &computed {
            self.check_type(place, part, problems);
        }
        if !matches!(with.part(), Part::Expression(_) | Part::Text(_)) {
            self.check_written(&value, &computed, problems);
        }
    }

    /// Compares what is written out with the schema; what is computed may be anything.
    fn check_written(&self, value: &Value, computed: &BTreeMap<String, &Part>, problems: &mut Diagnostics) {
        let Ok(schema) = Schema::new(self.schema.clone()) else { return };
        // The step itself is told so, when it comes to it.
        if schema.too_large(value).is_some() {
            return;
        }
        for error in schema.errors(value) {
            let place = error.instance_path().to_string();
            let below = format!("{place}/");
            let inside =
                computed.contains_key(&place) || computed.keys().any(|c| place.starts_with(&format!("{c}/")));
            let contains = computed.keys().any(|c| c.starts_with(&below));
            let missing = matches!(
                error.kind(),
                ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. }
            );
            if inside || (contains && !missing) {
                continue;
            }
            let at = self.pointer(&place);
            let help = argument_help(&error, schema.json(), &place);
            let (code, what) = self.receiver();
            let message = format!("the {what} does not accept this: {}", reason(&error));
            let span = match unexpected(&error) {
                Some(name) => self.loaded.places.key(&format!("{at}/{}", escaped(name))),
                None => self.loaded.places.value(&at),
            };
            problems.push(code, span, message, "", help);
        }
    }

    /// What takes the arguments, and the code of what it does not take.
    fn receiver(&self) -> (Code, &'static str) {
        let step = self.loaded.definition.steps.get(self.index);
        if step.is_some_and(|step| matches!(step.verb, Verb::Workflow(_))) {
            return (Code::InvalidInputs, "workflow");
        }
        (Code::InvalidArguments, "plugin")
    }

    /// Where a part of the arguments stands. An absent `with` is an empty map, and its step is where it is missing.
    fn pointer(&self, place: &str) -> String {
        let step = self.loaded.places.step(self.index);
        let with = format!("{step}/with");
        if self.loaded.places.has(&with) { format!("{with}{place}") } else { step.to_owned() }
    }

    /// Compares the type of a computed value with what the schema wants at its place, where both are known.
    fn check_type(&self, place: &str, part: &Part, problems: &mut Diagnostics) {
        let path: Vec<Segment> = place.split('/').skip(1).map(segment).collect();
        let (Some(wanted), Some(found)) = (types(self.schema, &path), self.types_of(part)) else { return };
        let number = |name: &String| matches!(name.as_str(), "integer" | "number");
        // A number may be whole, as an integer is.
        let fits = found.iter().any(|one| wanted.contains(one) || (number(one) && wanted.iter().any(number)));
        if fits {
            return;
        }
        let list = |types: &BTreeSet<String>| types.iter().cloned().collect::<Vec<_>>().join(" or ");
        let (code, what) = self.receiver();
        let message = format!("the {what} does not accept this: it wants {}", list(&wanted));
        let given = match part {
            Part::Expression(expression) => format!("`{}`", expression.source().trim()),
            Part::Text(_) | Part::Literal(_) | Part::List(_) | Part::Map(_) => {
                "a text with expressions in it".to_owned()
            }
        };
        let help = Some(format!("{given} is {}", list(&found)));
        problems.push(code, self.loaded.places.value(&self.pointer(place)), message, "", help);
    }

    fn types_of(&self, part: &Part) -> Option<BTreeSet<String>> {
        match part {
            Part::Text(_) => Some(BTreeSet::from(["string".to_owned()])),
            Part::Expression(expression) => self.types_of_value(expression),
            Part::Literal(_) | Part::List(_) | Part::Map(_) => None,
        }
    }

    /// The types of an expression that names one value and does nothing with it.
    fn types_of_value(&self, expression: &Expression) -> Option<BTreeSet<String>> {
        let [reference] = expression.references() else { return None };
        let whole = expression.source().get(reference.range.clone())?;
        if whole != expression.source().trim() {
            return None;
        }
        let definition = &self.loaded.definition;
        match reference.root {
            Root::Inputs => types(definition.inputs.json(), &reference.path),
            Root::Index => Some(BTreeSet::from(["integer".to_owned()])),
            Root::Steps if reference.field(1) == Some("output") => {
                let index = definition.index_of(&StepId::new(reference.field(0)?))?;
                let path = reference.path.get(2..)?;
                match self.outputs.get(index.0).copied().flatten() {
                    Some(schema) => types(schema, path),
                    None => types(&own_schema(definition.step(index)?), path),
                }
            }
            Root::Steps | Root::Vars | Root::Run | Root::Error | Root::Item | Root::Local(_) => None,
        }
    }
}

fn segment(name: &str) -> Segment {
    let name = name.replace("~1", "/").replace("~0", "~");
    name.parse().map_or(Segment::Field(name), Segment::Index)
}

/// The argument that a schema does not know.
fn unexpected<'e>(error: &'e jsonschema::ValidationError<'_>) -> Option<&'e str> {
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        return unexpected.first().map(String::as_str);
    }
    None
}

/// What to write instead: the nearest known argument, or the list of them.
fn argument_help(error: &jsonschema::ValidationError<'_>, schema: &Value, place: &str) -> Option<String> {
    let unexpected = unexpected(error)?;
    let known = schema.get("properties").and_then(Value::as_object).filter(|_| place.is_empty())?;
    among(unexpected, "it accepts", known.keys().map(String::as_str))
}

/// The value as far as it is written out; null stands where it is computed.
fn written<'p>(part: &'p Part, pointer: String, computed: &mut BTreeMap<String, &'p Part>) -> Value {
    match part {
        Part::Literal(value) => value.clone(),
        Part::Expression(_) | Part::Text(_) => {
            computed.insert(pointer, part);
            Value::Null
        }
        Part::List(parts) => parts
            .iter()
            .enumerate()
            .map(|(index, part)| written(part, format!("{pointer}/{index}"), computed))
            .collect(),
        Part::Map(parts) => {
            let fields = parts.iter().map(|(name, part)| {
                (name.clone(), written(part, format!("{pointer}/{}", escaped(name)), computed))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}
