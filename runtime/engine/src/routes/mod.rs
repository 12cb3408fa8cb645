//! Routes: who does what a step asks for, of all the plugins that there are.
//!
//! Nothing here is authoritative and nothing is kept on disk. Who there is, files and the operator say each
//! time; how well they did, the journals of recent runs say, once for a process, and attempts as they end
//! from then on. What was chosen is recorded by the run, with the bytes, before it is begun.

mod circuit;
mod health;
mod history;
mod rank;
mod registry;
mod router;
mod tracker;

pub use registry::RoutedPlugin;
pub(crate) use registry::{Registry, offers};
pub(crate) use router::{Request, Routes, route, standing_of, standings};
pub(crate) use tracker::Tracker;

#[cfg(test)]
mod tests;
