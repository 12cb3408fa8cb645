//! The server of pawl: the HTTP API under `/v1`, its event streams and the console.
//!
//! The engine and its store are authoritative; nothing is kept here but who listens. What is asked is carried out by
//! the engine, and answered when it is durable. Nothing here decides what a run does next.

#![warn(missing_docs)]

mod access;
mod api;
mod app;
#[cfg(test)]
mod bench;
mod caller;
mod console;
mod guard;
mod limits;
mod links;
mod listen;
mod problem;
mod router;
mod server;
mod stream;
mod sweep;
mod teller;
mod tls;
mod trace;

pub mod documents;
pub mod identity;
pub mod notify;
pub mod shape;

pub use limits::ServerLimits;
pub use links::{LINK_EXPIRES_MAX_MS, LINK_KEY_BYTES, LinkKeyError};
pub use problem::{Code, Problem, reference as problems_reference};
pub use router::openapi;
pub use server::{IdentityMode, Server, ServerConfig, ServerError};
pub use teller::{Teller, Terse};
pub use tls::{TLS_HANDSHAKE_MAX_MS, TLS_HANDSHAKES_MAX, TLS_RELOAD_MS, TlsFiles};
