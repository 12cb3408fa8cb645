//! The keys of the workflow language: the one table of them.
//!
//! A place is a map of the language (the workflow, a step, `retry`, …); it
//! lists its keys, one row each. Reading takes its list of known keys from
//! here, the JSON Schema and the tables of the reference are made from it. So
//! a new key is a row here and the code that reads it: a row that nothing
//! reads, a read of what has no row, an example that does not load, a default
//! or a limit that is not what is read, each fails a test beside this file.

mod budget;
mod concurrency;
mod guard;
mod inputs;
mod key;
mod lists;
pub mod operator;
mod outside;
mod plugins;
mod route;
mod schema;
mod shape;
mod step;
mod terms;
pub mod test_file;
mod verbs;
mod workflow;

pub use budget::BUDGET;
pub use concurrency::CONCURRENCY;
pub use guard::APPROVAL;
pub(crate) use inputs::KEYWORDS;
pub use inputs::{INPUT, OUTPUT};
pub use key::{Goes, Key, Need, Place};
pub use lists::{LOOP, MAP, PARALLEL};
pub use outside::{EMIT, SIGNAL};
pub use plugins::{FOLDER, HOST, MEMORY, PERMISSIONS, RETRY, TIMEOUT};
pub use route::{MATCH, ROUTE};
pub use schema::{SCHEMA_ID, schema};
pub use shape::Shape;
pub(crate) use shape::TYPES;
pub use step::{BRANCH, STEP};
pub use terms::ESCALATION;
pub use verbs::{FAIL, HUMAN, WAIT};
pub use workflow::WORKFLOW;

/// Every place, in the order of the reference.
pub static PLACES: [&Place; 25] = [
    &WORKFLOW,
    &INPUT,
    &OUTPUT,
    &STEP,
    &BRANCH,
    &ROUTE,
    &MATCH,
    &RETRY,
    &TIMEOUT,
    &CONCURRENCY,
    &BUDGET,
    &MEMORY,
    &PERMISSIONS,
    &HOST,
    &FOLDER,
    &APPROVAL,
    &HUMAN,
    &ESCALATION,
    &WAIT,
    &SIGNAL,
    &EMIT,
    &FAIL,
    &PARALLEL,
    &MAP,
    &LOOP,
];

#[cfg(test)]
mod tests;
