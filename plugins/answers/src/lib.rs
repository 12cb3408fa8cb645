//! Answers of language models in a shape, for the agents that ship with pawl: what fits, and asking again
//! when one does not.
//!
//! A model is never taken at its word. What it answers is checked against a [`Shape`], what does not fit
//! goes back to it with the reason, and that has an end.

mod ask;
mod shape;

pub use ask::{Asking, Given, again, whole};
pub use shape::Shape;
