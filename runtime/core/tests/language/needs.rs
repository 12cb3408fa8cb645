use pawl_core::event::{Because, Event};
use pawl_core::view::Status;
use serde_json::json;

use crate::bench::{Bench, no};

const DIAMOND: &str = "
steps:
  - { id: left, needs: [top], tool: t.do, with: { it: left } }
  - { id: right, needs: [top], tool: t.do, with: { it: right } }
  - { id: bottom, needs: [left, right], set: '${{ steps.left.output.it ~ steps.right.output.it ~ steps.top.output.it }}' }
  - { id: top, tool: t.do, with: { it: top } }
  - { id: alone, tool: t.do, with: { it: alone } }
outputs: { all: '${{ steps.bottom.output }}' }
";

#[test]
fn a_step_starts_when_what_it_needs_is_done() {
    let mut bench = Bench::start(DIAMOND);
    assert_eq!(bench.under_way(), [json!("top"), json!("alone")]);
    bench.end(&json!("top"), None);
    assert_eq!(bench.under_way(), [json!("alone"), json!("left"), json!("right")]);
    bench.end(&json!("right"), None);
    bench.end(&json!("left"), None);
    assert_eq!(bench.statuses("bottom"), [Status::Completed]);
    bench.end(&json!("alone"), None);
    assert_eq!(bench.outputs(), json!({ "all": "leftrighttop" }));
    let why = |id: &str| {
        bench.events.iter().find_map(|event| match event {
            Event::StepStarted { step, because, .. } if step.as_str() == id => Some(*because),
            _ => None,
        })
    };
    assert_eq!((why("top"), why("bottom")), (Some(Because::First), Some(Because::Needs)));
}

#[test]
fn a_skipped_step_is_done_and_what_needs_it_starts() {
    let rest = "
steps:
  - { id: a, if: false, set: 1 }
  - { id: b, needs: [a], if: false, set: 2 }
  - { id: c, needs: [b, a], set: '${{ steps.b.output | default(\"none\") }}' }
outputs: { c: '${{ steps.c.output }}' }
";
    let bench = Bench::start(rest);
    assert_eq!(bench.outputs(), json!({ "c": "none" }));
    assert_eq!(bench.statuses("c"), [Status::Completed]);
    let all = rest.replace("set: '${{ steps.b.output | default(\"none\") }}'", "if: false, set: 3");
    let all = all.replace("steps.c.output", "steps.c.output | default(0)");
    assert_eq!(Bench::start(&all).outputs(), json!({ "c": 0 }), "a graph of skipped steps is done");
}

#[test]
fn a_failure_stops_the_rest_of_the_graph() {
    let mut bench = Bench::start(DIAMOND);
    bench.end(&json!("top"), None);
    bench.end(&json!("left"), Some(no()));
    assert_eq!(bench.failure().1, "it says no");
    assert_eq!(bench.statuses("right"), [Status::Cancelled]);
    assert_eq!(bench.statuses("alone"), [Status::Cancelled]);
    assert!(bench.statuses("bottom").is_empty());
}

#[test]
fn a_step_that_catches_its_failure_is_done() {
    let rest = "
steps:
  - id: a
    tool: t.do
    with: { it: no }
    catch: [{ id: c, set: caught }]
  - { id: b, needs: [a], set: '${{ steps.a.output }}' }
outputs: { b: '${{ steps.b.output }}' }
";
    let mut bench = Bench::start(rest);
    bench.work();
    assert_eq!(bench.outputs(), json!({ "b": "caught" }));
}

/// The same graph as a list of each kind.
#[test]
fn any_list_may_be_a_graph() {
    let list = "[{ id: z, needs: [x, y], set: '${{ steps.x.output ~ steps.y.output }}' }, \
                { id: x, set: x }, { id: y, needs: [x], set: '${{ steps.x.output ~ \"y\" }}' }]";
    let cases = [
        (format!("parallel: {{ branches: {{ one: {list} }} }}"), json!({ "one": "xxy" })),
        (format!("map: {{ items: '[1, 2]', steps: {list} }}"), json!(["xxy", "xxy"])),
        (format!("loop: {{ while: index < 3, max_visits: 3, steps: {list} }}"), json!("xxy")),
        (format!("fail: oh\n    catch: {list}"), json!("xxy")),
        (format!("set: 1\n    finally: {list}"), json!(1)),
    ];
    for (step, expected) in cases {
        let rest = format!("steps:\n  - id: s\n    {step}\noutputs: {{ s: '${{{{ steps.s.output }}}}' }}");
        let bench = Bench::start(&rest);
        assert_eq!(bench.outputs(), json!({ "s": expected }), "{step}");
        assert!(bench.statuses("z").iter().all(|status| *status == Status::Completed), "{step}");
        let times = if step.starts_with("map") {
            2
        } else if step.starts_with("loop") {
            3
        } else {
            1
        };
        assert_eq!(bench.statuses("z").len(), times, "{step}");
    }
}

#[test]
fn the_output_of_a_graph_is_that_of_the_step_that_was_completed_last() {
    let rest = "
steps:
  - id: p
    parallel:
      branches:
        one:
          - { id: a, needs: [], tool: t.do, with: { it: a } }
          - { id: b, needs: [], tool: t.do, with: { it: b } }
outputs: { p: '${{ steps.p.output.one.it }}' }
";
    for (first, last) in [("a", "b"), ("b", "a")] {
        let mut bench = Bench::start(rest);
        bench.end(&json!(first), None);
        bench.end(&json!(last), None);
        assert_eq!(bench.outputs(), json!({ "p": last }));
    }
}
