//! `pawl plugin inspect`: what a plugin is, what it imports and what it offers.

use std::path::PathBuf;

use clap::Args;
use pawl_core::Digest;
use pawl_core::definition::{Definition, Verb};
use pawl_core::plugin::{Description, Permissions, PluginKind, PluginOrigin, PluginPin, split_tool};
use pawl_engine::PluginEntry;
use pawl_registry::TrustedKeys;
use pawl_sandbox::LoadedPlugin;
use serde_json::{Value, json};

use super::signature::{LockState, SignatureState};
use super::{find, remote};
use crate::args::DataArgs;
use crate::backend::{api, trusted_keys};
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
    /// A workflow: also show what each of its steps would grant the plugin
    #[arg(long = "for", value_name = "WORKFLOW")]
    workflow: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &InspectArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    if let Some(api) = api(place)? {
        if args.workflow.is_some() {
            return Err(Fault::usage("--for looks at a workflow's file and at plugins of this machine")
                .hint("leave it out with --server; the server says what is not granted when it is given the workflow"));
        }
        return remote::inspect(&api, &args.plugin, out).await;
    }
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
    let trusted = trusted_keys(place)?;
    let lock = LockState::of(&entry)?;
    let mut document = document(&entry, &loaded, &trusted);
    document["lock"] = lock.to_json();
    let mut text = text(&entry, &loaded, &SignatureState::of(&entry, &trusted), &lock);
    if let Some(file) = &args.workflow {
        let definition = engine.load_workflow(file).await?.definition;
        let grants = granted(&definition, &entry.name, &loaded);
        text.push_str(&told(&file.display().to_string(), &grants));
        document["grants"] = grants.into();
    }
    out.document(&document);
    out.text(&text);
    Ok(Exit::Ok)
}

/// What each step of a workflow that uses a plugin grants it, and what it imports beyond that.
fn granted(definition: &Definition, plugin: &str, loaded: &LoadedPlugin) -> Vec<Value> {
    let mut grants = Vec::new();
    for step in &definition.steps {
        let permissions = match &step.verb {
            Verb::Tool(tool) if tool.plugin == plugin => of_tool(&tool.permissions),
            Verb::Agent(agent) if agent.agent == plugin || agent.permissions.agents.contains(plugin) => {
                agent.permissions.clone()
            }
            // A tool below an agent gets the network, secrets and folders of its step, and nothing else.
            Verb::Agent(agent) if agent.permissions.tools.iter().any(|tool| is_of(tool, plugin)) => {
                of_tool(&agent.permissions)
            }
            _ => continue,
        };
        let missing = loaded.missing(&permissions);
        grants.push(json!({ "step": step.id, "grants": permissions, "missing": missing }));
    }
    grants
}

/// What of a step's grants a tool has.
fn of_tool(step: &Permissions) -> Permissions {
    let Permissions { http, secrets, files, .. } = step.clone();
    Permissions { http, secrets, files, ..Permissions::default() }
}

fn is_of(tool: &str, plugin: &str) -> bool {
    split_tool(tool).is_some_and(|(of, _)| of == plugin)
}

fn told(file: &str, grants: &[Value]) -> String {
    let mut lines = vec![String::new(), String::new(), format!("in {file}")];
    for grant in grants {
        let step = grant["step"].as_str().unwrap_or_default();
        let missing = match grant["missing"].as_array() {
            Some(missing) if !missing.is_empty() => format!("; missing {}", grant["missing"]),
            _ => String::new(),
        };
        lines.push(format!("  step {step:<16} grants {}{missing}", grant["grants"]));
    }
    if grants.is_empty() {
        lines.push("  no step uses it".to_owned());
    }
    lines.join("\n")
}

pub(super) fn document(entry: &PluginEntry, loaded: &LoadedPlugin, trusted: &TrustedKeys) -> Value {
    let imports: Vec<_> = inspect::imports(loaded)
        .into_iter()
        .map(|(import, needs)| json!({ "import": import, "needs": needs }))
        .collect();
    json!({
        "name": entry.name,
        "kind": loaded.kind(),
        "digest": loaded.digest(),
        "origin": entry.origin,
        "signature": SignatureState::of(entry, trusted).to_json(),
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

fn text(entry: &PluginEntry, loaded: &LoadedPlugin, signature: &SignatureState, lock: &LockState) -> String {
    let mut lines = head(entry, loaded.kind(), loaded.digest());
    lines.extend([format!("signed  {signature}"), format!("lock    {lock}")]);
    lines.extend([String::new(), "imports".to_owned()]);
    for (import, needs) in inspect::imports(loaded) {
        let needs = needs.map(|needs| format!("  needs {needs}")).unwrap_or_default();
        lines.push(format!("  {import:<38}{needs}").trim_end().to_owned());
    }
    describe(&entry.name, loaded.description(), &mut lines);
    lines.join("\n")
}

pub(super) fn describe(name: &str, description: &Description, lines: &mut Vec<String>) {
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
