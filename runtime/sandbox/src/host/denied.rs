//! `models`, `agents` and `signals`: linked, so that agents built for later versions start, and
//! answered by the engine with `denied` in this one. The question is journaled like any other.

use pawl_core::call::CallRequest;
use serde_json::{Value, json};

use crate::bindings::host::types::Failure;
use crate::bindings::host::{agents, models, signals};
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
        match self.json("the request of models.chat", &request)? {
            Ok(request) => self.deny("models.chat", json!({ "model": model, "request": request })).await,
            Err(failure) => Ok(Err(to_guest(failure))),
        }
    }
}

impl agents::Host for HostState {
    async fn call(&mut self, name: String, task: String) -> Answer {
        match self.json("the task of agents.call", &task)? {
            Ok(task) => self.deny("agents.call", json!({ "name": name, "task": task })).await,
            Err(failure) => Ok(Err(to_guest(failure))),
        }
    }
}

impl signals::Host for HostState {
    async fn wait(&mut self, name: String, due_ms: Option<u64>) -> Answer {
        self.deny("signals.wait", json!({ "name": name, "due_ms": due_ms })).await
    }
}
