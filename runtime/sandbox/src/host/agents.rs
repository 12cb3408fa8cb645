//! `agents`: another agent does a task. Waiting is the engine's: it suspends the agent until the answer.

use pawl_core::call::CallRequest;

use crate::bindings::host::agents::Host;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::HostState;

impl Host for HostState {
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
