//! Tests of a workflow as written: `NAME.test.yaml` beside `NAME.yaml`.
//!
//! Read by the same readers as workflows: every problem at once, each with its
//! place. Whether a test fits its workflow is a second question, [`check`].

mod check;
mod check_outside;
mod expect;
mod fault;
mod memory;
mod mock;
mod model;
mod outside;
mod person;
mod place;

use serde_json::{Map, Value};

pub use check::check;
pub use expect::{CallsExpected, ErrorExpected, EventExpected, Expect, StepsExpected};
pub use fault::{Fault, FaultKind};
pub use memory::Holds;
pub use mock::{Gives, Mock, Rule, TIMES_MAX};
pub use model::{ModelGiven, Says};
pub use outside::{Cancelling, Comes, OutsideEvent, SentSignal};
pub use person::{Answers, Asks, Person};
pub use place::{Place, Placed};

pub(super) use mock::failure;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::Node;
use super::{SOURCE_MAX_BYTES, yaml};
use crate::Timestamp;
use crate::diagnostic::{Code, Diagnostics};
use crate::language::test_file::{TEST, TEST_FILE};

/// How the name of a test file ends.
pub const TEST_FILE_SUFFIX: &str = ".test.yaml";
/// The most tests of a file.
pub const TESTS_MAX: usize = 200;
/// When a run begins where its test does not say: the first instant of 2026.
pub const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

/// The tests of one file.
#[derive(Debug)]
pub struct TestFile {
    /// The workflow's file, relative to this one, where it is not the one of the same name.
    pub workflow: Option<String>,
    /// The tests in their order.
    pub tests: Vec<TestCase>,
}

/// One run of a workflow: what goes in, who does what, what must come out.
#[derive(Debug)]
pub struct TestCase {
    /// Its name, unique in the file.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What the workflow is started with, an object.
    pub inputs: Placed<Value>,
    /// When the run begins.
    pub at: Timestamp,
    /// What tools do, instead of their components.
    pub tools: Vec<Mock>,
    /// What agents do, instead of their components.
    pub agents: Vec<Mock>,
    /// What models say.
    pub models: Vec<ModelGiven>,
    /// What memories that runs share hold before.
    pub memory: Vec<Holds>,
    /// Who answers.
    pub people: Vec<Person>,
    /// The signals that are sent to it.
    pub signals: Vec<SentSignal>,
    /// The events that come from outside.
    pub events: Vec<OutsideEvent>,
    /// Where it is cancelled.
    pub cancel: Option<Cancelling>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What must come of it.
    pub expect: Expect,
}

/// Reads a test file; `file` is its name in messages.
pub fn load(file: &str, text: &str) -> Result<TestFile, Diagnostics> {
    let mut problems = Diagnostics::new(file, text);
    if text.len() > SOURCE_MAX_BYTES {
        let message = format!("the file has {} bytes", text.len());
        let help = format!("source_max_bytes is {SOURCE_MAX_BYTES}; share the tests among several files");
        problems.push(Code::SourceTooLarge, 0..0, message, "", Some(help));
        return Err(problems);
    }
    let Some(root) = yaml::parse(text, &mut problems) else {
        if problems.is_empty() {
            let help = "begin with `tests:`".to_owned();
            problems.push(Code::MissingKey, 0..0, "the file is empty", "", Some(help));
        }
        return Err(problems);
    };
    if root.as_map().is_none() {
        let message = format!("a test file must be a map, not {}", root.describe());
        problems.push(Code::WrongType, root.span, message, "", Some("begin with `tests:`".to_owned()));
        return Err(problems);
    }
    let mut lower = Lower::new(problems, &root);
    // What expressions of a test can use beside what those of its workflow can.
    lower.locals = vec!["outputs".into()];
    let tests = file_of(&mut lower, &root);
    if lower.problems.has_errors() {
        return Err(lower.problems);
    }
    Ok(tests)
}

fn file_of(lower: &mut Lower, root: &Node) -> TestFile {
    let keys = lower.map(root, &TEST_FILE).unwrap_or(Keys::new(&TEST_FILE, &[]));
    let workflow = get(keys, "workflow").and_then(|node| lower.text(node, "workflow")).map(str::to_owned);
    description(lower, keys);
    let tests = lower.required(keys, "tests", &root.span);
    let items = tests.and_then(|node| lower.list(node, "tests")).unwrap_or_default();
    if items.len() > TESTS_MAX {
        let message = format!("the file has {} tests", items.len());
        let help = format!("tests_max is {TESTS_MAX}; share them among several files");
        lower.report(Code::OutOfRange, &items[TESTS_MAX].span.clone(), message, Some(help));
        return TestFile { workflow, tests: Vec::new() };
    }
    let mut read: Vec<TestCase> = Vec::new();
    for node in items {
        let Some(test) = test(lower, node) else { continue };
        if let Some(earlier) = read.iter().find(|earlier| earlier.name == test.name) {
            let message = format!("there are two tests named '{}'", test.name);
            let help =
                Some(format!("the other stands in line {}; give each its own name", earlier.place.line));
            lower.report(Code::InvalidValue, &test.place.span.clone(), message, help);
        }
        read.push(test);
    }
    TestFile { workflow, tests: read }
}

fn test(lower: &mut Lower, node: &Node) -> Option<TestCase> {
    let keys = lower.map(node, &TEST)?;
    description(lower, keys);
    let name = lower.required(keys, "name", &node.span);
    let place = Place::of(lower, &name.unwrap_or(node).span);
    let name = name.and_then(|node| lower.text(node, "name")).unwrap_or_default().to_owned();
    let expect = lower.required(keys, "expect", &node.span);
    let expect = expect.map(|node| expect::expect(lower, node)).unwrap_or_default();
    Some(TestCase {
        name,
        inputs: inputs(lower, keys, &place),
        place,
        at: get(keys, "at").and_then(|node| instant(lower, node)).unwrap_or(BEGIN),
        tools: get(keys, "tools").map(|node| mock::mocks(lower, node, "tools")).unwrap_or_default(),
        agents: get(keys, "agents").map(|node| mock::mocks(lower, node, "agents")).unwrap_or_default(),
        models: get(keys, "models").map(|node| model::models(lower, node)).unwrap_or_default(),
        memory: get(keys, "memory").map(|node| memory::memory(lower, node)).unwrap_or_default(),
        people: get(keys, "people").map(|node| person::people(lower, node)).unwrap_or_default(),
        signals: get(keys, "signals").map(|node| outside::signals(lower, node)).unwrap_or_default(),
        events: get(keys, "events").map(|node| outside::events(lower, node)).unwrap_or_default(),
        cancel: get(keys, "cancel").and_then(|node| outside::cancel(lower, node)),
        faults: get(keys, "faults").map(|node| fault::faults(lower, node)).unwrap_or_default(),
        expect,
    })
}

fn description(lower: &mut Lower, keys: Keys<'_>) {
    if let Some(node) = get(keys, "description") {
        lower.text(node, "description");
    }
}

fn inputs(lower: &mut Lower, keys: Keys<'_>, test: &Place) -> Placed<Value> {
    let empty = || Value::Object(Map::new());
    match get(keys, "inputs") {
        Some(node) if lower.any_map(node, "inputs").is_some() => {
            Placed { value: lower.constant(node, "inputs"), place: Place::of(lower, &node.span) }
        }
        Some(_) | None => Placed { value: empty(), place: test.clone() },
    }
}

fn instant(lower: &mut Lower, node: &Node) -> Option<Timestamp> {
    let text = lower.text(node, "at")?;
    let instant = Timestamp::parse(text);
    if let Err(error) = &instant {
        lower.report(Code::InvalidValue, &node.span, error.to_string(), None);
    }
    instant.ok()
}

#[cfg(test)]
pub(in crate::source) mod tests;
