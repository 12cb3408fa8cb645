//! What spans of calls are called, and what they say: the `GenAI` conventions of OpenTelemetry where they have a word.

use pawl_core::call::CallRequest;

use super::Known;
use crate::span::{Attributes, Kind};

/// How a call is called, on which side it is, and what is said of it; nothing for one that takes no time.
pub(super) fn call(known: Known<'_>, request: &CallRequest) -> Option<(String, Kind, Attributes)> {
    match request {
        CallRequest::Model { profile, .. } => {
            let mut attributes = vec![
                ("gen_ai.operation.name", "chat".into()),
                ("gen_ai.request.model", profile.as_str().into()),
            ];
            if let Some(provider) = known.providers.get(profile) {
                attributes.push(("gen_ai.provider.name", provider.as_str().into()));
            }
            Some((format!("chat {profile}"), Kind::Client, attributes))
        }
        CallRequest::Tool { name, .. } => Some((format!("execute_tool {name}"), Kind::Client, tool(name))),
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

/// What is said of a tool.
pub(super) fn tool(name: &str) -> Attributes {
    vec![("gen_ai.operation.name", "execute_tool".into()), ("gen_ai.tool.name", name.into())]
}

/// Whether a model is asked.
pub(super) const fn is_chat(request: &CallRequest) -> bool {
    matches!(request, CallRequest::Model { .. })
}

/// What the answer of a model says of itself.
pub(super) fn answer(answer: &serde_json::Value) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(model) = answer["model"].as_str() {
        attributes.push(("gen_ai.response.model", model.into()));
    }
    if let Some(profile) = answer["profile"].as_str() {
        attributes.push(("pawl.model.answered", profile.into()));
    }
    for (name, which) in
        [("gen_ai.usage.input_tokens", "input_tokens"), ("gen_ai.usage.output_tokens", "output_tokens")]
    {
        attributes.extend(answer["usage"][which].as_u64().map(|tokens| (name, tokens.into())));
    }
    attributes
}
