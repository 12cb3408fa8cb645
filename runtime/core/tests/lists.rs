//! Steps with lists of steps in them: `parallel`, `map`, `loop`, `catch`, `finally`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pawl_core::event::{Actor, RunStarted, Work};
use pawl_core::plugin::{Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription};
use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{
    Command, Digest, Effect, Entropy, Failure, FailureKind, MAP_MAX_ITEMS, Moment, RunId, RunState,
    Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

struct Bench {
    definition: pawl_core::definition::Definition,
    state: RunState,
    now: Timestamp,
    /// The most attempts that were under way at once.
    at_once: usize,
}

/// What is known of an attempt under way.
type Attempt = (VisitId, u32, Value);

impl Bench {
    fn start(steps: &str, inputs: Value) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: lists\nversion: 1.0.0\ninputs: {{ list: {{ type: array, default: [] }} }}\nsteps:\n{steps}"
        );
        let definition = pawl_core::source::load("lists.yaml", &text)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .definition;
        let state = RunState::new(RunId::from_bytes([1; 16]));
        let mut bench = Self { definition, state, now: Timestamp(1_000), at_once: 0 };
        let started = RunStarted {
            folder: None,
            workflow: "lists".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: inputs.into(),
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
        bench.tell(Command::Start(Box::new(started)));
        bench
    }

    fn tell(&mut self, command: Command) {
        let moment = Moment { now: self.now, entropy: Entropy::new(rand_of(self.now)) };
        decide(&mut self.state, &self.definition, command, moment).expect("accepted");
        self.now = Timestamp(self.now.0 + 1);
        self.at_once = self.at_once.max(self.attempts().len());
    }

    fn attempts(&self) -> Vec<Attempt> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, work } => match &*work {
                Work::Tool { arguments, .. } => Some((visit, attempt, arguments.clone().into_value())),
                Work::Agent { .. } => None,
            },
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    fn end(&mut self, (visit, attempt, _): Attempt, result: Result<Value, Failure>) {
        self.tell(Command::EndAttempt { visit, attempt, result, silent: Vec::new(), log: Vec::new() });
    }

    /// Carries tools out, the one that began last first, until nothing is under way. A tool gives its
    /// arguments back; one whose argument is "no" fails.
    fn work(&mut self) {
        while let Some(attempt) = self.attempts().pop() {
            let result = if attempt.2["it"] == "no" { Err(no()) } else { Ok(attempt.2.clone()) };
            self.end(attempt, result);
        }
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

    fn answer(&mut self, title: &str, action: &str) {
        let found = self.state.approvals().find(|(_, a)| a.open && a.question.title == title);
        let approval = found.unwrap_or_else(|| panic!("nobody asks {title}")).0.clone();
        let action = action.to_owned();
        self.tell(Command::Decide { approval, action, data: Value::Null, by: ann(), comment: None });
    }

    fn statuses(&self, step: &str) -> Vec<Status> {
        let visits = self.state.visits().filter(|(_, visit)| visit.step.as_str() == step);
        visits.map(|(_, visit)| visit.status()).collect()
    }
}

fn rand_of(now: Timestamp) -> [u8; 32] {
    *Digest::of(&now.0.to_be_bytes()).as_bytes()
}

fn no() -> Failure {
    Failure::new(FailureKind::Permanent, "it says no")
}

fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

fn pins() -> BTreeMap<String, PluginPin> {
    let tool = ToolDescription {
        name: "do".into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect: EffectClass::Idempotent,
    };
    let pin = PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description: Description::Tools(vec![tool]),
        limits: BTreeMap::new(),
        named: None,
    };
    BTreeMap::from([("t".to_owned(), pin)])
}

fn branches(join: &str, its: [&str; 3]) -> String {
    let mut text = format!("  - id: p\n    parallel:\n      join: {join}\n      branches:\n");
    for (name, it) in ["a", "b", "c"].into_iter().zip(its) {
        let _ = writeln!(
            text,
            "        {name}: [{{ id: {name}1, tool: t.do, with: {{ it: '{it}' }} }}, {{ id: {name}2, set: '{name}' }}]"
        );
    }
    text + "  - { id: last, set: '${{ steps.p.output }}' }\n"
}

#[test]
fn branches_join_as_the_step_says() {
    let all = json!({ "a": "a", "b": "b", "c": "c" });
    let cases = [
        ("all", ["1", "2", "3"], Ok(all)),
        ("all", ["1", "no", "3"], Err("branch 'b': it says no")),
        // Tools are carried out from the last to the first.
        ("any", ["1", "2", "3"], Ok(json!({ "c": "c" }))),
        ("any", ["1", "2", "no"], Ok(json!({ "b": "b" }))),
        ("2", ["1", "no", "3"], Ok(json!({ "a": "a", "c": "c" }))),
        ("2", ["1", "no", "no"], Err("branch 'b': it says no")),
        ("any", ["no", "no", "no"], Err("branch 'a': it says no")),
    ];
    for (join, its, expected) in cases {
        let mut bench = Bench::start(&branches(join, its), json!({}));
        assert_eq!(bench.at_once, 3, "all branches are under way at once");
        bench.work();
        match expected {
            Ok(output) => assert_eq!(bench.output("last"), output, "{join} {its:?}"),
            Err(message) => assert_eq!(bench.failure().1, message, "{join} {its:?}"),
        }
    }
}

#[test]
fn what_a_join_does_not_need_is_stopped() {
    let steps = "
  - id: p
    parallel:
      join: any
      branches:
        tool: [{ id: t, tool: t.do, with: { it: 1 } }]
        person: [{ id: ask, human: { title: Well? } }]
        deep: [{ id: m, map: { items: '[1, 2]', steps: [{ id: inner, wait: 1h }] } }]
  - { id: rest, wait: 1m }
";
    let mut bench = Bench::start(steps, json!({}));
    bench.answer("Well?", "approve");
    assert_eq!(bench.statuses("t"), [Status::Cancelled]);
    assert_eq!(bench.statuses("m"), [Status::Cancelled]);
    assert_eq!(bench.statuses("inner"), [Status::Cancelled; 2]);
    assert_eq!(bench.attempts().len(), 0);
    assert_eq!(bench.output("p")["person"]["action"], "approve");
    assert_eq!(bench.state.status(), Status::Waiting);
    assert_eq!(bench.state.active().count(), 1);
}

#[test]
fn items_are_gone_through_in_their_order_and_no_more_than_allowed_at_once() {
    let steps = "
  - id: m
    map:
      items: inputs.list
      as: order
      max_parallel: 3
      steps:
        - { id: one, tool: t.do, with: { it: '${{ order.n }}', same: '${{ item.n == order.n }}', at: '${{ index }}' } }
        - { id: two, set: ['${{ steps.one.output.it * 10 }}', '${{ steps.one.output.same }}', '${{ index }}'] }
";
    let list: Vec<Value> = (0..10).map(|n| json!({ "n": n })).collect();
    let mut bench = Bench::start(steps, json!({ "list": list }));
    bench.work();
    let expected: Value = (0..10).map(|n| json!([n * 10, true, n])).collect();
    assert_eq!(bench.output("m"), expected);
    assert_eq!(bench.at_once, 3);
    let mut none = Bench::start(steps, json!({ "list": [] }));
    none.work();
    assert_eq!(none.output("m"), json!([]));
    assert_eq!(none.state.status(), Status::Completed);
}

#[test]
fn an_item_that_fails_ends_the_step_or_is_collected() {
    let steps = |on_error: &str| {
        format!(
            "
  - id: m
    map:
      items: inputs.list
      on_error: {on_error}
      steps: [{{ id: one, tool: t.do, with: {{ it: '${{{{ item }}}}' }} }}]
"
        )
    };
    let list = json!({ "list": [1, "no", 3] });
    let mut fails = Bench::start(&steps("fail"), list.clone());
    fails.work();
    assert_eq!(fails.failure(), (FailureKind::Permanent, "item 1: it says no".to_owned()));
    assert_eq!(fails.statuses("one"), [Status::Cancelled, Status::Failed, Status::Completed]);
    let mut collects = Bench::start(&steps("collect"), list);
    collects.work();
    let expected = json!([
        { "output": { "it": 1 } },
        { "error": { "kind": "permanent", "message": "it says no" } },
        { "output": { "it": 3 } },
    ]);
    assert_eq!(collects.output("m"), expected);
}

#[test]
fn what_is_no_list_or_too_long_is_a_failure() {
    let map =
        |items: &str| format!("  - {{ id: m, map: {{ items: '{items}', steps: [{{ id: s, set: 1 }}] }} }}\n");
    let text = Bench::start(&map("inputs"), json!({}));
    assert_eq!(text.failure(), (FailureKind::InvalidInput, "`items` must give a list".to_owned()));
    let long = Bench::start(&map("range(10001)"), json!({}));
    assert!(long.failure().1.contains(&format!("map_max_items is {MAP_MAX_ITEMS}")), "{:?}", long.failure());
}

#[test]
fn people_are_asked_within_items_each_on_its_own() {
    let steps = "
  - id: m
    map:
      items: inputs.list
      steps: [{ id: ask, human: { title: 'Is ${{ item }} right?' } }]
";
    let mut bench = Bench::start(steps, json!({ "list": ["a", "b"] }));
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.answer("Is b right?", "reject");
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.answer("Is a right?", "approve");
    assert_eq!(bench.output("m")[0]["action"], "approve");
    assert_eq!(bench.output("m")[1]["action"], "reject");
}

#[test]
fn a_loop_takes_turns_while_its_condition_holds() {
    let steps = "
  - id: l
    loop:
      while: index == 0 or steps.count.output < 6
      max_visits: 5
      steps:
        - { id: count, max_visits: 1, set: '${{ (steps.count.output | default(0)) + 2 }}' }
        - { id: told, set: ['${{ index }}', '${{ steps.count.output }}'] }
  - { id: last, set: '${{ steps.l.output }}' }
";
    assert_eq!(Bench::start(steps, json!({})).output("last"), json!([2, 6]));
    let once = steps.replace("< 6", "< 2");
    assert_eq!(Bench::start(&once, json!({})).output("last"), json!([0, 2]));
    let endless = steps.replace("< 6", "< 600");
    let (kind, message) = Bench::start(&endless, json!({})).failure();
    assert_eq!(kind, FailureKind::Limit);
    assert!(message.contains("max_visits (5)"), "{message}");
    let never = steps.replace("index == 0 or steps.count.output < 6", "false");
    assert_eq!(Bench::start(&never, json!({})).output("last"), Value::Null);
}

const NO_ITEM: &str = "cannot evaluate `inputs.list[7]`: inputs.list has no item 7; it has 0 items";

#[test]
fn catch_and_finally_do_what_they_say() {
    let steps = |tool: &str, catch: &str, finally: &str| {
        format!(
            "  - id: s\n    tool: t.do\n    with: {{ it: '{tool}' }}\n{}{}  - {{ id: last, set: '${{{{ steps.s.output }}}}' }}\n",
            if catch.is_empty() { String::new() } else { format!("    catch: {catch}\n") },
            if finally.is_empty() { String::new() } else { format!("    finally: {finally}\n") },
        )
    };
    let caught = "[{ id: c, set: '${{ error.kind ~ \": \" ~ error.message }}' }]";
    let cleans = "[{ id: f, tool: t.do, with: { it: 'clean', failed: '${{ error is defined }}' } }]";
    let cases = [
        ("yes", caught, "", Ok(json!({ "it": "yes" })), None),
        ("no", caught, "", Ok(json!("permanent: it says no")), None),
        ("no", "[{ id: c, fail: 'worse: ${{ error.message }}' }]", "", Err("worse: it says no"), None),
        ("yes", "", cleans, Ok(json!({ "it": "yes" })), Some(false)),
        ("no", "", cleans, Err("it says no"), Some(true)),
        ("no", caught, cleans, Ok(json!("permanent: it says no")), Some(false)),
        ("yes", "", "[{ id: f, set: '${{ inputs.list[7] }}' }]", Err(NO_ITEM), None),
        ("no", "", "[{ id: f, set: '${{ inputs.list[7] }}' }]", Err(NO_ITEM), None),
    ];
    for (tool, catch, finally, expected, cleaned) in cases {
        let mut bench = Bench::start(&steps(tool, catch, finally), json!({ "list": [] }));
        let mut failed = None;
        while let Some(attempt) = bench.attempts().pop() {
            failed = failed.or(attempt.2.get("failed").and_then(Value::as_bool));
            let result = if attempt.2["it"] == "no" { Err(no()) } else { Ok(attempt.2.clone()) };
            bench.end(attempt, result);
        }
        match expected {
            Ok(output) => assert_eq!(bench.output("last"), output, "{tool} {catch} {finally}"),
            Err(message) => assert_eq!(bench.failure().1, message, "{tool} {catch} {finally}"),
        }
        assert_eq!(failed, cleaned, "{tool} {catch} {finally}");
    }
}

#[test]
fn lists_within_lists_see_what_is_around_them() {
    let steps = "
  - { id: base, set: 100 }
  - id: outer
    map:
      items: '[1, 2]'
      as: row
      steps:
        - id: inner
          map:
            items: '[10, 20]'
            as: column
            steps: [{ id: sum, set: '${{ steps.base.output + row + column + item + index }}' }]
";
    let bench = Bench::start(steps, json!({}));
    assert_eq!(bench.output("outer"), json!([[121, 142], [122, 143]]));
}

#[test]
fn a_thousand_items_leave_little_behind() {
    let steps = "
  - id: m
    map: { items: range(1000), max_parallel: 256, steps: [{ id: one, tool: t.do, with: { it: '${{ item }}' } }] }
";
    let mut bench = Bench::start(steps, json!({}));
    assert_eq!(bench.attempts().len(), 256);
    bench.work();
    assert_eq!(bench.at_once, 256);
    assert_eq!(bench.output("m").as_array().map(Vec::len), Some(1_000));
    assert_eq!(bench.state.status(), Status::Completed);
    assert!(bench.state.frame(pawl_core::FrameId(1)).is_none(), "a frame that is over is gone");
}
