//! `pawl memory`: what agents keep beyond their runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pawl_core::MemoryScope;
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::summary::one_line;

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    #[command(subcommand)]
    command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// List the memories that hold something
    List(ListArgs),
    /// Show what a memory holds
    Show(ShowArgs),
    /// Take away what a memory holds, for good
    Forget(ForgetArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ForgetArgs {
    /// Only what it holds under this name
    #[arg(index = 1)]
    name: Option<String>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The memory of all runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// The memory of this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Whose {
    fn scope(&self) -> Result<MemoryScope, Fault> {
        let workflow = self.workflow.clone().map(MemoryScope::Workflow);
        let scope = workflow.or(self.key.clone().map(MemoryScope::Key));
        scope.ok_or_else(|| Fault::usage("say whose memory: --workflow NAME or --key KEY"))
    }
}

impl MemoryArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            MemoryCommand::List(args) => args.data.folder.clone(),
            MemoryCommand::Show(args) => args.data.folder.clone(),
            MemoryCommand::Forget(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: MemoryArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = carry_out(&session, args.command).await;
    session.end(done).await
}

async fn carry_out(session: &Session, command: MemoryCommand) -> Result<Exit, Fault> {
    match command {
        MemoryCommand::List(_) => list(session).await,
        MemoryCommand::Show(args) => {
            let scope = args.whose.scope()?;
            let held = session.backend.memory(scope.clone()).await?;
            session.out.document(&json!(held));
            if held.is_empty() {
                session.out.text(&format!("the memory of {} holds nothing", one_line(&scope.to_string())));
            } else {
                session.out.text(&lines(&held).join("\n"));
            }
            Ok(Exit::Ok)
        }
        MemoryCommand::Forget(args) => {
            let scope = args.whose.scope()?;
            let gone = session.backend.forget(scope.clone(), args.name).await?;
            session.out.document(&json!(gone));
            let names: Vec<_> = gone.keys().map(|name| one_line(name)).collect();
            let what = if names.is_empty() { "nothing was there".to_owned() } else { names.join(", ") };
            session.out.text(&format!("forgotten of {}: {what}", one_line(&scope.to_string())));
            Ok(Exit::Ok)
        }
    }
}

async fn list(session: &Session) -> Result<Exit, Fault> {
    let memories = session.backend.memories().await?;
    session.out.document(&memories.iter().map(shape).collect());
    if memories.is_empty() {
        session.out.text("no memory holds anything");
    } else {
        let lines: Vec<_> = memories.iter().map(|scope| one_line(&scope.to_string())).collect();
        session.out.text(&lines.join("\n"));
    }
    Ok(Exit::Ok)
}

fn shape(scope: &MemoryScope) -> Value {
    match scope {
        MemoryScope::Workflow(name) => json!({ "workflow": name }),
        MemoryScope::Key(key) => json!({ "key": key }),
    }
}

fn lines(held: &BTreeMap<String, Value>) -> Vec<String> {
    held.iter().map(|(name, value)| format!("{}: {}", one_line(name), one_line(&value.to_string()))).collect()
}
