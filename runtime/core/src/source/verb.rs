//! What a step does: exactly one verb.

use serde_json::{Value, json};

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Entry, Kind, Node};
use super::{block, human, listen, permissions, route, step};
use crate::FailureKind;
use crate::definition::{
    AgentStep, Branch, Case, FailStep, MemoryOf, StepIndex, SwitchStep, ToolStep, Verb, WaitStep,
    WorkflowStep,
};
use crate::diagnostic::{Code, among};
use crate::expression::Template;
use crate::language::{FAIL, MEMORY, STEP, WAIT};
use crate::plugin::{Ceiling, Permissions, split_tool};

/// The step's verb; nothing when it has none, or one that cannot be read.
pub(super) fn verb(
    lower: &mut Lower,
    entries: Keys<'_>,
    step: &Node,
    index: StepIndex,
    pointer: &str,
) -> Option<Verb> {
    let known = STEP.keys().filter(|key| key.verb);
    let verbs = entries.iter().filter(|entry| known.clone().any(|key| key.name == entry.key));
    let verbs: Vec<&Entry> = verbs.collect();
    let Some(first) = verbs.first() else {
        lower.ways_known = false;
        if step.as_map().is_some() {
            let help =
                Some(format!("give it one of {}", known.map(|key| key.name).collect::<Vec<_>>().join(", ")));
            lower.report(Code::VerbCount, &step.span, "the step has no verb", help);
        }
        return None;
    };
    for second in &verbs[1..] {
        let message = format!("the step has a second verb: '{}' beside '{}'", second.key, first.key);
        lower.report(Code::VerbCount, &second.key_span, message, Some("make two steps of it".to_owned()));
    }
    let node = &first.value;
    match first.key.as_str() {
        "agent" => agent(lower, node, entries),
        "tool" => tool(lower, node, entries),
        "human" => human::human(lower, node),
        "set" => Some(Verb::Set(lower.template(node))),
        "switch" => switch(lower, node, index),
        "wait" => wait(lower, node),
        "parallel" => block::parallel(lower, node, index, pointer),
        "map" => block::map(lower, node, index, pointer),
        "loop" => block::repeat(lower, node, index, pointer),
        "signal" => listen::signal(lower, node),
        "emit" => listen::emit(lower, node),
        "workflow" => child(lower, node, entries),
        _ => fail(lower, node),
    }
}

fn with(lower: &mut Lower, entries: Keys<'_>) -> Template {
    let Some(node) = get(entries, "with") else { return Template::literal(json!({})) };
    let plain = node.as_text().is_some_and(|text| !text.contains("${{"));
    if node.as_map().is_none() && (plain || node.as_text().is_none()) {
        let message = format!("with must be a map, not {}", node.describe());
        let help = Some("write the arguments by name, or one expression that gives a map".to_owned());
        lower.report(Code::WrongType, &node.span, message, help);
    }
    lower.template(node)
}

/// A name of a plugin or a workflow.
fn plugin_text<'n>(lower: &mut Lower, node: &'n Node, what: &str) -> Option<&'n str> {
    let text = lower.text(node, what)?;
    if text.contains("${{") {
        let message = format!("{what} must be a name; it cannot be computed");
        let help = Some("use a switch and a step for each".to_owned());
        lower.report(Code::InvalidValue, &node.span, message, help);
        return None;
    }
    Some(text)
}

fn agent(lower: &mut Lower, node: &Node, entries: Keys<'_>) -> Option<Verb> {
    let with = with(lower, entries);
    let permissions = permissions::narrowed(lower, get(entries, "permissions"));
    let memory = get(entries, "memory").and_then(|node| memory(lower, node, &permissions));
    let memory = memory.unwrap_or(MemoryOf::Run);
    if node.as_map().is_some() {
        let route = Some(route::route(lower, node)?);
        return Some(Verb::Agent(AgentStep { agent: String::new(), route, with, permissions, memory }));
    }
    let agent = plugin_text(lower, node, "agent")?;
    lower
        .name(agent, &node.span, "an agent", "-")
        .then(|| Verb::Agent(AgentStep { agent: agent.to_owned(), route: None, with, permissions, memory }))
}

/// Whose memory an agent uses, which it must be allowed to.
fn memory(lower: &mut Lower, node: &Node, permissions: &Permissions) -> Option<MemoryOf> {
    if !permissions.memory {
        let help = Some("add `memory: true` to `permissions`".to_owned());
        lower.report(Code::BeyondPermissions, &node.span, "the step's agent may not use memory", help);
    }
    if node.as_map().is_some() {
        let entries = lower.map(node, &MEMORY)?;
        let key = lower.required(entries, "key", &node.span)?;
        return Some(MemoryOf::Key(lower.template(key)));
    }
    match lower.text(node, "memory")? {
        "run" => Some(MemoryOf::Run),
        "workflow" => Some(MemoryOf::Workflow),
        other => {
            let message = format!("there is no memory '{other}'");
            let help = Some("it is one of run, workflow, or `{ key: … }`".to_owned());
            lower.report(Code::InvalidValue, &node.span, message, help);
            None
        }
    }
}

fn tool(lower: &mut Lower, node: &Node, entries: Keys<'_>) -> Option<Verb> {
    let with = with(lower, entries);
    let permissions = permissions::narrowed(lower, get(entries, "permissions"));
    if node.as_map().is_some() {
        let (plugin, tool, route) = (String::new(), String::new(), Some(route::route(lower, node)?));
        return Some(Verb::Tool(ToolStep { plugin, tool, route, with, permissions }));
    }
    let name = plugin_text(lower, node, "tool")?;
    let Some((plugin, tool)) = split_tool(name) else {
        let message = format!("'{name}' names no tool");
        let help = Some(
            "write plugin.tool, such as orders.lookup, or mcp.server.tool, such as mcp.files.read_file"
                .to_owned(),
        );
        lower.report(Code::InvalidValue, &node.span, message, help);
        return None;
    };
    let named = lower.plugin(plugin, &node.span);
    let (plugin, tool, route) = (plugin.to_owned(), tool.to_owned(), None);
    named.then(|| Verb::Tool(ToolStep { plugin, tool, route, with, permissions }))
}

fn switch(lower: &mut Lower, node: &Node, index: StepIndex) -> Option<Verb> {
    let Some(items) = lower.list(node, "switch") else {
        lower.ways_known = false;
        return None;
    };
    if items.is_empty() {
        lower.ways_known = false;
        let help = Some("write `switch: [{ when: …, to: lookup }, { to: end }]`".to_owned());
        lower.report(Code::MissingKey, &node.span, "a switch needs a case", help);
    }
    let branches = step::branches(lower, items, index);
    let cases = branches.into_iter().map(|Branch { when, to }| Case { when, to }).collect();
    Some(Verb::Switch(SwitchStep { cases }))
}

fn wait(lower: &mut Lower, node: &Node) -> Option<Verb> {
    if node.as_map().is_some() {
        let entries = lower.map(node, &WAIT)?;
        if get(entries, "topic").is_some() {
            return listen::topic(lower, entries);
        }
        if let Some(node) = get(entries, "due") {
            let help = Some("it goes with `topic`; `until` is itself the end of the wait".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "'due' does not go with until", help);
        }
        let Some(until) = get(entries, "until") else {
            let help = Some("write `wait: { until: 2026-12-24T09:00:00Z }`, or a topic".to_owned());
            lower.report(Code::MissingKey, &node.span, "wait needs the key 'until' or 'topic'", help);
            return None;
        };
        let template = lower.template(until);
        if let Some(Value::String(text)) = template.as_literal()
            && let Err(error) = crate::Timestamp::parse(text)
        {
            lower.report(Code::InvalidValue, &until.span, error.to_string(), None);
        }
        return Some(Verb::Wait(WaitStep::Until(template)));
    }
    if node.as_text().is_some_and(|text| text.contains("${{")) {
        let message = "a computed wait needs an instant";
        let help = Some("write `wait: { until: … }`, or a duration such as 30s".to_owned());
        lower.report(Code::InvalidDuration, &node.span, message, help);
        return None;
    }
    lower.duration(node, "wait").map(|duration| Verb::Wait(WaitStep::For(duration)))
}

fn fail(lower: &mut Lower, node: &Node) -> Option<Verb> {
    let permanent = FailureKind::Permanent;
    if !matches!(node.kind, Kind::Map(_)) {
        lower.text(node, "fail")?;
        return Some(Verb::Fail(FailStep { message: lower.template(node), kind: permanent }));
    }
    let entries = lower.map(node, &FAIL)?;
    let kind = get(entries, "kind").and_then(|node| {
        let name = lower.text(node, "kind")?;
        let kind = step::kind(name);
        if kind.is_none() {
            step::unknown_kind(lower, name, &node.span);
        }
        kind
    });
    let message = lower.required(entries, "message", &node.span)?;
    lower.text(message, "message");
    Some(Verb::Fail(FailStep { message: lower.template(message), kind: kind.unwrap_or(permanent) }))
}

/// A run of another workflow, by one of the names under `workflows`.
fn child(lower: &mut Lower, node: &Node, entries: Keys<'_>) -> Option<Verb> {
    let with = with(lower, entries);
    let name = plugin_text(lower, node, "workflow")?;
    if !lower.outline.workflows.contains(name) {
        let message = format!("there is no workflow '{name}' here");
        let known = lower.outline.workflows.iter().map(String::as_str);
        let help = among(name, "workflows are", known)
            .or_else(|| Some(format!("name its file at the top: `workflows: {{ {name}: ./{name}.yaml }}`")));
        lower.report(Code::UnknownWorkflow, &node.span, message, help);
    }
    let granted = get(entries, "permissions").is_some() || lower.ceiling.is_some();
    let own = permissions::narrowed(lower, get(entries, "permissions"));
    let grants = if granted { Ceiling::of(&own) } else { Ceiling::default() };
    Some(Verb::Workflow(WorkflowStep { workflow: name.to_owned(), with, grants }))
}
