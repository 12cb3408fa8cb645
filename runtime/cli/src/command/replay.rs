//! `pawl replay`: runs the agents of a run again, against its journal.

use clap::Args;
use pawl_engine::{Difference, ReplayedAttempt};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::Replayed;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run's id, or its start or end
    run: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ReplayArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = replay(&session, &args.run).await;
    session.end(ended).await
}

async fn replay(session: &Session, run: &str) -> Result<Exit, Fault> {
    let run = session.backend.find_run(run).await?.id;
    let replayed = session.backend.replay(run).await?;
    let out = session.out;
    out.document(&document(&replayed));
    for problem in &replayed.problems {
        out.text(&format!("fail  {problem}"));
    }
    for attempt in &replayed.report.attempts {
        out.text(&text(attempt));
    }
    if !replayed.problems.is_empty() {
        out.note("the journal is not whole, so no agent was run");
        return Ok(Exit::Failed);
    }
    let all = replayed.report.attempts.len();
    let differ = replayed.report.attempts.iter().filter(|attempt| attempt.difference.is_some()).count();
    if differ > 0 {
        out.note(&format!(
            "{differ} of {all} attempts of agents do not do what the journal holds\n\
             hint: the agent's code must be deterministic between its calls"
        ));
        return Ok(Exit::Failed);
    }
    let agents = match all {
        0 => "no agent ran".to_owned(),
        1 => "the one attempt of an agent does what it did".to_owned(),
        all => format!("all {all} attempts of agents do what they did"),
    };
    out.note(&format!("the journal of {} events is whole, and {agents}", replayed.report.events));
    Ok(Exit::Ok)
}

fn document(replayed: &Replayed) -> Value {
    let first = replayed.report.first_difference();
    json!({
        "run": replayed.run,
        "ok": replayed.problems.is_empty() && first.is_none(),
        "events": replayed.report.events,
        "problems": replayed.problems,
        "attempts": replayed.report.attempts,
        "first_difference": first.map(|(attempt, _)| attempt),
    })
}

fn text(replayed: &ReplayedAttempt) -> String {
    let ReplayedAttempt { step, visit, attempt, calls, difference, .. } = replayed;
    let place = format!("{step} (visit {visit}), attempt {attempt}");
    let Some(Difference { call, expected, found }) = difference else {
        let word = if *calls == 1 { "call" } else { "calls" };
        return format!("ok    {place}: {calls} {word} as recorded");
    };
    let at = call.map_or_else(|| "its end".to_owned(), |call| format!("call {call}"));
    format!(
        "fail  {place}: differs at {at}\n      recorded {}\n      now      {}",
        shown(expected),
        shown(found)
    )
}

fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { value.to_string() }
}
