//! `clock`: the time of the last journaled call. The machine's clock is never read for a guest.

use crate::bindings::host::clock::Host;
use crate::state::HostState;

impl Host for HostState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.time.now().0)
    }
}
