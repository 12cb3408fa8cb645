//! Plugins: where they are found, what was loaded.

mod catalog;
mod shipped;

pub use catalog::PluginEntry;
pub(crate) use catalog::{AGENT_SCHEMAS, Catalog, limits_of};
pub use shipped::{SHIPPED, ShippedPlugin};
