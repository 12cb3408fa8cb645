//! The table is what is read: every row loads, is read, and says the truth of its default and limits.

#![expect(clippy::wildcard_enum_match_arm, reason = "only shapes that lead further are of interest here")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::definition::Definition;
use crate::diagnostic::{Code, Diagnostics};
use crate::source::test_file::TEST_FILE_SUFFIX;
use crate::source::{load, read, yaml_value};

fn yaml(text: &str) -> Value {
    yaml_value(text).unwrap_or_else(|| panic!("this is no YAML: {text}"))
}

/// A map of a place with the keys that it must have, and this one beside them.
fn body(place: &Place, key: Option<(&Key, Value)>) -> Value {
    let mut body: Map<_, _> = place
        .keys()
        .filter(|row| row.need == Need::Required)
        .map(|row| (row.name.to_owned(), yaml(row.example)))
        .collect();
    let given = key.as_ref().map(|(row, _)| *row);
    if place.name == STEP.name && !given.is_some_and(|row| row.verb) {
        let fits = |row: &&Key| row.verb && given.is_none_or(|given| given.goes.with(row.name));
        let verb = place.keys().find(fits).unwrap();
        body.insert(verb.name.to_owned(), yaml(verb.example));
    }
    if place.name == WORKFLOW.name {
        for key in ["inputs", "vars", "workflows"] {
            body.insert(key.to_owned(), yaml(WORKFLOW.key(key).unwrap().example));
        }
    }
    if let Some((row, value)) = key {
        for other in row.beside {
            body.insert((*other).to_owned(), yaml(place.key(other).unwrap().example));
        }
        // Only what waits for a slot can wait too long for it.
        if place.name == STEP.name && value.get("start").is_some() {
            body.insert("concurrency".to_owned(), yaml(place.key("concurrency").unwrap().example));
        }
        // Only who may use memory can say whose.
        if place.name == STEP.name && row.name == "memory" {
            body.insert("permissions".to_owned(), json!({ "memory": true }));
        }
        body.insert(row.name.to_owned(), value);
    }
    Value::Object(body)
}

/// A value of a shape that leads to a place, with this body there.
fn holding(shape: Shape, place: &Place, body: &Value) -> Option<Value> {
    match shape {
        Shape::Map(found) if found.name == place.name => Some(body.clone()),
        Shape::Steps if place.name == STEP.name => Some(json!([{ "id": "order", "set": 1 }, body])),
        Shape::Fields if place.name == INPUT.name => Some(json!({ "extra": body })),
        Shape::Outputs if place.name == OUTPUT.name => Some(json!({ "extra": body })),
        Shape::Named(inner) => Some(json!({ "extra": holding(*inner, place, body)? })),
        Shape::List(inner) | Shape::Any(inner) | Shape::OneOrMore(inner) => {
            Some(json!([holding(*inner, place, body)?]))
        }
        Shape::Either(shapes) => shapes.iter().find_map(|shape| holding(*shape, place, body)),
        _ => None,
    }
}

/// The workflow around a body that stands in a place.
fn workflow(place: &Place, inner: &Value) -> Value {
    if place.name == WORKFLOW.name {
        return inner.clone();
    }
    let (above, key, value) = PLACES
        .iter()
        .find_map(|above| above.keys().find_map(|key| Some((*above, key, holding(key.shape, place, inner)?))))
        .unwrap_or_else(|| panic!("nothing leads to '{}'", place.name));
    let mut around = workflow(above, &body(above, Some((key, value))));
    if let (true, Some(inputs)) =
        (key.name == "inputs", around.get_mut("inputs").and_then(Value::as_object_mut))
    {
        inputs.extend(yaml(key.example).as_object().unwrap().clone());
    }
    around
}

fn document(place: &Place, key: Option<(&Key, Value)>) -> String {
    workflow(place, &body(place, key)).to_string()
}

fn loaded(place: &Place, key: Option<(&Key, Value)>) -> Result<Definition, (String, Diagnostics)> {
    let text = document(place, key);
    load("w.yaml", &text).map(|loaded| loaded.definition).map_err(|problems| (text, problems))
}

fn rows() -> impl Iterator<Item = (&'static Place, &'static Key)> {
    PLACES.iter().flat_map(|place| place.keys().map(|key| (*place, key)))
}

#[test]
fn every_example_loads_and_every_row_is_read() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for (place, key) in rows() {
        if let Err((text, problems)) = loaded(place, Some((key, yaml(key.example)))) {
            panic!("{}.{} does not load\n{text}\n{}", place.name, key.name, problems.render(false));
        }
        let text = document(place, Some((key, yaml(key.example))));
        let problem = schema.validate(&serde_json::from_str(&text).unwrap()).err().map(|e| e.to_string());
        assert_eq!(problem, None, "{}.{}: {text}", place.name, key.name);
    }
    let read = read::all();
    let passed_on: BTreeSet<&str> = KEYWORDS.iter().map(|key| key.name).collect();
    for (place, key) in rows() {
        let of_schema = [INPUT.name, OUTPUT.name].contains(&place.name) && passed_on.contains(key.name);
        let verb = key.verb;
        assert!(
            of_schema || verb || read.contains(&(place.name, key.name.to_owned())),
            "nothing reads {}.{}",
            place.name,
            key.name
        );
    }
}

#[test]
fn keywords_reach_the_schema() {
    for key in &KEYWORDS {
        let value = yaml(key.example);
        let definition = loaded(&INPUT, Some((key, value.clone()))).unwrap();
        assert_eq!(definition.inputs.json()["properties"]["extra"][key.name], value, "{}", key.name);
    }
}

/// Everything of a definition but the digest of its source.
fn meaning(definition: Definition) -> String {
    format!("{:#?}", Definition { digest: crate::Digest::of(b""), ..definition })
}

#[test]
fn a_default_is_what_holds_where_the_key_is_left_out() {
    for (place, key) in rows() {
        let Need::Default(default) = key.need else { continue };
        if place.name == WORKFLOW.name && key.name == "inputs" {
            continue; // The examples use inputs.
        }
        let mut without = body(place, Some((key, yaml(default))));
        without.as_object_mut().unwrap().remove(key.name);
        let without = load("w.yaml", &workflow(place, &without).to_string()).unwrap().definition;
        let with = loaded(place, Some((key, yaml(default)))).unwrap();
        assert_eq!(meaning(without), meaning(with), "{}.{}", place.name, key.name);
    }
}

/// The smallest and the largest number of a shape.
fn limits(shape: Shape) -> Option<(u32, u32)> {
    match shape {
        Shape::Whole(from, to) | Shape::Number(from, to) => Some((from, to)),
        Shape::Either(shapes) => shapes.iter().find_map(|shape| limits(*shape)),
        _ => None,
    }
}

#[test]
fn numbers_have_the_limits_that_the_table_names() {
    let mut seen = 0;
    for (place, key) in rows() {
        let Some((from, to)) = limits(key.shape) else { continue };
        seen += 1;
        // A join wants no more than there are branches, which is 2 here.
        let most = if key.name == "join" { 2 } else { to };
        for number in [from, most] {
            assert!(
                loaded(place, Some((key, json!(number)))).is_ok(),
                "{}.{}: {number}",
                place.name,
                key.name
            );
        }
        for number in [i64::from(from) - 1, i64::from(to) + 1] {
            let (_, problems) = loaded(place, Some((key, json!(number)))).unwrap_err();
            let code = problems.list.first().map(|problem| problem.code);
            assert_eq!(code, Some(Code::OutOfRange), "{}.{}: {number}", place.name, key.name);
        }
    }
    assert!(seen >= 6);
}

#[test]
fn a_key_stands_beside_the_verbs_that_the_table_names() {
    for key in STEP.keys().filter(|key| !key.verb) {
        for verb in STEP.keys().filter(|key| key.verb) {
            let mut step = body(&STEP, Some((verb, yaml(verb.example))));
            step.as_object_mut().unwrap().insert(key.name.to_owned(), yaml(key.example));
            let problems = load("w.yaml", &workflow(&STEP, &step).to_string()).err();
            let refused =
                problems.is_some_and(|problems| problems.list.iter().any(|p| p.code == Code::KeyMismatch));
            assert_eq!(refused, !key.goes.with(verb.name), "{} beside {}", key.name, verb.name);
        }
    }
}

/// A file with tests of a workflow is none itself.
fn is_workflow(path: &Path) -> bool {
    let has = |path: &Path, ending| path.extension().is_some_and(|found| found == ending);
    has(path, "yaml") && !path.file_stem().is_some_and(|stem| has(stem.as_ref(), "test"))
}

#[expect(clippy::disallowed_methods, reason = "tests read the files of the repository")]
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| is_workflow(path));
    let yaml = yaml.filter(|path| !path.display().to_string().ends_with(TEST_FILE_SUFFIX));
    yaml.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_schema_accepts_the_example_workflows_and_refuses_what_no_place_knows() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for (name, text) in files("../../workflows") {
        let problem = schema.validate(&yaml(&text)).err().map(|problem| problem.to_string());
        assert_eq!(problem, None, "{name}");
    }
    let refused =
        |code: Code| matches!(code, Code::UnknownKey | Code::MissingKey | Code::WrongType | Code::VerbCount);
    let mut seen = 0;
    for (name, text) in files("src/source/cases") {
        let problems = load(&name, &text).map_or_else(|problems| problems, |loaded| loaded.warnings);
        let (Some(value), true) =
            (yaml_value(&text), problems.list.iter().any(|problem| refused(problem.code)))
        else {
            continue;
        };
        seen += 1;
        assert!(!schema.is_valid(&value), "{name} is valid");
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn every_unknown_key_of_every_place_is_refused_by_the_schema_too() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for place in PLACES {
        let mut inner = body(place, None);
        inner.as_object_mut().unwrap().insert("colour".to_owned(), json!("red"));
        let document = workflow(place, &inner);
        assert!(!schema.is_valid(&document), "{document}");
        let problems = load("w.yaml", &document.to_string()).unwrap_err();
        assert!(problems.list.iter().any(|p| p.code == Code::UnknownKey), "{document}");
        let free = serde_json::from_str(&document.to_string().replace("colour", "x-colour")).unwrap();
        assert!(schema.is_valid(&free), "{free}");
    }
}

#[test]
fn every_key_and_place_is_documented_once() {
    for place in PLACES {
        let names: BTreeSet<_> = place.keys().map(|key| key.name).collect();
        assert_eq!(names.len(), place.keys().count(), "a key of '{}' has two rows", place.name);
        for key in place.keys() {
            assert!(
                key.says.ends_with('.') && key.says.len() > 8,
                "{}.{}: {}",
                place.name,
                key.name,
                key.says
            );
        }
    }
}
