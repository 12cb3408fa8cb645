//! `secrets`: the placeholder of a secret. The value never crosses.

use crate::bindings::host::types::Failure;
use crate::bindings::tool_host::secrets::Host;
use crate::host::to_guest;
use crate::state::HostState;

impl Host for HostState {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, Failure>> {
        self.check_payload(&name)?;
        self.count_host_call()?;
        Ok(self.hooks.vault.placeholder(&name).map_err(to_guest))
    }
}
