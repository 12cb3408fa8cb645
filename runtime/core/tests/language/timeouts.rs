use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{Command, FailureKind, Timestamp};
use serde_json::json;

use crate::bench::{Bench, busy};

const MINUTE: u64 = 60_000;

#[test]
fn a_total_ends_a_step_with_all_its_attempts_and_its_catch_has_its_own_time() {
    let rest = "
steps:
  - id: a
    tool: t.do
    with: { it: a }
    retry: { max_attempts: 50, delay: 1m, factor: 1 }
    timeout: { attempt: 30s, total: 3m }
    catch: [{ id: late, wait: 1h }, { id: why, set: '${{ error.kind }}: ${{ error.message }}' }]
outputs: { a: '${{ steps.a.output }}' }
";
    let message = json!({ "a": "timeout: step 'a' took longer than its total timeout of 3m" });
    // The attempt under way when the total is over is the last, though `retry` would allow another.
    let mut bench = Bench::start(rest);
    assert_eq!(bench.wakes_at(), Some(30_000));
    bench.tick_at(170_000);
    let again = bench.wakes_at().expect("a retry").min(179_000);
    bench.tick_at(again.max(171_000));
    bench.tick_at(180_000);
    assert_eq!(bench.wakes_at().map(|at| at > 60 * MINUTE), Some(true), "the catch waits for an hour");
    bench.tick_at(200 * MINUTE);
    assert_eq!(bench.outputs(), message);
    // So is a pause.
    let mut bench = Bench::start(rest);
    bench.now = Timestamp(1_000 + 170_000);
    bench.end(&json!("a"), Some(busy()));
    assert_eq!(bench.wakes_at(), Some(180_000), "the total comes before the next attempt");
    bench.tick_at(180_000);
    bench.tick_at(200 * MINUTE);
    assert_eq!(bench.outputs(), message);
    // What is done in time is not bothered.
    let mut bench = Bench::start(rest);
    bench.work();
    assert_eq!(bench.outputs(), json!({ "a": { "it": "a" } }));
}

#[test]
fn an_attempt_knows_the_earlier_of_its_deadlines() {
    let rest = "steps: [{ id: a, tool: t.do, with: { it: a }, retry: { max_attempts: 9, delay: 1s }, \
                timeout: { attempt: 2m, total: 3m } }]";
    let mut bench = Bench::start(rest);
    let deadline = |bench: &Bench| {
        let visit = bench.state.active().next().expect("a visit").1;
        visit.attempt_deadline().map(|at| at.0 - 1_000)
    };
    assert_eq!(deadline(&bench), Some(2 * MINUTE));
    bench.tick_at(2 * MINUTE);
    let again = bench.wakes_at().expect("a retry");
    bench.tick_at(again);
    assert_eq!(bench.state.active().next().expect("a visit").1.attempt, 2);
    assert_eq!(deadline(&bench), Some(3 * MINUTE));
}

#[test]
fn a_total_asks_about_what_may_have_happened_and_gives_people_their_time() {
    let rest = "steps: [{ id: a, tool: t.once, with: { it: a }, timeout: { total: 1m } }]";
    let mut bench = Bench::start(rest);
    bench.tick_at(MINUTE);
    assert_eq!(bench.statuses("a"), [Status::Unknown]);
    assert_eq!(bench.wakes_at(), None);
    bench.tick_at(1_000 * MINUTE);
    assert_eq!(bench.statuses("a"), [Status::Unknown]);
    let title = bench.state.approvals().next().expect("a question").1.question.title.clone();
    bench.answer(&title, "retry");
    bench.work();
    assert_eq!(bench.outputs(), json!({}));
}

#[test]
fn a_total_stops_what_is_under_way_in_lists_of_steps() {
    let inner = "[{ id: one, tool: t.do, with: { it: 1 } }, { id: two, wait: 1h }]";
    let cases = [
        format!("parallel: {{ branches: {{ x: {inner}, y: [{{ id: ask, human: {{ title: Well? }} }}] }} }}"),
        format!("map: {{ items: '[1]', steps: {inner} }}"),
        format!("loop: {{ while: index < 5, max_visits: 5, steps: {inner} }}"),
    ];
    for step in cases {
        let rest = format!("steps:\n  - id: s\n    timeout: {{ total: 90s }}\n    {step}");
        let mut bench = Bench::start(&rest);
        bench.work();
        assert_eq!(bench.wakes_at(), Some(90_000));
        bench.tick_at(90_000);
        assert_eq!(bench.failure().1, "step 's' took longer than its total timeout of 90s", "{step}");
        assert_eq!(bench.statuses("two"), [Status::Cancelled]);
    }
}

#[test]
fn a_run_that_takes_too_long_fails_and_undoes_what_it_did() {
    let rest = "
timeout: 7d
steps:
  - { id: a, set: 1, undo: [{ id: pause, wait: 30d }, { id: una, tool: t.do, with: { it: '${{ error.kind }}' } }] }
  - { id: b, wait: 8d, catch: [{ id: c, set: 1 }] }
";
    let day = 24 * 60 * MINUTE;
    let mut bench = Bench::start(rest);
    assert_eq!(bench.wakes_at(), Some(7 * day));
    bench.tick_at(7 * day);
    assert_eq!(bench.statuses("b"), [Status::Cancelled]);
    assert_eq!(bench.wakes_at(), Some(37 * day), "what is undone has the time that it takes");
    bench.tick_at(37 * day);
    assert_eq!(bench.work(), [json!("timeout")]);
    let message = "the run took longer than its timeout of 7d".to_owned();
    assert_eq!(bench.failure(), (FailureKind::Timeout, message));
    // One that is over in time has no timer left.
    let mut bench = Bench::start("timeout: 7d\nsteps: [{ id: a, wait: 6d }]");
    bench.tick_at(6 * day);
    assert_eq!((bench.outputs(), bench.wakes_at()), (json!({}), None));
}

#[test]
fn a_total_passes_while_nobody_works_on_the_run_and_an_attempts_time_does_not() {
    let rest =
        |timeout: &str| format!("steps: [{{ id: a, tool: t.do, with: {{ it: a }}, timeout: {timeout} }}]");
    let mut bench = Bench::start(&rest("1m"));
    bench.now = Timestamp(1_000 + 10 * MINUTE);
    bench.tell(Command::Recover);
    bench.tell(Command::Tick);
    assert_eq!(*bench.state.phase(), Phase::Open);
    let mut bench = Bench::start(&rest("{ total: 1m }"));
    bench.now = Timestamp(1_000 + 10 * MINUTE);
    bench.tell(Command::Recover);
    bench.tell(Command::Tick);
    assert_eq!(bench.failure().0, FailureKind::Timeout);
}

#[test]
fn a_run_that_is_too_late_with_nothing_to_undo_fails_and_is_done() {
    let mut bench = Bench::start("timeout: 1h\nsteps: [{ id: a, wait: 2h }]");
    bench.tick_at(60 * MINUTE);
    let message = "the run took longer than its timeout of 1h".to_owned();
    assert_eq!((bench.failure(), bench.wakes_at()), ((FailureKind::Timeout, message), None));
}
