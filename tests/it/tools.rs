//! The tools that ship with pawl say themselves what they do: `docs/tools.md` is made of that, and every
//! example in it is run.
//!
//! `INSTA_UPDATE=always cargo test -p pawl-tests --test it tools` writes the page anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::Timestamp;
use pawl_core::definition::Schema;
use pawl_core::plugin::{Description, EffectClass, Permissions, ToolDescription};
use pawl_engine::SHIPPED;
use pawl_sandbox::{Limits, LoadedPlugin, Sandbox, SandboxConfig, ToolCall};
use pawl_tests::{BEGIN, cache_dir, root};
use serde_json::{Value, json};

/// In the order of the page.
const TOOLS: [&str; 6] = ["http", "jq", "text", "calc", "csv", "template"];

/// A tool's size is part of what it costs: it is compiled on its first use, and it is in the binary.
const SIZE_MAX_BYTES: usize = 1 << 20;

const INTRODUCTION: &str = "# Tools\n\n\
    These tools ship with pawl: a step names one (`tool: csv.parse`), an agent may be granted one \
    (`permissions: { tools: [csv.*] }`). None of them has a clock, files or randomness, and only `http` \
    reaches out, to hosts that the workflow and the operator both name.\n\n\
    This page is made of what the components say of themselves (`pawl plugin inspect NAME` shows it as \
    JSON Schema), and its examples are run by a test. Besides the limits named here, those of \
    [every plugin](operations.md#one-attempt-of-a-plugin) hold: arguments and results of 4 MiB, 64 MiB of \
    memory, 10 s of running time.\n\n\
    What went wrong is told with its place and what to do about it, as a failure of kind `invalid-input` \
    unless another thing is said. `pure` and `idempotent` tools are called again after a crash; for one that \
    is `at-most-once` a person is asked ([effect classes](plugin-guide.md#effect-classes)).\n";

pub(super) async fn load(sandbox: &Sandbox, name: &str) -> Result<Arc<LoadedPlugin>> {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == name).context("a shipped plugin")?;
    Ok(sandbox.load(shipped.bytes).await?)
}

pub(super) fn sandbox() -> Result<Sandbox> {
    let cache_dir = Some(cache_dir()?);
    Ok(Sandbox::new(SandboxConfig { cache_dir, agents_max: 4, tools_max: 4, ..SandboxConfig::default() })?)
}

fn tools(plugin: &LoadedPlugin) -> Result<&[ToolDescription]> {
    match plugin.description() {
        Description::Tools(tools) => Ok(tools),
        Description::Agent(_) => anyhow::bail!("an agent"),
    }
}

async fn call(sandbox: &Sandbox, plugin: &LoadedPlugin, tool: &str, arguments: Value) -> Result<Value> {
    let call = ToolCall {
        tool: tool.to_owned(),
        arguments,
        idempotency_key: "key".to_owned(),
        run: "run".to_owned(),
        step: "step".to_owned(),
        attempt: 1,
        rank: pawl_core::Rank::FIRST,
        deadline: None,
        now: Timestamp(BEGIN.0),
        seed: [1; 32],
        grants: Permissions::default(),
        secrets: None,
        mounts: Vec::new(),
        limits: Limits::default(),
        progress: None,
        trace: None,
    };
    Ok(sandbox.call_tool(plugin, call).await.result?)
}

#[tokio::test]
async fn the_page_of_tools_is_what_the_components_say() -> Result<()> {
    let sandbox = sandbox()?;
    let mut page = INTRODUCTION.to_owned();
    for name in TOOLS {
        let plugin = load(&sandbox, name).await?;
        write!(page, "\n## {name}\n")?;
        for tool in tools(&plugin)? {
            describe(&mut page, name, tool)?;
            for example in tool.input_schema["examples"].as_array().into_iter().flatten() {
                let problems = Schema::new(tool.input_schema.clone())?.problems(example);
                ensure!(problems.is_empty(), "an example of {name}.{}: {problems:?}", tool.name);
                write!(page, "\n```json\n{}\n```\n", pretty(example)?)?;
                // Nobody answers at the examples' hosts.
                if name != "http" {
                    let result = call(&sandbox, &plugin, &tool.name, example.clone()).await?;
                    let problems = Schema::new(tool.output_schema.clone())?.problems(&result);
                    ensure!(problems.is_empty(), "a result of {name}.{}: {problems:?}", tool.name);
                    write!(page, "gives\n```json\n{}\n```\n", pretty(&result)?)?;
                }
            }
        }
    }
    let path = root().join("docs/tools.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page)?;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    ensure!(
        written == page,
        "docs/tools.md is not what the components say: run this with INSTA_UPDATE=always"
    );
    Ok(())
}

#[tokio::test]
async fn every_tool_says_what_it_takes_gives_and_does() -> Result<()> {
    let sandbox = sandbox()?;
    for name in TOOLS {
        let plugin = load(&sandbox, name).await?;
        for tool in tools(&plugin)? {
            let full = format!("{name}.{}", tool.name);
            let input = &tool.input_schema;
            ensure!(tool.summary.ends_with('.') && tool.summary.len() < 100, "{full}: {}", tool.summary);
            ensure!(input["description"].is_string(), "{full} has no description");
            ensure!(
                input["examples"].as_array().is_some_and(|list| !list.is_empty()),
                "{full} has no example"
            );
            ensure!(input["additionalProperties"] == json!(false), "{full} takes misspelt names");
            for (field, schema) in input["properties"].as_object().into_iter().flatten() {
                ensure!(schema["description"].is_string(), "{full}: `{field}` has no description");
            }
            ensure!(!input.to_string().contains("$ref"), "{full}: a reference");
        }
        let size =
            SHIPPED.iter().find(|shipped| shipped.name == name).map_or(0, |shipped| shipped.bytes.len());
        ensure!((1..SIZE_MAX_BYTES).contains(&size), "{name} has {size} bytes");
    }
    Ok(())
}

/// A filter, a template or a page that never ends costs its own attempt and nothing else.
#[tokio::test]
async fn what_runs_on_is_ended_by_the_sandbox() -> Result<()> {
    let sandbox = sandbox()?;
    let cases = [
        ("jq", "query", json!({ "filter": "def f: 1 + f; f", "value": null })),
        ("jq", "query", json!({ "filter": "last(repeat(1))", "value": null })),
        ("jq", "query", json!({ "filter": "[range(1e9)]", "value": null })),
        ("jq", "query", json!({ "filter": "[".repeat(10_000), "value": null })),
        ("template", "render", json!({ "template": "{{ [".repeat(10_000) })),
        ("calc", "evaluate", json!({ "expression": "(".repeat(9_999) })),
        ("text", "from_html", json!({ "html": "<ul><li><blockquote>".repeat(50_000) })),
    ];
    for (name, tool, arguments) in cases {
        let plugin = load(&sandbox, name).await?;
        let ended = call(&sandbox, &plugin, tool, arguments.clone()).await;
        // The last one ends by itself.
        ensure!(ended.is_err() || name == "text", "{name}.{tool} gave {ended:?}");
        let example = tools(&plugin)?[0].input_schema["examples"][0].clone();
        let tool = tools(&plugin)?[0].name.clone();
        call(&sandbox, &plugin, &tool, example)
            .await
            .with_context(|| format!("{name} after {arguments:.60}"))?;
    }
    Ok(())
}

fn describe(page: &mut String, plugin: &str, tool: &ToolDescription) -> Result<()> {
    let effect = match tool.effect {
        EffectClass::Pure => "pure",
        EffectClass::Idempotent => "idempotent",
        EffectClass::AtMostOnce => "at-most-once",
    };
    write!(page, "\n### {plugin}.{}\n`{effect}`. {}\n\n", tool.name, tool.summary)?;
    writeln!(page, "{}\n", text(&tool.input_schema["description"]))?;
    table(page, "Argument", &tool.input_schema)?;
    page.push('\n');
    table(page, "Result", &tool.output_schema)
}

pub(super) fn table(page: &mut String, title: &str, schema: &Value) -> Result<()> {
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    writeln!(page, "| {title} | Kind | Meaning |\n|---|---|---|")?;
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut meaning = text(&field["description"]);
        for variant in field["oneOf"].as_array().into_iter().flatten() {
            if let (Some(value), Some(said)) = (variant["const"].as_str(), variant["description"].as_str()) {
                write!(meaning, " `{value}`: {}", text(&json!(said)))?;
            }
        }
        let default = match &field["default"] {
            Value::Null => String::new(),
            default => format!(", else `{default}`"),
        };
        let is_optional = title != "Result" && !required.contains(name.as_str());
        let optional = if is_optional && default.is_empty() { ", optional" } else { default.as_str() };
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(page, "| `{name}` | {}{optional} | {} |", cell(&kind(field)), cell(meaning.trim()))?;
    }
    Ok(())
}

/// A description on one line.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a schema takes, in words.
fn kind(schema: &Value) -> String {
    for several in ["oneOf", "anyOf"] {
        if let Some(list) = schema[several].as_array() {
            return either(list.iter().map(kind));
        }
    }
    if let Some(value) = schema.get("const") {
        return value.as_str().map_or_else(|| value.to_string(), |text| format!("`{text}`"));
    }
    if let Some(values) = schema["enum"].as_array() {
        return either(values.iter().map(|value| kind(&json!({ "const": value }))));
    }
    match &schema["type"] {
        Value::Array(types) => {
            let one = |kind_name: &Value| {
                let mut schema = schema.clone();
                schema["type"] = kind_name.clone();
                kind(&schema)
            };
            either(types.iter().map(one))
        }
        Value::String(name) => match name.as_str() {
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "array" => format!("list of: {}", kind(&schema["items"])),
            "object" if schema["additionalProperties"].is_object() => {
                format!("by name: {}", kind(&schema["additionalProperties"]))
            }
            "object" => schema["properties"].as_object().map_or_else(
                || "object".to_owned(),
                |fields| {
                    let fields: Vec<_> = fields.keys().map(|name| format!("`{name}`")).collect();
                    format!("object of {}", fields.join(", "))
                },
            ),
            other => other.to_owned(),
        },
        _ => "anything".to_owned(),
    }
}

/// Alternatives, each once; that something may be left out is said elsewhere.
fn either(kinds: impl Iterator<Item = String>) -> String {
    let mut seen = Vec::new();
    for kind in kinds {
        if kind != "null" && !seen.contains(&kind) {
            seen.push(kind);
        }
    }
    seen.join(" or ")
}

/// As people write it: short values on one line.
fn pretty(value: &Value) -> Result<String> {
    let line = value.to_string();
    Ok(if line.len() <= 100 { line } else { serde_json::to_string_pretty(value)? })
}
