//! `tools`: what an agent may call. Which tools are granted is the engine's to decide, call by
//! call, so that a refusal stands in the journal.

use pawl_core::call::CallRequest;
use pawl_core::plugin::{EffectClass, ToolDescription};
use pawl_core::{Failure, FailureKind};

use crate::bindings::host::tools::{Host, ToolCall, ToolInfo};
use crate::bindings::host::types;
use crate::host::to_guest;
use crate::state::{HostState, Stop};

type Answer = Result<String, types::Failure>;

impl HostState {
    async fn tool(&mut self, name: String, arguments: &str) -> Result<Answer, Stop> {
        self.check_payload(&name)?;
        let arguments = match self.json("the arguments of tools.call", arguments).await? {
            Ok(arguments) => arguments,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        Ok(match self.forward_shared(CallRequest::Tool { name, arguments }).await? {
            Ok(value) => Ok(self.text(&value)?),
            Err(failure) => Err(to_guest(failure)),
        })
    }
}

impl HostState {
    /// Calls whose arguments are no JSON are answered here; all others are made together.
    async fn tools(&mut self, calls: Vec<ToolCall>) -> Result<Vec<Answer>, Stop> {
        let max = self.limits.call_all_max;
        if calls.len() > max as usize {
            return Err(Stop::limit("call_all_max", max.into()));
        }
        let mut requests = Vec::new();
        let mut answers = Vec::new();
        for ToolCall { name, arguments } in calls {
            self.check_payload(&name)?;
            answers.push(match self.json("the arguments of tools.call-all", &arguments).await? {
                Ok(arguments) => {
                    requests.push(CallRequest::Tool { name, arguments });
                    None
                }
                Err(failure) => Some(Err(to_guest(failure))),
            });
        }
        let mut responses = self.forward_all(requests).await?.into_iter();
        // Together they go into the guest's memory: what cannot fit is not written out first.
        let memory_max = self.limits.memory_max_bytes;
        let mut bytes = 0_u64;
        let mut all = Vec::new();
        for answer in answers {
            let answer = match answer {
                Some(refused) => refused,
                None => match responses.next().ok_or_else(unanswered)? {
                    Ok(value) => Ok(self.text(&value)?),
                    Err(failure) => Err(to_guest(failure)),
                },
            };
            bytes = bytes.saturating_add(answer.as_ref().map_or(0, String::len) as u64);
            if bytes > memory_max {
                return Err(Stop::limit("memory_max_bytes", memory_max));
            }
            all.push(answer);
        }
        Ok(all)
    }
}

fn unanswered() -> Stop {
    let message = "pawl gave fewer answers to tools.call-all than there were calls; please report it";
    Stop::Aborted(Failure::new(FailureKind::Permanent, message))
}

impl Host for HostState {
    /// The engine answers with a list of `ToolDescription`, each with its full name.
    async fn list(&mut self) -> wasmtime::Result<Vec<ToolInfo>> {
        let Ok(answer) = self.forward(CallRequest::ToolList).await? else { return Ok(Vec::new()) };
        let tools: Vec<ToolDescription> = serde_json::from_value(answer).map_err(|error| {
            let message = format!("pawl's answer to tools.list is not a list of tools: {error}");
            Stop::Aborted(Failure::new(FailureKind::Permanent, message))
        })?;
        let infos: Result<_, Stop> = tools.iter().map(|tool| info(self, tool)).collect();
        Ok(infos?)
    }

    async fn call(&mut self, name: String, arguments: String) -> wasmtime::Result<Answer> {
        Ok(self.tool(name, &arguments).await?)
    }

    async fn call_all(&mut self, calls: Vec<ToolCall>) -> wasmtime::Result<Vec<Answer>> {
        Ok(self.tools(calls).await?)
    }
}

fn info(state: &HostState, tool: &ToolDescription) -> Result<ToolInfo, Stop> {
    Ok(ToolInfo {
        name: tool.name.clone(),
        summary: tool.summary.clone(),
        input_schema: state.text(&tool.input_schema)?,
        output_schema: state.text(&tool.output_schema)?,
        effect: match tool.effect {
            EffectClass::Pure => types::Effect::Pure,
            EffectClass::Idempotent => types::Effect::Idempotent,
            EffectClass::AtMostOnce => types::Effect::AtMostOnce,
        },
    })
}
