//! Other agents. For agents; needs the grant `agents`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//!
//! let text: String = agents::call("writer", &json!({ "topic": "tides" }))?;
//! # Ok(()) }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::agents;
use crate::{Failure, FailureKind, json};

/// Lets another agent do a task, and waits for its result as long as it takes.
///
/// The other agent works in the same run, with what this step may do. Meanwhile this one costs
/// nothing: its code later runs from the top and gets the recorded answer.
pub fn call<T: DeserializeOwned>(name: &str, task: &(impl Serialize + ?Sized)) -> Result<T, Failure> {
    let text = agents::call(name, &json::write(task, &format!("the task for `{name}`"))?)?;
    json::read(&text, FailureKind::Permanent, &format!("the result of `{name}` is not what was expected"))
}
