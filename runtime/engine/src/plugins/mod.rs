//! Plugins: where they are found, what was loaded.

pub(crate) mod acceptance;
mod catalog;
mod known;
mod limits;
mod locking;
pub(crate) mod names;
mod servers;
mod settle;
mod shipped;
mod supply;

pub use acceptance::{Acceptance, Asked, Demands, HeldPlugin};
pub(crate) use catalog::{AGENT_SCHEMAS, Catalog, ReadyPlugin};
pub use catalog::{ListedPlugin, PluginEntry};
pub(crate) use limits::limits_of;
pub use locking::LockMode;
pub(crate) use locking::{Locking, locked_plugins, pinned};
pub(crate) use settle::manifest_places;
pub use shipped::{SHIPPED, ShippedPlugin};
