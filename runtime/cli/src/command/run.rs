//! `pawl run`: starts a run and follows it.

use std::path::{Path, PathBuf};

use clap::Args;
use pawl_core::plugin::Hosts;
use pawl_core::source;
use serde_json::{Map, Value};

use super::workflow::is_name;
use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Opened, Request, SourceOf};
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
    /// The workflow: a file, or the name of one that is registered
    #[arg(value_name = "FILE|NAME")]
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
    /// A host that tools may send requests to, if the workflow's permissions name it too, with any method or with
    /// these alone; may be repeated
    #[arg(long, value_name = "HOST[=METHOD,…]")]
    allow_http: Vec<Hosts>,
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
    let start = match kept(out, &args) {
        None => Some(request(&args)?),
        Some(_) => None,
    };
    let mut session = Session::serving(place, out, stop).await?;
    session.aloud = args.tokens;
    // The first answer may be asked for before the run is followed.
    let _listening = args.tokens.then(|| session.backend.listen());
    let start = match start {
        Some(start) => Ok(start),
        None => request_by_name(&session, &args).await,
    };
    let ended = match start {
        Ok(start) => start_and_drive(&mut session, start, !args.no_interactive).await,
        Err(fault) => Err(fault),
    };
    session.end(ended).await
}

/// The name of a registered workflow, where the word that was given is no file.
fn kept(out: Output, args: &RunArgs) -> Option<&str> {
    let name = args.file.to_str().filter(|word| is_name(word))?;
    if args.file.exists() {
        out.note(&format!("'{name}' is the file here, not a registered workflow"));
        return None;
    }
    Some(name)
}

/// The same for the active version of a workflow that is registered.
async fn request_by_name(session: &Session, args: &RunArgs) -> Result<Request, Fault> {
    let name = args.file.to_str().unwrap_or_default().to_owned();
    if args.locked {
        return Err(Fault::usage(
            "--locked is about a file's plugins; those of a registered workflow never change",
        )
        .hint("leave --locked out, or give it to `pawl workflow register`"));
    }
    let versions = session.backend.versions(name.clone()).await?;
    let Some(active) = versions.active else {
        return Err(Fault::usage(format!("'{name}' has no active version"))
            .hint(format!("`pawl workflow activate {name} VERSION` makes one it")));
    };
    let of = SourceOf::Kept { name: name.clone(), version: active.version.clone() };
    let text = session.backend.source(active.definition, of).await?;
    let inputs = Value::Object(inputs(args, &name, &text)?);
    let allow_http = args.allow_http.iter().cloned().collect();
    // The version whose schema the inputs were read by, even if another is activated meanwhile.
    let version = Some(active.version);
    Ok(Request::StartKept { name, version, inputs, allow_http, by: actor::operator() })
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
