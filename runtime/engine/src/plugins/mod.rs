//! Plugins: where they are found, what was loaded.

pub(crate) mod acceptance;
mod catalog;
mod known;
mod locking;
pub(crate) mod names;
mod servers;
mod settle;
mod shipped;

pub use acceptance::{Acceptance, Asked, Demands, HeldPlugin};
pub use catalog::PluginEntry;
pub(crate) use catalog::{AGENT_SCHEMAS, Catalog, ReadyPlugin, limits_of};
pub use locking::LockMode;
pub(crate) use locking::{Locking, locked_plugins, pinned};
pub(crate) use settle::manifest_places;
pub use shipped::{SHIPPED, ShippedPlugin};
