//! What a server says of its tools, as runs are started with it.

use std::collections::BTreeMap;

use pawl_core::definition::Schema;
use pawl_core::operator::McpServer;
use pawl_core::plugin::{EffectClass, ToolDescription};
use pawl_core::{Failure, FailureKind, json_bytes};
use rmcp::model::Tool;
use serde_json::{Value, json};

use crate::result;

/// The most tools of one server.
pub const MCP_TOOLS_MAX: usize = 500;
/// What all descriptions of one server's tools may come to, as JSON, in bytes. Each run has them in its journal.
pub const MCP_DESCRIPTION_MAX_BYTES: usize = 1 << 20;
/// The longest name of a tool, in bytes.
const NAME_MAX_BYTES: usize = 128;
/// The longest description that is shown to whoever chooses among tools, in bytes; the rest is cut off.
const SUMMARY_MAX_BYTES: usize = 4 << 10;

/// The tools that workflows see, by name. One that cannot be used is left out, and said so where people look.
pub(crate) fn tools(
    name: &str,
    spec: &McpServer,
    tools: Vec<Tool>,
) -> Result<BTreeMap<String, ToolDescription>, Failure> {
    let mut described = BTreeMap::new();
    for tool in tools {
        if spec.tools.as_ref().is_some_and(|seen| !seen.contains(tool.name.as_ref())) {
            continue;
        }
        match describe(spec, &tool) {
            Ok(tool) => {
                described.insert(tool.name.clone(), tool);
            }
            Err(why) => tracing::warn!(server = name, "a tool is left out: {why}"),
        }
    }
    for missing in spec.tools.iter().flatten().chain(spec.effects.keys()) {
        if !described.contains_key(missing) {
            tracing::warn!(
                server = name,
                tool = missing,
                "pawl.yaml names a tool that the server does not have"
            );
        }
    }
    let bytes: usize = described.values().map(json_bytes).sum();
    if bytes > MCP_DESCRIPTION_MAX_BYTES {
        let message = format!(
            "the MCP server '{name}' describes its tools with {bytes} bytes; mcp_description_max_bytes is \
             {MCP_DESCRIPTION_MAX_BYTES}: name those that are needed under `tools` in pawl.yaml"
        );
        return Err(Failure::new(FailureKind::Limit, message));
    }
    Ok(described)
}

/// A tool of which nobody has said what it takes and gives: anything, and what any tool of a server may give.
pub fn undescribed(name: &str, effect: EffectClass) -> ToolDescription {
    ToolDescription {
        name: name.to_owned(),
        summary: String::new(),
        input_schema: json!({ "type": "object" }),
        output_schema: result::schema(None),
        effect,
    }
}

fn describe(spec: &McpServer, tool: &Tool) -> Result<ToolDescription, String> {
    let name = tool.name.as_ref();
    if name.is_empty() || name == "*" || name.len() > NAME_MAX_BYTES || name.contains(char::is_control) {
        let shown: String = name.chars().take(NAME_MAX_BYTES).filter(|c| !c.is_control()).collect();
        return Err(format!("'{shown}' cannot be the name of a tool"));
    }
    let input_schema = Value::Object(tool.input_schema.as_ref().clone());
    let output_schema =
        result::schema(tool.output_schema.as_ref().map(|own| Value::Object(own.as_ref().clone())));
    for schema in [&input_schema, &output_schema] {
        Schema::new(schema.clone()).map_err(|error| format!("{name}: {error}"))?;
    }
    let said = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    Ok(ToolDescription {
        name: name.to_owned(),
        summary: result::cut(said.to_owned(), SUMMARY_MAX_BYTES),
        input_schema,
        output_schema,
        effect: effect(spec, tool),
    })
}

/// What the operator says, else what the server says where it is believed, else the most careful.
fn effect(spec: &McpServer, tool: &Tool) -> EffectClass {
    if let Some(effect) = spec.effects.get(tool.name.as_ref()) {
        return *effect;
    }
    let hints = tool.annotations.as_ref().filter(|_| spec.trust_annotations);
    match hints {
        Some(hints) if hints.read_only_hint == Some(true) => EffectClass::Pure,
        Some(hints) if hints.idempotent_hint == Some(true) => EffectClass::Idempotent,
        _ => EffectClass::AtMostOnce,
    }
}

/// Whether a tool is still what a run was started with: what it takes and gives is the same, and what happens
/// outside no more than the run knows.
pub(crate) fn unchanged(
    server: &str,
    pinned: &ToolDescription,
    now: Option<&ToolDescription>,
) -> Result<(), Failure> {
    let what = match now {
        None => "is not there any more",
        Some(now) if now.input_schema != pinned.input_schema => "takes other arguments now",
        Some(now) if now.output_schema != pinned.output_schema => "gives something else now",
        Some(now) if now.effect > pinned.effect => "has more effect than the run knows of",
        Some(_) => return Ok(()),
    };
    let message = format!(
        "mcp.{server}.{} {what}: the run holds the description that it was started with, and the tool was not \
         called; start a new run, or bring the server back to what it was and retry this one",
        pinned.name
    );
    Err(Failure::new(FailureKind::Permanent, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use EffectClass::{AtMostOnce, Idempotent, Pure};
    use pawl_core::Duration;
    use pawl_core::operator::McpReached;

    fn spec() -> McpServer {
        McpServer {
            reached: McpReached::Http { url: "http://h/mcp".to_owned(), headers: BTreeMap::new() },
            tools: None,
            effects: BTreeMap::new(),
            trust_annotations: false,
            timeout: Duration(1),
            idle: Duration(1),
            elicitation: None,
        }
    }

    fn listed(tools: Value) -> Vec<Tool> {
        serde_json::from_value(tools).unwrap()
    }

    fn effects(spec: &McpServer, all: &[Tool]) -> Vec<(String, EffectClass)> {
        let tools = tools("files", spec, all.to_vec()).unwrap();
        tools.into_values().map(|tool| (tool.name, tool.effect)).collect()
    }

    #[test]
    fn effects_are_the_operators_and_hints_count_where_they_are_believed() {
        let object = json!({ "type": "object" });
        let all = listed(json!([
            { "name": "a", "inputSchema": object, "annotations": { "readOnlyHint": true } },
            { "name": "b", "inputSchema": object, "annotations": { "idempotentHint": true } },
            { "name": "c", "inputSchema": object },
        ]));
        let named = |effects: [EffectClass; 3]| {
            ["a", "b", "c"].into_iter().map(str::to_owned).zip(effects).collect::<Vec<_>>()
        };
        assert_eq!(effects(&spec(), &all), named([AtMostOnce, AtMostOnce, AtMostOnce]));
        let trusting = McpServer { trust_annotations: true, ..spec() };
        assert_eq!(effects(&trusting, &all), named([Pure, Idempotent, AtMostOnce]));
        let own = [("a".to_owned(), AtMostOnce), ("c".to_owned(), Pure)].into();
        assert_eq!(
            effects(&McpServer { effects: own, ..trusting }, &all),
            named([AtMostOnce, Idempotent, Pure])
        );
        let few = McpServer { tools: Some(["b".to_owned()].into()), ..spec() };
        assert_eq!(effects(&few, &all), [("b".to_owned(), AtMostOnce)]);
    }

    #[test]
    fn a_tool_that_cannot_be_used_is_left_out_and_too_much_of_all_is_refused() {
        let all = listed(json!([
            { "name": "good", "inputSchema": { "type": "object" } },
            { "name": "", "inputSchema": {} },
            { "name": "x".repeat(NAME_MAX_BYTES + 1), "inputSchema": {} },
            { "name": "far", "inputSchema": { "$ref": "https://example.com/schema" } },
        ]));
        assert_eq!(tools("files", &spec(), all).unwrap().into_keys().collect::<Vec<_>>(), ["good"]);
        let wordy = |n: usize| json!({ "name": format!("t{n}"), "description": "d".repeat(5_000), "inputSchema": {} });
        let all = listed((0..300).map(wordy).collect());
        let failure = tools("files", &spec(), all).unwrap_err();
        assert!(failure.message.contains("mcp_description_max_bytes is 1048576"), "{}", failure.message);
    }

    #[test]
    fn a_tool_that_is_another_now_is_told_apart() {
        let tool = |input: Value, effect| ToolDescription {
            name: "read".to_owned(),
            summary: "said".to_owned(),
            input_schema: input,
            output_schema: json!({}),
            effect,
        };
        let pinned = tool(json!({ "a": 1 }), EffectClass::Idempotent);
        let differs = |now: Option<&ToolDescription>| unchanged("files", &pinned, now).unwrap_err().message;
        assert!(differs(None).starts_with("mcp.files.read is not there any more"));
        assert!(differs(Some(&tool(json!({ "a": 2 }), EffectClass::Pure))).contains("other arguments"));
        assert!(differs(Some(&tool(json!({ "a": 1 }), EffectClass::AtMostOnce))).contains("more effect"));
        let said = ToolDescription {
            summary: "in other words".to_owned(),
            ..tool(json!({ "a": 1 }), EffectClass::Pure)
        };
        assert_eq!(unchanged("files", &pinned, Some(&said)), Ok(()));
    }
}
