//! Tools that this step may use. For agents; needs the grant `tools`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Order {
//!     amount: f64,
//! }
//!
//! let order: Order = tools::call("orders.lookup", &json!({ "id": "A-1001" }))?;
//! # Ok(()) }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::{tools, types};
use crate::{Failure, FailureKind, json};

/// A tool as [`list`] shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// `<plugin>.<tool>`, as [`call`] takes it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
    /// JSON Schema of the result.
    pub output_schema: Value,
    /// What may happen after a crash: `pure`, `idempotent` or `at-most-once`.
    pub effect: &'static str,
}

/// The tools that were granted, by name.
pub fn list() -> Vec<ToolInfo> {
    let schema = |text: String| serde_json::from_str(&text).unwrap_or(Value::Bool(true));
    let info = |tool: tools::ToolInfo| ToolInfo {
        name: tool.name,
        summary: tool.summary,
        input_schema: schema(tool.input_schema),
        output_schema: schema(tool.output_schema),
        effect: match tool.effect {
            types::Effect::Pure => "pure",
            types::Effect::Idempotent => "idempotent",
            types::Effect::AtMostOnce => "at-most-once",
        },
    };
    tools::list().into_iter().map(info).collect()
}

/// Calls one tool, `<plugin>.<tool>`, and waits for its result.
///
/// It is recorded: when the agent's code runs again, the same call answers from the journal.
pub fn call<T: DeserializeOwned>(name: &str, arguments: &(impl Serialize + ?Sized)) -> Result<T, Failure> {
    let arguments = json::write(arguments, &format!("arguments of `{name}`"))?;
    answer(name, &tools::call(name, &arguments)?)
}

/// One call of [`call_all`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    name: String,
    arguments: String,
}

impl Call {
    /// A call of the tool `<plugin>.<tool>`.
    pub fn new(name: &str, arguments: &(impl Serialize + ?Sized)) -> Result<Self, Failure> {
        Ok(Self {
            name: name.to_owned(),
            arguments: json::write(arguments, &format!("arguments of `{name}`"))?,
        })
    }
}

/// Calls several tools at once; results stand in the order of the calls. The agent goes on when all
/// have answered, and each answer is recorded by itself.
///
/// ```no_run
/// # fn example() -> Result<(), pawl_plugin::Failure> {
/// use pawl_plugin::prelude::*;
///
/// let ids = ["A-1001", "A-1002"];
/// let calls = ids.iter().map(|id| tools::Call::new("orders.lookup", &json!({ "id": id })));
/// for order in tools::call_all::<Value>(calls.collect::<Result<_, _>>()?) {
///     log::info!("{}", order?["amount"]);
/// }
/// # Ok(()) }
/// ```
pub fn call_all<T: DeserializeOwned>(calls: Vec<Call>) -> Vec<Result<T, Failure>> {
    let names: Vec<_> = calls.iter().map(|call| call.name.clone()).collect();
    let calls: Vec<_> =
        calls.into_iter().map(|Call { name, arguments }| tools::ToolCall { name, arguments }).collect();
    names.iter().zip(tools::call_all(&calls)).map(|(name, result)| answer(name, &result?)).collect()
}

/// A result that is not what the caller expects is the caller's mistake, and stays so.
fn answer<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Failure> {
    json::read(text, FailureKind::Permanent, &format!("the result of `{name}` is not what was expected"))
}
