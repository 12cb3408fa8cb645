//! `pawl namespace`: tenants that see nothing of each other, and how much each may.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pawl_core::Namespace;
use pawl_server::identity::{IdentityReply, IdentityRequest, NamespaceLimits};
use serde_json::Value;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct NamespaceArgs {
    #[command(subcommand)]
    command: NamespaceCommand,
}

#[derive(Debug, Subcommand)]
enum NamespaceCommand {
    /// Make a namespace, or set how much it may
    Set(SetArgs),
    /// List namespaces
    List(ListArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Its name: lower-case letters, digits and -
    name: Namespace,
    /// Start no more runs over HTTP while this many are not over (default: any number)
    #[arg(long, value_name = "N")]
    runs_max: Option<u64>,
    /// Take no more requests in a second, of all its tokens together (default: any number)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_max: Option<u32>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
}

impl NamespaceArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            NamespaceCommand::Set(args) => args.data.folder.clone(),
            NamespaceCommand::List(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: NamespaceArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = act(args.command, &session).await;
    session.end(done).await
}

async fn act(command: NamespaceCommand, session: &Session) -> Result<Exit, Fault> {
    let (request, name) = match command {
        NamespaceCommand::Set(args) => {
            let limits =
                NamespaceLimits { runs_max: args.runs_max, requests_per_second_max: args.requests_max };
            let name = args.name.to_string();
            (IdentityRequest::SetNamespace { name: args.name, limits }, name)
        }
        NamespaceCommand::List(_) => (IdentityRequest::Namespaces, String::new()),
    };
    match session.backend.identity(request).await? {
        IdentityReply::Namespace(record) => {
            session.out.document(&record.shape(&name));
            session.out.text(&format!("namespace {name}: {}", limits(&record.limits)));
        }
        IdentityReply::Namespaces(known) => {
            let shapes = known.iter().map(|(name, record)| record.shape(name)).collect::<Value>();
            session.out.document(&shapes);
            let made = known.iter().map(|(name, record)| [name.clone(), limits(&record.limits)]);
            let all = known.iter().all(|(name, _)| name != Namespace::default().as_str());
            let usual = all.then(|| [Namespace::default().to_string(), limits(&NamespaceLimits::default())]);
            session.out.text(&table(["namespace", "limits"], usual.into_iter().chain(made)));
        }
        IdentityReply::Created(_) | IdentityReply::Tokens(_) | IdentityReply::Revoked(_) => {
            return Err(crate::backend::strange());
        }
    }
    Ok(Exit::Ok)
}

fn limits(limits: &NamespaceLimits) -> String {
    let runs = limits.runs_max.map(|max| format!("{max} runs that are not over"));
    let requests = limits.requests_per_second_max.map(|max| format!("{max} requests in a second"));
    let both: Vec<_> = runs.into_iter().chain(requests).collect();
    if both.is_empty() { "none".to_owned() } else { both.join(", ") }
}
