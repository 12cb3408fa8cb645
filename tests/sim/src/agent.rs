//! The agent `script`, played without its component: the same calls through the same host.

use std::sync::Arc;

use pawl_core::call::{CallRequest, CallResponse, LogLevel, Question};
use pawl_core::{Duration, Failure, FailureKind};
use pawl_sandbox::{AgentEnd, AgentHost, CallReply, CallsReply};
use serde_json::{Value, json};

/// Does what the input's `steps` say, one after the other.
pub(crate) async fn play(input: &Value, host: &mut dyn AgentHost) -> AgentEnd {
    let mut results = Vec::new();
    for step in input["steps"].as_array().into_iter().flatten() {
        if let Some([agent, input]) = step["hand-over"].as_array().map(Vec::as_slice) {
            let agent = agent.as_str().unwrap_or_default().to_owned();
            return AgentEnd::Handoff { agent, input: input.clone() };
        }
        match carry_out(step, host).await {
            Ok(result) => results.push(result),
            Err(end) => return end,
        }
    }
    AgentEnd::Completed(Value::Array(results))
}

async fn carry_out(step: &Value, host: &mut dyn AgentHost) -> Result<Value, AgentEnd> {
    let Some((verb, with)) = step.as_object().and_then(|step| step.iter().next()) else {
        return Ok(Value::Null);
    };
    if verb == "all" {
        let calls = with.as_array().into_iter().flatten().map(tool).collect();
        return match host.call_all(calls).await {
            CallsReply::Answer { responses, .. } => Ok(responses.into_iter().map(shown).collect()),
            CallsReply::Suspend => Err(AgentEnd::Suspended),
            CallsReply::Abort(failure) => Err(AgentEnd::Failed(failure)),
        };
    }
    let response = ask(request(verb, with), host).await?;
    match (verb.as_str(), response) {
        ("fail", _) => Err(AgentEnd::GaveUp(Failure::new(FailureKind::Permanent, text(with)))),
        // What it does not handle ends it.
        ("ask" | "sleep" | "get" | "put", Err(failure)) => Err(AgentEnd::GaveUp(failure)),
        ("ask", Ok(answer)) => Ok(answer["action"].clone()),
        (_, response) => Ok(shown(response)),
    }
}

async fn ask(request: CallRequest, host: &mut dyn AgentHost) -> Result<CallResponse, AgentEnd> {
    match host.call(request).await {
        CallReply::Answer { response, .. } => Ok(response.map(Arc::unwrap_or_clone)),
        CallReply::Suspend => Err(AgentEnd::Suspended),
        CallReply::Abort(failure) => Err(AgentEnd::Failed(failure)),
    }
}

fn request(verb: &str, with: &Value) -> CallRequest {
    match verb {
        "tool" => tool(with),
        "agent" => CallRequest::Agent { name: text(&with[0]), task: with[1].clone() },
        "ask" => CallRequest::Human(Box::new(Question {
            title: text(with),
            to: Vec::new(),
            actions: vec!["approve".into(), "reject".into()],
            form: None,
            subject: None,
            due: None,
            on_timeout: None,
            terms: pawl_core::terms::Terms::default(),
        })),
        "sleep" => CallRequest::Sleep { duration: Duration(with.as_u64().unwrap_or_default()) },
        "signal" => CallRequest::Signal { name: text(&with[0]), due: with[1].as_u64().map(Duration) },
        "get" => CallRequest::MemoryGet { key: text(with), scope: None },
        "put" => CallRequest::MemoryPut { key: text(&with[0]), value: with[1].clone(), scope: None },
        _ => CallRequest::Log { level: LogLevel::Info, message: text(with) },
    }
}

fn tool(call: &Value) -> CallRequest {
    CallRequest::Tool { name: text(&call["tool"]), arguments: call["with"].clone() }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn shown(response: CallResponse) -> Value {
    response.unwrap_or_else(|failure| json!({ "failed": failure.message }))
}
