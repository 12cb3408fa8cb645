//! What spans of calls are called, and what they say: the `GenAI` conventions of OpenTelemetry where they have a word.

use pawl_core::RunId;
use pawl_core::call::CallRequest;
use pawl_core::plugin::MCP_PREFIX;
use serde_json::Value;

use super::{Known, content};
use crate::span::{Attribute, Attributes, Kind};

/// How a call is called, on which side it is, and what is said of it; nothing for one that takes no time.
pub(super) fn call(
    known: Known<'_>,
    run: RunId,
    request: &CallRequest,
) -> Option<(String, Kind, Attributes)> {
    match request {
        CallRequest::Model { profile, request } => {
            Some((format!("chat {profile}"), Kind::Client, chat(known, run, profile, request)))
        }
        CallRequest::Tool { name, arguments } => {
            let mut attributes = tool(name);
            if known.content.tools() {
                content::say(&mut attributes, "gen_ai.tool.call.arguments", arguments);
            }
            Some((format!("execute_tool {name}"), kind_of(name), attributes))
        }
        CallRequest::Agent { name, .. } => {
            let attributes = vec![("gen_ai.agent.name", name.as_str().into())];
            Some((format!("agents.call {name}"), Kind::Internal, attributes))
        }
        CallRequest::Signal { name, .. } => {
            let attributes = vec![("pawl.signal", name.as_str().into())];
            Some((format!("signals.wait {name}"), Kind::Internal, attributes))
        }
        CallRequest::Human(_) => Some(("human.ask".to_owned(), Kind::Internal, Vec::new())),
        CallRequest::Sleep { .. } => Some(("timers.sleep".to_owned(), Kind::Internal, Vec::new())),
        _ => None,
    }
}

fn chat(known: Known<'_>, run: RunId, profile: &str, request: &Value) -> Attributes {
    let mut attributes = vec![
        ("gen_ai.operation.name", "chat".into()),
        ("gen_ai.request.model", profile.into()),
        ("gen_ai.conversation.id", run.to_string().into()),
    ];
    if let Some(provider) = known.providers.get(profile) {
        attributes.push(("gen_ai.provider.name", provider.as_str().into()));
    }
    let most = request["max_tokens"].as_u64();
    attributes.extend(most.map(|most| ("gen_ai.request.max_tokens", most.into())));
    if !request["response_schema"].is_null() {
        attributes.push(("gen_ai.output.type", "json".into()));
    }
    if known.content.models() {
        content::asked(&mut attributes, request);
    }
    attributes
}

/// A tool of an MCP server is somebody else's; another runs here.
pub(super) fn kind_of(tool: &str) -> Kind {
    if tool.starts_with(MCP_PREFIX) { Kind::Client } else { Kind::Internal }
}

/// What is said of a tool. Of one of an MCP server, what the conventions have for a request to it as well.
pub(super) fn tool(name: &str) -> Attributes {
    let mut attributes =
        vec![("gen_ai.operation.name", "execute_tool".into()), ("gen_ai.tool.name", name.into())];
    let server = name.strip_prefix(MCP_PREFIX).and_then(|rest| rest.split_once('.'));
    attributes.push(("gen_ai.tool.type", if server.is_some() { "extension" } else { "function" }.into()));
    if let Some((server, _)) = server {
        attributes.extend([("mcp.method.name", "tools/call".into()), ("pawl.mcp.server", server.into())]);
    }
    attributes
}

/// Whether a model is asked.
pub(super) const fn is_chat(request: &CallRequest) -> bool {
    matches!(request, CallRequest::Model { .. })
}

/// What the answer of a model says of itself.
pub(super) fn answer(known: Known<'_>, answer: &Value) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(model) = answer["model"].as_str() {
        attributes.push(("gen_ai.response.model", model.into()));
    }
    if let Some(finish) = content::finish(answer) {
        attributes.push(("gen_ai.response.finish_reasons", Attribute::List(vec![finish.to_owned()])));
    }
    if let Some(profile) = answer["profile"].as_str() {
        attributes.push(("pawl.model.answered", profile.into()));
    }
    for (name, which) in
        [("gen_ai.usage.input_tokens", "input_tokens"), ("gen_ai.usage.output_tokens", "output_tokens")]
    {
        attributes.extend(answer["usage"][which].as_u64().map(|tokens| (name, tokens.into())));
    }
    if known.content.models() {
        content::answered(&mut attributes, answer);
    }
    attributes
}
