//! Durable pauses. For agents; needs the grant `timers`.

use std::time::Duration;

use crate::Failure;
use crate::failure::milliseconds;

/// Waits, across restarts and at no cost, however long it takes.
pub fn sleep(duration: Duration) -> Result<(), Failure> {
    Ok(crate::bindings::timers::sleep(milliseconds(duration))?)
}
