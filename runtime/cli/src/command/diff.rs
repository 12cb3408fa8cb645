//! `pawl diff`: compares two runs.

use clap::Args;
use pawl_core::view::RunHeader;
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::History;
use crate::compare::{Difference, compare};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;
use crate::summary;
use crate::usage::Usage;

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The first run's id, or its start or end
    first: String,
    /// The second run's
    second: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: DiffArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = diff(&session, &args).await;
    session.end(ended).await
}

async fn diff(session: &Session, args: &DiffArgs) -> Result<Exit, Fault> {
    let mut histories = Vec::new();
    for text in [&args.first, &args.second] {
        let run = session.backend.find_run(text).await?.id;
        histories.push(session.backend.history(run).await?);
    }
    let [first, second] = histories.as_slice() else { return Ok(Exit::Failed) };
    let differences = compare(&first.envelopes, &second.envelopes);
    let all: Vec<_> = differences.iter().map(Difference::to_json).collect();
    session.out.document(&json!({
        "first": first.header.id,
        "second": second.header.id,
        "same": differences.is_empty(),
        "usage": { "first": used(first).to_json(), "second": used(second).to_json() },
        "first_difference": all.first(),
        "differences": all,
    }));
    session.out.text(&text(first, second, &differences));
    Ok(if differences.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn used(history: &History) -> Usage {
    Usage::of(&history.envelopes)
}

fn text(first: &History, second: &History, differences: &[Difference]) -> String {
    let run = |name: &str, history: &History| {
        let RunHeader { id, workflow, version, status, .. } = &history.header;
        format!("{name} run {id}  {workflow} {version}  {}\n       {}", status.name(), used(history))
    };
    let mut lines = vec![run("first ", first), run("second", second)];
    let Some(part) = differences.first() else {
        lines.push("they did the same".to_owned());
        return lines.join("\n");
    };
    let place = part.step.as_ref().map(|step| format!("at step {step}, ")).unwrap_or_default();
    let of = if part.what == "path" {
        "which only one of them came to".into()
    } else {
        format!("by its {}", part.what)
    };
    lines.push(format!("they part {place}{of}"));
    lines.push(String::new());
    let rows = differences.iter().map(|difference| {
        let Difference { step, what, first, second } = difference;
        let step = step.clone().unwrap_or_else(|| "(the run)".to_owned());
        [step, (*what).to_owned(), cell(what, first), cell(what, second)]
    });
    lines.push(table(["step", "of", "first", "second"], rows));
    lines.join("\n")
}

fn cell(what: &str, value: &Value) -> String {
    match (what, value) {
        (_, Value::Null) => "-".to_owned(),
        ("path", _) => "came here".to_owned(),
        (_, value) => summary::value(value),
    }
}
