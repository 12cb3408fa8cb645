//! What comes from outside a run: signals, events of other runs, and the ends of runs that it started.
//!
//! After every command the journal is written and read again, and the fold of
//! it must be the decided state: whatever happens here survives any restart.

use std::collections::BTreeMap;

use pawl_core::Namespace;
use pawl_core::event::{Actor, Event, Origin, Parent, RunStarted};
use pawl_core::journal::{self, Head};
use pawl_core::letter::{Letter, letter};
use pawl_core::plugin::{Permissions, WorkflowPin};
use pawl_core::state::Phase;
use pawl_core::taint::Sources;
use pawl_core::view::{Status, Waiting};
use pawl_core::{
    Command, Digest, Duration, Entropy, Failure, FailureKind, Moment, Refusal, RunId, RunState,
    SIGNAL_KEY_MAX_BYTES, SIGNALS_KEPT_MAX, StepId, Timestamp, VisitId, decide,
};
use serde_json::{Value, json};

struct Bench {
    definition: pawl_core::definition::Definition,
    state: RunState,
    head: Head,
    journal: Vec<Vec<u8>>,
    now: Timestamp,
}

fn run() -> RunId {
    RunId::from_bytes([1; 16])
}

fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

fn pin() -> WorkflowPin {
    WorkflowPin {
        folder: None,
        workflow: "inner".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b"inner"),
        plugins: BTreeMap::new().into(),
        workflows: BTreeMap::new(),
    }
}

impl Bench {
    fn start(steps: &str) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: outside\nversion: 1.0.0\nworkflows: {{ inner: ./inner.yaml }}\nsteps:\n{steps}"
        );
        let definition = pawl_core::source::load("outside.yaml", &text)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .definition;
        let mut bench = Self {
            definition,
            state: RunState::new(run()),
            head: Head::empty(run()),
            journal: Vec::new(),
            now: Timestamp(1_000),
        };
        let started = RunStarted {
            folder: None,
            workflow: "outside".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({}).into(),
            plugins: BTreeMap::new().into(),
            allowed: Permissions::default(),
            by: ann(),
            seed: Digest::of(b"seed"),
            workflows: BTreeMap::from([("inner".to_owned(), pin())]),
            priority: None,
            allowance: pawl_core::budget::Amounts::default(),
            prices: pawl_core::budget::Prices::new(),
            parent: Some(Parent { run: RunId::from_bytes([2; 16]), visit: VisitId(7) }),
            ancestor: None,
            trace: None,
            policy: pawl_core::guard::Policy::default(),
            namespace: pawl_core::Namespace::default(),
        };
        bench.tell(Command::Start(Box::new(started))).expect("started");
        bench
    }

    fn tell(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let entropy = Entropy::new(*Digest::of(&self.now.0.to_be_bytes()).as_bytes());
        let events = decide(&mut self.state, &self.definition, command, Moment { now: self.now, entropy })?;
        self.journal.extend(journal::encode(&mut self.head, self.state.updated_at(), &events));
        let mut head = Head::empty(run());
        let journal = self.journal.iter().map(Vec::as_slice);
        let mut folded = RunState::new(run());
        for envelope in journal::decode(run(), &mut head, journal).expect("readable") {
            folded.apply(envelope.time, &envelope.event);
        }
        assert_eq!(folded, self.state, "the fold of the journal is not the decided state");
        self.now = Timestamp(self.now.0 + 1);
        Ok(events)
    }

    fn signal(&mut self, name: &str, data: Value) -> Result<Vec<Event>, Refusal> {
        self.tell(Command::Signal { name: name.into(), data, by: ann(), key: None, trace: None })
    }

    fn hear(&mut self, topic: &str, seq: u64) -> Vec<Event> {
        let from = Origin { run: RunId::from_bytes([3; 16]), seq };
        self.tell(Command::Hear {
            trace: None,
            topic: topic.into(),
            data: json!({ "n": seq }),
            from,
            namespace: Namespace::default(),
        })
        .expect("heard")
    }

    fn children(&self) -> Vec<(VisitId, RunId)> {
        self.state.children().collect()
    }

    fn output(&self, step: &str) -> Value {
        self.state.output(step).cloned().unwrap_or_default()
    }

    fn failure(&self) -> (FailureKind, String) {
        match self.state.phase() {
            Phase::Failed(failure) => (failure.kind, failure.message.clone()),
            other => panic!("{other:?}"),
        }
    }
}

fn nothing() -> pawl_core::budget::Amounts {
    pawl_core::budget::Amounts::default()
}

#[test]
fn a_signal_that_comes_early_is_kept_and_each_is_taken_once_in_order() {
    let mut bench = Bench::start(
        "  - { id: nap, wait: 1h }\n  - { id: a, signal: paid }\n  - { id: b, signal: paid }\n  - { id: c, signal: { name: paid, due: 2h } }\n",
    );
    bench.signal("paid", json!({ "n": 1 })).expect("kept");
    bench.signal("paid", json!({ "n": 2 })).expect("kept");
    bench.now = bench.now.after(Duration::from_secs(3_600));
    bench.tell(Command::Tick).expect("woken");
    assert_eq!((bench.output("a"), bench.output("b")), (json!({ "n": 1 }), json!({ "n": 2 })));
    let waiting = bench.state.waiting();
    assert!(matches!(waiting, Some(Waiting::Signal { ref name, until: Some(_), .. }) if name == "paid"));
    bench.signal("paid", json!({ "n": 3 })).expect("taken");
    assert_eq!(bench.output("c"), json!({ "n": 3 }));
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn a_signal_goes_to_the_step_that_waited_longest() {
    let mut bench = Bench::start(
        "  - id: both\n    parallel:\n      branches:\n        one: [{ id: a, signal: go }]\n        two: [{ id: b, signal: go }]\n",
    );
    bench.signal("go", json!("first")).expect("taken");
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.signal("go", json!("second")).expect("taken");
    assert_eq!(bench.output("both"), json!({ "one": "first", "two": "second" }));
}

#[test]
fn a_signal_that_does_not_come_in_time_fails_its_step() {
    let mut bench = Bench::start("  - { id: a, signal: { name: go, due: 1h } }\n");
    assert_eq!(bench.state.wake_at(), Some(Timestamp(1_000).after(Duration::from_secs(3_600))));
    bench.now = bench.now.after(Duration::from_secs(3_600));
    bench.tell(Command::Tick).expect("woken");
    let (kind, message) = bench.failure();
    assert_eq!(kind, FailureKind::Timeout);
    assert!(message.starts_with("no signal 'go' came until "), "{message}");
}

#[test]
fn a_signal_that_nobody_waits_for_or_that_brings_the_wrong_data_changes_nothing() {
    let mut bench = Bench::start(
        "  - { id: a, signal: { name: paid, data: { amount: number } } }\n  - { id: b, signal: done }\n",
    );
    let refused = bench.signal("payed", json!({})).unwrap_err();
    assert_eq!(refused.to_string(), "the workflow has no signal 'payed'; it takes: done, paid");
    let refused = bench.signal("paid", json!({ "amount": "ten" })).unwrap_err();
    assert!(refused.to_string().starts_with("the signal 'paid' does not accept this: "), "{refused}");
    assert_eq!(bench.head.seq, 3);
    bench.signal("paid", json!({ "amount": 10 })).expect("taken");
    assert_eq!(bench.output("a"), json!({ "amount": 10 }));
}

#[test]
fn a_signal_with_a_key_that_came_before_changes_nothing() {
    let mut bench = Bench::start("  - { id: a, signal: go }\n  - { id: b, signal: go }\n");
    let with = |key: String| Command::Signal {
        name: "go".into(),
        data: json!(1),
        by: ann(),
        key: Some(key),
        trace: None,
    };
    let refused = bench.tell(with("k".repeat(SIGNAL_KEY_MAX_BYTES + 1))).unwrap_err();
    assert!(refused.to_string().contains("its key has 257 bytes"), "{refused}");
    let keyed = || with("k".repeat(SIGNAL_KEY_MAX_BYTES));
    assert!(!bench.tell(keyed()).expect("taken").is_empty());
    assert!(bench.tell(keyed()).expect("known").is_empty());
    assert_eq!(bench.state.status(), Status::Waiting);
}

#[test]
fn no_more_signals_are_kept_than_the_limit_allows() {
    let mut bench = Bench::start("  - { id: nap, wait: 1h }\n  - { id: a, signal: go }\n");
    // Only the last one is read back: a thousand folds of a thousand signals take their time.
    for _ in 0..SIGNALS_KEPT_MAX - 1 {
        let command =
            Command::Signal { name: "go".into(), data: json!(1), by: ann(), key: None, trace: None };
        let moment = Moment { now: bench.now, entropy: Entropy::new([1; 32]) };
        let events = decide(&mut bench.state, &bench.definition, command, moment).expect("kept");
        bench.journal.extend(journal::encode(&mut bench.head, bench.state.updated_at(), &events));
    }
    bench.signal("go", json!(1)).expect("the last");
    let refused = bench.signal("go", json!(1)).unwrap_err();
    assert!(refused.to_string().contains("signals_kept_max allows 1000"), "{refused}");
}

#[test]
fn an_event_is_heard_once_by_every_step_whose_pattern_matches() {
    let mut bench = Bench::start(
        "  - id: both\n    parallel:\n      branches:\n        one: [{ id: a, wait: { topic: 'orders/*/created' } }, { id: b, wait: { topic: 'orders/>' } }]\n        two: [{ id: c, wait: { topic: 'orders/eu/paid', due: 1h } }]\n",
    );
    assert!(bench.hear("orders/eu", 1).is_empty());
    assert_eq!(bench.hear("orders/eu/created", 2).len(), 4);
    // A second delivery of the same event is not taken for another event by the next step.
    assert!(bench.hear("orders/eu/created", 2).is_empty());
    bench.hear("orders/eu/paid", 3);
    let heard = json!({ "topic": "orders/eu/paid", "data": { "n": 3 } });
    assert_eq!(bench.output("both"), json!({ "one": heard, "two": heard }));
}

#[test]
fn a_pattern_or_topic_that_is_computed_is_checked_when_it_is_known() {
    for (step, what) in [
        ("wait: { topic: \"${{ 'a' ~ '//' }}\" }", "'a//' is no topic pattern: a level is empty"),
        ("emit: { topic: \"${{ 'a/*' }}\" }", "'a/*' is no topic: '*' and '>' are for patterns"),
    ] {
        let bench = Bench::start(&format!("  - {{ id: a, {step} }}\n"));
        let (kind, message) = bench.failure();
        assert_eq!(kind, FailureKind::InvalidInput);
        assert!(message.starts_with(what), "{message}");
    }
}

#[test]
fn an_emitted_event_is_a_letter_to_whoever_waits() {
    let bench =
        Bench::start("  - { id: a, emit: { topic: a/b, data: { n: 1 } } }\n  - { id: b, wait: 1h }\n");
    let journal = bench.journal.iter().map(Vec::as_slice);
    let envelopes = journal::decode(run(), &mut Head::empty(run()), journal).expect("readable");
    let letters: Vec<_> = envelopes.iter().filter_map(|e| letter(&bench.state, &e.event)).collect();
    assert_eq!(
        letters,
        [Letter::Emit { topic: "a/b".into(), data: json!({ "n": 1 }), namespace: Namespace::default() }]
    );
    assert_eq!(bench.output("a"), json!({ "topic": "a/b" }));
}

#[test]
fn a_step_waits_for_the_run_that_it_started_and_gives_its_outputs() {
    let mut bench = Bench::start("  - { id: sub, workflow: inner, with: { n: 1 } }\n");
    let (visit, child) = bench.children()[0];
    let waiting = bench.state.waiting();
    assert_eq!(waiting, Some(Waiting::Run { step: StepId::new("sub"), run: child }));
    let stranger = RunId::from_bytes([9; 16]);
    let refused = bench
        .tell(Command::EndChild {
            visit,
            child: stranger,
            result: Ok(json!(0)),
            tainted: Sources::default(),
            spent: nothing(),
        })
        .unwrap_err();
    assert_eq!(refused, Refusal::NotAwaited { child: stranger });
    bench
        .tell(Command::EndChild {
            visit,
            child,
            result: Ok(json!({ "sum": 2 })),
            tainted: Sources::default(),
            spent: nothing(),
        })
        .expect("awaited");
    assert_eq!(bench.output("sub"), json!({ "sum": 2 }));
    // It is itself a child: its parent is told.
    let told = letter(&bench.state, &Event::RunCompleted { outputs: json!({}).into() });
    let parent = Parent { run: RunId::from_bytes([2; 16]), visit: VisitId(7) };
    assert_eq!(
        told,
        Some(Letter::EndChild {
            parent,
            child: run(),
            result: Ok(json!({})),
            tainted: Sources::default(),
            spent: nothing()
        })
    );
}

#[test]
fn a_failed_child_fails_its_step_which_can_catch_it() {
    let mut bench = Bench::start(
        "  - id: sub\n    workflow: inner\n    catch: [{ id: c, set: '${{ error.kind ~ \": \" ~ error.message }}' }]\n",
    );
    let (visit, child) = bench.children()[0];
    let failure = Failure::new(FailureKind::Permanent, "no such order");
    bench
        .tell(Command::EndChild {
            visit,
            child,
            result: Err(failure),
            tainted: Sources::default(),
            spent: nothing(),
        })
        .expect("awaited");
    assert_eq!(bench.output("sub"), json!(format!("permanent: run {child}: no such order")));
}

#[test]
fn children_that_are_not_needed_any_more_are_cancelled_before_what_ends_them() {
    let parallel = |join: &str| {
        format!(
            "  - id: p\n    parallel:\n      join: {join}\n      branches:\n        one: [{{ id: a, workflow: inner }}]\n        two: [{{ id: l, loop: {{ while: 'true', max_visits: 2, steps: [{{ id: b, workflow: inner }}] }} }}]\n        three: [{{ id: c, signal: go }}]\n"
        )
    };
    let names = |events: &[Event]| events.iter().map(Event::name).collect::<Vec<_>>();
    // A loser of `any` takes its child along, the one in a loop too.
    let mut bench = Bench::start(&parallel("any"));
    assert_eq!(bench.children().len(), 2);
    let events = bench.signal("go", json!(1)).expect("taken");
    let cancelled = events.iter().filter(|event| event.name() == "child-cancelled").count();
    assert_eq!(cancelled, 2, "{:?}", names(&events));
    assert!(bench.children().is_empty());
    // So does the end of the run.
    let mut bench = Bench::start(&parallel("all"));
    let events = bench.tell(Command::Cancel { by: ann(), reason: None }).expect("open");
    assert_eq!(names(&events), ["child-cancelled", "child-cancelled", "run-cancelled"]);
    // And the failure of one cancels the other.
    let mut bench = Bench::start(&parallel("all"));
    let (visit, child) = bench.children()[0];
    let result = Err(Failure::new(FailureKind::Cancelled, "it was cancelled"));
    let events = bench
        .tell(Command::EndChild { visit, child, result, tainted: Sources::default(), spent: nothing() })
        .expect("awaited");
    assert_eq!(
        events.iter().filter(|event| event.name() == "child-cancelled").count(),
        1,
        "{:?}",
        names(&events)
    );
}

#[test]
fn a_child_that_takes_longer_than_its_step_may_is_cancelled_before_the_step_fails() {
    let names = |events: &[Event]| events.iter().map(Event::name).collect::<Vec<_>>();
    let sub = "  - { id: sub, workflow: inner, timeout: { total: 1m }";
    let mut bench = Bench::start(&format!("{sub} }}\n"));
    bench.now = Timestamp(bench.now.0 + 60_000);
    let events = bench.tell(Command::Tick).expect("woken");
    assert_eq!(names(&events), ["child-cancelled", "step-failed", "run-failed"]);
    let mut bench = Bench::start(&format!("{sub}, catch: [{{ id: c, set: late }}] }}\n"));
    bench.now = Timestamp(bench.now.0 + 60_000);
    let events = bench.tell(Command::Tick).expect("woken");
    assert_eq!(names(&events)[..2], ["child-cancelled", "frame-started"]);
    assert_eq!(bench.output("sub"), json!("late"));
}

#[test]
fn a_run_that_begins_to_undo_cancels_its_children_first() {
    let mut bench = Bench::start(
        "  - { id: a, set: 1, undo: [{ id: una, wait: 1h }] }\n  - { id: sub, workflow: inner }\ntimeout: 1m\n",
    );
    bench.now = Timestamp(bench.now.0 + 60_000);
    let events = bench.tell(Command::Tick).expect("woken");
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names[..3], ["child-cancelled", "undo-started", "frame-started"]);
    assert!(bench.children().is_empty() && bench.state.status() == Status::Waiting);
}
