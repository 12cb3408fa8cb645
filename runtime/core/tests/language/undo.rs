use pawl_core::definition::{UNDO_MAX_BYTES, UNDO_MAX_STEPS};
use pawl_core::event::Event;
use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{Command, FailureKind};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, no};

/// A step that does a thing, and the one that undoes it.
fn done(id: &str) -> String {
    format!(
        "{{ id: {id}, tool: t.do, with: {{ it: {id} }}, undo: [{{ id: un{id}, tool: t.do, \
         with: {{ it: 'un ${{{{ steps.{id}.output.it }}}}' }} }}] }}"
    )
}

#[test]
fn a_run_that_fails_undoes_what_was_completed_the_last_first() {
    let rest = format!(
        "
steps:
  - {}
  - {{ id: plain, tool: t.do, with: {{ it: plain }} }}
  - {{ id: skipped, if: false, set: 1, undo: [{{ id: never, set: 1 }}] }}
  - {}
  - {{ id: x, tool: t.do, with: {{ it: 'no' }}, undo: [{{ id: unx, set: 1 }}] }}
",
        done("a"),
        done("b")
    );
    let mut bench = Bench::start(&rest);
    assert_eq!(bench.work(), ["a", "plain", "b", "no", "un b", "un a"].map(Value::from));
    assert_eq!(bench.failure(), (FailureKind::Permanent, "it says no".to_owned()));
    assert!(bench.statuses("never").is_empty() && bench.statuses("unx").is_empty());
    // What goes well undoes nothing.
    let mut bench = Bench::start(&rest.replace("it: 'no'", "it: yes"));
    assert_eq!(bench.work(), ["a", "plain", "b", "yes"].map(Value::from));
    assert_eq!(bench.outputs(), json!({}));
}

#[test]
fn an_undo_sees_what_there_was_when_its_step_was_completed() {
    let rest = "
vars: { last: 0 }
steps:
  - id: pick
    set: '${{ vars.last + 1 }}'
    vars: { last: '${{ steps.pick.output }}' }
    max_visits: 2
    undo: [{ id: u1, tool: t.do, with: { it: 'pick ${{ steps.pick.output }} of ${{ vars.last }}, ${{ error.kind }}' } }]
    then: [{ when: vars.last < 2, to: pick }]
  - id: rows
    map:
      items: '[10, 20]'
      as: row
      max_parallel: 1
      steps:
        - id: columns
          loop:
            while: index < 2
            max_visits: 2
            steps:
              - { id: cell, set: '${{ row + index }}' }
              - id: put
                set: 1
                undo:
                  - { id: local, set: '${{ steps.cell.output * 10 }}' }
                  - { id: u2, tool: t.do, with: { it: 'cell ${{ steps.local.output }} ${{ row }} ${{ item }} ${{ index }} ${{ steps.pick.output }}' } }
  - { id: stop, fail: enough }
";
    let mut bench = Bench::start(rest);
    let expected = [
        "cell 210 20 20 1 2",
        "cell 200 20 20 0 2",
        "cell 110 10 10 1 2",
        "cell 100 10 10 0 2",
        "pick 2 of 2, permanent",
        "pick 1 of 2, permanent",
    ];
    assert_eq!(bench.work(), expected.map(Value::from));
    assert_eq!(bench.failure().1, "enough");
}

#[test]
fn a_failure_that_is_caught_undoes_nothing_until_the_run_fails() {
    let rest = |last: &str| {
        format!(
            "
steps:
  - id: p
    parallel:
      branches:
        one: [{}, {{ id: x, fail: oh }}]
    catch: [{}]
    undo: [{{ id: unp, tool: t.do, with: {{ it: unp }} }}]
  - {{ id: last, {last} }}
",
            done("a"),
            done("c")
        )
    };
    let mut bench = Bench::start(&rest("set: 1"));
    assert_eq!(bench.work(), ["a", "c"].map(Value::from));
    assert_eq!(bench.outputs(), json!({}));
    // What the `catch` did is undone; the step itself failed, so its own `undo` has nothing to take back.
    let mut bench = Bench::start(&rest("fail: later"));
    assert_eq!(bench.work(), ["a", "c", "un c", "un a"].map(Value::from));
    assert_eq!(bench.failure().1, "later");
}

#[test]
fn an_undo_has_its_own_retry_and_catch_and_one_that_fails_does_not_stop_the_others() {
    let rest = "
steps:
  - { id: a, set: 1, undo: [{ id: ua, tool: t.do, with: { it: 'no a' }, catch: [{ id: ca, tool: t.do, with: { it: caught } }] }] }
  - { id: b, set: 1, undo: [{ id: ub, tool: t.do, with: { it: 'no b' }, retry: { max_attempts: 2, delay: 1s, on: permanent } }] }
  - { id: c, set: 1, undo: [{ id: uc, fail: 'cannot, since ${{ error.message }}' }] }
  - { id: stop, fail: enough }
";
    let mut bench = Bench::start(rest);
    assert_eq!(bench.work(), [json!("no b")]);
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.tick_at(5_000);
    assert_eq!(bench.work(), ["no b", "no a", "caught"].map(Value::from));
    let Phase::Failed(failure) = bench.state.phase() else { panic!("{:?}", bench.state.phase()) };
    assert_eq!(
        failure.message,
        "enough; could not undo 'c' (permanent: cannot, since enough), 'b' (permanent: it says no)"
    );
    let steps: Vec<_> = failure.details.as_ref().expect("details")["not_undone"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["step"].clone())
        .collect();
    assert_eq!(steps, [json!("c"), json!("b")]);
}

#[test]
fn what_is_under_way_when_the_run_fails_is_stopped_and_then_what_was_done_is_undone() {
    let rest = format!(
        "
steps:
  - id: p
    parallel:
      branches:
        one: [{}, {{ id: ask, human: {{ title: Well? }} }}]
        two: [{{ id: x, tool: t.do, with: {{ it: two }} }}]
",
        done("a")
    );
    let mut bench = Bench::start(&rest);
    bench.end(&json!("a"), None);
    bench.end(&json!("two"), Some(no()));
    assert_eq!(bench.statuses("ask"), [Status::Cancelled]);
    assert_eq!(bench.statuses("p"), [Status::Failed]);
    assert!(bench.state.approvals().all(|(_, approval)| !approval.open));
    assert_eq!(bench.work(), [json!("un a")]);
    assert_eq!(bench.failure().1, "branch 'two': it says no");
}

#[test]
fn an_output_that_cannot_be_made_undoes_too() {
    let rest = format!("steps: [{}]\noutputs: {{ x: '${{{{ inputs.n / 0 }}}}' }}", done("a"));
    let mut bench = Bench::start(&rest);
    assert_eq!(bench.work(), ["a", "un a"].map(Value::from));
    assert_eq!(bench.failure().0, FailureKind::InvalidInput);
}

#[test]
fn a_cancelled_run_undoes_only_where_its_workflow_says_so() {
    let cancel = || Command::Cancel { by: ann(), reason: Some("enough".into()) };
    let steps = format!("steps: [{}, {{ id: w, wait: 1h }}]\n", done("a"));

    let mut plain = Bench::start(&steps);
    plain.work();
    plain.tell(cancel());
    assert_eq!((plain.state.status(), plain.work().len()), (Status::Cancelled, 0));

    let undoes = || {
        let mut bench = Bench::start(&format!("on_cancel: undo\n{steps}"));
        bench.work();
        bench.tell(cancel());
        assert_eq!(bench.state.status(), Status::Running);
        assert_eq!(bench.statuses("w"), [Status::Cancelled]);
        bench
    };
    let mut bench = undoes();
    assert_eq!(bench.work(), [json!("un a")]);
    let Some(Event::RunCancelled { reason: Some(reason), .. }) = bench.events.last() else { panic!() };
    assert_eq!(reason, "enough");
    // One that fails is told with the reason; a second cancel stops at once.
    let mut bench = undoes();
    bench.end(&json!("un a"), Some(no()));
    let Some(Event::RunCancelled { reason: Some(reason), .. }) = bench.events.last() else { panic!() };
    assert_eq!(reason, "enough; could not undo 'a' (permanent: it says no)");
    let mut bench = undoes();
    bench.tell(cancel());
    assert_eq!((bench.state.status(), bench.work().len()), (Status::Cancelled, 0));
}

#[test]
fn what_is_kept_for_undo_has_a_limit_and_what_went_beyond_it_is_undone() {
    let steps = |items: usize, output: &str| {
        format!(
            "
steps:
  - id: rows
    map:
      items: range(101)
      max_parallel: 1
      steps:
        - id: m
          map:
            items: range({items})
            max_parallel: 1
            steps: [{{ id: one, set: {output}, undo: [{{ id: un, set: '${{{{ steps.one.output | length }}}}' }}] }}]
        - {{ id: pause, wait: 1s }}
  - {{ id: stop, fail: enough }}
"
        )
    };
    let run = |items: usize, output: &str| {
        let mut bench = Bench::start(&steps(items, output));
        let mut seconds = 0;
        while *bench.state.phase() == Phase::Open {
            seconds += 2;
            bench.tick_at(seconds * 1_000);
        }
        bench
    };
    let many = run(100, "x");
    let (kind, message) = many.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains(&format!("undo_max_steps ({UNDO_MAX_STEPS})")), "{message}");
    assert_eq!(many.statuses("one").len(), many.statuses("un").len(), "each that was done is undone");
    let large = run(1, "\"${{ 'x' * 400000 }}\"");
    let (kind, message) = large.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains(&format!("undo_max_bytes ({UNDO_MAX_BYTES})")), "{message}");
}
