//! `memory`: the key-value memory of the run, or of what its step names. It lives in the run's state or in the
//! store, never here.
//!
//! A key without a value and a key that holds `null` are the same to a guest: none.

use pawl_core::call::CallRequest;
use pawl_core::{Failure as Reason, FailureKind};
use serde_json::Value;

use crate::bindings::host::memory::Host;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::imports::Need;
use crate::state::{HostState, Stop};

impl Host for HostState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Failure>> {
        if let Some(denied) = denied(self)? {
            return Ok(Err(denied));
        }
        self.check_payload(&key)?;
        Ok(match self.forward(CallRequest::MemoryGet { key, scope: None }).await? {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(self.text(&value)?)),
            Err(failure) => Err(to_guest(failure)),
        })
    }

    async fn put(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), Failure>> {
        if let Some(denied) = denied(self)? {
            return Ok(Err(denied));
        }
        self.check_payload(&key)?;
        let value = match self.json("the value of memory.put", &value).await? {
            Ok(value) => value,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        let request = CallRequest::MemoryPut { key, value, scope: None };
        Ok(self.forward(request).await?.map(drop).map_err(to_guest))
    }
}

/// The answer where memory is not granted: an agent that looks at its grants starts without it. What a step
/// may do never changes for a run, so it is the same again in a replay, and nothing of it is recorded.
fn denied(state: &mut HostState) -> Result<Option<Failure>, Stop> {
    if Need::Memory.capability().is_some_and(|memory| state.granted.contains(&memory)) {
        return Ok(None);
    }
    // What is refused counts as well.
    state.count_host_call()?;
    let message = "the step may not use memory; add `memory: true` to its `permissions`";
    Ok(Some(to_guest(Reason::new(FailureKind::Denied, message))))
}
