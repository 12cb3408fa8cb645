//! How `pawl serve` is set up: each setting for itself by the command line, else by the environment, else by
//! `pawl.yaml`, else by the default.

mod args;
mod layers;
mod setup;
#[cfg(test)]
mod tests;

pub(crate) use args::ServingArgs;
pub(crate) use layers::{Layers, Named};
pub(crate) use setup::Setup;
