//! Offers to answer an approval at once, on a terminal.

use std::io::IsTerminal as _;

use crossterm::{cursor, event, terminal};
use inquire::{Confirm, InquireError, Select, Text};
use pawl_core::elicit::takes_form;
use pawl_core::view::OpenApproval;
use serde_json::{Map, Value};

use crate::actor;
use crate::backend::Request;
use crate::fault::{Fault, FaultKind};
use crate::question::{self, Field};
use crate::session::Session;
use crate::summary::one_line;
use crate::values;

/// The choice that leaves the approval open.
const LATER: &str = "later";

/// What a person chose and filled in.
type Filled = (String, Map<String, Value>, Option<String>);

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The approval is open no more.
    Answered,
    /// It is left open.
    Later,
    /// Ctrl-C, which is a key like any other while a terminal asks.
    Interrupted,
}

/// Asks a person; what the form refuses is asked again.
pub(crate) async fn answer(session: &mut Session, open: &OpenApproval) -> Result<Asked, Fault> {
    session.out.note(&format!("\n{}\n", question::describe(open)));
    loop {
        let asked = open.clone();
        let filled = tokio::task::spawn_blocking(move || prompt(&asked)).await;
        let (action, data, comment) = match filled.map_err(|error| Fault::failed(error.to_string()))? {
            Ok(Some(filled)) => filled,
            Ok(None) | Err(InquireError::OperationCanceled) => return Ok(Asked::Later),
            Err(InquireError::OperationInterrupted) => return Ok(Asked::Interrupted),
            Err(error) => {
                return Err(Fault::failed(format!("cannot ask on this terminal: {error}"))
                    .hint("use --no-interactive and answer with the command that is printed"));
            }
        };
        let request = Request::Answer {
            approval: open.id.clone(),
            action,
            data: Value::Object(data),
            by: actor::operator(),
            comment,
        };
        let Err(fault) = session.backend.answer(request).await else { return Ok(Asked::Answered) };
        if session.backend.approval(&open.id).await?.is_none() {
            // Someone else was faster, or its time is up: the run tells what came of it.
            session.out.note(&fault.message);
            return Ok(Asked::Answered);
        }
        if fault.kind != FaultKind::Failed {
            return Err(fault);
        }
        session.out.note(&fault.message);
    }
}

/// After a prompt that was left in its middle, the terminal is as it was before.
pub(crate) fn give_back_terminal() {
    if std::io::stdin().is_terminal() && terminal::is_raw_mode_enabled().unwrap_or(false) {
        // There is nothing else to try.
        let _ = terminal::disable_raw_mode();
        let _ = crossterm::execute!(std::io::stderr(), event::DisableBracketedPaste, cursor::Show);
    }
}

fn prompt(open: &OpenApproval) -> Result<Option<Filled>, InquireError> {
    let label = |action: &String| one_line(open.terms.labels.get(action).unwrap_or(action));
    let mut choices: Vec<_> = open.actions.iter().map(label).collect();
    choices.push(LATER.to_owned());
    let chosen = Select::new("Answer?", choices).raw_prompt()?;
    let Some(action) = open.actions.get(chosen.index) else { return Ok(None) };
    let reason = if open.terms.reason.contains(action) {
        Some(Text::new("Why?").with_help_message("required").prompt()?)
    } else {
        None
    };
    let mut data = Map::new();
    let form = open.form.as_ref().filter(|_| takes_form(open, action));
    for field in form.map(question::fields).unwrap_or_default() {
        if let Some(value) = fill_in_field(open.form.as_ref(), &field)? {
            data.insert(field.name.to_owned(), value);
        }
    }
    Ok(Some((action.clone(), data, reason)))
}

fn fill_in_field(form: Option<&Value>, field: &Field<'_>) -> Result<Option<Value>, InquireError> {
    let label = format!("{}:", one_line(field.name));
    if let Some(choices) = field.choices() {
        let names =
            choices.iter().map(|value| value.as_str().map_or_else(|| one_line(&value.to_string()), one_line));
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
