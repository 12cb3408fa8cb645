//! `pawl plugin list`: every plugin that can be used by name.

use clap::Args;
use pawl_core::Digest;
use pawl_core::plugin::{Description, PluginOrigin};
use serde_json::json;

use super::find;
use super::inspect::{document, server};
use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::{self, Inspector};
use crate::output::{Output, table};
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(place: &Place, inspector: &Inspector, out: Output) -> Result<Exit, Fault> {
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    let mut exit = Exit::Ok;
    let engine = workbench(place).await?;
    for entry in engine.plugins().await? {
        let from = inspect::origin(&entry.origin);
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
        match find::load(inspector, &entry, None).await {
            Ok(loaded) => {
                documents.push(document(&entry, &loaded));
                let (kind, digest) = (loaded.kind().name().to_owned(), loaded.digest().short());
                rows.push([entry.name, kind, digest, from, summary(loaded.description())]);
            }
            Err(fault) => {
                exit = Exit::Failed;
                let digest = Digest::of(&entry.bytes);
                documents.push(json!({ "name": entry.name, "digest": digest, "error": fault.message }));
                rows.push([entry.name, "broken".into(), digest.short(), from, fault.message]);
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
