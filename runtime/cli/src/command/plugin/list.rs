//! `pawl plugin list`: every plugin that can be used by name.

use std::collections::BTreeMap;

use clap::Args;
use pawl_core::Digest;
use pawl_core::plugin::{Description, PluginKind, PluginOrigin};
use pawl_core::route::{Preference, RouteQuery};
use pawl_engine::ListedPlugin;
use serde_json::json;

use super::inspect::{document, server};
use super::{find, remote};
use crate::args::DataArgs;
use crate::backend::{Backend, api, trusted_keys};
use crate::command::check::workbench;
use crate::command::explain;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::{self, Inspector};
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only who a route would choose among, the best first, and then who almost matches: capability=NAME, with
    /// labels and kind=agent or kind=tool beside it
    #[arg(long = "match", value_name = "capability=NAME,LABEL=VALUE", value_parser = query)]
    matching: Option<RouteQuery>,
    /// What goes first among those of the same priority, as in a route: cost, latency, health
    #[arg(long, value_name = "WHAT", value_delimiter = ',', requires = "matching", value_parser = preference)]
    prefer: Vec<Preference>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

/// `capability=classify,lang=de`.
fn query(text: &str) -> Result<RouteQuery, String> {
    let (mut capability, mut kind, mut labels) = (None, PluginKind::Agent, BTreeMap::new());
    for part in text.split(',') {
        let Some((name, value)) =
            part.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())
        else {
            return Err(format!("'{part}' is no NAME=VALUE; write capability=classify,lang=de"));
        };
        match (name, value) {
            ("capability", _) => capability = Some(value.to_owned()),
            ("kind", "agent") => kind = PluginKind::Agent,
            ("kind", "tool") => kind = PluginKind::Tool,
            ("kind", _) => return Err(format!("there is no kind '{value}'; there are agent and tool")),
            _ => {
                labels.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    let capability = capability.ok_or("it says no capability; write capability=classify")?;
    Ok(RouteQuery { kind, capability, labels, prefer: Vec::new() })
}

fn preference(text: &str) -> Result<Preference, String> {
    let found = Preference::ALL.iter().find(|(name, _)| *name == text);
    let names = Preference::ALL.map(|(name, _)| name).join(", ");
    found.map(|(_, preference)| *preference).ok_or_else(|| format!("there is no '{text}'; there are {names}"))
}

/// Who a route would choose among. What runs in the data folder have shown of them counts, so it is opened.
async fn matching(query: RouteQuery, place: &Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place.clone(), out).await?;
    let listed = listed(&session, &query).await;
    session.end(listed).await
}

async fn listed(session: &Session, query: &RouteQuery) -> Result<Exit, Fault> {
    let Backend::Direct(service) = &session.backend else {
        return Err(Fault::unusable(
            "another process holds the data folder, and only it knows how plugins did",
        )
        .hint("wait until it ends, or add --ephemeral to look without what runs have shown"));
    };
    let found = service.engine().candidates(query).await?;
    let documents = found.iter().map(|(candidate, plugin)| {
        let mut document = explain::candidate(candidate);
        document["digest"] = json!(plugin.digest);
        document["from"] = inspect::origin(&plugin.origin).into();
        document["labels"] = json!(plugin.offer.labels);
        document
    });
    session.out.document(&documents.collect());
    let rows = found.iter().map(|(candidate, plugin)| {
        let [name, priority, cost, health, latency, left_out] = explain::candidate_row(candidate);
        let labels: Vec<_> =
            plugin.offer.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [name, labels.join(", "), priority, cost, health, latency, left_out]
    });
    session.out.text(&table(["name", "labels", "priority", "cost", "health", "latency", "left out"], rows));
    Ok(Exit::Ok)
}

pub(super) async fn run(
    args: ListArgs,
    place: &Place,
    inspector: &Inspector,
    out: Output,
) -> Result<Exit, Fault> {
    if let Some(api) = api(place)? {
        if args.matching.is_some() {
            return Err(Fault::usage("--match looks at the plugins of this machine").hint(
                "leave it out with --server; `pawl plugin inspect NAME` shows how a plugin stands there",
            ));
        }
        return remote::list(&api, out).await;
    }
    if let Some(query) = args.matching {
        return matching(RouteQuery { prefer: args.prefer, ..query }, place, out).await;
    }
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    let mut exit = Exit::Ok;
    let (engine, trusted) = (workbench(place).await?, trusted_keys(place)?);
    for ListedPlugin { name, origin, entry } in engine.listed_plugins().await? {
        let from = inspect::origin(&origin);
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                exit = Exit::Failed;
                documents.push(json!({ "name": name, "origin": origin, "error": error.to_string() }));
                rows.push([name, "missing".into(), String::new(), from, error.to_string()]);
                continue;
            }
        };
        if matches!(entry.origin, PluginOrigin::Mcp(_)) {
            match engine.describe_plugin(&entry).await {
                Ok(pin) => {
                    let (kind, digest) = (pin.description.kind().name().to_owned(), pin.component.short());
                    documents.push(server(&entry, &pin));
                    rows.push([entry.name, kind, digest, from, summary(&pin.description)]);
                }
                Err(error) => {
                    exit = Exit::Failed;
                    documents.push(json!({ "name": entry.name, "error": error.to_string() }));
                    rows.push([entry.name, "broken".into(), String::new(), from, error.to_string()]);
                }
            }
            continue;
        }
        let looked_at = match engine.trust_plugin(&entry) {
            Ok(()) => find::load(inspector, &entry, None).await.map_err(|fault| ("broken", fault)),
            Err(error) => Err(("refused", error.into())),
        };
        match looked_at {
            Ok(loaded) => {
                documents.push(document(&entry, &loaded, &trusted));
                let (kind, digest) = (loaded.kind().name().to_owned(), loaded.digest().short());
                rows.push([entry.name, kind, digest, from, summary(loaded.description())]);
            }
            Err((what, fault)) => {
                exit = Exit::Failed;
                let digest = Digest::of(&entry.bytes);
                documents.push(json!({ "name": entry.name, "digest": digest, "error": fault.message }));
                rows.push([entry.name, what.into(), digest.short(), from, fault.message]);
            }
        }
    }
    out.document(&documents.into());
    out.text(&table(["name", "kind", "digest", "from", "gives"], rows));
    Ok(exit)
}

fn summary(description: &Description) -> String {
    match description {
        Description::Tools(tools) => {
            let tools: Vec<_> =
                tools.iter().map(|tool| format!("{} ({})", tool.name, tool.effect.name())).collect();
            tools.join(", ")
        }
        Description::Agent(agent) => crate::summary::one_line(&agent.summary),
    }
}
