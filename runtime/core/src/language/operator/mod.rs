//! The keys of `pawl.yaml`, the operator's file, and of the scripts of models.
//!
//! Made and used as the table of the language is: reading takes its known keys from here, the JSON
//! Schema and the tables of docs/operator-reference.md and docs/testing.md are made from it.

mod identity;
mod mcp;
mod namespace;
mod notify;
mod plugin;
mod policy;
mod profile;
mod script;
mod secret;
mod server;
mod supply;
mod telemetry;

use serde_json::Value;

pub use identity::{IDENTITY, IDENTITY_CLAIMS};
pub use mcp::{MCP_ELICITATION, MCP_SERVER, MCP_VALUE};
pub use namespace::NAMESPACE;
pub use notify::NOTIFY;
pub use plugin::PLUGIN;
pub use policy::{GRANTS, POLICY};
pub use profile::{KEY, OPERATOR, PRICE, PROFILE};
pub use script::{MODEL_CALL, MODEL_RULE, MODEL_USAGE, MODEL_WHEN, SCRIPT};
pub use secret::SECRET;
pub use server::{RETENTION, SERVER, SERVER_LIMITS};
pub use supply::{REGISTRY, TRUSTED_KEY};
pub use telemetry::TELEMETRY;

use super::schema::schema_of;
use super::{ESCALATION, FOLDER, HOST, Key, Place, Shape};

/// What the schema of `pawl.yaml` calls itself.
pub const OPERATOR_SCHEMA_ID: &str = "https://github.com/pawl-dev/pawl/blob/main/docs/operator.schema.json";

/// Every place of `pawl.yaml`, in the order of docs/operator-reference.md.
pub static OPERATOR_PLACES: [&Place; 24] = [
    &OPERATOR,
    &PROFILE,
    &PRICE,
    &KEY,
    &MCP_SERVER,
    &MCP_VALUE,
    &MCP_ELICITATION,
    &PLUGIN,
    &POLICY,
    &ESCALATION,
    &GRANTS,
    &HOST,
    &SECRET,
    &FOLDER,
    &NAMESPACE,
    &TRUSTED_KEY,
    &REGISTRY,
    &SERVER,
    &SERVER_LIMITS,
    &RETENTION,
    &TELEMETRY,
    &IDENTITY,
    &IDENTITY_CLAIMS,
    &NOTIFY,
];

/// Every place of a script, the file's own first; the others stand in test files as well.
pub static SCRIPT_PLACES: [&Place; 5] = [&SCRIPT, &MODEL_RULE, &MODEL_WHEN, &MODEL_CALL, &MODEL_USAGE];

/// The JSON Schema (2020-12) of `pawl.yaml`.
pub fn operator_schema() -> Value {
    schema_of(OPERATOR_SCHEMA_ID, "What an operator of pawl sets", &OPERATOR_PLACES)
}

#[cfg(test)]
mod tests;
