//! The server of pawl: the HTTP API under `/v1`, its event streams and the console.
//!
//! The engine and its store are authoritative; nothing is kept here but who listens. What is asked is carried out by
//! the engine, and answered when it is durable. Nothing here decides what a run does next.

#![warn(missing_docs)]

mod api;
mod app;
mod caller;
mod console;
mod limits;
mod problem;
mod router;
mod server;
mod stream;
mod teller;
mod trace;

pub mod documents;
pub mod shape;

pub use limits::ServerLimits;
pub use problem::{Code, Problem, reference as problems_reference};
pub use router::openapi;
pub use server::{Server, ServerConfig, ServerError};
pub use teller::{Teller, Terse};
