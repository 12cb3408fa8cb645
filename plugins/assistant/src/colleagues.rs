//! Other agents, as the model sees them: tools with which it asks one, or hands the task over.

use std::collections::BTreeSet;

use pawl_answers::Shape;
use pawl_plugin::models::Offer;
use pawl_plugin::prelude::*;

use crate::world::World;

/// How many other agents one may be given.
pub(crate) const AGENTS_MAX: usize = 16;
/// The name of one, as the model calls it.
pub(crate) const AGENT_NAME_MAX_BYTES: usize = 48;

/// Another agent, and what the model may do with it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Colleague {
    /// What the model calls it: letters, digits, `-` and `_`, at most 48.
    name: String,
    /// What it can do, for the model; what the agent says of itself where nothing is said.
    #[serde(default)]
    summary: Option<String>,
    /// `ask`: it is given a task, and what it answers comes back. `handoff`: it goes on with the task in this
    /// agent's place.
    #[serde(default)]
    how: How,
    /// The agent, as `permissions: agents` names it; its `name` where nothing is said.
    #[serde(default)]
    agent: Option<String>,
    /// What the model says to it, in the forms of `output`; `{"task": "string"}` without it.
    #[serde(default)]
    input: Option<Value>,
    /// What it is given besides. The model does not see it and cannot change it.
    #[serde(default)]
    with: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    #[default]
    Ask,
    Handoff,
}

/// A colleague who can be called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contact {
    pub(crate) how: How,
    pub(crate) agent: String,
    shape: Shape,
    with: serde_json::Map<String, Value>,
}

impl Contact {
    /// The agent's input, made of what the model says.
    pub(crate) fn task(&self, arguments: &Value) -> Result<Value, String> {
        self.shape.check("the input", arguments)?;
        let mut task = arguments.as_object().cloned().unwrap_or_default();
        task.extend(self.with.clone());
        Ok(task.into())
    }
}

/// The offers with which the model reaches its colleagues, each with whom it reaches.
pub(crate) fn contacts(
    world: &mut impl World,
    colleagues: Vec<Colleague>,
) -> Result<Vec<(Offer, Contact)>, Failure> {
    if colleagues.is_empty() {
        return Ok(Vec::new());
    }
    if colleagues.len() > AGENTS_MAX {
        let count = colleagues.len();
        let message = format!("`agents` names {count} agents; at most {AGENTS_MAX} are possible");
        return Err(Failure::invalid_input(message));
    }
    if !world.has_agents() {
        return Err(Failure::denied(
            "`agents` names other agents, and the step may ask none; add them to `permissions: agents`",
        ));
    }
    let mut names = BTreeSet::new();
    for Colleague { name, .. } in &colleagues {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=AGENT_NAME_MAX_BYTES).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(Failure::invalid_input(format!(
                "the agent {name:?} in `agents` needs a name of 1 to {AGENT_NAME_MAX_BYTES} letters, digits, `-` and `_`"
            )));
        }
        if !names.insert(name) {
            return Err(Failure::invalid_input(format!("`agents` names {name} twice")));
        }
    }
    // What they say of themselves is asked for only where it is needed.
    let is_silent = colleagues.iter().any(|colleague| colleague.summary.is_none());
    let described = if is_silent { world.agents() } else { Vec::new() };
    colleagues.into_iter().map(|colleague| contact(colleague, &described)).collect()
}

fn contact(colleague: Colleague, described: &[(String, String)]) -> Result<(Offer, Contact), Failure> {
    let Colleague { name, summary, how, agent, input, with } = colleague;
    let agent = agent.unwrap_or_else(|| name.clone());
    let own = || described.iter().find(|(known, _)| *known == agent).map(|(_, summary)| summary.clone());
    let summary = summary.or_else(own).ok_or_else(|| {
        Failure::denied(format!(
            "`agents` names {agent}, which the step may not ask; add it to `permissions: agents`"
        ))
    })?;
    let field = format!("agents.{name}.input");
    let shape = Shape::of(&field, input.unwrap_or_else(|| json!({ "task": "string" })))?;
    let (tool, summary) = match how {
        How::Ask => (format!("ask_{name}"), format!("Asks {name}, and waits for the answer. {summary}")),
        How::Handoff => (
            format!("hand_over_to_{name}"),
            format!(
                "Hands the task over to {name}, who goes on in your place: you hear no more of it. {summary}"
            ),
        ),
    };
    let offer = Offer { name: tool, summary, input_schema: shape.schema().clone() };
    Ok((offer, Contact { how, agent, shape, with }))
}
