//! Signals: named inputs to a run from outside. For agents; needs the grant `signals`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//! use std::time::Duration;
//!
//! let parcel: Value = signals::wait("delivered", Duration::from_secs(7 * 24 * 3_600))?;
//! # Ok(()) }
//! ```

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::bindings::signals;
use crate::failure::milliseconds;
use crate::{Failure, FailureKind, json};

/// Waits for the next signal of a name, across restarts and at no cost; gives what it brings.
///
/// One that came before is kept, and is the answer at once. When `due` is over it fails, with a kind
/// that `retry` of a step would try again.
pub fn wait<T: DeserializeOwned>(name: &str, due: impl Into<Option<Duration>>) -> Result<T, Failure> {
    let text = signals::wait(name, due.into().map(milliseconds))?;
    json::read(&text, FailureKind::Permanent, &format!("the signal `{name}` is not what was expected"))
}
