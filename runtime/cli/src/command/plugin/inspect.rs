//! `pawl plugin inspect`: what a plugin is, what it imports and what it offers.

use clap::Args;
use pawl_core::Digest;
use pawl_core::plugin::{Description, PluginKind, PluginOrigin, PluginPin};
use pawl_engine::PluginEntry;
use pawl_sandbox::LoadedPlugin;
use serde_json::{Value, json};

use super::find;
use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::{self, Inspector};
use crate::output::{Output, pretty};
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The name of a plugin, or the file of a component
    plugin: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &InspectArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let engine = workbench(place).await?;
    let entry = find::find(&engine, &args.plugin).await?;
    if matches!(entry.origin, PluginOrigin::Mcp(_)) {
        let pin = engine.describe_plugin(&entry).await?;
        out.document(&server(&entry, &pin));
        let mut lines = head(&entry, pin.description.kind(), pin.component);
        describe(&entry.name, &pin.description, &mut lines);
        out.text(&lines.join("\n"));
        return Ok(Exit::Ok);
    }
    let loaded = find::load(&Inspector::new(place)?, &entry, None).await?;
    out.document(&document(&entry, &loaded));
    out.text(&text(&entry, &loaded));
    Ok(Exit::Ok)
}

pub(super) fn document(entry: &PluginEntry, loaded: &LoadedPlugin) -> Value {
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

/// The same of an MCP server, which imports nothing.
pub(super) fn server(entry: &PluginEntry, pin: &PluginPin) -> Value {
    json!({
        "name": entry.name,
        "kind": pin.description.kind(),
        "digest": pin.component,
        "origin": entry.origin,
        "imports": [],
        "description": pin.description,
    })
}

fn head(entry: &PluginEntry, kind: PluginKind, digest: Digest) -> Vec<String> {
    vec![
        format!("{}: a plugin of kind {}", entry.name, kind.name()),
        format!("from    {}", inspect::origin(&entry.origin)),
        format!("digest  {digest}"),
    ]
}

fn text(entry: &PluginEntry, loaded: &LoadedPlugin) -> String {
    let mut lines = head(entry, loaded.kind(), loaded.digest());
    lines.extend([String::new(), "imports".to_owned()]);
    for (import, needs) in inspect::imports(loaded) {
        let needs = needs.map(|needs| format!("  needs {needs}")).unwrap_or_default();
        lines.push(format!("  {import:<38}{needs}").trim_end().to_owned());
    }
    describe(&entry.name, loaded.description(), &mut lines);
    lines.join("\n")
}

fn describe(name: &str, description: &Description, lines: &mut Vec<String>) {
    match description {
        Description::Tools(tools) => {
            for tool in tools {
                let summary = crate::summary::one_line(&tool.summary);
                lines.push(format!("\ntool {name}.{} ({}): {summary}", tool.name, tool.effect.name()));
                lines.push(schemas(&tool.input_schema, &tool.output_schema));
            }
        }
        Description::Agent(agent) => {
            lines.push(format!("\nagent {name}: {}", crate::summary::one_line(&agent.summary)));
            if !agent.capabilities.is_empty() {
                lines.push(format!("  capabilities  {}", agent.capabilities.join(", ")));
            }
            lines.push(schemas(&agent.input_schema, &agent.output_schema));
        }
    }
}

fn schemas(input: &Value, output: &Value) -> String {
    let indented = |schema: &Value| pretty(schema).replace('\n', "\n          ");
    format!("  input   {}\n  output  {}", indented(input), indented(output))
}
