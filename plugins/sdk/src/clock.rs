//! Time as the journal knows it: the same again when an agent's code runs again. Always granted.
//!
//! `std::time::SystemTime` and `Instant` do not work in a plugin; `Duration` does.

/// Milliseconds since 1970 at the last recorded call.
pub fn now() -> u64 {
    crate::bindings::clock::now()
}
