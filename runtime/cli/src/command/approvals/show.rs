//! `pawl approvals show`: one approval, and all that was done with it.

use clap::Args;
use pawl_core::journal::Envelope;
use pawl_core::{ApprovalId, RunState};

use super::id;
use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::summary::{self, one_line};
use crate::{question, shape};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The approval's id
    id: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: ShowArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let approval = id(&args.id, &place)?;
    let session = Session::open(place, out).await?;
    let shown = show(&session, &approval).await;
    session.end(shown).await
}

async fn show(session: &Session, id: &ApprovalId) -> Result<Exit, Fault> {
    let unknown = || {
        Fault::usage(format!("there is no approval {id}"))
            .hint(format!("`{}` lists the open ones", session.place.command("approvals")))
    };
    let run = session.backend.run_of_approval(id).await?.ok_or_else(unknown)?;
    let history = session.backend.history(run).await?;
    let mut state = RunState::new(run);
    for envelope in &history.envelopes {
        state.apply(envelope.time, &envelope.event);
    }
    let (approval, is_open) = state.approval(id).ok_or_else(unknown)?;
    let about: Vec<&Envelope> =
        history.envelopes.iter().filter(|envelope| envelope.event.approval() == Some(id)).collect();
    let mut document = shape::approval(&approval);
    document["open"] = is_open.into();
    document["events"] = about.iter().map(|envelope| shape::event(envelope)).collect();
    session.out.document(&document);
    let mut lines = vec![question::describe(&approval)];
    lines.push(format!("  {:<10}  {run} ({}, step {})", "run", approval.workflow, approval.step));
    if is_open {
        let commands = question::commands(&approval, &session.place);
        lines.extend(commands.iter().map(|command| format!("  {:<10}  {command}", "answer")));
    } else {
        lines.push(format!("  {:<10}  it is closed", "answer"));
    }
    lines.push(String::new());
    for Envelope { time, event, .. } in about {
        let text = summary::of(event).replacen(&format!("{id} "), "", 1);
        lines.push(format!("{time}  {:<18}  {}", event.name(), one_line(&text)));
    }
    session.out.text(&lines.join("\n"));
    Ok(Exit::Ok)
}
