//! A run with tools that pay, an agent, and people who are asked.

use std::collections::BTreeMap;

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted, Work};
use pawl_core::guard::{GuardRule, Policy};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
};
use pawl_core::state::{Approval, CallProgress, Phase};
use pawl_core::{
    ApprovalId, CallPlace, Command, Digest, Effect, Entropy, Failure, Moment, Namespace, Refusal, RunId,
    RunState, Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) definition: Definition,
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
}

impl Bench {
    pub(crate) fn start(steps: &str) -> Self {
        Self::under(Policy::default(), steps)
    }

    /// A run whose operator asks for something.
    pub(crate) fn under(policy: Policy, rest: &str) -> Self {
        Self::of(Namespace::default(), policy, rest)
    }

    /// The same in a namespace.
    pub(crate) fn of(namespace: Namespace, policy: Policy, rest: &str) -> Self {
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\ninputs: {{ amount: {{ type: integer, default: 50 }} }}\n{rest}"
        );
        let loaded = pawl_core::source::load("w.yaml", &text)
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let definition = loaded.definition;
        let state = RunState::new(RunId::from_bytes([1; 16]));
        let mut bench = Self { definition, state, now: Timestamp(1_000), events: Vec::new() };
        let started = RunStarted {
            folder: None,
            workflow: "w".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({ "amount": 50 }).into(),
            plugins: pins().into(),
            allowed: Permissions::default(),
            by: somebody("user:starter"),
            seed: Digest::of(b"seed"),
            ancestor: None,
            trace: None,
            allowance: pawl_core::budget::Amounts::default(),
            prices: pawl_core::budget::Prices::new(),
            policy,
            namespace,
            workflows: BTreeMap::new(),
            priority: None,
            parent: None,
        };
        bench.tell(Command::Start(Box::new(started))).expect("a start");
        bench
    }

    /// Decides, and sees that the events alone lead to the same state.
    pub(crate) fn tell(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let entropy = Entropy::new(*Digest::of(&self.now.0.to_be_bytes()).as_bytes());
        let mut folded = self.state.clone();
        let events = decide(&mut self.state, &self.definition, command, Moment { now: self.now, entropy })?;
        for event in &events {
            folded.apply(self.now, event);
        }
        assert_eq!(folded, self.state, "the fold of the events is not the decided state");
        self.events.extend(events.iter().cloned());
        self.now = Timestamp(self.now.0 + 1);
        Ok(events)
    }

    /// The tool steps that are under way: the visit, the attempt, the tool, its arguments.
    pub(crate) fn under_way(&self) -> Vec<(VisitId, u32, String, Value)> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, work } => Some(match &*work {
                Work::Tool { plugin, tool, arguments, .. } => {
                    (visit, attempt, format!("{plugin}.{tool}"), arguments.clone().into_value())
                }
                Work::Agent { agent, input, .. } => {
                    (visit, attempt, agent.clone(), input.clone().into_value())
                }
            }),
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }

    pub(crate) fn end(&mut self, result: CallResponse) -> Vec<Event> {
        let (visit, attempt, ..) = self.under_way().into_iter().next().expect("something under way");
        let (silent, log) = (Vec::new(), Vec::new());
        self.tell(Command::EndAttempt { visit, attempt, result, silent, log }).expect("an end")
    }

    pub(crate) fn begin_call(
        &mut self,
        call: u32,
        first: u32,
        request: CallRequest,
    ) -> Result<Vec<Event>, Refusal> {
        let at = self.place(call, first);
        self.tell(Command::BeginCall { at, request, silent: Vec::new() })
    }

    pub(crate) fn end_call(&mut self, call: u32, request: CallRequest, response: CallResponse) -> Vec<Event> {
        let at = self.place(call, call);
        self.tell(Command::EndCall { at, request, response, silent: Vec::new() }).expect("an answer")
    }

    pub(crate) fn place(&self, call: u32, first: u32) -> CallPlace {
        let (visit, at) = self.state.active().last().expect("an agent");
        CallPlace { visit, attempt: at.attempt, call, first }
    }

    /// A question to a model, answered.
    pub(crate) fn ask_model(&mut self, call: u32) {
        let request = CallRequest::Model { profile: "default".into(), request: json!({}) };
        self.end_call(call, request, Ok(json!({ "text": "pay!" })));
    }

    pub(crate) fn call(&self, call: u32) -> CallProgress {
        let (_, visit) = self.state.active().last().expect("an agent");
        visit.calls.get(call).expect("a call").progress.clone()
    }

    pub(crate) fn open(&self) -> Vec<(ApprovalId, Approval)> {
        self.state.approvals().filter(|(_, a)| a.open).map(|(id, a)| (id.clone(), a.clone())).collect()
    }

    /// The one question that is open.
    pub(crate) fn asked(&self) -> (ApprovalId, Approval) {
        let mut open = self.open();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.remove(0)
    }

    pub(crate) fn subject(&self, field: &str) -> Value {
        self.asked().1.question.subject.expect("a subject")[field].clone()
    }

    pub(crate) fn decide(&mut self, action: &str, data: Value, by: Actor) -> Result<Vec<Event>, Refusal> {
        let approval = self.open().first().expect("a question").0.clone();
        self.answer(approval, action, data, by)
    }

    pub(crate) fn answer(
        &mut self,
        approval: ApprovalId,
        action: &str,
        data: Value,
        by: Actor,
    ) -> Result<Vec<Event>, Refusal> {
        self.tell(Command::Decide { approval, action: action.into(), data, by, comment: None })
    }

    pub(crate) fn approve(&mut self) {
        self.decide("approve", Value::Null, ann()).expect("an approval");
    }

    pub(crate) fn failure(&self) -> &Failure {
        match self.state.phase() {
            Phase::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn somebody(name: &str) -> Actor {
    Actor { name: name.into(), groups: Vec::new(), operator: false, via: "test".into() }
}

pub(crate) fn ann() -> Actor {
    Actor { groups: vec!["group:finance".into()], ..somebody("user:ann") }
}

pub(crate) fn bob() -> Actor {
    Actor { groups: vec!["group:security".into()], ..somebody("user:bob") }
}

/// A rule of the operator.
pub(crate) fn rule(tool: &str, to: &[&str]) -> GuardRule {
    GuardRule {
        by: "the operator".into(),
        tool: tool.into(),
        when: None,
        tainted: false,
        to: to.iter().map(|who| (*who).to_owned()).collect(),
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    }
}

pub(crate) fn policy(rules: Vec<GuardRule>) -> Policy {
    Policy { approvals: rules, ..Policy::default() }
}

pub(crate) fn pay(amount: i64) -> CallRequest {
    CallRequest::Tool { name: "bank.pay".into(), arguments: json!({ "amount": amount }) }
}

/// What a router gives that found one like this of the run's.
pub(crate) fn pin_of(plugin: &str) -> PluginPin {
    pins().remove(plugin).expect("one of the run's")
}

/// `bank.pay`, which is `at-most-once`, `bank.look`, and `web.read`, which are not.
fn pins() -> BTreeMap<String, PluginPin> {
    let schema = json!({
        "type": "object", "properties": { "amount": { "type": "integer" } },
        "required": ["amount"], "additionalProperties": false,
    });
    let tool = |name: &str, effect, input_schema: &Value| ToolDescription {
        name: name.into(),
        summary: String::new(),
        input_schema: input_schema.clone(),
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
    let any = json!({});
    let bank =
        vec![tool("pay", EffectClass::AtMostOnce, &schema), tool("look", EffectClass::Idempotent, &any)];
    let web = vec![tool("read", EffectClass::Pure, &any)];
    let agent = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    BTreeMap::from([
        ("bank".to_owned(), pin(Description::Tools(bank))),
        ("web".to_owned(), pin(Description::Tools(web))),
        ("clerk".to_owned(), pin(Description::Agent(agent))),
    ])
}
