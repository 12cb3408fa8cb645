//! A run that is driven by hand, as the engine drives it: decided, folded and encoded, never stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use pawl_core::call::CallRequest;
use pawl_core::definition::Definition;
use pawl_core::event::{Actor, Event, RunStarted, Work};
use pawl_core::journal::{self, Head};
use pawl_core::plugin::{
    AgentDescription, Description, EffectClass, Permissions, PluginOrigin, PluginPin, PluginPins,
    ToolDescription,
};
use pawl_core::{
    CallPlace, Command, Digest, Effect, Entropy, Moment, RunId, RunState, Timestamp, VisitId, decide, effects,
};
use serde_json::{Value, json};

/// The run of all workloads.
pub(crate) const RUN: RunId = RunId::from_bytes([7; 16]);

/// A workflow, and what its runs start with.
pub(crate) struct Workload {
    definition: Definition,
    pins: Arc<PluginPins>,
}

/// A run, as far as it came.
pub(crate) struct Driven {
    pub(crate) state: RunState,
    head: Head,
    /// Its journal.
    pub(crate) records: Vec<Vec<u8>>,
}

impl Workload {
    /// Reads and checks a workflow, whose head is written here.
    pub(crate) fn new(rest: &str) -> Result<Self> {
        let head = "pawl: 1\nworkflow: guarded\nversion: 1.0.0\n";
        let inputs = "inputs:\n  n: { type: integer, default: 1 }\n  items: { type: array, default: [] }\n";
        let text = format!("{head}{inputs}{rest}");
        let loaded = pawl_core::source::load("guarded.yaml", &text);
        let loaded = loaded.map_err(|problems| anyhow!("{}", problems.render(false)))?;
        Ok(Self { definition: loaded.definition, pins: pins().into() })
    }

    fn start(&self, inputs: Value) -> Result<Driven> {
        let mut driven = Driven { state: RunState::new(RUN), head: Head::empty(RUN), records: Vec::new() };
        let inputs = self.definition.inputs.accept(inputs).map_err(|failure| anyhow!("{failure:?}"))?;
        let started = RunStarted {
            folder: None,
            workflow: "guarded".into(),
            version: "1.0.0".into(),
            definition: self.definition.digest,
            inputs: inputs.into(),
            plugins: Arc::clone(&self.pins),
            allowed: Permissions::default(),
            by: Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "guard".into() },
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
        driven.tell(&self.definition, Command::Start(Box::new(started)))?;
        Ok(driven)
    }

    /// A run whose tools give their arguments back, until nothing is under way.
    pub(crate) fn steps(&self, inputs: Value) -> Result<Driven> {
        let mut driven = self.start(inputs)?;
        loop {
            let under_way = driven.under_way();
            if under_way.is_empty() {
                return Ok(driven);
            }
            for (visit, attempt, work) in under_way {
                let Work::Tool { arguments, .. } = &*work else { continue };
                let result = Ok(arguments.clone().into_value());
                let (silent, log) = (Vec::new(), Vec::new());
                let end = Command::EndAttempt { visit, attempt, result, silent, log };
                driven.tell(&self.definition, end)?;
            }
        }
    }

    /// A run whose agent makes so many calls and is under way still.
    pub(crate) fn calls(&self, calls: u32) -> Result<Driven> {
        let mut driven = self.start(json!({}))?;
        let (visit, attempt, _) = driven.under_way().pop().context("the agent is under way")?;
        for call in 1..=calls {
            let at = CallPlace { visit, attempt, call, first: call };
            let request = CallRequest::Tool { name: "t.do".into(), arguments: json!({ "id": call }) };
            let response = Ok(json!({ "id": call, "customer": "Ada", "amount": 120.5, "items": ["a", "b"] }));
            driven.tell(&self.definition, Command::EndCall { at, request, response, silent: Vec::new() })?;
        }
        Ok(driven)
    }
}

impl Driven {
    /// Decides a command and encodes its events.
    fn tell(&mut self, definition: &Definition, command: Command) -> Result<()> {
        let now = Timestamp(1_000 + self.head.seq);
        let entropy = Entropy::new(*Digest::of(&now.0.to_be_bytes()).as_bytes());
        let events: Vec<Event> = decide(&mut self.state, definition, command, Moment { now, entropy })?;
        self.records.extend(journal::encode(&mut self.head, now, &events));
        Ok(())
    }

    fn under_way(&self) -> Vec<(VisitId, u32, Arc<Work>)> {
        let attempt = |effect| match effect {
            Effect::Attempt { visit, attempt, work } => Some((visit, attempt, work)),
            Effect::WakeAt(_) | Effect::Route { .. } => None,
        };
        effects(&self.state).into_iter().filter_map(attempt).collect()
    }
}

/// The plugin `t` with the tool `do`, and the agent `a`.
fn pins() -> PluginPins {
    let pin = |description| PluginPin {
        component: Digest::of(b"component"),
        origin: PluginOrigin::Shipped,
        description,
        limits: BTreeMap::new(),
        named: None,
    };
    let tool = ToolDescription {
        name: "do".into(),
        summary: String::new(),
        input_schema: json!({}),
        output_schema: json!({}),
        effect: EffectClass::Idempotent,
    };
    let agent = AgentDescription {
        summary: String::new(),
        capabilities: Vec::new(),
        input_schema: json!({}),
        output_schema: json!({}),
    };
    PluginPins::from([
        ("t".to_owned(), pin(Description::Tools(vec![tool]))),
        ("a".to_owned(), pin(Description::Agent(agent))),
    ])
}
