//! `human`: questions to people. Waiting is the engine's: it suspends the agent until the answer.

use pawl_core::call::{CallRequest, Question};
use pawl_core::definition::Schema;
use pawl_core::{Duration, Failure, FailureKind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bindings::host::{human, types};
use crate::host::to_guest;
use crate::load::NAME_MAX_BYTES;
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
        let question = match question(self, asked).await? {
            Ok(question) => question,
            Err(failure) => return Ok(Err(to_guest(failure))),
        };
        let response = match self.forward(CallRequest::Human(Box::new(question))).await? {
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

/// What can be chosen where the guest does not say.
const DEFAULT_ACTIONS: [&str; 2] = ["approve", "reject"];
/// Entries of `to`, and of `actions`.
const ENTRIES_MAX: usize = 64;
/// One entry of `to`.
const PERSON_MAX_BYTES: usize = 256;
/// A form as JSON. Compiling it is the host's work, not the guest's.
const FORM_MAX_BYTES: usize = 64 << 10;
/// The types of a short form, as in a workflow.
const TYPES: [&str; 8] = ["string", "number", "integer", "boolean", "object", "array", "null", "any"];

/// The question as the core knows it; what cannot be one is the guest's to correct.
async fn question(state: &mut HostState, asked: human::Question) -> Result<Result<Question, Failure>, Stop> {
    let texts = asked.to.iter().chain(&asked.actions).chain(&asked.on_timeout);
    if texts.map(String::len).sum::<usize>() as u64 > state.limits.payload_max_bytes {
        return Err(Stop::limit("payload_max_bytes", state.limits.payload_max_bytes));
    }
    state.check_payload(&asked.title)?;
    if asked.form.is_some() {
        // A form that is refused would cost the guest nothing otherwise.
        state.count_host_call()?;
    }
    let mut parsed = [None, None];
    let fields = [("form", &asked.form), ("subject", &asked.subject)];
    for (slot, (name, text)) in parsed.iter_mut().zip(fields) {
        let Some(text) = text else { continue };
        match state.json(&format!("`{name}` of human.ask"), text).await? {
            // The journal does not tell `null` from nothing.
            Ok(value) => *slot = Some(value).filter(|value| !value.is_null()),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let [form, subject] = parsed;
    let form_bytes = asked.form.as_ref().map_or(0, String::len);
    Ok(checked(asked, form, form_bytes, subject)
        .map_err(|wrong| Failure::new(FailureKind::InvalidInput, format!("human.ask: {wrong}"))))
}

/// The rules are those of a workflow's `human` step.
fn checked(
    asked: human::Question,
    form: Option<Value>,
    form_bytes: usize,
    subject: Option<Value>,
) -> Result<Question, String> {
    if form_bytes > FORM_MAX_BYTES {
        return Err(format!("`form` has {form_bytes} bytes; FORM_MAX_BYTES is {FORM_MAX_BYTES}"));
    }
    let form = form.map(self::form).transpose()?;
    let mut actions = asked.actions;
    if actions.is_empty() {
        actions = DEFAULT_ACTIONS.map(str::to_owned).to_vec();
    }
    check_entries("actions", &actions, |action| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        action.starts_with(|c: char| c.is_ascii_alphabetic())
            && action.len() <= NAME_MAX_BYTES
            && action.chars().all(is_part)
    })?;
    check_entries("to", &asked.to, |person| {
        let name = ["user:", "group:"].iter().find_map(|kind| person.strip_prefix(kind));
        name.is_some_and(|name| !name.is_empty())
            && person.len() <= PERSON_MAX_BYTES
            && !person.contains(char::is_control)
    })?;
    match (&asked.on_timeout, asked.due_ms) {
        (None, Some(_)) => return Err("`due-ms` needs `on-timeout`: say what happens then".to_owned()),
        (Some(_), None) => return Err("`on-timeout` needs `due-ms`: say when".to_owned()),
        (Some(action), Some(_)) if !actions.contains(action) => {
            return Err("`on-timeout` is none of its actions".to_owned());
        }
        _ => {}
    }
    let due = asked.due_ms.map(Duration);
    let (title, to, on_timeout) = (asked.title, asked.to, asked.on_timeout);
    let terms = pawl_core::terms::Terms::default();
    Ok(Question { title, to, actions, form, subject, due, on_timeout, terms })
}

fn check_entries(what: &str, entries: &[String], is_good: impl Fn(&str) -> bool) -> Result<(), String> {
    if entries.len() > ENTRIES_MAX {
        return Err(format!("`{what}` has {} entries; ENTRIES_MAX is {ENTRIES_MAX}", entries.len()));
    }
    for (index, entry) in entries.iter().enumerate() {
        if !is_good(entry) {
            let shown: String = entry.chars().take(NAME_MAX_BYTES).collect();
            let wanted = if what == "to" { "`user:NAME` or `group:NAME`" } else { "a name" };
            return Err(format!("{shown:?} in `{what}` is not {wanted}"));
        }
        if what == "actions" && entries[..index].contains(entry) {
            return Err(format!("the action {entry:?} stands twice"));
        }
    }
    Ok(())
}

/// The form as a schema: a short form, `{"note": "string"}`, becomes one of an object that has
/// every field and no other, as in a workflow.
fn form(form: Value) -> Result<Value, String> {
    let is_whole = form.get("type").and_then(Value::as_str) == Some("object");
    let form = if is_whole { form } else { expand(form)? };
    match Schema::new(form.clone()) {
        Ok(_) => Ok(form),
        Err(error) => Err(format!("`form` is {error}")),
    }
}

fn expand(form: Value) -> Result<Value, String> {
    let Value::Object(fields) = form else {
        return Err("`form` is neither a JSON Schema of type object nor a short form".to_owned());
    };
    let mut properties = serde_json::Map::new();
    for (name, value) in fields {
        let Some(known) = value.as_str().filter(|name| TYPES.contains(name)) else {
            return Err(format!(
                "`form` has no `\"type\": \"object\"`, and in a short form {name:?} would be the name of \
                 a type: one of {}",
                TYPES.join(", ")
            ));
        };
        let schema = if known == "any" { json!({}) } else { json!({ "type": known }) };
        properties.insert(name, schema);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    Ok(json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_schemas_and_the_rest_must_be_one() {
        let short = form(json!({"note": "string", "more": "any"})).unwrap();
        let schema = Schema::new(short).unwrap();
        assert!(schema.problems(&json!({"note": "x", "more": [1]})).is_empty());
        for wrong in
            [json!({"note": 1, "more": 1}), json!({"note": "x"}), json!({"note": "x", "more": 1, "b": 1})]
        {
            assert!(!schema.problems(&wrong).is_empty(), "{wrong}");
        }
        let whole = json!({"type": "object", "properties": {"note": {"type": "string"}}});
        assert_eq!(form(whole.clone()), Ok(whole));
        for wrong in [
            json!({"note": "text"}),
            json!({"note": {}}),
            json!(true),
            json!({"type": "object", "required": 1}),
        ] {
            assert!(form(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn actions_and_people_are_those_of_a_workflow() {
        let ask = |actions: &[&str], to: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            let asked = human::Question {
                title: "Pay?".to_owned(),
                to: texts(to),
                actions: texts(actions),
                form: None,
                subject: None,
                due_ms: None,
                on_timeout: None,
            };
            checked(asked, None, 0, None)
        };
        assert_eq!(ask(&[], &[]).unwrap().actions, DEFAULT_ACTIONS);
        assert!(ask(&["pay-now"], &["user:ann", "group:finance"]).is_ok());
        for actions in [&["a b"][..], &["1a"], &["a", "a"], &["a\u{1b}"], &[""], &["a"; ENTRIES_MAX + 1]] {
            assert!(ask(actions, &[]).is_err(), "{actions:?}");
        }
        for to in [&["ann"][..], &["user:"], &["user:a\nb"], &["user:a"; ENTRIES_MAX + 1]] {
            assert!(ask(&[], to).is_err(), "{to:?}");
        }
        let long = format!("user:{}", "a".repeat(PERSON_MAX_BYTES));
        assert!(ask(&[], &[&long]).is_err());
        assert!(
            checked(
                human::Question {
                    title: String::new(),
                    to: vec![],
                    actions: vec![],
                    form: None,
                    subject: None,
                    due_ms: None,
                    on_timeout: None
                },
                None,
                FORM_MAX_BYTES + 1,
                None
            )
            .is_err()
        );
    }
}
