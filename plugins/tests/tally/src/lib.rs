//! Reports every call to a backend that counts, before the tool answers: how the tests know what
//! really happened outside, however often the machine went down.

use pawl_plugin::prelude::*;

/// Where calls are reported. Workflows run unchanged with these plugins, so nothing could tell
/// them another address: the test binds this port and grants `127.0.0.1:47917`.
pub const BACKEND: &str = "http://127.0.0.1:47917/calls";

/// POSTs `{"tool", "key", "arguments"}`; any answer but a status of 200 to 299 is a failure.
pub fn report<T: Serialize>(tool: &str, context: &Context, arguments: &T) -> Result<(), Failure> {
    let call = json!({ "tool": tool, "key": context.idempotency_key, "arguments": json!(arguments) });
    http::post(BACKEND).json(&call).send()?.success()?;
    Ok(())
}
