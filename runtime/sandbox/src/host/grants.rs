//! `grants`: what the step may do. It never changes for a run, so nothing of it is recorded.

use crate::bindings::host::grants::Host;
use crate::state::HostState;

impl Host for HostState {
    async fn has(&mut self, capability: String) -> wasmtime::Result<bool> {
        Ok(self.granted.contains(&capability.as_str()))
    }
}
