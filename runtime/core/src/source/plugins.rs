//! A definition against what its plugins say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Loaded;
use super::arguments::Arguments;
use super::names::Report;
use super::sites::sites;
use crate::StepId;
use crate::budget::Prices;
use crate::definition::{Definition, Output, Step, Verb};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Root, Template};
use crate::plugin::{Description, MCP_PREFIX, PluginKind, PluginPins, split_tool};

/// Reports every step that uses a plugin otherwise than the plugin says it can be used.
///
/// Nothing is reported twice: what [`super::load`] found is not looked at again. `others` are the names of
/// plugins that could be used, `models` the operator's models, where they are known.
pub fn check_plugins(
    loaded: &Loaded,
    file: &str,
    text: &str,
    pins: &PluginPins,
    others: &[String],
    workflows: &BTreeMap<String, WorkflowShape>,
    models: Option<&KnownModels>,
) -> Diagnostics {
    let mut check = Check { loaded, pins, others, workflows, problems: Diagnostics::new(file, text) };
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (index, step) in loaded.definition.steps.iter().enumerate() {
        let schemas = check.step(index, step);
        inputs.push(schemas.map(|(input, _)| input));
        if let Verb::Agent(agent) = &step.verb {
            check.granted_tools(index, agent.permissions.tools.iter());
            check.granted_agents(index, agent.permissions.agents.iter());
            check.granted_models(index, &agent.permissions.models, models);
        }
        // What a `catch` gives may take the output's place, and so may that of an agent that goes on.
        let own = step.catch.is_none() && !may_hand_over(step);
        outputs.push(schemas.map(|(_, output)| output).filter(|_| own));
    }
    for (index, step) in loaded.definition.steps.iter().enumerate() {
        if let (Some(input), Some(with)) = (inputs[index], with(step)) {
            let arguments = Arguments { loaded, index, schema: input, outputs: &outputs };
            arguments.check(with, &mut check.problems);
        }
    }
    if let Some(models) = models.filter(|_| loaded.definition.counts_money()) {
        check.prices(models);
    }
    check.references(&outputs);
    check.problems
}

/// The operator's models, as far as workflows are checked against them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownModels {
    /// Their names.
    pub names: Vec<String>,
    /// What those cost that have a price, and whose fallbacks have one.
    pub prices: Prices,
}

/// What a workflow takes and gives, as far as its definition says.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowShape {
    /// JSON Schema of its inputs.
    pub inputs: Value,
    /// JSON Schema of its outputs.
    pub outputs: Value,
    /// The models that its agents may ask, and those of the workflows that it starts.
    pub models: BTreeSet<String>,
}

impl WorkflowShape {
    /// That of a definition.
    pub fn of(definition: &Definition) -> Self {
        let schema = |output: &Output| output.schema.as_ref().map_or_else(|| json!({}), |s| s.json().clone());
        let outputs: Map<_, _> =
            definition.outputs.iter().map(|(name, output)| (name.clone(), schema(output))).collect();
        Self {
            inputs: definition.inputs.json().clone(),
            outputs: json!({ "type": "object", "properties": outputs, "additionalProperties": false }),
            models: definition.models_of_agents().map(str::to_owned).collect(),
        }
    }
}

const fn with(step: &Step) -> Option<&Template> {
    match &step.verb {
        Verb::Agent(agent) => Some(&agent.with),
        Verb::Tool(tool) => Some(&tool.with),
        Verb::Workflow(workflow) => Some(&workflow.with),
        Verb::Human(_)
        | Verb::Set(_)
        | Verb::Switch(_)
        | Verb::Wait(_)
        | Verb::Fail(_)
        | Verb::Parallel(_)
        | Verb::Map(_)
        | Verb::Loop(_)
        | Verb::Signal(_)
        | Verb::Emit(_) => None,
    }
}

fn may_hand_over(step: &Step) -> bool {
    if let Verb::Agent(agent) = &step.verb { !agent.permissions.agents.is_empty() } else { false }
}

struct Check<'a> {
    loaded: &'a Loaded,
    pins: &'a PluginPins,
    others: &'a [String],
    workflows: &'a BTreeMap<String, WorkflowShape>,
    problems: Diagnostics,
}

impl<'a> Check<'a> {
    /// The schemas of a step's input and output, where its plugin is as the step expects.
    fn step(&mut self, index: usize, step: &'a Step) -> Option<(&'a Value, &'a Value)> {
        match &step.verb {
            // What it will be is known when the step is reached.
            Verb::Agent(agent) if agent.route.is_some() => None,
            Verb::Tool(tool) if tool.route.is_some() => None,
            Verb::Agent(agent) => {
                let at = format!("{}/agent", self.loaded.places.step(index));
                match self.plugin(&agent.agent, PluginKind::Agent, &at)? {
                    Description::Agent(agent) => Some((&agent.input_schema, &agent.output_schema)),
                    Description::Tools(_) => None,
                }
            }
            Verb::Tool(tool) => {
                let at = format!("{}/tool", self.loaded.places.step(index));
                let description = self.plugin(&tool.plugin, PluginKind::Tool, &at)?;
                let found = description.tool(&tool.tool);
                if found.is_none() {
                    self.unknown_tool(description, &tool.plugin, &tool.tool, &at);
                }
                found.map(|tool| (&tool.input_schema, &tool.output_schema))
            }
            Verb::Workflow(workflow) => {
                let shape = self.workflows.get(&workflow.workflow)?;
                Some((&shape.inputs, &shape.outputs))
            }
            Verb::Human(_)
            | Verb::Set(_)
            | Verb::Switch(_)
            | Verb::Wait(_)
            | Verb::Fail(_)
            | Verb::Parallel(_)
            | Verb::Map(_)
            | Verb::Loop(_)
            | Verb::Signal(_)
            | Verb::Emit(_) => None,
        }
    }

    fn push(&mut self, code: Code, pointer: &str, message: String, help: Option<String>) {
        let span = self.loaded.places.value(pointer);
        self.problems.push(code, span, message, "", help);
    }

    fn plugin(&mut self, name: &str, kind: PluginKind, at: &str) -> Option<&'a Description> {
        let Some(pin) = self.pins.get(name) else {
            let known: BTreeSet<&str> = self.pins.keys().chain(self.others).map(String::as_str).collect();
            if let Some(server) = name.strip_prefix(MCP_PREFIX).or((name == "mcp").then_some("")) {
                self.unknown_server(server, &known, at);
                return None;
            }
            let help = among(name, "plugins are", known);
            self.push(Code::UnknownPlugin, at, format!("there is no plugin '{name}'"), help);
            return None;
        };
        let found = pin.description.kind();
        if found != kind {
            let message = format!("'{name}' is a plugin of kind {}, not {}", found.name(), kind.name());
            let help = match &pin.description {
                Description::Agent(_) => format!("write `agent: {name}`"),
                Description::Tools(tools) => {
                    let tool = tools.first().map_or("<tool>", |tool| &tool.name);
                    format!("write `tool: {name}.{tool}`")
                }
            };
            self.push(Code::WrongPluginKind, at, message, Some(help));
            return None;
        }
        Some(&pin.description)
    }

    fn unknown_server(&mut self, server: &str, known: &BTreeSet<&str>, at: &str) {
        let message = if server.is_empty() {
            "'mcp' is no plugin: a tool of an MCP server is written mcp.server.tool".to_owned()
        } else {
            format!("there is no MCP server '{server}'")
        };
        let servers = known.iter().filter_map(|name| name.strip_prefix(MCP_PREFIX));
        let help = among(server, "MCP servers are", servers);
        let help = help.or_else(|| Some("name it under `mcp` in pawl.yaml, the operator's file".to_owned()));
        self.push(Code::UnknownPlugin, at, message, help);
    }

    fn unknown_tool(&mut self, description: &Description, plugin: &str, tool: &str, at: &str) {
        let names = match description {
            Description::Tools(tools) => tools.iter().map(|tool| tool.name.as_str()).collect(),
            Description::Agent(_) => Vec::new(),
        };
        let message = format!("the plugin '{plugin}' has no tool '{tool}'");
        let help = among(tool, &format!("tools of {plugin} are"), names);
        self.push(Code::UnknownTool, at, message, help);
    }

    /// The tools that an agent is granted: each must be there, `plugin.*` as well.
    fn granted_tools<'t>(&mut self, index: usize, tools: impl Iterator<Item = &'t String>) {
        let own = format!("{}/permissions/tools", self.loaded.places.step(index));
        let at = if self.loaded.places.has(&own) { own } else { "/permissions/tools".to_owned() };
        for granted in tools {
            let Some((plugin, tool)) = split_tool(granted) else { continue };
            let at = self.item(&at, granted);
            // Several steps may share the workflow's own grants: each is told once.
            let told = self.problems.list.iter().any(|problem| problem.span == self.loaded.places.value(&at));
            if told {
                continue;
            }
            let Some(description) = self.plugin(plugin, PluginKind::Tool, &at) else { continue };
            if tool != "*" && description.tool(tool).is_none() {
                self.unknown_tool(description, plugin, tool, &at);
            }
        }
    }

    /// The agents that an agent may call: each must be there.
    fn granted_agents<'t>(&mut self, index: usize, agents: impl Iterator<Item = &'t String>) {
        let own = format!("{}/permissions/agents", self.loaded.places.step(index));
        let at = if self.loaded.places.has(&own) { own } else { "/permissions/agents".to_owned() };
        for granted in agents {
            let at = self.item(&at, granted);
            let told = self.problems.list.iter().any(|problem| problem.span == self.loaded.places.value(&at));
            if !told {
                self.plugin(granted, PluginKind::Agent, &at);
            }
        }
    }

    fn granted_models(&mut self, index: usize, granted: &BTreeSet<String>, models: Option<&KnownModels>) {
        let Some(KnownModels { names: models, .. }) = models else { return };
        let own = format!("{}/permissions/models", self.loaded.places.step(index));
        let at = if self.loaded.places.has(&own) { own } else { "/permissions/models".to_owned() };
        for model in granted.iter().filter(|model| !models.contains(model)) {
            let at = self.item(&at, model);
            let help = among(model, "models are", models.iter().map(String::as_str));
            let help =
                help.or_else(|| Some("name it under `models` in pawl.yaml, the operator's file".to_owned()));
            self.push(Code::UnknownModel, &at, format!("there is no model '{model}'"), help);
        }
    }

    /// Where money is counted, whatever may be asked in its stead must have a price.
    fn prices(&mut self, models: &KnownModels) {
        let mut granted: BTreeSet<&str> = self.loaded.definition.models_of_agents().collect();
        granted.extend(self.workflows.values().flat_map(|shape| &shape.models).map(String::as_str));
        let steps = (0..self.loaded.definition.steps.len()).map(|index| self.loaded.places.step(index));
        let budgets = std::iter::once(String::new()).chain(steps.map(str::to_owned));
        let at = budgets.map(|at| format!("{at}/budget/money")).find(|at| self.loaded.places.has(at));
        let Some(at) = at else { return };
        for model in granted {
            if models.names.iter().any(|name| name == model) && !models.prices.contains_key(model) {
                let message = format!("the model '{model}', or one of its fallbacks, has no price");
                let help = "add `price: { input: …, output: … }` to it in pawl.yaml, the operator's file; 0 is a price";
                self.push(Code::UnpricedModel, &at, message, Some(help.to_owned()));
            }
        }
    }

    /// The item of a list that is written as this text, or the list.
    fn item(&self, list: &str, text: &str) -> String {
        let mut number = 0;
        loop {
            let at = format!("{list}/{number}");
            if !self.loaded.places.has(&at) {
                return list.to_owned();
            }
            let written = self.problems.text.get(self.loaded.places.value(&at));
            if written.is_some_and(|item| item.contains(text)) {
                return at;
            }
            number += 1;
        }
    }

    fn references(&mut self, outputs: &[Option<&Value>]) {
        let definition = &self.loaded.definition;
        for site in sites(definition, &self.loaded.places) {
            for reference in site.expression.references() {
                let name = reference.field(0).filter(|_| reference.root == Root::Steps);
                let index = name.and_then(|name| definition.index_of(&StepId::new(name)));
                let schema = index.and_then(|index| outputs.get(index.0).copied().flatten());
                if let (Some(name), Some(schema)) = (name, schema) {
                    let (places, problems) = (&self.loaded.places, &mut self.problems);
                    let mut report = Report { site: &site, reference, places, problems };
                    report.field(schema, 2, &format!("steps.{name}.output"));
                }
            }
        }
    }
}
