//! What must happen at most once is not repeated by timeouts and retries, either.

use std::collections::BTreeMap;

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
};
use pawl_core::view::Status;
use pawl_core::{
    CallPlace, Command, Digest, Effect, Entropy, Failure, FailureKind, Moment, RunId, RunState, Timestamp,
    VisitId, decide, effects,
};
use serde_json::{Value, json};

const WORKFLOW: &str = "
pawl: 1
workflow: once
version: 1.0.0
permissions: { tools: [bank.pay] }
steps:
  - id: clerk
    agent: clerk
    timeout: 10s
    retry: { max_attempts: 3, on: [transient, timeout] }
";
const VISIT: VisitId = VisitId(1);
const PLACE: CallPlace = CallPlace { visit: VISIT, attempt: 1, call: 1, first: 1 };

struct Bench {
    definition: Definition,
    state: RunState,
    now: Timestamp,
}

impl Bench {
    fn start() -> Self {
        let definition = pawl_core::source::load("once.yaml", WORKFLOW).expect("a workflow").definition;
        let mut bench =
            Self { definition, state: RunState::new(RunId::from_bytes([1; 16])), now: Timestamp(1_000) };
        let started = RunStarted {
            folder: None,
            workflow: "once".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({}).into(),
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

    fn tell(&mut self, command: Command) -> Vec<Event> {
        let moment = Moment { now: self.now, entropy: Entropy::new([3; 32]) };
        decide(&mut self.state, &self.definition, command, moment).expect("accepted")
    }

    fn refused(&mut self, command: Command) -> bool {
        let moment = Moment { now: self.now, entropy: Entropy::new([3; 32]) };
        let before = self.state.clone();
        let refused = decide(&mut self.state, &self.definition, command, moment).is_err();
        assert!(!refused || self.state == before, "a refused command changes nothing");
        refused
    }

    fn begin_payment(&mut self) {
        let begin = Command::BeginCall { at: PLACE, request: payment(), silent: Vec::new() };
        assert_eq!(self.tell(begin).len(), 1, "the call is known before it happens");
    }

    fn end_payment(&mut self, response: CallResponse) -> Vec<Event> {
        let (request, silent) = (payment(), Vec::new());
        self.tell(Command::EndCall { at: PLACE, request, response, silent })
    }

    fn attempts(&self) -> Vec<u32> {
        let attempt = |effect| match effect {
            Effect::Attempt { attempt, .. } => Some(attempt),
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    fn answer(&mut self, action: &str, data: Value) {
        let open = self.state.approvals().find(|(_, approval)| approval.open).expect("an open approval");
        let approval = open.0.clone();
        self.tell(Command::Decide { approval, action: action.into(), data, by: ann(), comment: None });
    }
}

fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

fn payment() -> CallRequest {
    CallRequest::Tool { name: "bank.pay".into(), arguments: json!({ "amount": 5 }) }
}

fn pins() -> BTreeMap<String, PluginPin> {
    let pin = |description| PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    };
    let pay = ToolDescription {
        name: "pay".into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect: EffectClass::AtMostOnce,
    };
    let clerk = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    BTreeMap::from([
        ("bank".to_owned(), pin(Description::Tools(vec![pay]))),
        ("clerk".to_owned(), pin(Description::Agent(clerk))),
    ])
}

#[test]
fn an_agent_whose_time_is_up_in_a_payment_asks_about_the_payment() {
    let mut bench = Bench::start();
    bench.begin_payment();
    bench.now = Timestamp(60_000);
    bench.tell(Command::Tick);
    assert_eq!(bench.state.status(), Status::Waiting);
    assert_eq!(bench.attempts(), Vec::<u32>::new());
    assert_eq!(bench.state.wake_at(), None, "the timeout does not run on while a person is asked");

    bench.now = Timestamp(1_000_000);
    bench.answer("succeeded", json!({ "output": "paid" }));
    assert_eq!(bench.attempts(), [1], "the same attempt goes on, with the answer");
    assert_eq!(bench.state.wake_at(), Some(Timestamp(1_010_000)), "and with its whole timeout");
}

#[test]
fn an_agent_that_paid_is_not_tried_again() {
    let mut bench = Bench::start();
    bench.begin_payment();
    bench.end_payment(Ok(json!("paid")));
    let result = Err(Failure::new(FailureKind::Transient, "the line is busy"));
    bench.tell(Command::EndAttempt { visit: VISIT, attempt: 1, result, silent: Vec::new(), log: Vec::new() });
    assert_eq!(bench.state.status(), Status::Failed);
}

#[test]
fn an_agent_that_did_nothing_yet_is_tried_again() {
    let mut bench = Bench::start();
    let result = Err(Failure::new(FailureKind::Transient, "the line is busy"));
    bench.tell(Command::EndAttempt { visit: VISIT, attempt: 1, result, silent: Vec::new(), log: Vec::new() });
    assert_eq!(bench.state.status(), Status::Waiting);
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    assert_eq!(bench.attempts(), [2]);
}

#[test]
fn a_payment_that_trapped_is_unknown_and_each_answer_does_what_it_says() {
    let cases = [
        ("retry", json!({}), None),
        ("succeeded", json!({ "output": "paid" }), Some(Ok(json!("paid")))),
        ("failed", json!({ "note": "no" }), Some(Err(FailureKind::Rejected))),
    ];
    for (action, data, expected) in cases {
        let mut bench = Bench::start();
        bench.begin_payment();
        let events = bench.end_payment(Err(Failure::new(FailureKind::Trap, "it fell over")));
        assert!(events.iter().any(|event| matches!(event, Event::OutcomeUnknown { call: Some(1), .. })));
        bench.answer(action, data);
        let visit = bench.state.visit(VISIT).expect("the visit");
        let answer = match &visit.calls.get(1).expect("the call").progress {
            pawl_core::state::CallProgress::Answered { response, .. } => {
                Some(response.clone().map(std::sync::Arc::unwrap_or_clone).map_err(|failure| failure.kind))
            }
            _ => None,
        };
        assert_eq!(answer, expected, "{action}");
        assert_eq!(bench.attempts(), [1]);
        if action == "retry" {
            bench.begin_payment();
        }
    }
}

#[test]
fn calls_that_are_made_together_end_in_any_order_and_no_more_begin_once_a_person_is_asked() {
    let mut bench = Bench::start();
    let place = |call, first| CallPlace { call, first, ..PLACE };
    let begin = |at| Command::BeginCall { at, request: payment(), silent: Vec::new() };
    let end = |at, response| Command::EndCall { at, request: payment(), response, silent: Vec::new() };
    bench.tell(begin(place(2, 1)));
    bench.tell(begin(place(1, 1)));
    assert!(bench.refused(begin(place(1, 1))), "it is under way");
    assert!(bench.refused(begin(place(3, 3))), "the calls before it are not answered");

    bench.tell(end(place(2, 1), Err(Failure::new(FailureKind::Trap, "it fell over"))));
    assert_eq!(bench.attempts(), [1], "the first payment is still under way");
    assert!(bench.refused(begin(place(3, 1))), "a person is asked about the second");
    bench.tell(end(place(1, 1), Ok(json!("paid"))));
    assert_eq!(bench.attempts(), Vec::<u32>::new());

    bench.answer("retry", json!({}));
    assert_eq!(bench.attempts(), [1]);
    bench.tell(begin(place(2, 1)));
    bench.tell(end(place(2, 1), Ok(json!("paid"))));
    bench.tell(begin(place(3, 3)));
}

#[test]
fn all_payments_that_were_under_way_at_a_crash_are_asked_about() {
    let mut bench = Bench::start();
    for call in [1, 2] {
        let at = CallPlace { call, ..PLACE };
        bench.tell(Command::BeginCall { at, request: payment(), silent: Vec::new() });
    }
    let events = bench.tell(Command::Recover);
    let unknown = |event: &&Event| matches!(event, Event::OutcomeUnknown { .. });
    assert_eq!(events.iter().filter(unknown).count(), 2);
    bench.answer("failed", json!({}));
    assert_eq!(bench.attempts(), Vec::<u32>::new(), "there is another one to ask about");
    bench.answer("retry", json!({}));
    assert_eq!(bench.attempts(), [1]);
}
