//! Going back in a run: retry, suspend and fork, one thing at a time.

use std::collections::BTreeMap;

use pawl_core::event::{Actor, Event, RunStarted, Work};
use pawl_core::fork::{Change, Fork, Forked, fork};
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::plugin::{Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription};
use pawl_core::state::Activity;
use pawl_core::travel::Ancestor;
use pawl_core::view::{Status, Waiting};
use pawl_core::{
    Command, Digest, Effect, Entropy, Failure, FailureKind, Moment, Refusal, RunId, RunState, StepId,
    Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

struct Bench {
    text: String,
    definition: pawl_core::definition::Definition,
    state: RunState,
    events: Vec<Envelope>,
    now: Timestamp,
}

impl Bench {
    fn start(steps: &str) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\ninputs: {{ n: {{ type: integer, default: 1 }} }}\nsteps:\n{steps}"
        );
        let mut bench = Self::empty(text, RunId::from_bytes([1; 16]));
        let started = RunStarted {
            folder: None,
            workflow: "w".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({ "n": 1 }).into(),
            plugins: pins().into(),
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
        bench.tell(Command::Start(Box::new(started))).expect("started");
        bench
    }

    fn empty(text: String, run: RunId) -> Self {
        let loaded = pawl_core::source::load("w.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"));
        let (state, events) = (RunState::new(run), Vec::new());
        Self { text, definition: loaded.definition, state, events, now: Timestamp(1_000) }
    }

    fn tell(&mut self, command: Command) -> Result<(), Refusal> {
        let moment = self.moment();
        let events = decide(&mut self.state, &self.definition, command, moment)?;
        self.record(events.into_iter().map(|event| (self.state.updated_at(), event)).collect());
        self.now = Timestamp(self.now.0 + 1);
        Ok(())
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, entropy: Entropy::new(*Digest::of(&self.now.0.to_be_bytes()).as_bytes()) }
    }

    fn record(&mut self, events: Vec<(Timestamp, Event)>) {
        for (time, event) in events {
            let seq = self.events.len() as u64 + 1;
            let prev = Digest::of(b"any");
            self.events.push(Envelope { version: journal::FORMAT_VERSION, seq, time, prev, event });
        }
    }

    /// The tool whose argument `it` is this, if it is under way.
    fn under_way(&self, it: &str) -> Option<(VisitId, u32)> {
        effects(&self.state).into_iter().find_map(|effect| match effect {
            Effect::Attempt { visit, attempt, work } => match &*work {
                Work::Tool { arguments, .. } if arguments.clone().into_value()["it"] == it => {
                    Some((visit, attempt))
                }
                _ => None,
            },
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        })
    }

    fn end(&mut self, it: &str, result: Result<Value, Failure>) {
        let (visit, attempt) = self.under_way(it).unwrap_or_else(|| panic!("{it} is not under way"));
        let command = Command::EndAttempt { visit, attempt, result, silent: Vec::new(), log: Vec::new() };
        self.tell(command).expect("taken");
    }

    fn retry(&mut self, step: Option<&str>) -> Result<(), Refusal> {
        self.tell(Command::Retry { step: step.map(StepId::new), by: ann() })
    }

    fn answer(&mut self, action: &str) -> Result<(), Refusal> {
        let approval = self.state.approvals().find(|(_, a)| a.open).expect("a question").0.clone();
        let action = action.to_owned();
        self.tell(Command::Decide { approval, action, data: Value::Null, by: ann(), comment: None })
    }

    /// The seq of the first event of this name behind another.
    fn seq(&self, name: &str, behind: u64) -> u64 {
        let found =
            self.events.iter().find(|envelope| envelope.seq > behind && envelope.event.name() == name);
        found.unwrap_or_else(|| panic!("no {name}")).seq
    }

    fn names(&self, behind: u64) -> Vec<&'static str> {
        let later = self.events.iter().filter(|envelope| envelope.seq > behind);
        later.map(|envelope| envelope.event.name()).collect()
    }

    fn forked(&self, seq: u64, changes: Vec<Change>) -> Result<Self, Refusal> {
        let run = RunId::from_bytes([2; 16]);
        let (from, by) = (self.state.id(), ann().into());
        let request = Fork {
            from,
            envelopes: &self.events,
            seq,
            run,
            changes,
            agents: BTreeMap::new(),
            rehearsal: None,
            trace: None,
            by,
        };
        let Forked { state, events } = fork(&self.definition, request, self.moment())?;
        let mut bench = Self::empty(self.text.clone(), run);
        bench.now = Timestamp(self.now.0 + 1);
        bench.state = state;
        bench.record(events);
        let mut folded = RunState::new(run);
        for envelope in &bench.events {
            folded.apply(envelope.time, &envelope.event);
        }
        assert_eq!(folded, bench.state, "the fold of its events is the fork");
        Ok(bench)
    }

    fn visits(&self, step: &str) -> Vec<Status> {
        let visits = self.state.visits().filter(|(_, visit)| visit.step.as_str() == step);
        visits.map(|(_, visit)| visit.status()).collect()
    }
}

fn set(step: Option<&str>, path: &[&str], value: Value) -> Change {
    let path = path.iter().map(|part| (*part).to_owned()).collect();
    Change { step: step.map(StepId::new), path, value }
}

fn fails(kind: FailureKind) -> Result<Value, Failure> {
    Err(Failure::new(kind, "no"))
}

fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

fn pins() -> BTreeMap<String, PluginPin> {
    let tool = |name: &str, effect| ToolDescription {
        name: name.into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({ "type": ["object", "null"] }),
        effect,
    };
    let tools = vec![tool("do", EffectClass::Idempotent), tool("once", EffectClass::AtMostOnce)];
    let pin = PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description: Description::Tools(tools),
        limits: BTreeMap::new(),
        named: None,
    };
    BTreeMap::from([("t".to_owned(), pin)])
}

#[test]
fn a_retried_step_has_another_attempt_under_the_same_key_and_all_its_retries() {
    let mut bench = Bench::start(
        "  - { id: a, tool: t.do, with: { it: a } }\n  - { id: b, tool: t.do, with: { it: b }, retry: { max_attempts: 2, delay: 1s } }\n",
    );
    bench.end("a", Ok(json!({ "x": 1 })));
    bench.end("b", fails(FailureKind::Permanent));
    assert_eq!(bench.state.status(), Status::Failed);
    bench.retry(None).expect("retried");
    assert_eq!(bench.under_way("b"), Some((VisitId(2), 2)));
    // The attempt before was the first; this one has two tries again.
    bench.end("b", fails(FailureKind::Transient));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.now = Timestamp(bench.now.0 + 5_000);
    bench.tell(Command::Tick).expect("ticked");
    bench.end("b", Ok(json!({})));
    assert_eq!((bench.state.status(), bench.visits("a").len()), (Status::Completed, 1));
}

#[test]
fn what_a_failure_cut_off_goes_on_when_the_step_is_retried() {
    let mut bench = Bench::start(
        "  - id: p
    parallel:
      branches:
        bad: [{ id: bad, tool: t.do, with: { it: bad } }]
        done: [{ id: done, set: 1 }]
        tool: [{ id: tool, tool: t.do, with: { it: tool }, timeout: 1m }]
        once: [{ id: once, tool: t.once, with: { it: once } }]
        human: [{ id: human, human: { title: Go on?, due: 1h, on_timeout: reject } }]
        wait: [{ id: wait, wait: 1h }]
        at: [{ id: at, wait: { until: '1970-01-01T02:00:00Z' } }]
",
    );
    let asked = bench.state.approvals().next().map(|(id, _)| id.clone()).expect("a question");
    bench.end("bad", fails(FailureKind::Permanent));
    assert_eq!((bench.state.status(), bench.visits("tool")), (Status::Failed, vec![Status::Cancelled]));

    let (failed_at, later) = (bench.state.updated_at(), 10_000_000);
    bench.now = Timestamp(failed_at.0 + later);
    bench.retry(None).expect("retried");
    assert_eq!(bench.under_way("bad"), Some((VisitId(2), 2)));
    assert_eq!(bench.under_way("tool").map(|(_, attempt)| attempt), Some(1));
    // What must happen at most once was begun before: a person is asked, as after a crash.
    assert_eq!(bench.visits("once"), [Status::Unknown]);
    let approval = bench.state.approvals().find(|(id, _)| **id == asked).expect("the question").1;
    assert_eq!((approval.open, approval.due), (true, Some(Timestamp(1_000 + 3_600_000 + later))));
    let waiting = |step: &str| {
        let visit = bench.state.visits().find(|(_, visit)| visit.step.as_str() == step).expect("a visit").1;
        visit.activity.clone()
    };
    assert_eq!(waiting("wait"), Activity::Waiting(Timestamp(1_000 + 3_600_000 + later)));
    assert_eq!(waiting("at"), Activity::Waiting(Timestamp(7_200_000)));
    // Time passes, and everything comes to its end.
    bench.tell(Command::Tick).expect("ticked");
    bench.end("bad", Ok(json!({})));
    bench.end("tool", Ok(json!({})));
    bench.now = Timestamp(bench.now.0 + 4_000_000);
    bench.tell(Command::Tick).expect("ticked");
    bench.answer("failed").expect("answered");
    assert_eq!(bench.state.status(), Status::Failed);
    assert_eq!(bench.visits("done"), [Status::Completed]);
}

#[test]
fn an_item_that_failed_is_retried_in_its_place() {
    let mut bench = Bench::start(
        "  - id: m
    map:
      items: '[\"x\", \"y\", \"z\"]'
      max_parallel: 2
      steps: [{ id: one, tool: t.do, with: { it: '${{ item }}' } }, { id: two, set: '${{ item }}' }]
",
    );
    bench.end("x", Ok(json!({})));
    bench.end("y", fails(FailureKind::Permanent));
    assert_eq!(bench.state.status(), Status::Failed);
    bench.retry(None).expect("retried");
    bench.end("y", Ok(json!({})));
    bench.end("z", Ok(json!({})));
    assert_eq!(bench.state.status(), Status::Completed);
    assert_eq!(bench.state.output("m"), Some(&json!(["x", "y", "z"])));
    assert_eq!(bench.visits("one").len(), 3);
}

#[test]
fn a_step_with_lists_is_done_again_as_a_whole_only_when_it_is_named() {
    let steps = "  - id: p
    parallel: { branches: { a: [{ id: a, tool: t.do, with: { it: a } }], b: [{ id: b, tool: t.do, with: { it: b } }] } }
    finally: [{ id: clean, set: 1 }]
";
    let mut bench = Bench::start(steps);
    bench.end("a", Ok(json!({})));
    bench.end("b", fails(FailureKind::Permanent));
    let said = bench.retry(None).expect_err("refused").to_string();
    assert_eq!(
        said,
        "something was done after a step within 'p' had failed, so that step alone cannot be tried again; \
         `pawl retry RUN --step p` does all of 'p' again, also what it had completed"
    );
    bench.retry(Some("p")).expect("retried");
    assert_eq!((bench.visits("p").len(), bench.visits("a").len()), (2, 2));
    bench.end("a", Ok(json!({})));
    bench.end("b", Ok(json!({})));
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn what_cannot_be_retried_is_refused_with_what_can_be_done() {
    let mut bench = Bench::start("  - { id: a, tool: t.do, with: { it: a } }\n");
    let running = bench.retry(None).expect_err("refused").to_string();
    assert_eq!(
        running,
        "only a failed run can be retried, and this one is running; `pawl rerun RUN` starts it anew"
    );
    bench.end("a", fails(FailureKind::Permanent));
    let other = bench.retry(Some("b")).expect_err("refused").to_string();
    assert_eq!(other, "step 'b' is not among those that the run failed with; it failed with: a");

    let mut bench = Bench::start(
        "  - { id: a, tool: t.do, with: { it: a }, then: [{ when: steps.a.output.y.z, to: end }] }\n",
    );
    bench.end("a", Ok(json!({})));
    let between = bench.retry(None).expect_err("refused").to_string();
    assert_eq!(
        between,
        "the run did not fail at a step; `pawl fork RUN --at SEQ` goes on from an earlier place"
    );
}

#[test]
fn a_suspended_run_records_what_is_under_way_and_begins_nothing() {
    let mut bench = Bench::start(
        "  - { id: a, tool: t.do, with: { it: a }, timeout: 1m }\n  - { id: b, tool: t.do, with: { it: b } }\n",
    );
    let suspend = |bench: &mut Bench| bench.tell(Command::Suspend { by: ann(), reason: Some("look".into()) });
    suspend(&mut bench).expect("suspended");
    let header = bench.state.header(Head { seq: 1, hash: Digest::of(b"") });
    let by = Waiting::Resume { by: "user:ann".into(), reason: Some("look".into()) };
    assert_eq!((header.status, header.waiting, header.wake_at), (Status::Suspended, Some(by), None));
    assert!(
        suspend(&mut bench).expect_err("refused").to_string().contains("`pawl resume RUN` goes on with it")
    );
    // Its timeout does not pass.
    bench.now = Timestamp(bench.now.0 + 100_000);
    bench.tell(Command::Tick).expect("ticked");
    bench.end("a", Ok(json!({})));
    assert_eq!((bench.visits("a"), bench.visits("b")), (vec![Status::Completed], vec![]));
    assert_eq!(effects(&bench.state), []);
    bench.tell(Command::Resume { by: ann() }).expect("resumed");
    bench.end("b", Ok(json!({})));
    assert_eq!(bench.state.status(), Status::Completed);
    let refused = bench.tell(Command::Resume { by: ann() }).expect_err("refused");
    assert_eq!(refused, Refusal::Ended("completed"));
}

#[test]
fn a_decision_is_recorded_while_the_run_is_suspended_also_behind_its_time() {
    let mut bench = Bench::start(
        "  - { id: h, human: { title: Go on?, due: 1h, on_timeout: reject } }\n  - { id: s, set: 1 }\n",
    );
    bench.tell(Command::Suspend { by: ann(), reason: None }).expect("suspended");
    bench.now = Timestamp(bench.now.0 + 7_200_000);
    bench.answer("approve").expect("taken");
    assert_eq!((bench.visits("h"), bench.visits("s")), (vec![Status::Completed], vec![]));
    bench.tell(Command::Resume { by: ann() }).expect("resumed");
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn a_fork_behind_a_completed_step_goes_where_its_changed_output_leads() {
    let mut bench = Bench::start(
        "  - id: a
    tool: t.do
    with: { it: a }
    then: [{ when: steps.a.output.left, to: l }, { to: r }]
  - { id: l, tool: t.do, with: { it: '${{ steps.a.output.name }}' }, then: end }
  - { id: r, set: right }
",
    );
    bench.end("a", Ok(json!({ "left": false, "name": "old" })));
    assert_eq!(bench.state.status(), Status::Completed);
    let at = bench.seq("step-completed", 0);
    let changes = vec![
        set(Some("a"), &["left"], json!(true)),
        set(Some("a"), &["name"], json!("new")),
        set(None, &["n"], json!(5)),
    ];
    let mut fork = bench.forked(at, changes).expect("forked");
    let Event::RunStarted(started) = &fork.events[0].event else { panic!("no start") };
    assert_eq!(started.ancestor, Some(Ancestor::Forked { run: bench.state.id(), seq: at }));
    assert_eq!(
        fork.names(at),
        ["run-forked", "inputs-changed", "output-changed", "step-started", "attempt-started"]
    );
    assert_eq!(**fork.state.inputs(), json!({ "n": 5 }));
    fork.end("new", Ok(json!({})));
    assert_eq!((fork.state.status(), fork.visits("r")), (Status::Completed, vec![]));
    assert_ne!(fork.state.step_key(VisitId(2)), bench.state.step_key(VisitId(2)));
}

#[test]
fn an_open_question_of_a_fork_has_an_id_of_its_own_and_its_whole_time() {
    let mut bench = Bench::start("  - { id: h, human: { title: Go on?, due: 1h, on_timeout: reject } }\n");
    let old = bench.state.approvals().next().map(|(id, _)| id.clone()).expect("a question");
    let at = bench.events.len() as u64;
    bench.now = Timestamp(10_000_000);
    bench.tell(Command::Tick).expect("ticked");
    assert_eq!(bench.state.status(), Status::Completed);
    let mut fork = bench.forked(at, Vec::new()).expect("forked");
    let (id, approval) = fork.state.approvals().next().expect("a question");
    assert_ne!(*id, old);
    assert_eq!(approval.due, Some(Timestamp(bench.now.0 + 3_600_000)));
    fork.answer("approve").expect("answered");
    assert_eq!(fork.state.output("h").map(|output| output["action"].clone()), Some(json!("approve")));
}

#[test]
fn what_must_happen_at_most_once_and_was_begun_at_the_place_of_a_fork_asks_a_person() {
    let bench = Bench::start("  - { id: o, tool: t.once, with: { it: o } }\n");
    let fork = bench.forked(bench.events.len() as u64, Vec::new()).expect("forked");
    assert_eq!((fork.under_way("o"), fork.visits("o")), (None, vec![Status::Unknown]));
    let title = &fork.state.approvals().next().expect("a question").1.question.title;
    assert!(title.ends_with("had begun it at the place of the fork"), "{title}");
}

#[test]
fn a_place_or_a_value_that_makes_no_sense_is_refused_with_what_does() {
    let mut bench = Bench::start(
        "  - { id: a, tool: t.do, with: { it: a } }\n  - { id: b, tool: t.do, with: { it: b } }\n",
    );
    bench.end("a", Ok(json!({ "x": [1] })));
    bench.end("b", Ok(json!({})));
    let run = bench.state.id();
    let head = format!("run {run} cannot be forked at event");
    let near = "the nearest events at which it can be:";
    let cases = [
        (2, vec![], format!("{head} 2: it is in the middle of a decision there; {near} 1 and 3")),
        (8, vec![], format!("{head} 8: it had ended there, so there is nothing to go on with; {near} 7")),
        (9, vec![], format!("run {run} has no event 9; its events have the numbers 1 to 8")),
        (
            3,
            vec![set(Some("a"), &["x"], json!(1))],
            "step 'a' has no output there that is still seen; fork at or behind the event that completed it"
                .into(),
        ),
        (
            4,
            vec![set(Some("a"), &["x", "3"], json!(1))],
            "steps.a.output: there is no item '3' in a list of 1".into(),
        ),
        (4, vec![set(None, &["m"], json!(1))], "the inputs do not fit: ".into()),
        (
            4,
            vec![set(Some("a"), &[], json!(1))],
            "steps.a.output is not what its plugin says that it gives: ".into(),
        ),
    ];
    for (seq, changes, said) in cases {
        let refused = bench.forked(seq, changes).err().expect("refused").to_string();
        assert!(refused.starts_with(&said), "{refused}\n{said}");
    }
}

/// A step that was done and can be undone, and one that is the next.
const BOOKED: &str = "  - { id: a, tool: t.do, with: { it: a }, undo: [{ id: una, tool: t.do, with: { it: una } }] }\n  - { id: b, tool: t.do, with: { it: b } }\n";

#[test]
fn a_run_that_has_undone_something_is_neither_retried_nor_forked_behind_that() {
    let mut bench = Bench::start(BOOKED);
    bench.end("a", Ok(json!({})));
    bench.end("b", Err(Failure::new(FailureKind::Permanent, "no")));
    let behind = bench.seq("frame-started", 0) + 1;
    let refused = bench.forked(behind, Vec::new()).err().expect("refused").to_string();
    assert!(refused.contains("it had begun to undo what it did there; the nearest events"), "{refused}");
    bench.end("una", Ok(json!({})));
    assert_eq!(bench.state.status(), Status::Failed);
    for step in [None, Some("b")] {
        let refused = bench.retry(step).unwrap_err().to_string();
        assert!(refused.contains("has undone what it did"), "{refused}");
        assert!(refused.contains("`pawl rerun RUN`"), "{refused}");
    }
}

#[test]
fn a_fork_does_not_undo_what_the_other_run_did() {
    let mut bench = Bench::start(BOOKED);
    bench.end("a", Ok(json!({})));
    let kept = bench.seq("undo-kept", 0);
    let mut fork = bench.forked(kept, Vec::new()).expect("a place");
    assert!(!bench.state.kept().is_empty() && fork.state.kept().is_empty());
    fork.end("b", Err(Failure::new(FailureKind::Permanent, "no")));
    assert_eq!(fork.state.status(), Status::Failed);
    assert!(!fork.events.iter().any(|envelope| envelope.event.name() == "undo-started"));
}

#[test]
fn answers_so_far_stay_with_the_run_that_they_were_given_to() {
    let mut bench = Bench::start("  - { id: ask, human: { title: Go?, quorum: 2, not_by: initiator } }\n");
    let somebody = |name: &str| Actor { name: name.into(), ..ann() };
    let asked = |bench: &Bench| bench.state.approvals().next().expect("a question").0.clone();
    let decide = |bench: &mut Bench, name: &str| {
        let (approval, action, data) = (asked(bench), "approve".to_owned(), Value::Null);
        bench.tell(Command::Decide { approval, action, data, by: somebody(name), comment: None })
    };
    decide(&mut bench, "user:bob").expect("an answer");
    let claim = Command::Claim { approval: asked(&bench), by: somebody("user:cleo") };
    bench.tell(claim).expect("a claim");
    let mut forked = bench.forked(bench.seq("approval-claimed", 0), Vec::new()).expect("a fork");
    let open = forked.state.open_approval(&asked(&forked)).expect("an open question");
    assert!(open.inbox.votes.is_empty() && open.inbox.claim.is_none(), "{open:?}");
    assert_ne!(open.id, asked(&bench));
    // What was allowed there is not allowed here.
    assert!(matches!(decide(&mut forked, "user:ann"), Err(Refusal::Excluded { .. })));
    decide(&mut forked, "user:bob").expect("an answer");
    assert_eq!(forked.state.status(), Status::Waiting);
    decide(&mut forked, "user:cleo").expect("an answer");
    assert_eq!(forked.state.status(), Status::Completed);
}
