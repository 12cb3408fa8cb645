//! `memory`: the key-value memory of the run, or of what its step names. It lives in the run's state or in the
//! store, never here.
//!
//! A key without a value and a key that holds `null` are the same to a guest: none.

use pawl_core::call::CallRequest;
use serde_json::Value;

use crate::bindings::host::memory::Host;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::HostState;

impl Host for HostState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Failure>> {
        self.check_payload(&key)?;
        Ok(match self.forward(CallRequest::MemoryGet { key, scope: None }).await? {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(self.text(&value)?)),
            Err(failure) => Err(to_guest(failure)),
        })
    }

    async fn put(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), Failure>> {
        self.check_payload(&key)?;
        let value = match self.json("the value of memory.put", &value).await? {
            Ok(value) => value,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        let request = CallRequest::MemoryPut { key, value, scope: None };
        Ok(self.forward(request).await?.map(drop).map_err(to_guest))
    }
}
