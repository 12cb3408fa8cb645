//! A definition drawn as SVG, and how far a run came in it.
//!
//! Workflows are lists of steps within steps, so they are drawn as frames
//! within frames: each list is laid out by itself, and a step that holds lists
//! is a frame around them. The same definition always gives the same drawing.
//! Whatever a colour tells, a sign and a word tell too.

mod layout;
mod list;
mod mark;
mod piece;
mod rows;
mod step;
mod text;
mod write;

pub use mark::{Mark, Marks};

use crate::definition::Definition;

/// The drawing of a definition; with marks, also how far a run came.
pub fn to_svg(definition: &Definition, marks: Option<&Marks>) -> String {
    write::svg(definition, &layout::workflow(definition, marks), marks)
}

#[cfg(test)]
mod tests;
