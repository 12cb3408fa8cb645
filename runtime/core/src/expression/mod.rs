//! The one expression language: minijinja expressions between `${{` and `}}`.
//!
//! Compiled once, when a definition is loaded. Evaluated only by `decide`.
//! A value is data: what an expression gives is never evaluated again.
//!
//! What is deliberately absent: statements, methods, macros, includes, HTML
//! escaping, and every function that is not pure. A name or field that does
//! not exist is an error that says what does exist, except where the
//! expression asks: in `… is defined`, `… is undefined` and `… | default(…)`.

mod compiled;
mod environment;
mod lazy;
mod output;
mod reference;
mod scope;
mod segment;
mod template;
mod token;

pub use compiled::{EvaluationError, Expression, InvalidExpression, Problem};
pub use environment::{FILTERS, FUNCTIONS, TESTS};
pub use reference::{Reference, Root, Segment};
pub use scope::{Layer, Scope};
pub use template::{InvalidTemplate, Template, Use};

pub(crate) use template::{Part, escaped};

/// The work that one evaluation may do, in minijinja's fuel: one for an instruction or for 64 bytes made.
pub const EXPRESSION_FUEL: u64 = 200_000;
/// The longest expression, in bytes.
pub const EXPRESSION_MAX_BYTES: usize = 8 * 1_024;
/// The largest value that an expression or template may give, in bytes of JSON.
pub const VALUE_MAX_BYTES: usize = 4 * 1_024 * 1_024;
/// How deeply a value that an expression or template gives may be nested, in lists and maps. Well
/// below the 128 levels that JSON readers take, so that what was written is read again.
pub const VALUE_MAX_DEPTH: usize = 64;
/// The most bytes of text that one evaluation may take out of inputs and outputs.
pub const EXPRESSION_READ_MAX_BYTES: usize = 16 * 1_024 * 1_024;
/// How deeply a value with expressions in it may be nested, in lists and maps.
pub const TEMPLATE_MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests;
