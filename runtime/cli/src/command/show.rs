//! `pawl show`: one run as people see it.

use clap::Args;
use pawl_core::RunId;
use pawl_core::event::Event;
use pawl_core::journal::Envelope;
use pawl_core::travel::Ancestor;
use pawl_core::view::{OpenApproval, Status};
use serde_json::{Map, Value, json};

use crate::args::DataArgs;
use crate::backend::History;
use crate::budgets;
use crate::command::runs::notable;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, pretty, table};
use crate::place::Place;
use crate::session::Session;
use crate::shape::{self, took};
use crate::story::{Call, Step, Story};
use crate::summary::{made_of, whole};
use crate::waits;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run's id, or its start or end
    run: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ShowArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let shown = show(&session, &args.run).await;
    session.end(shown).await
}

async fn show(session: &Session, run: &str) -> Result<Exit, Fault> {
    let run = session.backend.find_run(run).await?.id;
    let history = session.backend.history(run).await?;
    // All that can fail comes before the document.
    let approvals = session.backend.approvals(Some(run)).await?;
    let story = Story::of(&history.envelopes);
    session.out.document(&document(&history, &story));
    session.out.text(&text(&history, &story, &approvals));
    if let Some(open) = approvals.first() {
        session.out.note(&crate::drive::waits(session, open));
    }
    Ok(Exit::Ok)
}

/// The run that it was made of.
fn ancestor(envelopes: &[Envelope]) -> Option<Ancestor> {
    match &envelopes.first()?.event {
        Event::RunStarted(started) => started.ancestor,
        _ => None,
    }
}

/// The run, with its steps.
fn document(history: &History, story: &Story) -> Value {
    let mut run = shape::run(&history.header);
    if let Value::Object(fields) = &mut run {
        fields.extend(detail(history.header.id, &history.envelopes, story));
    }
    run
}

/// What stands beside a run's own fields.
pub(crate) fn detail(run: RunId, envelopes: &[Envelope], story: &Story) -> Map<String, Value> {
    let steps: Vec<_> = story.steps().map(step).collect();
    let fields = [
        ("steps", steps.into()),
        ("budgets", budgets::document(run, envelopes)),
        ("ancestor", json!(ancestor(envelopes))),
        ("events", envelopes.len().into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn step(step: &Step) -> Value {
    let calls: Vec<_> =
        step.calls.iter().map(|call| json!({ "call": call.text, "answer": call.answer })).collect();
    json!({
        "step": step.id,
        "work": step.work,
        "status": step.status,
        "attempts": step.attempts,
        "started_at": step.started.to_string(),
        "ended_at": step.ended.map(|at| at.to_string()),
        "note": step.note,
        "calls": calls,
    })
}

fn text(history: &History, story: &Story, approvals: &[OpenApproval]) -> String {
    let header = &history.header;
    let mut lines = vec![format!("run {}  {} {}", header.id, header.workflow, header.version)];
    let state = header.status.name();
    lines.push(match (waits::what(header, story, approvals), notable(header)) {
        (Some(what), _) => format!("{state} for {what}"),
        (None, note) if note.is_empty() => state.to_owned(),
        (None, note) => format!("{state}: {note}"),
    });
    lines.push(format!("started {}, last change {}", header.created_at, header.updated_at));
    lines.extend(ancestor(&history.envelopes).map(|ancestor| format!("made {}", made_of(ancestor))));
    lines.extend(story.warnings().iter().map(|warning| format!("warning: {warning}")));
    lines.push(String::new());
    lines.push(steps(story));
    if let Some(budgets) = budgets::table(history) {
        lines.push(format!("\n{budgets}"));
    }
    if let (Status::Completed, Some(outputs)) = (header.status, &header.outputs) {
        lines.push(format!("\noutputs\n{}", pretty(outputs)));
    }
    if let Some(failure) = &header.error {
        let text = whole(&failure.to_string());
        // What fits into a line was said above.
        if text != crate::summary::one_line(&text) {
            lines.push(format!("\nfailure\n{text}"));
        }
    }
    lines.join("\n")
}

/// The table of steps, with the calls of each agent below its row.
fn steps(story: &Story) -> String {
    let rows = table(["step", "work", "status", "attempts", "took", ""], story.steps().map(row));
    let mut rows = rows.lines();
    let mut lines: Vec<String> = rows.next().map(str::to_owned).into_iter().collect();
    for (step, row) in story.steps().zip(rows) {
        lines.push(row.to_owned());
        lines.extend(step.calls.iter().filter(|call| call.shown).map(call));
    }
    lines.join("\n")
}

fn row(step: &Step) -> [String; 6] {
    let attempts = if step.attempts == 0 { String::new() } else { step.attempts.to_string() };
    let took = step.took().filter(|_| step.status != Status::Skipped).map(took).unwrap_or_default();
    [step.id.clone(), step.work.clone(), step.status.name().to_owned(), attempts, took, step.note.clone()]
}

fn call(call: &Call) -> String {
    let answer = if call.answers { call.answer.as_deref().unwrap_or("open") } else { "" };
    let arrow = if answer.is_empty() { "" } else { " → " };
    format!("    · {}{arrow}{answer}", call.text)
}
