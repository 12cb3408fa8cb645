//! Steps of tools, lists of steps, and the run's own budget.

use pawl_core::budget::Dimension;
use pawl_core::view::Status;
use pawl_core::{Command, Failure, FailureKind, Timestamp};
use serde_json::{Value, json};

use super::bench::{Bench, act, ann, names};

#[test]
fn each_attempt_of_a_tool_is_one_call_and_one_that_does_not_fit_waits() {
    let step = "steps:\n  - id: do\n    tool: t.do\n    timeout: 5s\n    budget: { tool_calls: 1, warn_at: 100% }\n    retry: { max_attempts: 3, delay: 1ms }\n";
    let mut bench = Bench::start(step);
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 1);
    bench.now = Timestamp(1_700);
    bench.end_attempt(1, Err(Failure::new(FailureKind::Transient, "busy")));
    assert_eq!(bench.used(Some(1), Dimension::Duration), 700);
    bench.now = bench.state.wake_at().expect("a retry");
    let events = bench.tell(Command::Tick);
    assert_eq!(names(&events), ["attempt-started", "budget-exceeded", "approval-opened"]);
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.state.wake_at(), None);
    let events = bench.raise(json!({ "tool_calls": 1 }));
    assert_eq!(names(&events), ["approval-decided", "budget-raised", "budget-reserved", "attempt-started"]);
    assert_eq!(bench.under_way(), [(1, 2)]);
    bench.end_attempt(1, Ok(json!("done")));
    assert_eq!(bench.state.status(), Status::Completed);
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 2);
}

#[test]
fn an_attempt_that_a_crash_repeats_is_counted_once_and_its_time_begins_anew() {
    let mut bench = Bench::start("steps:\n  - { id: do, tool: t.do, budget: { duration: 1m } }\n");
    bench.now = Timestamp(900_000);
    assert_eq!(names(&bench.tell(Command::Recover)), ["budget-reserved"]);
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 1);
    bench.now = Timestamp(902_000);
    bench.end_attempt(1, Ok(json!("done")));
    assert_eq!(bench.used(Some(1), Dimension::Duration), 2_000);
}

#[test]
fn what_is_done_within_a_step_counts_in_all_budgets_around_it_and_what_comes_after_it_does_not() {
    let steps = "budget: { tool_calls: 100 }\nsteps:\n  - id: all\n    budget: { tool_calls: 3 }\n    map:\n      items: range(3)\n      max_parallel: 1\n      steps: [{ id: do, tool: t.do, budget: { tool_calls: 1 } }]\n    finally: [{ id: after, tool: t.do }]\n";
    let mut bench = Bench::start(steps);
    for visit in [2, 3, 4] {
        bench.end_attempt(visit, Ok(json!(visit)));
        assert_eq!(bench.used(Some(visit), Dimension::ToolCalls), 1);
    }
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 3);
    assert_eq!(bench.under_way(), [(5, 1)], "its `finally` is not held up");
    bench.end_attempt(5, Ok(json!(5)));
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 3);
    assert_eq!(bench.used(None, Dimension::ToolCalls), 4);
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn one_answer_raises_every_budget_that_was_too_narrow() {
    let steps = "budget: { tool_calls: 1, calls: 1 }\nsteps:\n  - { id: think, agent: thinker, budget: { tool_calls: 1 } }\n";
    let mut bench = Bench::start(steps);
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.begin(1, 2, act("t.do"));
    bench.raise(json!({ "tool_calls": 5 }));
    // Calls are still short.
    assert!(names(&bench.begin(1, 2, act("t.do"))).contains(&"budget-exceeded"));
    bench.raise(json!({ "calls": 5 }));
    for call in 2..=6 {
        bench.call(1, call, act("t.do"), Ok(json!(1)));
    }
    assert!(names(&bench.begin(1, 7, act("t.do"))).contains(&"budget-exceeded"));
}

#[test]
fn two_that_wait_for_the_same_budget_are_raised_one_after_the_other() {
    let steps = "budget: { tool_calls: 1 }\nsteps:\n  - id: both\n    parallel:\n      branches:\n        one: [{ id: a, tool: t.do }]\n        two: [{ id: b, tool: t.do }]\n        three: [{ id: c, tool: t.do }]\n";
    let mut bench = Bench::start(steps);
    assert_eq!((bench.under_way().len(), bench.asked().len()), (1, 2));
    bench.raise(json!({ "tool_calls": 1 }));
    bench.raise(json!({ "tool_calls": 1 }));
    assert_eq!((bench.under_way().len(), bench.asked().len()), (3, 0));
}

#[test]
fn what_takes_back_what_was_done_is_counted_and_not_held_up() {
    let steps = "budget: { tool_calls: 1 }\nsteps:\n  - { id: do, tool: t.do, undo: [{ id: back, tool: t.do }] }\n  - { id: next, tool: t.do }\n";
    let mut bench = Bench::start(steps);
    bench.end_attempt(1, Ok(json!(1)));
    bench.answer("end", Value::Null).expect("taken");
    assert_eq!(bench.under_way().len(), 1, "{:?}", bench.state.status());
    assert_eq!(bench.used(None, Dimension::ToolCalls), 2);
    let undoing = bench.under_way()[0].0;
    bench.end_attempt(undoing, Ok(json!(1)));
    assert_eq!(bench.failure().kind, FailureKind::Budget);
}

#[test]
fn a_step_that_is_tried_again_as_a_new_visit_goes_on_with_its_count() {
    let steps = "steps:\n  - id: both\n    budget: { tool_calls: 2 }\n    parallel:\n      branches:\n        one: [{ id: a, tool: t.do }, { id: x, fail: no }]\n";
    let mut bench = Bench::start(steps);
    bench.end_attempt(2, Ok(json!(1)));
    assert_eq!(bench.state.status(), Status::Failed);
    bench.tell(Command::Retry { step: Some(pawl_core::StepId::new("both")), by: ann() });
    let newest = bench.state.visits().last().expect("a visit").0;
    assert_eq!(bench.used(Some(newest.0 - 1), Dimension::ToolCalls), 2, "one before, one now");
}

#[test]
fn a_suspended_run_takes_the_answer_and_goes_on_when_it_is_resumed() {
    let step = "steps:\n  - { id: do, tool: t.do, budget: { duration: 1s }, retry: { max_attempts: 3, delay: 1ms } }\n";
    let mut bench = Bench::start(step);
    bench.now = Timestamp(3_000);
    bench.end_attempt(1, Err(Failure::new(FailureKind::Transient, "busy")));
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    bench.tell(Command::Suspend { by: ann(), reason: None });
    bench.raise(json!({ "duration": "1m" }));
    assert!(bench.under_way().is_empty());
    bench.tell(Command::Resume { by: ann() });
    bench.tell(Command::Tick);
    assert_eq!(bench.under_way(), [(1, 3)]);
    // Two of its three attempts were made, so there is another.
    bench.end_attempt(1, Err(Failure::new(FailureKind::Transient, "busy")));
    assert_ne!(bench.state.status(), Status::Failed);
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    assert_eq!(bench.under_way(), [(1, 4)]);
    bench.end_attempt(1, Err(Failure::new(FailureKind::Transient, "busy")));
    assert_eq!(bench.state.status(), Status::Failed, "that was the third");
}
