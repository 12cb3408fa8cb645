//! The table is what is read: every row loads, is read, and says the truth of its default and limits.

#![expect(clippy::wildcard_enum_match_arm, reason = "only shapes that lead further are of interest here")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::diagnostic::{Code, Diagnostics};
use crate::language::Need;
use crate::source::test_file::{TEST_FILE_SUFFIX, TestFile, load};
use crate::source::{read, yaml_value};

fn yaml(text: &str) -> Value {
    yaml_value(text).unwrap_or_else(|| panic!("this is no YAML: {text}"))
}

/// A map of a place with the keys that it must have, and this one beside them.
fn body(place: &Place, key: Option<(&Key, Value)>) -> Value {
    let required = place.keys().filter(|row| row.need == Need::Required);
    let mut body: Map<_, _> = required.map(|row| (row.name.to_owned(), yaml(row.example))).collect();
    let given = key.as_ref().map(|(row, _)| *row);
    if !given.is_some_and(|row| row.verb) {
        let fits = |row: &&Key| row.verb && given.is_none_or(|given| given.goes.with(row.name));
        body.extend(place.keys().find(fits).map(|verb| (verb.name.to_owned(), yaml(verb.example))));
    }
    // What one of two keys says, or what a verb needs, no row tells.
    match place.name {
        "answer" if given.is_none_or(|row| row.name != "title") => {
            body.insert("step".to_owned(), json!("approve"));
        }
        "cancel" if given.is_none_or(|row| row.name != "after") => {
            body.insert("step".to_owned(), json!("approve"));
        }
        "fault" if given.is_some_and(|row| row.name == "slow") => {
            body.insert("by".to_owned(), json!("1s"));
        }
        _ => {}
    }
    if let Some((row, value)) = key {
        if row.name == "early" {
            body.remove("step");
        }
        for other in row.beside {
            body.insert((*other).to_owned(), yaml(place.key(other).unwrap().example));
        }
        body.insert(row.name.to_owned(), value);
    }
    Value::Object(body)
}

/// A value of a shape that leads to a place, with this body there.
fn holding(shape: Shape, place: &Place, body: &Value) -> Option<Value> {
    match shape {
        Shape::Map(found) if found.name == place.name => Some(body.clone()),
        Shape::Named(inner) => Some(json!({ "extra": holding(*inner, place, body)? })),
        Shape::Any(inner) | Shape::OneOrMore(inner) => Some(json!([holding(*inner, place, body)?])),
        Shape::Either(shapes) => shapes.iter().find_map(|shape| holding(*shape, place, body)),
        _ => None,
    }
}

/// The test file around a body that stands in a place.
fn around(place: &Place, inner: &Value) -> Value {
    if place.name == TEST_FILE.name {
        return inner.clone();
    }
    let rows = TEST_PLACES.iter().flat_map(|above| above.keys().map(|key| (*above, key)));
    let (above, key, value) = rows
        .into_iter()
        .find_map(|(above, key)| Some((above, key, holding(key.shape, place, inner)?)))
        .unwrap_or_else(|| panic!("nothing leads to '{}'", place.name));
    around(above, &body(above, Some((key, value))))
}

fn loaded(place: &Place, body: &Value) -> Result<TestFile, (String, Diagnostics)> {
    let text = around(place, body).to_string();
    load("w.test.yaml", &text).map_err(|problems| (text, problems))
}

fn rows() -> impl Iterator<Item = (&'static Place, &'static Key)> {
    TEST_PLACES.iter().flat_map(|place| place.keys().map(|key| (*place, key)))
}

#[test]
fn every_example_loads_and_every_row_is_read() {
    let schema = jsonschema::validator_for(&test_schema()).unwrap();
    for (place, key) in rows() {
        let body = body(place, Some((key, yaml(key.example))));
        if let Err((text, problems)) = loaded(place, &body) {
            panic!("{}.{} does not load\n{text}\n{}", place.name, key.name, problems.render(false));
        }
        let document = around(place, &body);
        let problem = schema.validate(&document).err().map(|error| error.to_string());
        assert_eq!(problem, None, "{}.{}: {document}", place.name, key.name);
    }
    let read = read::all();
    for (place, key) in rows() {
        assert!(
            read.contains(&(place.name, key.name.to_owned())),
            "nothing reads {}.{}",
            place.name,
            key.name
        );
        assert!(key.says.ends_with('.') && key.says.len() > 6, "{}.{}: {}", place.name, key.name, key.says);
    }
}

/// Everything that a test file says, without the places where it says so.
fn meaning(file: &TestFile) -> String {
    let shown = format!("{file:#?}");
    let mut lines = Vec::new();
    let mut skipped = None;
    for line in shown.lines() {
        let indent = line.len() - line.trim_start().len();
        if skipped.is_some_and(|at| indent > at) {
            continue;
        }
        // The line that ends what is skipped is skipped with it.
        if skipped.take().is_some() {
            continue;
        }
        if line.trim_start().starts_with("place: Place {") {
            skipped = Some(indent);
        } else {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn a_default_is_what_holds_where_the_key_is_left_out() {
    for (place, key) in rows() {
        let Need::Default(default) = key.need else { continue };
        let with = body(place, Some((key, yaml(default))));
        let mut without = with.clone();
        without.as_object_mut().unwrap().remove(key.name);
        let [with, without] = [with, without].map(|body| {
            loaded(place, &body)
                .unwrap_or_else(|(text, problems)| panic!("{text}\n{}", problems.render(false)))
        });
        assert_eq!(meaning(&without), meaning(&with), "{}.{}", place.name, key.name);
    }
}

#[test]
fn numbers_have_the_limits_that_the_table_names() {
    let mut seen = 0;
    for (place, key) in rows() {
        let Shape::Whole(from, to) = key.shape else { continue };
        seen += 1;
        for number in [from, to] {
            let body = body(place, Some((key, json!(number))));
            assert!(loaded(place, &body).is_ok(), "{}.{}: {number}", place.name, key.name);
        }
        for number in [i64::from(from) - 1, i64::from(to) + 1] {
            let (_, problems) = loaded(place, &body(place, Some((key, json!(number))))).unwrap_err();
            let code = problems.list.first().map(|problem| problem.code);
            assert_eq!(code, Some(Code::OutOfRange), "{}.{}: {number}", place.name, key.name);
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn a_key_stands_beside_the_verbs_that_the_table_names() {
    for place in TEST_PLACES {
        let verbs: Vec<&Key> = place.keys().filter(|key| key.verb).collect();
        for (key, verb) in place.keys().flat_map(|key| verbs.iter().map(move |verb| (key, *verb))) {
            if key.verb || key.name == "groups" {
                continue; // `groups` need `by` as well.
            }
            let mut body = body(place, Some((verb, yaml(verb.example))));
            body.as_object_mut().unwrap().insert(key.name.to_owned(), yaml(key.example));
            let problems = loaded(place, &body).err().map(|(_, problems)| problems);
            let refused =
                problems.is_some_and(|problems| problems.list.iter().any(|p| p.code == Code::KeyMismatch));
            assert_eq!(refused, !key.goes.with(verb.name), "{} beside {}", key.name, verb.name);
        }
    }
}

#[test]
fn every_unknown_key_of_every_place_is_refused_by_the_schema_too() {
    let schema = jsonschema::validator_for(&test_schema()).unwrap();
    for place in TEST_PLACES {
        let mut inner = body(place, None);
        inner.as_object_mut().unwrap().insert("colour".to_owned(), json!("red"));
        let document = around(place, &inner);
        assert!(!schema.is_valid(&document), "{document}");
        let (_, problems) = loaded(place, &inner).unwrap_err();
        assert!(problems.list.iter().any(|p| p.code == Code::UnknownKey), "{document}");
        let free = serde_json::from_str(&document.to_string().replace("colour", "x-colour")).unwrap();
        assert!(schema.is_valid(&free), "{free}");
    }
}

/// Every test file below a folder, whatever made by building left out.
#[expect(clippy::disallowed_methods, reason = "tests read the files of the repository")]
fn test_files(folder: &Path, found: &mut BTreeSet<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
            test_files(&path, found);
        } else if name.ends_with(TEST_FILE_SUFFIX) {
            found.insert(path);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests read the files of the repository")]
fn the_schema_accepts_every_test_file_of_the_repository() {
    let schema = jsonschema::validator_for(&test_schema()).unwrap();
    let mut files = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["workflows", "tests", "docs", "runtime", "plugins"] {
        test_files(&root.join(folder), &mut files);
    }
    assert!(files.len() >= 20, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        // A template of `pawl plugin new` has names to be filled in.
        if text.contains("{{") && !text.contains("${{") {
            continue;
        }
        let problem = schema.validate(&yaml(&text)).err().map(|problem| problem.to_string());
        assert_eq!(problem, None, "{}", path.display());
    }
}
