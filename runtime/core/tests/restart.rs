//! Property: a run that is restarted after every commit has the same journal as one that never is.
//!
//! Random small workflows are driven by a simulated world: a clock that jumps
//! to the next timer, tools and agents whose outcome is a function of the run's
//! seed, people who answer by a draw. Nothing sleeps, nothing is mocked: the
//! definition comes from YAML, the journal is encoded and decoded as in a store.

use std::collections::BTreeMap;

#[path = "restart/agent.rs"]
mod agent;
#[path = "restart/budgets.rs"]
mod budgets;
#[path = "restart/routes.rs"]
mod routes;
#[path = "restart/slots.rs"]
mod slots;
#[path = "restart/travel.rs"]
mod travel;
#[path = "restart/upgrade.rs"]
mod upgrade;
#[path = "restart/written.rs"]
mod written;

use pawl_core::call::CallRequest;
use pawl_core::event::{Actor, RunStarted, Work};
use pawl_core::journal::{self, Head};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
};
use pawl_core::state::{Phase, RunState};
use pawl_core::{
    AnsweredCall, CallPlace, Command, Digest, Effect, Entropy, Failure, FailureKind, Moment, RunId,
    Timestamp, VisitId, decide, effects,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use written::yaml;

/// Steps in a generated workflow, at most.
const STEPS_MAX: usize = 6;
/// Commits of one run before the simulation gives up on it.
const COMMITS_MAX: usize = 5_000;

#[derive(Debug, Clone)]
enum Verb {
    Tool {
        at_most_once: bool,
        retries: u32,
        timeout: bool,
    },
    /// A plugin is looked for.
    Route {
        kind: &'static str,
        failover: bool,
        waits: bool,
        retries: u32,
    },
    Agent,
    Human {
        due: bool,
        /// Two people must agree, and others are asked while they do not.
        several: bool,
    },
    Set,
    Switch,
    Wait,
    Fail,
    Parallel {
        branches: Vec<Vec<Step>>,
        join: &'static str,
    },
    Map {
        items: u32,
        at_once: u32,
        collect: bool,
        body: Vec<Step>,
    },
    Loop {
        turns: u32,
        body: Vec<Step>,
    },
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether the step has a key")]
struct Step {
    verb: Verb,
    /// Jumps back to this step, as long as `max_visits` allows.
    back: Option<usize>,
    /// What it needs of the steps above it, a bit each; a list in which a step says so is a graph.
    needs: Option<u8>,
    skipped: bool,
    vars: bool,
    catch: bool,
    finally: bool,
    undo: bool,
    /// Its lists of steps, or its attempts with the pauses between them, may take only so long.
    total: bool,
    /// It shares slots with others.
    slot: bool,
}

fn steps(at_most_once: bool) -> impl Strategy<Value = Vec<Step>> {
    let verb = prop_oneof![
        4 => (any::<bool>(), 1..4_u32, any::<bool>()).prop_map(move |(once, retries, timeout)| Verb::Tool {
            at_most_once: once && at_most_once,
            retries,
            timeout
        }),
        3 => Just(Verb::Agent),
        2 => (any::<bool>(), any::<bool>(), any::<bool>(), 1..3_u32).prop_map(|(tool, failover, waits, retries)| {
            let kind = if tool { "tool" } else { "agent" };
            Verb::Route { kind, failover, waits, retries }
        }),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(due, several)| Verb::Human { due, several }),
        1 => Just(Verb::Set),
        1 => Just(Verb::Switch),
        1 => Just(Verb::Wait),
        1 => Just(Verb::Fail),
    ];
    let simple = step(verb).boxed();
    let nested = simple.prop_recursive(2, 16, 3, |inner| {
        let body = || proptest::collection::vec(inner.clone(), 1..3);
        let branches = proptest::collection::vec(body(), 1..4);
        let verb = prop_oneof![
            (branches, 0..3_usize)
                .prop_map(|(branches, join)| Verb::Parallel { branches, join: ["all", "any", "1"][join] }),
            (0..4_u32, 1..3_u32, any::<bool>(), body())
                .prop_map(|(items, at_once, collect, body)| Verb::Map { items, at_once, collect, body }),
            (0..3_u32, body()).prop_map(|(turns, body)| Verb::Loop { turns, body }),
        ];
        prop_oneof![2 => inner, 1 => step(verb)]
    });
    proptest::collection::vec(nested, 1..=STEPS_MAX)
}

fn step(verb: impl Strategy<Value = Verb>) -> impl Strategy<Value = Step> {
    let back = proptest::option::weighted(0.2, 0..STEPS_MAX);
    let rarely = || proptest::bool::weighted(0.15);
    let needs = proptest::option::weighted(0.1, any::<u8>());
    let (undo, total) = (proptest::bool::weighted(0.25), (proptest::bool::weighted(0.3), rarely()));
    (verb, back, needs, proptest::bool::weighted(0.1), rarely(), rarely(), rarely(), undo, total).prop_map(
        |(verb, back, needs, skipped, vars, catch, finally, undo, (total, slot))| Step {
            verb,
            back,
            needs,
            skipped,
            vars,
            catch,
            finally,
            undo,
            total,
            slot,
        },
    )
}

fn pins() -> BTreeMap<String, PluginPin> {
    let tool = |name: &str, effect| ToolDescription {
        name: name.into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect,
    };
    let pin = |description| PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    };
    let tools = vec![tool("act", EffectClass::Idempotent), tool("once", EffectClass::AtMostOnce)];
    let agent = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    let agents = ["thinker", "helper", "closer"];
    let agents = agents.map(|name| (name.to_owned(), pin(Description::Agent(agent.clone()))));
    agents.into_iter().chain([("world".to_owned(), pin(Description::Tools(tools)))]).collect()
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Restarts {
    Never,
    AfterEveryCommit,
}

struct World {
    run: RunId,
    definition: pawl_core::definition::Definition,
    state: RunState,
    head: Head,
    journal: Vec<Vec<u8>>,
    /// How many events there are beside those of budgets and moves: restarts may add to these alone.
    counted: usize,
    now: Timestamp,
    seed: u64,
    restarts: Restarts,
    /// The tool that agents call last.
    last_tool: &'static str,
    /// How often each `at-most-once` key reached the outside.
    outside: BTreeMap<String, u32>,
}

impl World {
    fn new(text: &str, seed: u64, restarts: Restarts, last_tool: &'static str) -> Self {
        let run = RunId::from_bytes([9; 16]);
        let definition = pawl_core::source::load("generated.yaml", text)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
            .definition;
        Self {
            run,
            definition,
            state: RunState::new(run),
            head: Head::empty(run),
            journal: Vec::new(),
            counted: 0,
            now: Timestamp(1_000),
            seed,
            restarts,
            last_tool,
            outside: BTreeMap::new(),
        }
    }

    /// A draw that depends on the seed and on what it is for, never on how often the process died.
    fn draw(&self, what: &str) -> u64 {
        let digest = Digest::of_parts(&[&self.seed.to_be_bytes(), what.as_bytes()]);
        u64::from(digest.as_bytes()[0])
    }

    fn command(&mut self, command: Command) {
        let entropy = Entropy::new(
            *Digest::of_parts(&[&self.seed.to_be_bytes(), &self.counted.to_be_bytes()]).as_bytes(),
        );
        let moment = Moment { now: self.now, entropy };
        let before = self.state.clone();
        match decide(&mut self.state, &self.definition, command, moment) {
            Err(refusal) => {
                assert_eq!(self.state, before, "a refused command changed the state: {refusal}");
            }
            Ok(events) if events.is_empty() => assert_eq!(self.state, before),
            Ok(events) => {
                let time = self.state.updated_at();
                let mut folded = before;
                for event in &events {
                    folded.apply(time, event);
                }
                assert_eq!(folded, self.state, "the fold of the events is not the decided state");
                self.counted += events.iter().filter(|event| counts(event)).count();
                self.journal.extend(journal::encode(&mut self.head, time, &events));
                if self.restarts == Restarts::AfterEveryCommit {
                    self.restart();
                }
            }
        }
    }

    /// The process dies; another one reads the journal.
    fn restart(&mut self) {
        let mut head = Head::empty(self.run);
        let envelopes =
            journal::decode(self.run, &mut head, self.journal.iter().map(Vec::as_slice)).expect("readable");
        let mut state = RunState::new(self.run);
        for envelope in &envelopes {
            state.apply(envelope.time, &envelope.event);
        }
        assert_eq!(state, self.state, "the fold of the journal is not the state that was lost");
        self.state = state;
        let restarts = std::mem::replace(&mut self.restarts, Restarts::Never);
        if !matches!(self.state.phase(), Phase::Completed(_) | Phase::Failed(_) | Phase::Cancelled) {
            self.command(Command::Recover);
        }
        self.restarts = restarts;
    }

    fn start(&mut self) {
        let started = RunStarted {
            folder: None,
            workflow: "generated".into(),
            version: "1.0.0".into(),
            definition: self.definition.digest,
            inputs: json!({ "n": self.seed % 12 }).into(),
            plugins: pins().into(),
            allowed: Permissions::default(),
            by: person(),
            seed: Digest::of(&self.seed.to_be_bytes()),
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
        self.command(Command::Start(Box::new(started)));
    }

    /// Drives the run to its end.
    fn drive(&mut self) {
        self.start();
        self.go_on();
    }

    fn attempt(&self) -> Option<(VisitId, u32, std::sync::Arc<Work>)> {
        effects(&self.state).into_iter().find_map(|effect| match effect {
            Effect::Attempt { visit, attempt, work } => Some((visit, attempt, work)),
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        })
    }

    fn tool(&mut self, visit: VisitId, attempt: u32, effect: EffectClass) {
        if effect == EffectClass::AtMostOnce {
            let key = format!("{}/{attempt}", self.state.step_key(visit));
            *self.outside.entry(key).or_default() += 1;
        }
        let result = match self.draw(&format!("tool {visit} {attempt}")) {
            0..60 => Err(Failure::new(FailureKind::Transient, "busy")),
            60..70 => Err(Failure::new(FailureKind::Permanent, "no")),
            70..90 => Err(Failure::new(FailureKind::Trap, "fell over")),
            drawn => Ok(json!({ "drawn": drawn })),
        };
        self.command(Command::EndAttempt { visit, attempt, result, silent: Vec::new(), log: Vec::new() });
    }

    fn call(&mut self, at: CallPlace, request: CallRequest, silent: Vec<AnsweredCall>) {
        if let CallRequest::Model { .. } = &request {
            return self.command(Command::EndCall { at, request, response: Ok(json!("pay")), silent });
        }
        let before = self.head.seq;
        self.command(Command::BeginCall { at, request: request.clone(), silent: silent.clone() });
        let CallRequest::Tool { name, .. } = &request else { return };
        let recorded_first = self.head.seq > before;
        // A rule stopped it, or it does not fit, or it waits for one beside it: the agent is put away.
        if self.is_paused(at) || self.state.visit(at.visit).is_some_and(pawl_core::state::Visit::is_parked) {
            return;
        }
        if recorded_first && self.restarts == Restarts::AfterEveryCommit {
            if name == "world.once" {
                return;
            }
            // What is recorded of a call that may be repeated is what came before it, and what is kept for it.
            if self.state.is_budgeted(at.visit) && !self.begin_again(at, &request, Vec::new()) {
                return;
            }
        }
        let key = self.state.call_key(at.visit, at.attempt, at.call);
        let trapped = self.draw(&format!("call {key}")) < 20;
        if name == "world.once" {
            *self.outside.entry(key).or_default() += 1;
        }
        let silent = if recorded_first { Vec::new() } else { silent };
        let response =
            if trapped { Err(Failure::new(FailureKind::Trap, "fell over")) } else { Ok(json!("done")) };
        self.command(Command::EndCall { at, request, response, silent });
    }
}

/// Whether what is drawn next depends on an event: not on what restarts and moves add.
fn counts(event: &pawl_core::event::Event) -> bool {
    !budgets::is_of_budget(event) && !matches!(event, pawl_core::event::Event::DefinitionChanged(_))
}

fn person() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn restarting_after_every_commit_changes_nothing(steps in steps(false), seed in any::<u64>()) {
        let text = yaml(&steps);
        let mut steady = World::new(&text, seed, Restarts::Never, "world.act");
        steady.drive();
        let mut restarted = World::new(&text, seed, Restarts::AfterEveryCommit, "world.act");
        restarted.drive();
        prop_assert_eq!(steady.journal, restarted.journal);
    }

    #[test]
    fn no_restart_repeats_what_must_happen_at_most_once(steps in steps(true), seed in any::<u64>()) {
        let mut world = World::new(&yaml(&steps), seed, Restarts::AfterEveryCommit, "world.once");
        world.drive();
        for (key, times) in &world.outside {
            prop_assert!(*times <= 1, "{} reached the outside {} times", key, times);
        }
    }
}
