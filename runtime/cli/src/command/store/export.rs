//! `pawl store export`: journals as JSON, an event a line.

use clap::Args;
use pawl_core::RunId;

use crate::args::DataArgs;
use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::shape;

/// Runs that are asked for at once.
const PAGE_RUNS: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only this run: its id, or its start or end
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(super) async fn run(args: ExportArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = export(&session, args.run.as_deref()).await;
    session.end(ended).await
}

async fn export(session: &Session, run: Option<&str>) -> Result<Exit, Fault> {
    if let Some(run) = run {
        let run = session.backend.find_run(run).await?.id;
        journal(session, run).await?;
        return Ok(Exit::Ok);
    }
    let (mut after, mut exit) = (None, Exit::Ok);
    loop {
        let page = Request::Runs { statuses: Vec::new(), workflow: None, limit: PAGE_RUNS, after };
        let runs = session.backend.runs(page).await?;
        let Some(last) = runs.last() else { return Ok(exit) };
        after = Some(last.id);
        for header in &runs {
            // One that does not read keeps no other from being printed.
            if let Err(fault) = journal(session, header.id).await {
                session.out.note(&fault.text());
                exit = Exit::Failed;
            }
        }
    }
}

async fn journal(session: &Session, run: RunId) -> Result<(), Fault> {
    for envelope in session.backend.history(run).await?.envelopes {
        let mut event = shape::event(&envelope);
        if let Some(fields) = event.as_object_mut() {
            fields.insert("run".to_owned(), run.to_string().into());
        }
        session.out.line(&event);
    }
    Ok(())
}
