//! A definition as a graph: its steps, the ways between them, and drawings of both.

mod draw;
mod svg;
mod ways;

use draw::work;
pub use draw::{to_dot, to_json, to_mermaid};
pub use svg::{Mark, Marks, to_svg};
use ways::blocks_within;
pub use ways::{Graph, Place, Way};

#[cfg(test)]
mod tests;
