//! `pawl verify`: proves journals whole and unaltered.

use clap::Args;
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::Verified;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The run's id, or its start or end; all runs when there is none
    run: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: VerifyArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = verify(&session, args.run.as_deref()).await;
    session.end(ended).await
}

async fn verify(session: &Session, run: Option<&str>) -> Result<Exit, Fault> {
    let run = match run {
        Some(run) => Some(session.backend.find_run(run).await?.id),
        None => None,
    };
    let verified = session.backend.verify(run).await?;
    session.out.document(&verified.iter().map(document).collect());
    for one in &verified {
        session.out.text(&text(one));
    }
    let wrong = verified.iter().filter(|one| !one.problems.is_empty()).count();
    session.out.note(&match (verified.len(), wrong) {
        (0, _) => "no runs".to_owned(),
        (1, 0) => "the journal is whole".to_owned(),
        (all, 0) => format!("all {all} journals are whole"),
        (all, wrong) => {
            format!(
                "{wrong} of {all} runs have problems\nhint: where nothing else is said, restore the data folder from a backup"
            )
        }
    });
    Ok(if wrong == 0 { Exit::Ok } else { Exit::Failed })
}

fn document(one: &Verified) -> Value {
    json!({
        "run": one.run,
        "ok": one.problems.is_empty(),
        "events": one.events,
        "head": one.head,
        "problems": one.problems,
    })
}

fn text(one: &Verified) -> String {
    if one.problems.is_empty() {
        let head = one.head.map(|head| head.to_string()).unwrap_or_default();
        return format!("ok    {}  {} events, head {head}", one.run, one.events);
    }
    let problems: Vec<_> = one.problems.iter().map(|problem| format!("\n      {problem}")).collect();
    format!("fail  {}{}", one.run, problems.concat())
}
