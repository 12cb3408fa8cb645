use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::plugin::{
    AgentDescription, Description, EffectClass, PluginOrigin, PluginPin, PluginPins, ToolDescription,
};
use crate::view::Status;
use crate::{Digest, Duration, FailureKind};

const WORKFLOW: &str = "
pawl: 1
workflow: refund
version: 1.0.0
inputs: { amount: { type: number, minimum: 0 } }
permissions: { tools: [orders.lookup] }
steps:
  - id: plan
    agent: planner
  - id: order
    tool: orders.lookup
  - id: approve
    human: { title: Pay? }
  - id: paid
    signal: { name: paid, data: { amount: number } }
  - id: heard
    wait: { topic: orders/*/created }
outputs: { id: '${{ steps.order.output.id }}' }
";

/// Everything that a test file can say, said right.
const WHOLE: &str = "
workflow: refund.yaml
description: Refunds.
tests:
  - name: all
    description: Of it.
    inputs: { amount: 40 }
    at: 2026-05-01T09:00:00Z
    tools:
      orders.lookup:
        - { when: { id: A-1 }, times: 2, delay: 3s, result: { id: A-1 } }
        - fail: transient
        - fail: { kind: permanent, message: gone, details: { a: 1 }, retry_after: 5s }
        - real: true
        - hang: true
      x-note: free
    agents:
      planner: { result: { plan: none } }
    people:
      - { step: approve, action: approve, form: { note: ok }, by: user:ann, groups: group:finance, after: 2h }
      - { title: Pay, action: reject, comment: no, refused: true }
      - { step: order, unknown: true, action: retry }
      - { step: approve, nobody: true }
    signals:
      - { name: paid, data: { amount: 40 }, key: k-1, step: paid, after: 3h }
      - { name: paid, data: { amount: 40 }, early: true }
      - { name: paid, data: { amount: much }, refused: true }
    events:
      - { topic: orders/eu/created, data: { id: A-1 }, step: heard, after: 1m }
      - { topic: orders/eu/created, early: true }
    cancel: { step: heard, after: 5m, reason: over }
    faults:
      - crash_after: 3
      - { fail: orders.lookup, first: 2, kind: denied, message: never }
      - { fail: orders.lookup }
      - { slow: orders.lookup, by: 20s }
    expect:
      status: failed
      path: [plan, order, (approve)]
      within: { 'order[0]/plan': [plan] }
      outputs: { id: A-1 }
      outputs_include: {}
      holds: [outputs.id == 'A-1', inputs.amount > 1, steps.order.output is defined]
      events: [run-started, step-completed order]
      calls: { orders.lookup: 1, planner: { times: 2, with: [{ a: 1 }] } }
      error: { kind: transient, message: gone, step: order }
";

/// Everything that a reader refuses.
const BROKEN: &str = "
workflows: refund.yaml
tests:
  - input: { amount: 40 }
  - name: one
    inputs: [1]
    at: tomorrow
    tools:
      a.b: { result: 1, fail: transient }
      a.c: {}
      a.d: { fail: transitory }
      a.e: { fail: { message: what } }
      a.f: { real: false }
      a.g: { times: 0, delay: 3, hang: true }
      a.h: { when: '${{ inputs.amount }}', result: 1 }
    people:
      - { action: approve }
      - { step: approve }
      - { step: approve, nobody: true, action: approve }
      - { step: approve, action: approve, groups: finance }
      - { step: approve, action: approve, by: ann }
    signals:
      - { data: { amount: 1 } }
      - { name: 1st, early: false }
      - { name: paid, step: paid, early: true, after: 3, refused: 1, times: 2 }
    events:
      - { data: 1 }
      - { topic: orders/* }
      - { topic: a/b, step: heard, early: true, key: k }
    cancel: { reason: over, at: heard }
    faults:
      - { crash_after: 0 }
      - { crash_after: 1, first: 2 }
      - { slow: a.b, by: 1s, kind: denied }
      - { crash: 3 }
      - { slow: a.b }
    expect:
      status: complete
      hold: 1
      holds: ['1 +', 'output.id', '${{ outputs.id }}']
      calls: { a.b: { time: 1 } }
      error: { kind: odd, mesage: x }
  - name: one
    expect: {}
";

/// What is well written and does not fit its workflow.
const MISMATCHED: &str = "
tests:
  - name: one
    inputs: { amount: -1, currency: EUR }
    tools:
      orders.lokup: { result: 1 }
      orders.lookup: { result: { ident: A-1 } }
      planner: { result: 1 }
    agents:
      planer: { result: 1 }
      planner: { result: { plan: 1 } }
    people:
      - { step: aprove, action: approve }
    signals:
      - { name: payed }
      - { name: paid, data: { amount: much } }
      - { name: paid, data: { amount: 1 }, step: heard }
      - { name: paid, data: { amount: 1 }, step: payment }
      - { name: payed, data: 1, refused: true }
    events:
      - { topic: orders/eu/gone }
      - { topic: orders/eu/created, step: paid }
      - { topic: orders/eu/gone, step: heard }
      - { topic: orders/eu/gone, early: true }
    cancel: { step: her }
    faults:
      - { fail: orders }
    expect:
      path: [plan, order, (aprove)]
      within: { 'orders[0]': [plan, line] }
      holds: [steps.ordr.output.id == 1]
      events: [step-completed plans]
      calls: { orders.list: 1 }
      error: { step: pay }
";

fn plugins() -> PluginPins {
    let schema = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let pin = |description| PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    };
    let lookup = ToolDescription {
        name: "lookup".to_owned(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: schema("id"),
        effect: EffectClass::Pure,
    };
    let planner = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: schema("plan"),
    };
    PluginPins::from([
        ("orders".to_owned(), pin(Description::Tools(vec![lookup]))),
        ("planner".to_owned(), pin(Description::Agent(planner))),
    ])
}

fn checked(text: &str) -> Diagnostics {
    checked_with(WORKFLOW, text)
}

fn checked_with(workflow: &str, text: &str) -> Diagnostics {
    let tests =
        load("refund.test.yaml", text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let workflow = super::super::load("refund.yaml", workflow);
    let definition = workflow.unwrap_or_else(|problems| panic!("{}", problems.render(false))).definition;
    check(&tests, "refund.test.yaml", text, &definition, &plugins())
}

/// The codes that only tests of workflows have.
pub(in crate::source) fn codes() -> BTreeSet<Code> {
    checked(MISMATCHED).list.into_iter().map(|problem| problem.code).collect()
}

#[test]
fn every_problem_of_a_test_file_is_shown_at_its_place() {
    insta::assert_snapshot!("broken", load("broken.test.yaml", BROKEN).unwrap_err().render(false));
    insta::assert_snapshot!("mismatched", checked(MISMATCHED).render(false));
    for (name, text) in [("empty", ""), ("list", "- a"), ("no tests", "workflow: refund.yaml")] {
        insta::assert_snapshot!(name, load("broken.test.yaml", text).unwrap_err().render(false));
    }
}

#[test]
fn a_signal_is_for_an_agent_that_may_wait_for_it() {
    let workflow = "
pawl: 1
workflow: refund
version: 1.0.0
steps:
  - id: plan
    agent: planner
    permissions: { signals: [go] }
  - id: other
    agent: planner
";
    let tests = |signals: &str| format!("tests: [{{ name: a, expect: {{}}, signals: [{signals}] }}]");
    let told = checked_with(workflow, &tests("{ name: go, data: [any] }, { name: go, step: plan }"));
    assert!(told.is_empty(), "{}", told.render(false));
    let told = checked_with(
        workflow,
        &tests("{ name: gone }, { name: stop, step: plan }, { name: go, step: other }"),
    );
    let told: Vec<_> =
        told.list.iter().map(|problem| (problem.message.as_str(), problem.help.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("the workflow has no signal 'gone'", Some("did you mean 'go'?")),
            ("the workflow has no signal 'stop'", Some("it takes: go")),
            (
                "step 'plan' does not wait for the signal 'stop'",
                Some("name the step that does, or leave `step` out")
            ),
            (
                "step 'other' does not wait for the signal 'go'",
                Some("name the step that does, or leave `step` out")
            ),
        ]
    );
}

#[test]
fn every_key_is_read() {
    assert!(checked(WHOLE).is_empty(), "{}", checked(WHOLE).render(false));
    let file = load("refund.test.yaml", WHOLE).unwrap();
    assert_eq!(file.workflow.as_deref(), Some("refund.yaml"));
    let [test] = file.tests.as_slice() else { panic!("{file:?}") };
    assert_eq!((test.name.as_str(), test.place.line, test.place.column), ("all", 5, 11));
    assert_eq!(test.inputs.value, json!({ "amount": 40 }));
    assert_eq!(Some(test.at), Timestamp::parse("2026-05-01T09:00:00Z").ok());
    insta::assert_debug_snapshot!(
        "whole",
        (&test.tools, &test.agents, &test.people, &test.faults, &test.expect)
    );
    insta::assert_debug_snapshot!("outside", (&test.signals, &test.events, &test.cancel));
}

#[test]
fn what_a_test_leaves_out_has_a_default() {
    let file = load("a.test.yaml", "tests: [{ name: a, expect: {} }]").unwrap();
    let [case] = file.tests.as_slice() else { panic!("{file:?}") };
    assert_eq!((file.workflow, case.at, &case.inputs.value), (None, BEGIN, &json!({})));
    assert_eq!(case.expect.status.value, None);
    let text = "tests: [{ name: a, expect: {}, tools: { a.b: { fail: limit } }, \
                people: [{ step: a, action: b }], faults: [{ fail: a.b }] }]";
    let file = load("a.test.yaml", text).unwrap();
    let case = &file.tests[0];
    let rule = &case.tools[0].rules[0];
    assert_eq!((rule.times, rule.delay, rule.when.is_none()), (None, Duration(0), true));
    let Gives::Failure(failure) = &rule.gives else { panic!("{rule:?}") };
    assert_eq!(failure.kind, FailureKind::Limit);
    let answers = case.people[0].answers.as_ref().unwrap();
    assert_eq!((&answers.by, answers.after, answers.refused), (&None, Duration(0), false));
    let FaultKind::Fail { first, failure, .. } = &case.faults[0].kind else { panic!() };
    assert_eq!((*first, failure.kind), (1, FailureKind::Transient));
    let text = "tests: [{ name: a, expect: { status: waiting } }]";
    let file = load("a.test.yaml", text).unwrap();
    assert_eq!(file.tests[0].expect.status.value, Some(Status::Waiting));
}

#[test]
fn a_file_has_a_largest_number_of_tests_and_of_bytes() {
    let tests = |count: usize| {
        let tests: Vec<String> = (0..count).map(|n| format!("{{ name: t{n}, expect: {{}} }}")).collect();
        format!("tests: [{}]", tests.join(", "))
    };
    assert_eq!(load("a.test.yaml", &tests(TESTS_MAX)).unwrap().tests.len(), TESTS_MAX);
    let codes = |text: &str| {
        let problems = load("a.test.yaml", text).unwrap_err();
        problems.list.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&tests(TESTS_MAX + 1)), [Code::OutOfRange]);
    assert_eq!(codes(&"#".repeat(SOURCE_MAX_BYTES + 1)), [Code::SourceTooLarge]);
}
