//! Agents that call agents, and hand their tasks over.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pawl_core::call::CallRequest;
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted, Work};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
};
use pawl_core::state::{Activity, CallProgress};
use pawl_core::view::{Status, Waiting};
use pawl_core::{
    CallPlace, Command, Digest, Duration, Effect, Entropy, Failure, FailureKind, Moment, RUN_MAX_VISITS,
    Refusal, RunId, RunState, StepId, Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

const WORKFLOW: &str = "
pawl: 1
workflow: agents
version: 1.0.0
permissions: { tools: [bank.pay], agents: [clerk, boss], signals: [go] }
steps:
  - id: work
    agent: boss
    timeout: 10s
    retry: { max_attempts: 2, on: [transient, timeout] }
";

struct Bench {
    definition: Definition,
    state: RunState,
    now: Timestamp,
}

impl Bench {
    fn start() -> Self {
        Self::of(WORKFLOW)
    }

    fn of(text: &str) -> Self {
        let definition = pawl_core::source::load("agents.yaml", text).expect("a workflow").definition;
        let state = RunState::new(RunId::from_bytes([1; 16]));
        let mut bench = Self { definition, state, now: Timestamp(1_000) };
        let started = RunStarted {
            folder: None,
            workflow: "agents".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({}).into(),
            plugins: pins().into(),
            allowed: Permissions::default(),
            by: Actor { name: "user:ann".into(), groups: vec![], operator: true, via: "test".into() },
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

    fn tell(&mut self, command: Command) -> Vec<Event> {
        let moment = Moment { now: self.now, entropy: Entropy::new([3; 32]) };
        decide(&mut self.state, &self.definition, command, moment).expect("accepted")
    }

    fn begin(&mut self, visit: u32, call: u32, request: CallRequest) -> Vec<Event> {
        let at = CallPlace { visit: VisitId(visit), attempt: 1, call, first: call };
        self.tell(Command::BeginCall { at, request, silent: Vec::new() })
    }

    fn end(&mut self, visit: u32, attempt: u32, result: Result<Value, Failure>) -> Vec<Event> {
        let (visit, silent, log) = (VisitId(visit), Vec::new(), Vec::new());
        self.tell(Command::EndAttempt { visit, attempt, result, silent, log })
    }

    fn hand_over(&mut self, attempt: u32, to: &str) {
        let (visit, to, input) = (VisitId(1), to.to_owned(), json!({}));
        self.tell(Command::HandOver { visit, attempt, to, input, silent: Vec::new() });
    }

    /// What is under way: the visit, the attempt, the agent.
    fn under_way(&self) -> Vec<(u32, u32, String)> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, work } => match &*work {
                Work::Agent { agent, .. } => Some((visit.0, attempt, agent.clone())),
                Work::Tool { .. } => None,
            },
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    /// What a call of the first visit was answered with.
    fn answer(&self, call: u32) -> Result<Value, Failure> {
        match &self.state.visit(VisitId(1)).expect("it").calls.get(call).expect("a call").progress {
            CallProgress::Answered { response, .. } => response.clone().map(std::sync::Arc::unwrap_or_clone),
            other => panic!("{other:?}"),
        }
    }
}

fn pins() -> BTreeMap<String, PluginPin> {
    let pin = |description| PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    };
    let agent = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    let pay = ToolDescription {
        name: "pay".into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect: EffectClass::AtMostOnce,
    };
    let agents = ["boss", "clerk", "stranger"];
    let agents = agents.map(|name| (name.to_owned(), pin(Description::Agent(agent.clone()))));
    agents.into_iter().chain([("bank".to_owned(), pin(Description::Tools(vec![pay])))]).collect()
}

fn agent(name: &str) -> CallRequest {
    CallRequest::Agent { name: name.into(), task: json!({ "n": 1 }) }
}

fn payment() -> CallRequest {
    CallRequest::Tool { name: "bank.pay".into(), arguments: json!({}) }
}

fn busy() -> Failure {
    Failure::new(FailureKind::Transient, "the line is busy")
}

#[test]
fn a_called_agent_is_a_visit_of_its_own_and_its_end_is_the_calls_answer() {
    for result in [Ok(json!("done")), Err(busy())] {
        let mut bench = Bench::start();
        bench.begin(1, 1, agent("clerk"));
        assert_eq!(bench.under_way(), [(2, 1, "clerk".to_owned())], "the caller waits without an instance");
        assert_eq!(bench.state.status(), Status::Running);
        bench.end(2, 1, result.clone());
        assert_eq!(bench.under_way(), [(1, 1, "boss".to_owned())], "a failure is the caller's to handle");
        assert_eq!(bench.answer(1), result);
        assert!(bench.state.visit(VisitId(2)).expect("it").is_done());
        bench.end(1, 1, Ok(json!("all done")));
        assert_eq!(bench.state.status(), Status::Completed);
    }
}

#[test]
fn an_agent_that_is_not_granted_is_not_called() {
    let cases = [
        ("stranger", FailureKind::Denied, "step 'work' may not call agent stranger"),
        ("nobody", FailureKind::Denied, "add it to `permissions: agents`"),
    ];
    for (name, kind, part) in cases {
        let mut bench = Bench::start();
        bench.begin(1, 1, agent(name));
        let failure = bench.answer(1).expect_err("a failure");
        assert!(failure.kind == kind && failure.message.contains(part), "{failure}");
        assert_eq!(bench.under_way(), [(1, 1, "boss".to_owned())]);
    }
}

#[test]
fn an_agent_that_was_called_is_granted_what_its_callers_step_is_and_no_more() {
    let mut bench = Bench::start();
    bench.begin(1, 1, agent("clerk"));
    let granted = |bench: &Bench, visit: u32| {
        let step = bench.state.visit(VisitId(visit)).expect("a visit").step.clone();
        let step = bench.definition.index_of(&step).and_then(|at| bench.definition.step(at)).expect("a step");
        let pawl_core::definition::Verb::Agent(agent) = &step.verb else { panic!("{step:?}") };
        bench.state.granted(&agent.permissions)
    };
    assert_eq!(granted(&bench, 2), granted(&bench, 1));
    assert!(!granted(&bench, 2).human && granted(&bench, 2).allows_tool("bank.pay"));
    // Whom the step does not name, nobody in it reaches.
    bench.begin(2, 1, agent("stranger"));
    let call = bench.state.visit(VisitId(2)).expect("it").calls.get(1).expect("a call").progress.clone();
    let CallProgress::Answered { response: Err(failure), .. } = &call else { panic!("{call:?}") };
    assert_eq!(failure.kind, FailureKind::Denied);
    assert_eq!(bench.under_way(), [(2, 1, "clerk".to_owned())]);
}

#[test]
fn agents_call_each_other_as_deep_as_the_limit_says() {
    let mut bench = Bench::start();
    for visit in 1..8 {
        bench.begin(visit, 1, agent("clerk"));
        assert_eq!(bench.under_way(), [(visit + 1, 1, "clerk".to_owned())]);
    }
    let events = bench.begin(8, 1, agent("clerk"));
    let refused = events.iter().any(|event| {
        matches!(event, Event::CallCompleted { response: Err(failure), .. }
            if failure.kind == FailureKind::Limit && failure.message.contains("agents_max_depth (8)"))
    });
    assert!(refused, "{events:?}");
}

#[test]
fn the_end_of_a_caller_stops_whom_it_has_called() {
    let mut bench = Bench::start();
    bench.begin(1, 1, agent("clerk"));
    bench.begin(2, 1, agent("clerk"));
    bench.now = Timestamp(11_000);
    bench.tell(Command::Tick);
    assert_eq!(bench.under_way(), []);
    for visit in [2, 3] {
        assert_eq!(bench.state.visit(VisitId(visit)).expect("it").activity, Activity::Cancelled);
    }
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    assert_eq!(bench.under_way(), [(1, 2, "boss".to_owned())], "the next attempt");
}

#[test]
fn a_payment_of_a_called_agent_is_asked_about_and_never_repeated() {
    let mut bench = Bench::start();
    bench.begin(1, 1, agent("clerk"));
    bench.begin(2, 1, payment());
    bench.now = Timestamp(60_000);
    let events = bench.tell(Command::Tick);
    let about = |event: &Event| matches!(event, Event::OutcomeUnknown { visit: VisitId(2), .. });
    assert!(events.iter().any(about), "{events:?}");
    assert_eq!(bench.state.wake_at(), None, "no timeout runs on while a person is asked");
    let open = bench.state.approvals().find(|(_, approval)| approval.open).expect("an approval").0.clone();
    let by = Actor { name: "user:ann".into(), groups: vec![], operator: true, via: "test".into() };
    let data = json!({ "output": "paid" });
    bench.tell(Command::Decide { approval: open, action: "succeeded".into(), data, by, comment: None });
    assert_eq!(bench.state.wake_at(), Some(Timestamp(70_000)));
    assert_eq!(bench.under_way(), [(2, 1, "clerk".to_owned())]);
    bench.end(2, 1, Err(busy()));
    bench.end(1, 1, Err(busy()));
    assert_eq!(bench.state.status(), Status::Failed, "another attempt would pay again");
}

#[test]
fn a_task_that_is_handed_over_goes_on_as_the_next_attempt() {
    let mut bench = Bench::start();
    bench.hand_over(1, "clerk");
    assert_eq!(bench.under_way(), [(1, 2, "clerk".to_owned())]);
    // The one that goes on may be tried as often as any other.
    bench.end(1, 2, Err(busy()));
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    assert_eq!(bench.under_way(), [(1, 3, "clerk".to_owned())]);
    bench.end(1, 3, Ok(json!("done")));
    assert_eq!(bench.state.output("work"), Some(&json!("done")));
}

#[test]
fn a_task_is_handed_over_to_those_that_are_granted_and_not_for_ever() {
    let mut bench = Bench::start();
    bench.hand_over(1, "stranger");
    assert_eq!(bench.state.status(), Status::Failed);

    let mut bench = Bench::start();
    for attempt in 1..=8 {
        bench.hand_over(attempt, "clerk");
        assert_eq!(bench.under_way(), [(1, attempt + 1, "clerk".to_owned())]);
    }
    bench.hand_over(9, "clerk");
    let pawl_core::state::Phase::Failed(failure) = bench.state.phase() else { panic!("{:?}", bench.state) };
    assert!(failure.message.contains("handovers_max (8)"), "{failure}");
}

fn signal(name: &str, due: Option<Duration>) -> CallRequest {
    CallRequest::Signal { name: name.into(), due }
}

fn told(name: &str, data: Value) -> Command {
    let by = Actor { name: "user:ann".into(), groups: vec![], operator: true, via: "test".into() };
    Command::Signal { name: name.into(), data, by, key: None, trace: None }
}

#[test]
fn an_agent_waits_for_a_signal_without_an_instance_and_gets_the_next() {
    let mut bench = Bench::start();
    bench.begin(1, 1, signal("go", None));
    assert_eq!((bench.under_way(), bench.state.status()), (vec![], Status::Waiting));
    let waiting = Waiting::Signal { step: StepId::new("work"), name: "go".into(), until: None };
    assert_eq!(bench.state.waiting(), Some(waiting));
    let events = bench.tell(told("go", json!(1)));
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names, ["signal-received", "signal-taken", "call-completed"]);
    assert_eq!(bench.answer(1), Ok(json!(1)));
    assert_eq!(bench.under_way(), [(1, 1, "boss".to_owned())]);
}

#[test]
fn signals_that_came_early_answer_an_agent_at_once_in_their_order() {
    let mut bench = Bench::start();
    bench.tell(told("go", json!(1)));
    bench.tell(told("go", json!(2)));
    for (call, data) in [(1, json!(1)), (2, json!(2))] {
        bench.begin(1, call, signal("go", Some(Duration(5))));
        assert_eq!(bench.answer(call), Ok(data));
    }
    assert_eq!(bench.under_way(), [(1, 1, "boss".to_owned())], "nothing is waited for");
}

#[test]
fn an_agent_waits_for_signals_that_its_step_names_and_no_longer_than_it_says() {
    let mut bench = Bench::start();
    bench.begin(1, 1, signal("stop", None));
    let failure = bench.answer(1).expect_err("a failure");
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("step 'work' may not wait for the signal 'stop'"), "{failure}");

    bench.begin(1, 2, signal("go", Some(Duration(5))));
    assert_eq!(bench.state.wake_at(), Some(Timestamp(1_005)));
    bench.now = Timestamp(1_005);
    bench.tell(Command::Tick);
    let failure = bench.answer(2).expect_err("a failure");
    assert_eq!((failure.kind, bench.state.status()), (FailureKind::Timeout, Status::Running));

    let moment = Moment { now: bench.now, entropy: Entropy::new([3; 32]) };
    let refused = decide(&mut bench.state, &bench.definition, told("stop", json!(1)), moment);
    assert_eq!(refused, Err(Refusal::UnknownSignal { name: "stop".into(), known: vec!["go".into()] }));
}

#[test]
fn an_undo_of_a_run_with_as_many_visits_as_it_may_have_calls_agents() {
    let mut steps = String::from("  - { id: done, set: 1, undo: [{ id: back, agent: boss }] }\n");
    for number in 0..99 {
        let _ = writeln!(steps, "  - {{ id: s{number}, max_visits: 10000, set: 1 }}");
    }
    let head = WORKFLOW.split("  - id: work").next().expect("a head");
    let circle = "  - { id: last, max_visits: 10000, wait: 1ms, then: s0 }\n";
    let mut bench = Bench::of(&format!("{head}{steps}{circle}"));
    while let Some(at) = bench.state.wake_at() {
        bench.now = at;
        bench.tell(Command::Tick);
    }
    let undoing = RUN_MAX_VISITS + 1;
    assert_eq!(bench.under_way(), [(undoing, 1, "boss".to_owned())]);
    bench.begin(undoing, 1, agent("clerk"));
    assert_eq!(bench.under_way(), [(undoing + 1, 1, "clerk".to_owned())]);
    bench.end(undoing + 1, 1, Ok(json!("done")));
    bench.end(undoing, 1, Ok(json!("all done")));
    let pawl_core::state::Phase::Failed(failure) = bench.state.phase() else { panic!("{:?}", bench.state) };
    assert!(failure.message.contains("run_max_visits (100000)"), "{failure}");
}

#[test]
fn a_called_agent_has_the_priority_of_its_callers_step() {
    let text = WORKFLOW.replace("    timeout: 10s\n", "    timeout: 10s\n    priority: 90\n");
    let mut bench = Bench::of(&text);
    bench.begin(1, 1, agent("clerk"));
    assert_eq!(bench.state.priority(Some(VisitId(2))), 90);
}
