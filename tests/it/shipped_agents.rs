//! The agents that ship with pawl and think say themselves what they take and give: `docs/agents.md` is made
//! of that.
//!
//! `INSTA_UPDATE=always cargo test -p pawl-tests --test it shipped_agents` writes the page anew.

use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use pawl_core::plugin::{AgentDescription, Description};
use pawl_engine::SHIPPED;
use pawl_sandbox::LoadedPlugin;
use pawl_tests::root;
use serde_json::Value;

use crate::tools::{load, sandbox, table, text};

/// In the order of the page.
const AGENTS: [&str; 3] = ["assistant", "router", "reviewer"];

/// An agent's size is part of what it costs, as a tool's is.
const SIZE_MAX_BYTES: usize = 400 << 10;

const INTRODUCTION: &str = "# Agents that think\n\n\
    These agents ship with pawl and ask a language model: a step names one (`agent: assistant`) and grants it \
    what it needs (`permissions: { models: [default] }`). Which model stands behind a name is the operator's to \
    say, in [pawl.yaml](operator-reference.md). [The first guide](guides/first-agent.md) begins with one of \
    them.\n\n\
    This page is made of what the components say of themselves (`pawl plugin inspect NAME` shows it as JSON \
    Schema). Their limits stand in [operations](operations.md#agents-that-think). A model is never taken at its \
    word: what it answers is checked, what does not fit goes back to it with the reason, and that has an end. \
    Every answer is recorded, and not asked for again after a crash.\n";

fn agent(plugin: &LoadedPlugin) -> Result<&AgentDescription> {
    match plugin.description() {
        Description::Agent(agent) => Ok(agent),
        Description::Tools(_) => bail!("tools"),
    }
}

#[tokio::test]
async fn the_page_of_agents_is_what_the_components_say() -> Result<()> {
    let sandbox = sandbox()?;
    let mut page = INTRODUCTION.to_owned();
    for name in AGENTS {
        let plugin = load(&sandbox, name).await?;
        let agent = agent(&plugin)?;
        page.truncate(page.trim_end().len());
        write!(page, "\n\n## {name}\n{}\n", agent.summary)?;
        writeln!(page, "\n{}\n", text(&agent.input_schema["description"]))?;
        tables(&mut page, "Input", &agent.input_schema)?;
        tables(&mut page, "Result", &agent.output_schema)?;
    }
    let path = root().join("docs/agents.md");
    let page = format!("{}\n", page.trim_end());
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page)?;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    ensure!(
        written == page,
        "docs/agents.md is not what the components say: run this with INSTA_UPDATE=always"
    );
    Ok(())
}

/// A schema, and after it those of the lists of objects in it.
fn tables(page: &mut String, title: &str, schema: &Value) -> Result<()> {
    table(page, title, schema)?;
    page.push('\n');
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if field["items"]["properties"].is_object() {
            write!(page, "Each of `{name}`:\n\n")?;
            table(page, title, &field["items"])?;
            page.push('\n');
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_agent_that_thinks_says_what_it_takes_and_is_small() -> Result<()> {
    let sandbox = sandbox()?;
    for name in AGENTS {
        let plugin = load(&sandbox, name).await?;
        let agent = agent(&plugin)?;
        ensure!(agent.summary.ends_with('.') && agent.summary.len() < 100, "{name}: {}", agent.summary);
        ensure!(agent.input_schema["additionalProperties"] == false, "{name} takes misspelt names");
        for schema in [&agent.input_schema, &agent.output_schema] {
            ensure!(schema["description"].is_string(), "{name} has no description");
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                ensure!(schema["description"].is_string(), "{name}: `{field}` has no description");
            }
            ensure!(!schema.to_string().contains("$ref"), "{name}: a reference");
        }
        let size =
            SHIPPED.iter().find(|shipped| shipped.name == name).map_or(0, |shipped| shipped.bytes.len());
        ensure!((1..SIZE_MAX_BYTES).contains(&size), "{name} has {size} bytes");
    }
    Ok(())
}
