//! `pawl plugin`: what plugins there are, and what one of them is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use pawl_core::Digest;
use pawl_core::plugin::{Description, PluginOrigin};
use pawl_engine::PluginEntry;
use pawl_sandbox::{Limits, LoadedPlugin, Manifest};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::{self, Inspector};
use crate::output::{Output, pretty, table};
use crate::place::Place;

#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List every plugin that can be used by name
    List(ListArgs),
    /// Show what a plugin is, what it imports and what it offers
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// The name of a plugin, or the file of a component
    plugin: String,
    #[command(flatten)]
    data: DataArgs,
}

impl PluginArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            PluginCommand::List(args) => args.data.folder.clone(),
            PluginCommand::Inspect(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: PluginArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let inspector = Inspector::new(&place)?;
    match args.command {
        PluginCommand::List(_) => list(&place, &inspector, out).await,
        PluginCommand::Inspect(args) => show(&place, &inspector, &args.plugin, out).await,
    }
}

async fn list(place: &Place, inspector: &Inspector, out: Output) -> Result<Exit, Fault> {
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    let mut exit = Exit::Ok;
    for entry in workbench(place).await?.plugins()? {
        let from = inspect::origin(&entry.origin);
        match load(inspector, &entry).await {
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

/// Loads a plugin and checks it against its manifest.
async fn load(inspector: &Inspector, entry: &PluginEntry) -> Result<Arc<LoadedPlugin>, Fault> {
    let loaded = inspector.load(&entry.name, &entry.bytes).await?;
    if let Some(manifest) = &entry.manifest {
        Manifest::parse(manifest)
            .and_then(|manifest| {
                manifest.limits_within(&Limits::default())?;
                manifest.check(&loaded)
            })
            .map_err(|error| Fault::usage(error.to_string()).hint("correct the file beside the component"))?;
    }
    Ok(loaded)
}

async fn show(place: &Place, inspector: &Inspector, plugin: &str, out: Output) -> Result<Exit, Fault> {
    let entry = find(place, plugin).await?;
    let loaded = load(inspector, &entry).await?;
    out.document(&document(&entry, &loaded));
    out.text(&text(&entry, &loaded));
    Ok(Exit::Ok)
}

/// A file, if it looks like one; else a plugin's name.
async fn find(place: &Place, plugin: &str) -> Result<PluginEntry, Fault> {
    let path = Path::new(plugin);
    if path.extension().is_some_and(|extension| extension == "wasm") || plugin.contains('/') {
        let bytes = std::fs::read(path).map_err(|error| {
            Fault::usage(format!("cannot read {plugin}: {error}")).hint("name the file of a component")
        })?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = std::fs::read_to_string(path.with_extension("toml")).ok();
        let origin = PluginOrigin::Workflow(plugin.to_owned());
        return Ok(PluginEntry { name, origin, bytes: bytes.into(), manifest });
    }
    let entries = workbench(place).await?.plugins()?;
    let names: Vec<_> = entries.iter().map(|entry| entry.name.clone()).collect();
    entries.into_iter().find(|entry| entry.name == plugin).ok_or_else(|| {
        Fault::usage(format!("there is no plugin '{plugin}'"))
            .hint(format!("name a .wasm file, or one of: {}", names.join(", ")))
    })
}

fn document(entry: &PluginEntry, loaded: &LoadedPlugin) -> Value {
    let imports: Vec<_> = inspect::imports(loaded)
        .into_iter()
        .map(|(import, needs)| json!({ "import": import, "needs": needs }))
        .collect();
    json!({
        "name": entry.name,
        "kind": loaded.kind(),
        "digest": loaded.digest(),
        "origin": entry.origin,
        "imports": imports,
        "description": loaded.description(),
    })
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

fn text(entry: &PluginEntry, loaded: &LoadedPlugin) -> String {
    let mut lines = vec![
        format!("{}: a plugin of kind {}", entry.name, loaded.kind().name()),
        format!("from    {}", inspect::origin(&entry.origin)),
        format!("digest  {}", loaded.digest()),
        String::new(),
        "imports".to_owned(),
    ];
    for (import, needs) in inspect::imports(loaded) {
        let needs = needs.map(|needs| format!("  needs {needs}")).unwrap_or_default();
        lines.push(format!("  {import:<38}{needs}").trim_end().to_owned());
    }
    match loaded.description() {
        Description::Tools(tools) => {
            for tool in tools {
                let summary = crate::summary::one_line(&tool.summary);
                lines.push(format!(
                    "\ntool {}.{} ({}): {summary}",
                    entry.name,
                    tool.name,
                    tool.effect.name()
                ));
                lines.push(schemas(&tool.input_schema, &tool.output_schema));
            }
        }
        Description::Agent(agent) => {
            lines.push(format!("\nagent {}: {}", entry.name, crate::summary::one_line(&agent.summary)));
            if !agent.capabilities.is_empty() {
                lines.push(format!("  capabilities  {}", agent.capabilities.join(", ")));
            }
            lines.push(schemas(&agent.input_schema, &agent.output_schema));
        }
    }
    lines.join("\n")
}

fn schemas(input: &Value, output: &Value) -> String {
    let indented = |schema: &Value| pretty(schema).replace('\n', "\n          ");
    format!("  input   {}\n  output  {}", indented(input), indented(output))
}
