//! `timers`: a durable pause. Nothing sleeps here; the engine sets a timer and suspends the agent.

use pawl_core::Duration;
use pawl_core::call::CallRequest;

use crate::bindings::host::timers::Host;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::HostState;

impl Host for HostState {
    async fn sleep(&mut self, duration_ms: u64) -> wasmtime::Result<Result<(), Failure>> {
        let request = CallRequest::Sleep { duration: Duration(duration_ms) };
        Ok(self.forward(request).await?.map(drop).map_err(to_guest))
    }
}
