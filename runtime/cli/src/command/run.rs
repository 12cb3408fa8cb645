//! `pawl run`: starts a run and follows it.

use std::path::{Path, PathBuf};

use clap::Args;
use pawl_core::source;
use serde_json::{Map, Value};

use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Opened, Request};
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;
use crate::values;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow
    file: PathBuf,
    /// An input, read as its schema wants it; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Inputs as a JSON object
    #[arg(long, value_name = "JSON")]
    input_json: Option<String>,
    /// Inputs from a JSON or YAML file
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    /// A host that tools may send requests to, if the workflow's permissions name it too; may be
    /// repeated
    #[arg(long, value_name = "HOST")]
    allow_http: Vec<String>,
    /// Show what models say while they say it
    #[arg(long)]
    tokens: bool,
    /// Refuse plugins that are not as `pawl.lock` beside the workflow has them
    #[arg(long)]
    locked: bool,
    /// Never ask on the terminal: print the commands that answer, and end
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: RunArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let start = request(&args)?;
    let mut session = Session::serving(place, out, stop).await?;
    session.aloud = args.tokens;
    // The first answer may be asked for before the run is followed.
    let _listening = args.tokens.then(|| session.backend.listen());
    let ended = start_and_drive(&mut session, start, !args.no_interactive).await;
    session.end(ended).await
}

async fn start_and_drive(session: &mut Session, start: Request, interactive: bool) -> Result<Exit, Fault> {
    let Opened { run, workflow, version, warnings } = session.backend.start(start).await?;
    for warning in warnings {
        session.out.note(&warning);
    }
    session.out.note(&format!("run {run}  {workflow} {version}"));
    drive(session, run, 1, interactive).await
}

fn request(args: &RunArgs) -> Result<Request, Fault> {
    let (file, text, base) = source(&args.file)?;
    Ok(Request::Start {
        inputs: Value::Object(inputs(args, &file, &text)?),
        file,
        text,
        base,
        allow_http: args.allow_http.iter().cloned().collect(),
        by: actor::operator(),
        locked: args.locked,
    })
}

/// A workflow's file: its name for messages, its text, and what paths in it are relative to.
pub(crate) fn source(path: &Path) -> Result<(String, String, PathBuf), Fault> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Fault::usage(format!("cannot read {file}: {error}"))
            .hint("check that the file exists and that you may read it")
    })?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    let base = std::path::absolute(base)
        .or_else(|_| std::env::current_dir())
        .map_err(|error| Fault::usage(format!("cannot find the current folder: {error}")))?;
    Ok((file, text, base))
}

/// The file first, then the JSON, then one by one: what comes later replaces.
fn inputs(args: &RunArgs, file: &str, text: &str) -> Result<Map<String, Value>, Fault> {
    let mut inputs = match &args.input_file {
        Some(path) => values::read_file(path)?,
        None => Map::new(),
    };
    if let Some(json) = &args.input_json {
        inputs.extend(values::read_object("--input-json", json)?);
    }
    if !args.inputs.is_empty() {
        let loaded = source::load(file, text).map_err(pawl_engine::EngineError::from)?;
        let schema = loaded.definition.inputs.json();
        values::known(schema, &args.inputs)?;
        values::read_pairs(Some(schema), &args.inputs, &mut inputs)?;
    }
    Ok(inputs)
}
