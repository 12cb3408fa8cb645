//! Offers to answer an approval at once, on a terminal.

use inquire::{Confirm, InquireError, Select, Text};
use pawl_core::view::OpenApproval;
use serde_json::{Map, Value};

use crate::actor;
use crate::backend::Request;
use crate::fault::{Fault, FaultKind};
use crate::question::{self, Field};
use crate::session::Session;
use crate::values;

/// The choice that leaves the approval open.
const LATER: &str = "later";

/// What a person chose and filled in.
type Filled = (String, Map<String, Value>);

/// Asks a person. Gives whether they answered; what the form refuses is asked again.
pub(crate) async fn answer(session: &mut Session, open: &OpenApproval) -> Result<bool, Fault> {
    session.out.note(&format!("\n{}\n", question::describe(open)));
    loop {
        let asked = open.clone();
        let filled = tokio::task::spawn_blocking(move || fill_in(&asked)).await;
        let Some((action, data)) = filled.map_err(|error| Fault::failed(error.to_string()))?? else {
            return Ok(false);
        };
        let request = Request::Answer {
            approval: open.id.clone(),
            action,
            data: Value::Object(data),
            by: actor::operator(),
            comment: None,
        };
        match session.backend.answer(request).await {
            Ok(_) => return Ok(true),
            Err(fault) if fault.kind == FaultKind::Failed => session.out.note(&fault.message),
            Err(fault) => return Err(fault),
        }
    }
}

fn fill_in(open: &OpenApproval) -> Result<Option<Filled>, Fault> {
    match prompt(open) {
        Ok(filled) => Ok(filled),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(None),
        Err(error) => Err(Fault::failed(format!("cannot ask on this terminal: {error}"))
            .hint("use --no-interactive and answer with the command that is printed")),
    }
}

fn prompt(open: &OpenApproval) -> Result<Option<Filled>, InquireError> {
    let mut choices = open.actions.clone();
    choices.push(LATER.to_owned());
    let last = choices.len() - 1;
    let chosen = Select::new("Answer?", choices).raw_prompt()?;
    if chosen.index == last {
        return Ok(None);
    }
    let mut data = Map::new();
    for field in open.form.as_ref().map(question::fields).unwrap_or_default() {
        if let Some(value) = fill_in_field(open.form.as_ref(), &field)? {
            data.insert(field.name.to_owned(), value);
        }
    }
    Ok(Some((chosen.value, data)))
}

fn fill_in_field(form: Option<&Value>, field: &Field<'_>) -> Result<Option<Value>, InquireError> {
    let label = format!("{}:", field.name);
    if let Some(choices) = field.choices() {
        let names =
            choices.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let chosen = Select::new(&label, names.collect()).raw_prompt()?;
        return Ok(choices.get(chosen.index).cloned());
    }
    if field.kind() == "boolean" {
        return Confirm::new(&label).prompt().map(|sure| Some(sure.into()));
    }
    loop {
        let help = if field.required { "required" } else { "optional, leave empty to skip" };
        let text = Text::new(&label).with_help_message(help).prompt()?;
        if text.is_empty() && !field.required {
            return Ok(None);
        }
        if let Ok(value) = values::read(form, field.name, &text) {
            return Ok(Some(value));
        }
    }
}
