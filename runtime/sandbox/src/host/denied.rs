//! `models`: linked, so that agents built for later versions start, and
//! answered by the engine with `denied` in this one. The question is journaled like any other.

use pawl_core::call::CallRequest;
use serde_json::{Value, json};

use crate::bindings::host::models;
use crate::bindings::host::types::Failure;
use crate::host::to_guest;
use crate::state::HostState;

type Answer = wasmtime::Result<Result<String, Failure>>;

impl HostState {
    async fn deny(&mut self, capability: &str, request: Value) -> Answer {
        let request = CallRequest::Denied { capability: capability.to_owned(), request };
        Ok(match self.forward(request).await? {
            Ok(value) => Ok(self.text(&value)?),
            Err(failure) => Err(to_guest(failure)),
        })
    }
}

impl models::Host for HostState {
    async fn chat(&mut self, model: String, request: String) -> Answer {
        match self.json("the request of models.chat", &request).await? {
            Ok(request) => self.deny("models.chat", json!({ "model": model, "request": request })).await,
            Err(failure) => Ok(Err(to_guest(failure))),
        }
    }
}
