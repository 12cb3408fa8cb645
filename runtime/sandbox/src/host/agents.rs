//! `agents`: another agent does a task. Waiting is the engine's: it suspends the agent until the answer.

use pawl_core::FailureKind;
use pawl_core::call::CallRequest;
use pawl_core::plugin::NamedAgent;

use crate::bindings::host::agents::{AgentInfo, Host};
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::{HostState, Stop};

impl Host for HostState {
    /// The engine answers with a list of descriptions, each with its agent's name.
    async fn list(&mut self) -> wasmtime::Result<Vec<AgentInfo>> {
        let Ok(answer) = self.forward(CallRequest::AgentList).await? else { return Ok(Vec::new()) };
        let agents: Vec<NamedAgent> = serde_json::from_value(answer).map_err(|error| {
            let message = format!("pawl's answer to agents.list is not a list of agents: {error}");
            Stop::Aborted(pawl_core::Failure::new(FailureKind::Permanent, message))
        })?;
        let infos: Result<_, Stop> = agents.into_iter().map(|agent| info(self, agent)).collect();
        Ok(infos?)
    }

    async fn call(&mut self, name: String, task: String) -> wasmtime::Result<Result<String, Failure>> {
        self.check_payload(&name)?;
        let task = match self.json("the task of agents.call", &task).await? {
            Ok(task) => task,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        Ok(match self.forward(CallRequest::Agent { name, task }).await? {
            Ok(value) => Ok(self.text(&value)?),
            Err(failure) => Err(to_guest(failure)),
        })
    }
}

fn info(state: &HostState, agent: NamedAgent) -> Result<AgentInfo, Stop> {
    Ok(AgentInfo {
        input_schema: state.text(&agent.input_schema)?,
        output_schema: state.text(&agent.output_schema)?,
        name: agent.name,
        summary: agent.summary,
        capabilities: agent.capabilities,
    })
}
