//! The server as its clients see it: over a socket, with an engine and a store behind it.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod document;
mod idempotency;
mod limits;
mod peer;
mod problems;
mod runs;
mod streams;
