//! `pawl workflow`: workflows that the data folder keeps by name and version.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pawl_engine::{RegisteredVersion, RegisteredWorkflow};
use serde_json::{Value, json};

use super::run::source;
use crate::actor;
use crate::args::DataArgs;
use crate::backend::{KeptWorkflow, Latest, Registering, Request, WorkflowAt};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct WorkflowArgs {
    #[command(subcommand)]
    command: WorkflowCommand,
}

#[derive(Debug, Subcommand)]
enum WorkflowCommand {
    /// Check a workflow and keep it, with its plugins, under its name and version
    Register(RegisterArgs),
    /// List the workflows that are kept, with what is active of each
    List(ListArgs),
    /// Show the versions of a workflow that is kept
    Show(ShowArgs),
    /// Make a version the one that `pawl run NAME` starts
    Activate(ActivateArgs),
}

#[derive(Debug, Args)]
struct RegisterArgs {
    /// The workflow
    file: PathBuf,
    /// Make it the active version as well
    #[arg(long)]
    activate: bool,
    /// Refuse plugins that are not as `pawl.lock` beside the workflow has them
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The workflow's name
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ActivateArgs {
    /// The workflow's name
    name: String,
    /// The version
    // `version` is the name of a flag that every command has.
    #[arg(id = "which", value_name = "VERSION")]
    which: String,
    #[command(flatten)]
    data: DataArgs,
}

impl WorkflowArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            WorkflowCommand::Register(args) => args.data.folder.clone(),
            WorkflowCommand::List(args) => args.data.folder.clone(),
            WorkflowCommand::Show(args) => args.data.folder.clone(),
            WorkflowCommand::Activate(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: WorkflowArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = carry_out(&session, args.command).await;
    session.end(done).await
}

async fn carry_out(session: &Session, command: WorkflowCommand) -> Result<Exit, Fault> {
    match command {
        WorkflowCommand::Register(args) => register(session, &args).await,
        WorkflowCommand::List(_) => list(session).await,
        WorkflowCommand::Show(args) => show(session, args.name).await,
        WorkflowCommand::Activate(args) => activate(session, args).await,
    }
}

async fn register(session: &Session, args: &RegisterArgs) -> Result<Exit, Fault> {
    let workflow = latest(&args.file)?;
    let (activate, locked) = (args.activate, args.locked);
    let request = Request::Register { workflow, activate, locked, by: actor::operator() };
    let Registering { registered, active, warnings } = session.backend.register(request).await?;
    for warning in warnings {
        session.out.note(&warning);
    }
    let version = &registered.version;
    let is_active = active.as_ref().is_some_and(|active| active.definition == version.definition);
    let mut document = shape(version, is_active);
    document["new"] = json!(registered.is_new);
    session.out.document(&document);
    let how = if registered.is_new { "is registered" } else { "was registered before, and is the same" };
    let active = if is_active { ", and active" } else { "" };
    session.out.text(&format!("{} {} {how}{active}", version.workflow, version.version));
    if !is_active {
        let command =
            session.place.command(&format!("workflow activate {} {}", version.workflow, version.version));
        session.out.note(&format!("`pawl run {}` starts it after\n  {command}", version.workflow));
    }
    Ok(Exit::Ok)
}

async fn list(session: &Session) -> Result<Exit, Fault> {
    let workflows = session.backend.workflows().await?;
    session.out.document(&workflows.iter().map(name_shape).collect());
    if workflows.is_empty() {
        session.out.text("no workflow is registered");
        return Ok(Exit::Ok);
    }
    let rows = workflows.iter().map(|workflow| {
        let active = workflow.active.as_ref();
        [
            workflow.name.clone(),
            active.map_or_else(|| "none".to_owned(), |active| active.version.clone()),
            active.map(|active| active.at.to_string()).unwrap_or_default(),
            active.map(|active| active.by.name.clone()).unwrap_or_default(),
            workflow.latest.clone(),
            workflow.versions.to_string(),
        ]
    });
    session.out.text(&table(["workflow", "active", "since", "by", "latest", "versions"], rows));
    Ok(Exit::Ok)
}

async fn show(session: &Session, name: String) -> Result<Exit, Fault> {
    let KeptWorkflow { name, active, versions } = session.backend.versions(name).await?;
    let is_active = |version: &RegisteredVersion| {
        active.as_ref().is_some_and(|active| active.definition == version.definition)
    };
    let shapes: Vec<_> = versions.iter().map(|version| shape(version, is_active(version))).collect();
    session.out.document(&json!({ "workflow": name, "active": active, "versions": shapes }));
    let rows = versions.iter().map(|version| {
        let mark = if is_active(version) { "active" } else { "" };
        let digest = version.definition.to_string();
        [
            version.version.clone(),
            mark.to_owned(),
            version.at.to_string(),
            version.by.name.clone(),
            digest.chars().take(12).collect(),
            version.file.clone(),
        ]
    });
    session.out.text(&table(["version", "", "registered", "by", "digest", "from"], rows));
    Ok(Exit::Ok)
}

async fn activate(session: &Session, args: ActivateArgs) -> Result<Exit, Fault> {
    let ActivateArgs { name, which, .. } = args;
    let request = Request::Activate { name: name.clone(), version: which, by: actor::operator() };
    let active = session.backend.activate(request).await?;
    session.out.document(&json!({ "workflow": name, "active": active }));
    session.out.text(&format!("{name} {} is active", active.version));
    let check = session.place.command(&format!("upgrade check {name}"));
    session.out.note(&format!("runs stay on their version; which could be moved is told by\n  {check}"));
    Ok(Exit::Ok)
}

/// A workflow's file as it is now.
pub(super) fn latest(path: &Path) -> Result<Latest, Fault> {
    let (file, text, base) = source(path)?;
    Ok(Latest { file, text, base, locked: false })
}

/// What a name on the command line means: a file where there is one, else a workflow that is registered.
pub(super) fn at(out: Output, named: &Path, version: Option<String>) -> Result<WorkflowAt, Fault> {
    let name = named.to_str().unwrap_or_default();
    if version.is_none() && (named.exists() || !is_name(name)) {
        if is_name(name) {
            out.note(&format!("'{name}' is the file here, not a registered workflow"));
        }
        return Ok(WorkflowAt::File(latest(named)?));
    }
    if !is_name(name) {
        return Err(Fault::usage(format!("'{}' is a file, and has no registered versions", named.display()))
            .hint("give the workflow's name with --to, or the file without"));
    }
    Ok(WorkflowAt::Kept { name: name.to_owned(), version })
}

/// Whether a word could be the name of a workflow: a file has an ending or stands in a folder.
pub(super) fn is_name(word: &str) -> bool {
    let is_yaml = Path::new(word)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml"));
    !word.is_empty() && !is_yaml && !word.contains(['/', '\\'])
}

fn name_shape(workflow: &RegisteredWorkflow) -> Value {
    json!({
        "workflow": workflow.name,
        "active": workflow.active,
        "latest": workflow.latest,
        "versions": workflow.versions,
    })
}

fn shape(version: &RegisteredVersion, active: bool) -> Value {
    json!({
        "workflow": version.workflow,
        "version": version.version,
        "definition": version.definition,
        "file": version.file,
        "registered_at": version.at,
        "by": version.by.name,
        "active": active,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_a_file() {
        for name in ["refund", "refund-2", "a.b"] {
            assert!(is_name(name), "{name}");
        }
        for file in ["refund.yaml", "w.YML", "workflows/refund", "./refund", ""] {
            assert!(!is_name(file), "{file}");
        }
    }
}
