//! A run that is driven by hand. After every command the journal is written and read again, and its fold
//! must be the decided state.

use std::collections::BTreeMap;

use pawl_core::budget::{Amounts, Dimension, Price, Prices};
use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, Parent, RunStarted};
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
};
use pawl_core::state::{CallProgress, Phase};
use pawl_core::{
    ApprovalId, CallPlace, Command, Digest, Effect, Entropy, Failure, Moment, Refusal, RunId, RunState,
    Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) definition: Definition,
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    head: Head,
    journal: Vec<Vec<u8>>,
}

impl Bench {
    /// Starts a run of a workflow whose head is written by the bench.
    pub(crate) fn start(rest: &str) -> Self {
        Self::allowed(rest, Amounts::default())
    }

    /// The same for one that a step started which allows it so much.
    pub(crate) fn allowed(rest: &str, allowance: Amounts) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\nworkflows: {{ inner: ./inner.yaml }}\n\
             permissions: {{ tools: [t.do, t.once], agents: [helper], models: [big, small] }}\n{rest}"
        );
        let loaded = pawl_core::source::load("w.yaml", &text);
        let definition = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false))).definition;
        let run = RunId::from_bytes([1; 16]);
        let (state, head) = (RunState::new(run), Head::empty(run));
        let parent =
            (!allowance.is_empty()).then(|| Parent { run: RunId::from_bytes([2; 16]), visit: VisitId(1) });
        let mut bench = Self { definition, state, now: Timestamp(1_000), head, journal: Vec::new() };
        let started = RunStarted {
            folder: None,
            workflow: "w".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({}).into(),
            plugins: pins().into(),
            allowed: Permissions::default(),
            by: ann(),
            seed: Digest::of(b"seed"),
            ancestor: None,
            trace: None,
            workflows: BTreeMap::new(),
            priority: None,
            allowance,
            prices: prices(),
            parent,
            policy: pawl_core::guard::Policy::default(),
            namespace: pawl_core::Namespace::default(),
        };
        bench.tell(Command::Start(Box::new(started)));
        bench
    }

    pub(crate) fn tell(&mut self, command: Command) -> Vec<Event> {
        self.try_tell(command).expect("accepted")
    }

    pub(crate) fn try_tell(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let entropy = Entropy::new(*Digest::of(&self.head.seq.to_be_bytes()).as_bytes());
        let moment = Moment { now: self.now, entropy };
        let events = decide(&mut self.state, &self.definition, command, moment)?;
        self.journal.extend(journal::encode(&mut self.head, self.state.updated_at(), &events));
        let mut folded = RunState::new(self.state.id());
        for envelope in self.envelopes() {
            folded.apply(envelope.time, &envelope.event);
        }
        assert_eq!(folded, self.state, "the fold of the journal is not the decided state");
        Ok(events)
    }

    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        let run = self.state.id();
        let mut head = Head::empty(run);
        journal::decode(run, &mut head, self.journal.iter().map(Vec::as_slice)).expect("readable")
    }

    pub(crate) fn begin(&mut self, visit: u32, call: u32, request: CallRequest) -> Vec<Event> {
        let attempt = self.state.visit(VisitId(visit)).expect("a visit").attempt;
        let at = CallPlace { visit: VisitId(visit), attempt, call, first: call };
        self.tell(Command::BeginCall { at, request, silent: Vec::new() })
    }

    pub(crate) fn end(
        &mut self,
        visit: u32,
        call: u32,
        request: CallRequest,
        response: CallResponse,
    ) -> Vec<Event> {
        let attempt = self.state.visit(VisitId(visit)).expect("a visit").attempt;
        let at = CallPlace { visit: VisitId(visit), attempt, call, first: call };
        self.tell(Command::EndCall { at, request, response, silent: Vec::new() })
    }

    /// A call that fits, from its beginning to its answer.
    pub(crate) fn call(&mut self, visit: u32, call: u32, request: CallRequest, response: CallResponse) {
        let begun = self.begin(visit, call, request.clone());
        assert!(!names(&begun).contains(&"budget-exceeded"), "{begun:?}");
        self.end(visit, call, request, response);
    }

    pub(crate) fn end_attempt(&mut self, visit: u32, result: Result<Value, Failure>) -> Vec<Event> {
        let (visit, silent, log) = (VisitId(visit), Vec::new(), Vec::new());
        let attempt = self.state.visit(visit).expect("a visit").attempt;
        self.tell(Command::EndAttempt { visit, attempt, result, silent, log })
    }

    /// What is under way: visits and attempts.
    pub(crate) fn under_way(&self) -> Vec<(u32, u32)> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, .. } => Some((visit.0, attempt)),
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    pub(crate) fn asked(&self) -> Vec<ApprovalId> {
        self.state.approvals().filter(|(_, approval)| approval.open).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn answer(&mut self, action: &str, data: Value) -> Result<Vec<Event>, Refusal> {
        let approval = self.asked().first().expect("somebody is asked").clone();
        self.try_tell(Command::Decide { approval, action: action.into(), data, by: ann(), comment: None })
    }

    pub(crate) fn raise(&mut self, data: Value) -> Vec<Event> {
        self.answer("raise", data).expect("taken")
    }

    /// How much of a budget is used: of a visit's, or of the run's.
    pub(crate) fn used(&self, of: Option<u32>, dimension: Dimension) -> u64 {
        let (_, meter) = self.state.budgets().find(|(found, _)| *found == of.map(VisitId)).expect("a budget");
        meter.used.used(dimension)
    }

    pub(crate) fn progress(&self, visit: u32, call: u32) -> &CallProgress {
        &self.state.visit(VisitId(visit)).expect("a visit").calls.get(call).expect("a call").progress
    }

    pub(crate) fn failure(&self) -> &Failure {
        match self.state.phase() {
            Phase::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::name).collect()
}

/// A question with a most of tokens; it has 33 bytes beside the number's digits, of which 3 more make 36.
pub(crate) fn question(max_tokens: u32) -> CallRequest {
    let request = json!({ "messages": [], "max_tokens": max_tokens });
    CallRequest::Model { profile: "big".into(), request }
}

/// What a model says that has used so many tokens.
#[expect(clippy::unnecessary_wraps, reason = "it stands beside failures")]
pub(crate) fn said(input: u64, output: u64) -> CallResponse {
    Ok(json!({
        "message": { "role": "assistant", "text": "so" },
        "usage": { "input_tokens": input, "output_tokens": output },
        "profile": "big",
    }))
}

pub(crate) fn act(name: &str) -> CallRequest {
    CallRequest::Tool { name: name.into(), arguments: json!({ "n": 1 }) }
}

pub(crate) fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}

/// One part a token that is read, two for one that is written.
fn prices() -> Prices {
    Prices::from([("big".to_owned(), Price { input: 1_000_000, output: 2_000_000 })])
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
    let agent = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    let tools = vec![tool("do", EffectClass::Idempotent), tool("once", EffectClass::AtMostOnce)];
    let agents = ["thinker", "helper"].map(|name| (name.to_owned(), pin(Description::Agent(agent.clone()))));
    agents.into_iter().chain([("t".to_owned(), pin(Description::Tools(tools)))]).collect()
}
