//! `signals`: a named input to the run. Waiting is the engine's: it suspends the agent until the answer.

use pawl_core::Duration;
use pawl_core::call::CallRequest;

use crate::bindings::host::signals::Host;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::HostState;

impl Host for HostState {
    async fn wait(&mut self, name: String, due_ms: Option<u64>) -> wasmtime::Result<Result<String, Failure>> {
        self.check_payload(&name)?;
        let request = CallRequest::Signal { name, due: due_ms.map(Duration) };
        Ok(match self.forward(request).await? {
            Ok(value) => Ok(self.text(&value)?),
            Err(failure) => Err(to_guest(failure)),
        })
    }
}
