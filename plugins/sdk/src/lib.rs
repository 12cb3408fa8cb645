//! Write tools and agents for pawl in Rust.
//!
//! A **tool** is a leaf: it does one thing and its result is recorded as a whole. An **agent** is
//! straight-line code that calls tools, asks people and waits, and survives crashes in between. A
//! plugin is one of the two, built as a component:
//!
//! ```toml
//! # Cargo.toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! # Not published: name where your copy of pawl is, or its git repository.
//! pawl-plugin = { path = "../pawl/plugins/sdk" }
//! schemars = "1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//! ```toml
//! # .cargo/config.toml
//! [build]
//! target = "wasm32-unknown-unknown"
//! [target.wasm32-unknown-unknown]
//! linker = "wasm-component-ld"
//! ```
//!
//! ## A tool
//! ```no_run
//! # fn main() {}
//! use pawl_plugin::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Greet {
//!     /// Who is greeted.
//!     name: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Greeting {
//!     text: String,
//! }
//!
//! fn greet(_: &Context, input: Greet) -> Result<Greeting, Failure> {
//!     Ok(Greeting { text: format!("Good morning, {}.", input.name) })
//! }
//!
//! export_tools![Tool::pure("greet", "Greets someone.", greet)];
//! ```
//! `cargo build --release` writes the component; put it, with a `plugin.toml`, where pawl finds it,
//! and a workflow's step may say `tool: <plugin>.greet`. See [`Tool`] and [`export_tools!`].
//!
//! ## An agent
//! See [`Agent`] and [`export_agent!`]. What it may ask of the host: [`tools`], [`human`],
//! [`memory`], [`timers`], [`signals`], [`models`], other [`agents`]; what it was granted: [`grants`].
//!
//! ## What reaches a plugin
//! Only what it imports and was granted. [`log`], [`clock`] and [`random`] are always there; a tool
//! may send requests with [`http`], and [`secrets`] within them. Everything else, files, environment, threads, the system's
//! clock, does not exist. A component imports what its code calls and nothing more.
//!
//! ## When something goes wrong
//! Return a [`Failure`]. A panic ends the attempt; its text goes to the log.
#![warn(missing_docs)]

// The export macros name it, so that a plugin can write what this page shows within the SDK too.
extern crate self as pawl_plugin;

#[doc(hidden)]
pub mod bindings;

mod failure;
mod json;
mod panic;
mod place;

#[doc(hidden)]
pub mod agent;
#[doc(hidden)]
pub mod tool;

pub mod agents;
pub mod clock;
pub mod grants;
pub mod http;
pub mod human;
pub mod log;
pub mod memory;
pub mod models;
pub mod random;
pub mod secrets;
pub mod signals;
pub mod timers;
pub mod tools;

pub use agent::{Agent, Outcome, Reply, Task};
pub use failure::{Failure, FailureKind};
#[doc(hidden)]
pub use panic::log_panics;
pub use place::Place;
pub use tool::{Context, Tool};

/// What most plugins need: `use pawl_plugin::prelude::*;`.
pub mod prelude {
    pub use crate::human::Question;
    pub use crate::{
        Agent, Context, Failure, FailureKind, Outcome, Task, Tool, agents, clock, export_agent, export_tools,
        grants, http, human, log, memory, models, random, secrets, signals, timers, tools,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}
