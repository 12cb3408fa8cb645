//! `models`: questions to language models. What is asked is checked here, before it is recorded; which
//! model may be asked, and what answers, is the engine's.

use pawl_core::call::CallRequest;
use pawl_core::chat::ChatRequest;
use pawl_core::{Failure, FailureKind};

use crate::bindings::host::models;
use crate::bindings::host::types;
use crate::host::to_guest;
use crate::state::HostState;

impl models::Host for HostState {
    async fn chat(
        &mut self,
        model: String,
        request: String,
    ) -> wasmtime::Result<Result<String, types::Failure>> {
        self.check_payload(&model)?;
        // What is refused below would cost the guest nothing otherwise.
        self.count_host_call()?;
        let request = match self.json("the request of models.chat", &request).await? {
            Ok(request) => request,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        if let Err(wrong) = ChatRequest::read(&request) {
            let failure = Failure::new(FailureKind::InvalidInput, format!("models.chat: {wrong}"));
            return Ok(Err(to_guest(failure)));
        }
        Ok(match self.forward_shared(CallRequest::Model { profile: model, request }).await? {
            Ok(value) => Ok(self.text(&value)?),
            Err(failure) => Err(to_guest(failure)),
        })
    }
}
