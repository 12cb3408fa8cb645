//! A run that is driven by hand: tools give their arguments back, time is set, nothing sleeps.

use std::collections::BTreeMap;

use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted, Work};
use pawl_core::plugin::{Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription};
use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{
    Command, Digest, Effect, Entropy, Failure, FailureKind, Moment, RunId, RunState, Timestamp, VisitId,
    decide, effects,
};
use serde_json::{Value, json};

/// An attempt under way: its visit, its number, what the tool was given.
pub(crate) type Attempt = (VisitId, u32, Value);

pub(crate) struct Bench {
    pub(crate) definition: Definition,
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
}

impl Bench {
    /// Starts a run of a workflow whose head is written by the bench.
    pub(crate) fn start(rest: &str) -> Self {
        Self::with(rest, &json!({}))
    }

    pub(crate) fn with(rest: &str, inputs: &Value) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\ninputs: {{ n: {{ type: integer, default: 3 }} }}\n{rest}"
        );
        let loaded = pawl_core::source::load("w.yaml", &text)
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
        let definition = loaded.definition;
        let state = RunState::new(RunId::from_bytes([1; 16]));
        let mut bench = Self { definition, state, now: Timestamp(1_000), events: Vec::new() };
        let inputs = bench.definition.inputs.accept(inputs.clone()).expect("inputs");
        let started = RunStarted {
            folder: None,
            workflow: "w".into(),
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

    pub(crate) fn tell(&mut self, command: Command) {
        let entropy = Entropy::new(*Digest::of(&self.now.0.to_be_bytes()).as_bytes());
        let moment = Moment { now: self.now, entropy };
        let events = decide(&mut self.state, &self.definition, command, moment).expect("accepted");
        self.events.extend(events);
        self.now = Timestamp(self.now.0 + 1);
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, work } => match &*work {
                Work::Tool { arguments, .. } => Some((visit, attempt, arguments.clone().into_value())),
                Work::Agent { .. } => None,
            },
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    /// The arguments of every tool that is under way.
    pub(crate) fn under_way(&self) -> Vec<Value> {
        self.attempts().into_iter().map(|(_, _, arguments)| arguments["it"].clone()).collect()
    }

    /// Ends the attempt whose tool was given this: with it, or with a failure.
    pub(crate) fn end(&mut self, it: &Value, failure: Option<Failure>) {
        let found = self.attempts().into_iter().find(|(_, _, arguments)| arguments["it"] == *it);
        let (visit, attempt, arguments) = found.unwrap_or_else(|| panic!("nobody does {it}"));
        let result = failure.map_or(Ok(arguments), Err);
        self.tell(Command::EndAttempt { visit, attempt, result, silent: Vec::new(), log: Vec::new() });
    }

    /// Carries tools out, the first that began first, until nothing is under way; gives what they were
    /// given, in order. One that is given a text that begins with "no" fails.
    pub(crate) fn work(&mut self) -> Vec<Value> {
        let mut done = Vec::new();
        while let Some((_, _, arguments)) = self.attempts().into_iter().next() {
            let it = arguments["it"].clone();
            let fails = it.as_str().is_some_and(|it| it.starts_with("no"));
            self.end(&it, fails.then(no));
            done.push(it);
        }
        done
    }

    /// Goes on to an instant, in milliseconds after the start, and lets happen what is due.
    pub(crate) fn tick_at(&mut self, ms: u64) {
        self.now = Timestamp(1_000 + ms);
        self.tell(Command::Tick);
    }

    /// When it wants to be woken, in milliseconds after the start.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        self.state.wake_at().map(|at| at.0 - 1_000)
    }

    pub(crate) fn answer(&mut self, title: &str, action: &str) {
        let found = self.state.approvals().find(|(_, a)| a.open && a.question.title == title);
        let approval = found.unwrap_or_else(|| panic!("nobody asks {title}")).0.clone();
        let action = action.to_owned();
        self.tell(Command::Decide { approval, action, data: Value::Null, by: ann(), comment: None });
    }

    pub(crate) fn outputs(&self) -> Value {
        match self.state.phase() {
            Phase::Completed(outputs) => Value::clone(outputs),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn failure(&self) -> (FailureKind, String) {
        match self.state.phase() {
            Phase::Failed(failure) => (failure.kind, failure.message.clone()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn statuses(&self, step: &str) -> Vec<Status> {
        let visits = self.state.visits().filter(|(_, visit)| visit.step.as_str() == step);
        visits.map(|(_, visit)| visit.status()).collect()
    }
}

pub(crate) fn no() -> Failure {
    Failure::new(FailureKind::Permanent, "it says no")
}

pub(crate) fn busy() -> Failure {
    Failure::new(FailureKind::Transient, "busy")
}

pub(crate) fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

/// The plugin `t` with the tools `do` and `once`.
fn pins() -> BTreeMap<String, PluginPin> {
    let tool = |name: &str, effect| ToolDescription {
        name: name.into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
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
