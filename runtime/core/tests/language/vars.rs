use pawl_core::FailureKind;
use pawl_core::definition::VARS_MAX_BYTES;
use pawl_core::event::Event;
use pawl_core::view::Status;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn variables_are_made_at_the_start_and_change_when_a_step_is_completed() {
    let rest = "
vars: { spent: '${{ inputs.n }}', twice: '${{ vars.spent * 2 }}', who: '${{ run.workflow }}' }
steps:
  - id: a
    set: '${{ vars.spent + 1 }}'
    vars: { spent: '${{ steps.a.output * 10 }}', twice: '${{ vars.spent * 2 }}' }
    then: [{ when: vars.spent == 40, to: c }]
  - { id: b, set: 1 }
  - { id: c, if: false, set: 2, vars: { who: nobody } }
outputs: { all: '${{ vars }}' }
";
    let bench = Bench::start(rest);
    // What a step changes is seen by its own `then` and by the assignments below; a skipped step changes nothing.
    assert_eq!(bench.outputs(), json!({ "all": { "spent": 40, "twice": 80, "who": "w" } }));
    assert!(bench.statuses("b").is_empty());
    let sets = bench.events.iter().filter(|event| matches!(event, Event::VarsSet { .. })).count();
    assert_eq!(sets, 2, "one fact for the start and one for the step");
}

#[test]
fn what_is_done_at_once_changes_variables_in_the_order_in_which_it_is_done() {
    let rest = "
vars: { last: none, sum: 0, turns: [] }
steps:
  - id: both
    parallel:
      branches:
        slow: [{ id: s, tool: t.do, with: { it: slow }, vars: { last: slow } }]
        fast: [{ id: f, tool: t.do, with: { it: fast }, vars: { last: fast } }]
  - id: items
    map:
      items: '[1, 2, 3]'
      steps: [{ id: one, tool: t.do, with: { it: '${{ item }}' }, vars: { sum: '${{ vars.sum + item }}' } }]
  - id: rounds
    loop:
      while: index < 2
      max_visits: 2
      steps: [{ id: turn, set: '${{ index }}', vars: { turns: '${{ vars.turns + [index] }}' } }]
outputs: { last: '${{ vars.last }}', sum: '${{ vars.sum }}', turns: '${{ vars.turns }}' }
";
    for (first, second) in [("slow", "fast"), ("fast", "slow")] {
        let mut bench = Bench::start(rest);
        bench.end(&json!(first), None);
        bench.end(&json!(second), None);
        for item in [3, 1, 2] {
            bench.end(&json!(item), None);
        }
        assert_eq!(bench.outputs(), json!({ "last": second, "sum": 6, "turns": [0, 1] }));
    }
}

#[test]
fn a_caught_step_and_a_switch_change_variables_too() {
    let rest = "
vars: { seen: [] }
steps:
  - id: a
    fail: oh
    catch: [{ id: c, set: caught, vars: { seen: '${{ vars.seen + [error.message] }}' } }]
  - id: s
    switch: [{ when: 'vars.seen | length == 1', to: end }, { to: a }]
    max_visits: 2
    vars: { seen: '${{ vars.seen + [steps.s.output.case] }}' }
outputs: { seen: '${{ vars.seen }}' }
";
    let rest = rest.replace("fail: oh\n", "fail: oh\n    max_visits: 3\n");
    assert_eq!(Bench::start(&rest).outputs(), json!({ "seen": ["oh", 0] }));
}

#[test]
fn a_variable_that_cannot_be_made_fails_the_run_or_the_list() {
    let at_start = "
vars: { x: '${{ inputs.n / 0 }}' }
steps: [{ id: a, set: 1 }]
";
    assert_eq!(Bench::start(at_start).failure().0, FailureKind::InvalidInput);
    let inside = "
vars: { x: 0 }
steps:
  - id: m
    map:
      items: '[0, 1]'
      on_error: collect
      steps: [{ id: one, set: '${{ item }}', vars: { x: '${{ [5][item] }}' } }]
outputs: { first: '${{ steps.m.output[0].output }}', failed: '${{ steps.m.output[1].error.kind }}', x: '${{ vars.x }}' }
";
    let bench = Bench::start(inside);
    assert_eq!(bench.outputs(), json!({ "first": 0, "failed": "invalid-input", "x": 5 }));
    // The step itself gave its output; what follows from it is what failed.
    assert_eq!(bench.statuses("one"), [Status::Completed, Status::Completed]);
}

#[test]
fn the_variables_of_a_run_have_a_size() {
    let rest = |turns: usize| {
        let text = "x".repeat(1_024);
        format!(
            "
vars: {{ x: {text} }}
steps:
  - id: l
    loop:
      while: index < {turns}
      max_visits: 100
      steps: [{{ id: grow, set: 1, vars: {{ x: '${{{{ vars.x ~ vars.x }}}}' }} }}]
"
        )
    };
    assert_eq!(Bench::start(&rest(9)).outputs(), json!({}));
    let (kind, message) = Bench::start(&rest(10)).failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains(&format!("vars_max_bytes is {VARS_MAX_BYTES}")), "{message}");
}
