//! Limits of a run that are enforced by decisions, each reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pawl_core::event::{Actor, RunStarted};
use pawl_core::plugin::Permissions;
use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{
    Command, Digest, Entropy, FailureKind, Moment, RUN_MAX_VISITS, RunId, RunState, TRANSITION_MAX_BYTES,
    Timestamp, decide,
};
use serde_json::{Value, json};

struct Bench {
    definition: pawl_core::definition::Definition,
    state: RunState,
    now: Timestamp,
}

impl Bench {
    fn start(steps: &str, inputs: Value) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: limits\nversion: 1.0.0\ninputs: {{ text: {{ type: string, default: x }} }}\nsteps:\n{steps}"
        );
        let definition = pawl_core::source::load("limits.yaml", &text)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .definition;
        let state = RunState::new(RunId::from_bytes([1; 16]));
        let mut bench = Self { definition, state, now: Timestamp(1_000) };
        let started = RunStarted {
            folder: None,
            workflow: "limits".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: inputs.into(),
            plugins: BTreeMap::new().into(),
            allowed: Permissions::default(),
            by: ann(),
            seed: Digest::of(b"seed"),
            ancestor: None,
            trace: None,
            policy: pawl_core::guard::Policy::default(),
            namespace: pawl_core::Namespace::default(),
            workflows: BTreeMap::new(),
            priority: None,
            allowance: pawl_core::budget::Amounts::default(),
            prices: pawl_core::budget::Prices::new(),
            parent: None,
        };
        bench.tell(Command::Start(Box::new(started)));
        bench
    }

    fn tell(&mut self, command: Command) {
        let moment = Moment { now: self.now, entropy: Entropy::new([3; 32]) };
        decide(&mut self.state, &self.definition, command, moment).expect("accepted");
    }

    /// Lets time pass until nothing is waited for any more.
    fn run_out(&mut self) {
        while let Some(at) = self.state.wake_at() {
            self.now = at;
            self.tell(Command::Tick);
        }
    }

    fn failure(&self) -> (FailureKind, &str) {
        match self.state.phase() {
            Phase::Failed(failure) => (failure.kind, &failure.message),
            other => panic!("{other:?}"),
        }
    }
}

fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

/// A circle of so many `set` steps, with something else at its end.
fn circle(sets: usize, last: &str) -> String {
    let mut steps = String::new();
    for number in 0..sets {
        let _ = writeln!(steps, "  - {{ id: s{number}, max_visits: 10000, set: 1 }}");
    }
    let _ = writeln!(steps, "  - id: last\n    max_visits: 10000\n    {last}\n    then: s0");
    steps
}

#[test]
fn a_step_is_visited_as_often_as_it_may_be() {
    let bench = Bench::start("  - { id: a, max_visits: 3, set: 1, then: a }\n", json!({}));
    let (kind, message) = bench.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains("'a'") && message.contains("max_visits allows (3)"), "{message}");
    assert_eq!(bench.state.visits().count(), 3);
}

#[test]
fn a_circle_that_waits_for_nothing_does_not_hold_up_the_host() {
    let bench = Bench::start(&circle(50, "set: 1"), json!({}));
    let (kind, message) = bench.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains("transition_max_visits (10000)"), "{message}");
}

#[test]
fn a_circle_that_makes_large_outputs_does_not_fill_the_memory() {
    let text = "x".repeat(TRANSITION_MAX_BYTES / 16);
    let steps = "  - { id: a, max_visits: 10000, set: '${{ inputs.text }}', then: a }\n";
    let bench = Bench::start(steps, json!({ "text": text }));
    let (kind, message) = bench.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains("transition_max_bytes"), "{message}");
    assert!(bench.state.visits().count() <= 18);
}

#[test]
fn a_run_has_a_limit_of_visits_however_slowly_it_goes() {
    let mut bench = Bench::start(&circle(99, "wait: 1ms"), json!({}));
    bench.run_out();
    let (kind, message) = bench.failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains("run_max_visits (100000)"), "{message}");
    assert_eq!(bench.state.visits().count(), RUN_MAX_VISITS as usize);
}

#[test]
fn defaults_of_a_form_are_filled_in_by_people_and_by_time() {
    const ASK: &str = "
  - id: ask
    human:
      title: Go on?
      form: { note: { type: string, default: none }, sum: { type: number, optional: true } }
      due: 1h
      on_timeout: reject
";
    for answered in [true, false] {
        let mut bench = Bench::start(ASK, json!({}));
        if answered {
            let approval = bench.state.approvals().next().expect("an approval").0.clone();
            let data = json!({ "sum": 5 });
            bench.tell(Command::Decide {
                approval,
                action: "approve".into(),
                data,
                by: ann(),
                comment: None,
            });
        } else {
            bench.run_out();
        }
        assert_eq!(bench.state.status(), Status::Completed);
        let output = bench.state.output("ask").expect("an output");
        let expected = if answered { json!({ "note": "none", "sum": 5 }) } else { json!({ "note": "none" }) };
        assert_eq!(output["data"], expected);
    }
}
