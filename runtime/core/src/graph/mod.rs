//! A definition as a graph: its steps, the ways between them, and drawings of both.

mod draw;
mod ways;

pub use draw::{to_dot, to_mermaid};
pub use ways::{Graph, Place, Way};

#[cfg(test)]
mod tests;
