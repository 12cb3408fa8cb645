//! A run that is moved about.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::call::{CallRequest, Question};
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, ToolDescription,
    WorkflowPin, WorkflowPins,
};
use pawl_core::upgrade::{Target, Upgrade, Verdict, check};
use pawl_core::{
    CallPlace, Command, Digest, Entropy, Failure, FailureKind, Moment, Refusal, RunId, RunState, Timestamp,
    VisitId, decide,
};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) definition: Arc<Definition>,
    pub(crate) state: RunState,
    now: Timestamp,
}

impl Bench {
    pub(crate) fn start(steps: &str) -> Self {
        let definition = definition("1.0.0", steps);
        let mut bench =
            Self { definition, state: RunState::new(RunId::from_bytes([1; 16])), now: Timestamp(1_000) };
        let started = RunStarted {
            folder: None,
            workflow: "w".into(),
            version: "1.0.0".into(),
            definition: bench.definition.digest,
            inputs: json!({ "n": 1 }).into(),
            plugins: pins("old").into(),
            allowed: Permissions::default(),
            by: ann(),
            seed: Digest::of(b"seed"),
            ancestor: None,
            policy: pawl_core::guard::Policy::default(),
            namespace: pawl_core::Namespace::default(),
            workflows: children("child"),
            priority: None,
            allowance: pawl_core::budget::Amounts::default(),
            prices: pawl_core::budget::Prices::new(),
            parent: None,
            trace: None,
        };
        bench.tell(Command::Start(Box::new(started))).expect("started");
        bench
    }

    pub(crate) fn tell(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let entropy = Entropy::new(*Digest::of(&self.now.0.to_be_bytes()).as_bytes());
        self.now = Timestamp(self.now.0 + 1);
        let before = self.state.clone();
        let events = decide(&mut self.state, &self.definition, command, Moment { now: self.now, entropy })
            .inspect_err(|_| assert_eq!(self.state, before, "a refused command changes nothing"));
        let mut folded = before.clone();
        for event in events.iter().flatten() {
            folded.apply(self.now, event);
        }
        assert!(events.is_err() || folded == self.state, "the fold of the events is the state");
        events
    }

    pub(crate) fn visit(&self, step: &str) -> (VisitId, u32) {
        let found = self.state.active().find(|(_, visit)| visit.step.as_str() == step);
        let (id, visit) = found.unwrap_or_else(|| panic!("'{step}' is not where the run stands"));
        (id, visit.attempt)
    }

    pub(crate) fn end(&mut self, step: &str, result: Result<Value, Failure>) {
        let (visit, attempt) = self.visit(step);
        let end = Command::EndAttempt { visit, attempt, result, silent: Vec::new(), log: Vec::new() };
        self.tell(end).expect("taken");
    }

    pub(crate) fn done(&mut self, step: &str, output: Value) {
        self.end(step, Ok(output));
    }

    pub(crate) fn busy(&mut self, step: &str) {
        self.end(step, Err(Failure::new(FailureKind::Transient, "busy")));
    }

    pub(crate) fn answer(&mut self, action: &str) {
        let approval = self.state.approvals().find(|(_, a)| a.open).expect("a question").0.clone();
        let action = action.to_owned();
        let decide = Command::Decide { approval, action, data: Value::Null, by: ann(), comment: None };
        self.tell(decide).expect("answered");
    }

    /// The agent of a step asks a person.
    pub(crate) fn ask(&mut self, step: &str) {
        let (visit, attempt) = self.visit(step);
        let question = Question {
            title: "Go on?".into(),
            to: Vec::new(),
            actions: vec!["yes".into()],
            form: None,
            subject: None,
            on_timeout: None,
            due: None,
            terms: pawl_core::terms::Terms::default(),
        };
        let at = CallPlace { visit, attempt, call: 1, first: 1 };
        let request = CallRequest::Human(Box::new(question));
        self.tell(Command::BeginCall { at, request, silent: Vec::new() }).expect("asked");
    }

    pub(crate) fn check(&self, to: &Target) -> Verdict {
        check(&self.state, &self.definition, to)
    }

    pub(crate) fn upgrade(&mut self, to: Target) -> Result<Vec<Event>, Refusal> {
        let definition = Arc::clone(&to.definition);
        let upgrade = Upgrade { to, by: ann(), reason: Some("a better one".into()) };
        let events = self.tell(Command::Upgrade(Box::new(upgrade)))?;
        self.definition = definition;
        Ok(events)
    }
}

pub(crate) fn definition(version: &str, steps: &str) -> Arc<Definition> {
    let head = if steps.contains("inputs:") { "" } else { "inputs: { n: integer }\n" };
    let body = if steps.contains("steps:") { steps.to_owned() } else { format!("steps:\n{steps}") };
    let text = format!("pawl: 1\nworkflow: w\nversion: {version}\n{head}{body}\n");
    let loaded = pawl_core::source::load("w.yaml", &text);
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}")).definition.into()
}

pub(crate) fn target(steps: &str) -> Target {
    Target {
        definition: definition("1.1.0", steps),
        plugins: pins("old").into(),
        workflows: children("child"),
        prices: pawl_core::budget::Prices::new(),
    }
}

pub(crate) fn children(definition: &str) -> WorkflowPins {
    let pin = WorkflowPin {
        workflow: "child".into(),
        version: "1.0.0".into(),
        definition: Digest::of(definition.as_bytes()),
        folder: None,
        plugins: Arc::default(),
        workflows: WorkflowPins::new(),
    };
    BTreeMap::from([("child".to_owned(), pin)])
}

pub(crate) fn pins(bytes: &str) -> BTreeMap<String, PluginPin> {
    let tool = |name: &str, effect| ToolDescription {
        name: name.into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect,
    };
    let pin = |description| PluginPin {
        component: Digest::of(bytes.as_bytes()),
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
    let tools = vec![tool("do", EffectClass::Idempotent), tool("other", EffectClass::Idempotent)];
    BTreeMap::from([
        ("t".to_owned(), pin(Description::Tools(tools))),
        ("thinker".to_owned(), pin(Description::Agent(agent))),
    ])
}

pub(crate) fn ann() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "test".into() }
}
