//! The sandbox of pawl: everything that names wasmtime.
//!
//! What is authoritative here: which permission covers which import (`imports`), the one
//! WebAssembly configuration (`config`), and what a limit means (`limits`). A guest is entered for
//! one attempt and thrown away; it sees the journal's time and the attempt's randomness, never the
//! machine's. What a guest does ends in a failure of its own attempt, never in a panic or an error
//! of the host. Nothing here touches the journal: an agent's calls go to the `AgentHost` that the
//! engine gives.

#![warn(missing_docs)]

mod bindings;
mod cache;
mod compile;
mod component;
mod config;
mod entry;
mod error;
mod fault;
mod host;
mod imports;
mod json;
mod limits;
mod load;
mod manifest;
mod meter;
mod plugin;
mod room;
mod run;
mod sandbox;
mod secret;
mod sieve;
mod state;
mod task;
mod ticker;
mod turnstile;
mod unfold;
mod weight;
mod words;

pub use cache::exposed as cache_dir_exposed;
pub use config::SandboxConfig;
pub use error::SandboxError;
pub use host::progress::{Progress, ProgressSink};
pub use limits::Limits;
pub use manifest::{Capability, MANIFEST_BRACKETS_MAX, MANIFEST_MAX_BYTES, Manifest, ManifestPlace};
pub use plugin::LoadedPlugin;
pub use sandbox::Sandbox;
pub use secret::{SECRET_MAX_BYTES, SECRET_MIN_BYTES, Secret, SecretSource};
pub use task::{AgentEnd, AgentHost, AgentTask, CallReply, CallsReply, ToolCall, ToolEnd};
pub use weight::{ComponentLimits, check_component};
