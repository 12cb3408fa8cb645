use pawl_core::event::Event;
use pawl_core::state::Slot;
use pawl_core::view::{Status, Waiting};
use pawl_core::{Command, FailureKind, RunId, SlotNews, StepId, VisitId};
use serde_json::json;

use crate::bench::{Bench, ann, busy};

fn hear(bench: &mut Bench, visit: Option<u32>, news: SlotNews) {
    bench.tell(Command::HearOfSlot { visit: visit.map(VisitId), news });
}

fn slots(bench: &Bench) -> Vec<(Option<u32>, String, bool)> {
    let told = |(visit, slot): (Option<VisitId>, &Slot)| (visit.map(|id| id.0), slot.key.clone(), slot.taken);
    bench.state.slots().map(told).collect()
}

fn other() -> RunId {
    RunId::from_bytes([9; 16])
}

#[test]
fn a_run_begins_when_it_has_its_slot() {
    let rest = "
concurrency: { key: 'w/${{ inputs.n }}', limit: 2 }
vars: { seen: 1 }
steps: [{ id: a, tool: t.do, with: { it: '${{ vars.seen }}' } }]
outputs: { a: '${{ steps.a.output.it }}' }
";
    let mut bench = Bench::start(rest);
    assert_eq!(bench.state.status(), Status::Pending);
    let waiting = Waiting::Slot { step: None, key: "w/3".to_owned(), until: None };
    assert_eq!(bench.state.waiting(), Some(waiting));
    assert_eq!(slots(&bench), [(None, "w/3".to_owned(), false)]);
    assert_eq!(bench.under_way(), [] as [serde_json::Value; 0]);
    hear(&mut bench, None, SlotNews::Granted);
    assert_eq!(slots(&bench), [(None, "w/3".to_owned(), true)]);
    // Heard twice, it changes nothing.
    let events = bench.events.len();
    hear(&mut bench, None, SlotNews::Granted);
    hear(&mut bench, None, SlotNews::Refused);
    assert_eq!(bench.events.len(), events);
    assert_eq!(bench.work(), [json!(1)]);
    assert_eq!(bench.outputs(), json!({ "a": 1 }));
    assert_eq!(slots(&bench), [], "who has ended holds nothing");
}

#[test]
fn a_step_holds_its_slot_until_its_retries_its_catch_and_its_finally_are_over() {
    let rest = "
steps:
  - id: p
    parallel:
      branches:
        one:
          - id: a
            tool: t.do
            with: { it: a }
            concurrency: { limit: 1 }
            retry: { max_attempts: 2, delay: 1m }
            catch: [{ id: c, tool: t.do, with: { it: c } }]
            finally: [{ id: f, tool: t.do, with: { it: f } }]
        two: [{ id: b, tool: t.do, with: { it: b } }]
";
    let mut bench = Bench::start(rest);
    assert_eq!(bench.under_way(), [json!("b")], "what has no slot keeps nothing else from going on");
    assert_eq!(bench.state.status(), Status::Running);
    bench.end(&json!("b"), None);
    let waiting = Waiting::Slot { step: Some(StepId::new("a")), key: "w/a".to_owned(), until: None };
    assert_eq!(bench.state.waiting(), Some(waiting));
    let held = [(Some(2), "w/a".to_owned(), true)];
    hear(&mut bench, Some(2), SlotNews::Granted);
    assert_eq!((bench.under_way(), slots(&bench)), (vec![json!("a")], held.to_vec()));
    bench.end(&json!("a"), Some(busy()));
    assert_eq!(slots(&bench), held, "between attempts");
    bench.tick_at(200_000);
    for (it, failure) in [("a", Some(busy())), ("c", None), ("f", None)] {
        assert_eq!((bench.under_way(), slots(&bench)), (vec![json!(it)], held.to_vec()));
        bench.end(&json!(it), failure);
    }
    assert_eq!(slots(&bench), []);
    bench.outputs();
}

#[test]
fn who_finds_no_slot_and_does_not_want_to_wait_fails() {
    let mut bench = Bench::start("concurrency: { limit: 1, overflow: fail }\nsteps: [{ id: a, set: 1 }]");
    hear(&mut bench, None, SlotNews::Refused);
    let message = "all slots of 'w' are taken, concurrency allows 1; try again later, or let it wait with \
                   `overflow: queue`";
    assert_eq!(bench.failure(), (FailureKind::Limit, message.to_owned()));
    let rest = "
steps:
  - { id: a, wait: 1h, concurrency: { limit: 1, overflow: fail }, catch: [{ id: c, set: '${{ error.kind }}' }] }
outputs: { a: '${{ steps.a.output }}' }
";
    let mut bench = Bench::start(rest);
    hear(&mut bench, Some(1), SlotNews::Refused);
    assert_eq!(bench.outputs(), json!({ "a": "limit" }));
}

#[test]
fn who_makes_way_for_another_is_ended() {
    let rest = "
concurrency: { limit: 1, overflow: replace }
on_cancel: undo
steps:
  - { id: a, set: 1, undo: [{ id: una, tool: t.do, with: { it: una } }] }
  - { id: b, tool: t.do, with: { it: b } }
";
    let mut bench = Bench::start(rest);
    hear(&mut bench, None, SlotNews::Granted);
    hear(&mut bench, None, SlotNews::Replaced(other()));
    assert_eq!(bench.work(), [json!("una")], "what it did is undone as with any cancelling");
    assert_eq!(bench.state.status(), Status::Cancelled);
    // One that still waits makes way as well.
    let mut bench = Bench::start("concurrency: { limit: 1, overflow: replace }\nsteps: [{ id: a, set: 1 }]");
    hear(&mut bench, None, SlotNews::Replaced(other()));
    assert_eq!(bench.state.status(), Status::Cancelled);
    assert!(matches!(bench.events.last(), Some(Event::RunCancelled { reason: Some(reason), .. })
        if *reason == format!("run {} took its slot of 'w'", other())));
    // A step fails; what was in it is stopped.
    let verbs = [
        "tool: t.do\n    with: { it: x }",
        "wait: 1h",
        "map: { items: '[1, 2]', steps: [{ id: x, tool: t.do, with: { it: x } }] }",
    ];
    for verb in verbs {
        let rest = format!("steps:\n  - id: a\n    concurrency: {{ limit: 1 }}\n    {verb}");
        let mut bench = Bench::start(&rest);
        hear(&mut bench, Some(1), SlotNews::Granted);
        hear(&mut bench, Some(1), SlotNews::Replaced(other()));
        let message = format!("run {} took its slot of 'w/a'", other());
        assert_eq!(bench.failure(), (FailureKind::Cancelled, message), "{verb}");
        assert_eq!((bench.under_way().len(), slots(&bench)), (0, Vec::new()), "{verb}");
    }
}

#[test]
fn who_is_on_the_way_out_or_may_have_acted_is_not_cut_off_by_a_newcomer() {
    // What the run did is undone to the end, however often it hears of others.
    let rest = "
concurrency: { limit: 1, overflow: replace }
on_cancel: undo
steps:
  - { id: a, set: 1, undo: [{ id: una, tool: t.do, with: { it: una } }, { id: too, tool: t.do, with: { it: too } }] }
  - { id: b, fail: no }
";
    let mut bench = Bench::start(rest);
    hear(&mut bench, None, SlotNews::Granted);
    hear(&mut bench, None, SlotNews::Replaced(other()));
    bench.end(&json!("una"), None);
    hear(&mut bench, None, SlotNews::Replaced(other()));
    assert_eq!(bench.work(), [json!("too")]);
    assert_eq!(bench.state.status(), Status::Failed);
    // So is a `catch`, and so is a tool that must not be called twice, or of which nobody knows.
    let step = "steps:\n  - id: a\n    concurrency: { limit: 1 }\n    ";
    let caught = format!("{step}fail: no\n    catch: [{{ id: c, tool: t.do, with: {{ it: c }} }}]");
    let caught = caught.replace("fail: no", "tool: t.do\n    with: { it: no }");
    let mut bench = Bench::start(&caught);
    hear(&mut bench, Some(1), SlotNews::Granted);
    bench.end(&json!("no"), Some(crate::bench::no()));
    hear(&mut bench, Some(1), SlotNews::Replaced(other()));
    assert_eq!(bench.work(), [json!("c")]);
    bench.outputs();
    let once = format!("{step}tool: t.once\n    with: {{ it: once }}\n    timeout: 1m");
    let mut bench = Bench::start(&once);
    hear(&mut bench, Some(1), SlotNews::Granted);
    hear(&mut bench, Some(1), SlotNews::Replaced(other()));
    assert_eq!(bench.under_way(), [json!("once")]);
    bench.tick_at(61_000);
    hear(&mut bench, Some(1), SlotNews::Replaced(other()));
    assert_eq!(bench.statuses("a"), [Status::Unknown]);
    assert_eq!(slots(&bench), [(Some(1), "w/a".to_owned(), true)]);
    let title = bench.state.approvals().next().expect("a question").1.question.title.clone();
    bench.answer(&title, "failed");
    assert_eq!(slots(&bench), []);
}

#[test]
fn a_start_timeout_ends_the_wait_for_a_slot() {
    let rest = "
steps:
  - id: a
    tool: t.do
    with: { it: a }
    concurrency: { limit: 1 }
    timeout: { start: 30s, attempt: 5m }
    catch: [{ id: c, human: { title: Now? } }]
outputs: { a: '${{ steps.a.output.action }}' }
";
    let mut bench = Bench::start(rest);
    assert_eq!(bench.wakes_at(), Some(30_000));
    bench.tick_at(30_000);
    assert_eq!(slots(&bench), [], "its catch waits for no slot");
    hear(&mut bench, Some(1), SlotNews::Granted);
    bench.answer("Now?", "approve");
    assert_eq!(bench.outputs(), json!({ "a": "approve" }));
    // One that comes in time takes the timeout away.
    let mut bench = Bench::start(rest);
    bench.tick_at(29_000);
    hear(&mut bench, Some(1), SlotNews::Granted);
    assert_eq!(bench.wakes_at(), Some(29_001 + 300_000));
    // Nobody catches it.
    let mut bench = Bench::start(
        "steps: [{ id: a, tool: t.do, with: { it: 1 }, concurrency: { limit: 1 }, timeout: { start: 30s } }]",
    );
    bench.tick_at(30_000);
    let message = "step 'a' got no slot of 'w/a' within its start timeout of 30s";
    assert_eq!(bench.failure(), (FailureKind::Timeout, message.to_owned()));
}

#[test]
fn a_suspended_run_waits_for_no_slot_and_keeps_those_that_it_has() {
    let rest = "
steps:
  - id: p
    parallel:
      branches:
        one: [{ id: a, tool: t.do, with: { it: a }, concurrency: { limit: 1 } }]
        two: [{ id: b, tool: t.do, with: { it: b }, concurrency: { limit: 1 }, timeout: { start: 1h } }]
";
    let mut bench = Bench::start(rest);
    hear(&mut bench, Some(2), SlotNews::Granted);
    bench.tell(Command::Suspend { by: ann(), reason: None });
    assert_eq!(slots(&bench), [(Some(2), "w/a".to_owned(), true)]);
    hear(&mut bench, Some(3), SlotNews::Granted);
    assert_eq!(bench.statuses("b"), [Status::Waiting], "what was granted too late is not taken");
    bench.tick_at(1_800_000);
    bench.tell(Command::Resume { by: ann() });
    assert!(bench.wakes_at().is_some_and(|at| at > 3_600_000 + 1_700_000), "time did not pass for it");
    assert_eq!(slots(&bench)[1], (Some(3), "w/b".to_owned(), false));
    hear(&mut bench, Some(3), SlotNews::Granted);
    assert_eq!(bench.under_way(), [json!("a"), json!("b")]);
}

#[test]
fn a_run_that_is_retried_has_the_slots_again_that_it_had() {
    let rest = "
concurrency: { limit: 1 }
steps:
  - id: m
    concurrency: { limit: 1, key: m }
    map:
      items: '[1, 2]'
      steps: [{ id: a, tool: t.do, with: { it: '${{ item }}' } }]
";
    let mut bench = Bench::start(rest);
    hear(&mut bench, None, SlotNews::Granted);
    hear(&mut bench, Some(1), SlotNews::Granted);
    bench.end(&json!(1), Some(busy()));
    assert_eq!((bench.state.status(), slots(&bench)), (Status::Failed, Vec::new()));
    bench.tell(Command::Retry { step: None, by: ann() });
    assert_eq!(slots(&bench), [(None, "w".to_owned(), true), (Some(1), "m".to_owned(), true)]);
    bench.work();
    bench.outputs();
}

#[test]
fn the_priority_of_the_nearest_step_holds() {
    let rest = "
priority: '${{ inputs.n * 10 }}'
steps:
  - id: m
    priority: 70
    map: { items: '[1]', steps: [{ id: a, tool: t.do, with: { it: a } }, { id: b, tool: t.do, with: { it: b }, priority: 90 }] }
  - { id: c, tool: t.do, with: { it: c }, concurrency: { limit: 1 } }
";
    let mut bench = Bench::start(rest);
    let now = |bench: &Bench| {
        let visit = bench.attempts().first().map(|(visit, ..)| *visit);
        bench.state.priority(visit)
    };
    assert_eq!(now(&bench), 70);
    bench.end(&json!("a"), None);
    assert_eq!(now(&bench), 90);
    bench.end(&json!("b"), None);
    assert_eq!(bench.state.slots().next().map(|(_, slot)| slot.priority), Some(30));
    assert_eq!(Bench::start("steps: [{ id: a, set: 1 }]").state.priority(None), 50);
}

#[test]
fn keys_and_priorities_have_limits() {
    let long = "k".repeat(257);
    let cases = [
        (format!("concurrency: {{ limit: 1, key: {long} }}"), "the key of concurrency has 257 bytes"),
        ("concurrency: { limit: 1, key: \"${{ '' }}\" }".to_owned(), "the key of concurrency has 0 bytes"),
        (
            "priority: '${{ inputs.n * 100 }}'".to_owned(),
            "priority is 300; it is a whole number from 0 to 100",
        ),
        ("priority: '${{ run.id }}'".to_owned(), "priority is \"01010101"),
    ];
    for (key, expected) in cases {
        let bench = Bench::start(&format!("{key}\nsteps: [{{ id: a, set: 1 }}]"));
        let (kind, message) = bench.failure();
        assert_eq!(kind, FailureKind::InvalidInput);
        assert!(message.starts_with(expected), "{message}");
        let step = "steps:\n  - id: a\n    wait: 1h\n    catch: [{ id: c, set: '${{ error.message }}' }]\n";
        let rest = format!("{step}    {key}\noutputs: {{ a: '${{{{ steps.a.output }}}}' }}");
        let outputs = Bench::start(&rest).outputs();
        assert!(outputs["a"].as_str().is_some_and(|text| text.starts_with(expected)), "{outputs}");
    }
}
