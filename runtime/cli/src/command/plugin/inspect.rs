//! `pawl plugin inspect`: what a plugin is, what it imports and what it offers.

use clap::Args;
use pawl_core::plugin::Description;
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
    let entry = find::find(&workbench(place).await?, &args.plugin).await?;
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
