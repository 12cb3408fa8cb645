//! What pawl reads from others, given in millions of broken forms.
//!
//! A target is a function of bytes that must come to an end and must not panic; what else it must
//! do, it asserts. It is the same function for the program `fuzz`, for `cargo test`, and for
//! libFuzzer (`tests/fuzz/libfuzzer`), which finds what is new by coverage and so makes the corpora
//! that are kept. Every case of `fuzz` follows from a seed and its number alone.

mod corpus;
mod mutate;
mod run;
mod sections;
mod target;
mod words;

pub use corpus::{Corpus, project};
pub use mutate::Mutator;
pub use run::{Found, Plan, Report, run, try_one};
pub use target::{Form, TARGETS, Target, target};
