//! One call of a tool of an MCP server: the same checks as for any other tool, and no sandbox.

use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::{Failure, FailureKind, value_bytes};
use pawl_mcp::{McpCall, McpEnd};
use pawl_sandbox::ToolEnd;
use pawl_wire::trace::within;

use super::tool::{ToolTry, fits, unusable};
use super::trace_headers;
use crate::driver::Context;
use crate::plugins::limits_of;

/// Calls a tool of a server, as the run's pin describes it.
pub(super) async fn call(
    context: &Arc<Context>,
    server: &str,
    call: &ToolTry<'_>,
) -> Result<McpEnd, Failure> {
    let schemas = context.catalog.schemas(call.pin).map_err(|error| unusable(&error))?;
    let (Some((input, output)), Some(_)) = (schemas.get(call.tool), call.pin.description.tool(call.tool))
    else {
        let message = format!("the MCP server has no tool '{}'", call.tool);
        return Err(Failure::new(FailureKind::InvalidInput, message));
    };
    fits(input, &call.arguments, FailureKind::InvalidInput, "the arguments do not fit")?;
    let end = match &context.config.stand_in {
        None => ask(context, server, call).await?,
        Some(stand_in) => {
            // What plays tools in a test knows of no questions: they go past it.
            let asks = Mutex::new(None);
            let server = Box::pin(async {
                let result = match ask(context, server, call).await {
                    Ok(McpEnd::Result(value)) => Ok(value),
                    Ok(McpEnd::Asks(asked)) => {
                        *asks.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
                        Err(Failure::new(FailureKind::Transient, "the tool asks a person first"))
                    }
                    Err(failure) => Err(failure),
                };
                ToolEnd { result, log: Vec::new() }
            });
            let result = stand_in.tool(call.work(), server).await.result;
            match asks.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(asks) => McpEnd::Asks(asks),
                None => McpEnd::Result(result?),
            }
        }
    };
    if let McpEnd::Result(value) = &end {
        let excluded = "the tool's result is not what the server's own description says";
        fits(output, value, FailureKind::InvalidOutput, excluded)?;
    }
    Ok(end)
}

async fn ask(context: &Context, server: &str, call: &ToolTry<'_>) -> Result<McpEnd, Failure> {
    let Some(servers) = context.catalog.servers() else {
        let message = format!("there is no MCP server '{server}': this pawl was given none");
        return Err(Failure::new(FailureKind::Permanent, message));
    };
    let Some(tool) = call.pin.description.tool(call.tool) else {
        let message = format!("the MCP server has no tool '{}'", call.tool);
        return Err(Failure::new(FailureKind::InvalidInput, message));
    };
    let (key, dialogue) = (call.key.as_str(), call.dialogue);
    let asking = servers.call(McpCall { server, tool, arguments: &call.arguments, key, dialogue });
    let end = within(call.trace.as_ref().map(trace_headers), asking).await?;
    let McpEnd::Result(value) = &end else { return Ok(end) };
    let max = limits_of(call.pin, &context.config.limits).payload_max_bytes;
    let bytes = value_bytes(value) as u64;
    if bytes > max {
        let message = format!(
            "the result of {}.{} has {bytes} bytes as JSON; payload_max_bytes is {max}",
            call.plugin, call.tool
        );
        return Err(Failure::new(FailureKind::Limit, message));
    }
    Ok(end)
}
