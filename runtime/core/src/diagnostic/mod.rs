//! Problems of a definition, with their places.
//!
//! All problems of a file are reported at once, in the order of their places.
//! A code never changes its meaning; each has a page under `docs/errors/`.

mod code;
mod list;
mod render;
mod suggest;

pub use code::Code;
pub use list::{Diagnostic, Diagnostics, Severity};
pub use suggest::among;
