//! The server as its clients see it: over a socket, with an engine and a store behind it.

mod document;
mod idempotency;
mod limits;
mod peer;
mod problems;
mod runs;
mod streams;
