//! `human`: questions to people. Waiting is the engine's: it suspends the agent until the answer.

use pawl_core::call::{CallRequest, Question};
use pawl_core::definition::Schema;
use pawl_core::{Duration, Failure, FailureKind};
use serde::Deserialize;
use serde_json::Value;

use crate::bindings::host::{human, types};
use crate::host::to_guest;
use crate::state::{HostState, Stop};

/// The engine's answer to a question.
#[derive(Debug, Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    data: Value,
    by: String,
}

impl human::Host for HostState {
    async fn ask(
        &mut self,
        asked: human::Question,
    ) -> wasmtime::Result<Result<human::Answer, types::Failure>> {
        let question = match question(self, asked)? {
            Ok(question) => question,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        let response = match self.forward(CallRequest::Human(question)).await? {
            Ok(response) => response,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        let answer: Answer = serde_json::from_value(response).map_err(|error| {
            let message = format!("pawl's answer to human.ask is not an answer: {error}");
            Stop::Aborted(Failure::new(FailureKind::Permanent, message))
        })?;
        let data = self.text(&answer.data)?;
        Ok(Ok(human::Answer { action: answer.action, data, by: answer.by }))
    }
}

/// The question as the core knows it; what cannot be one is the guest's to correct.
fn question(state: &HostState, asked: human::Question) -> Result<Result<Question, Failure>, Stop> {
    let wrong = |message: &str| Ok(Err(Failure::new(FailureKind::InvalidInput, message)));
    let texts = asked.to.iter().chain(&asked.actions).chain(&asked.on_timeout);
    if texts.map(String::len).sum::<usize>() as u64 > state.limits.payload_max_bytes {
        return Err(Stop::limit("payload_max_bytes", state.limits.payload_max_bytes));
    }
    state.check_payload(&asked.title)?;
    let mut parsed = [None, None];
    let fields = [("form", asked.form), ("subject", asked.subject)];
    for (slot, (name, text)) in parsed.iter_mut().zip(fields) {
        let Some(text) = text else { continue };
        match state.json(&format!("`{name}` of human.ask"), &text)? {
            // The journal does not tell `null` from nothing.
            Ok(value) => *slot = Some(value).filter(|value| !value.is_null()),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let [form, subject] = parsed;
    let actions = if asked.actions.is_empty() {
        vec!["approve".to_owned(), "reject".to_owned()]
    } else {
        asked.actions
    };
    match (&asked.on_timeout, asked.due_ms) {
        (None, Some(_)) => return wrong("human.ask has `due-ms` but no `on-timeout`: say what happens then"),
        (Some(_), None) => return wrong("human.ask has `on-timeout` but no `due-ms`: say when"),
        _ => {}
    }
    if let Some(form) = &form
        && let Err(error) = Schema::new(form.clone())
    {
        return wrong(&format!("`form` of human.ask is {error}"));
    }
    if let Some(action) = &asked.on_timeout
        && !actions.contains(action)
    {
        return wrong("`on-timeout` of human.ask is none of its actions");
    }
    let due = asked.due_ms.map(Duration);
    let (title, to, on_timeout) = (asked.title, asked.to, asked.on_timeout);
    Ok(Ok(Question { title, to, actions, form, subject, due, on_timeout }))
}
