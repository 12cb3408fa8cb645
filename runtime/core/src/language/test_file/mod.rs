//! The keys of test files: the table of what `NAME.test.yaml` can say.
//!
//! Made and used as that of the language is: reading takes its known keys from
//! here, the JSON Schema of test files and the tables of docs/testing.md are
//! made from it.

mod expect;
mod given;
mod outside;
mod top;

use serde_json::Value;

pub use expect::{CALLS, ERROR, EXPECT};
pub use given::{FAILURE, FAULT, MEMORIES, PERSON, RULE};
pub use outside::{CANCEL, OUTSIDE_EVENT, SENT_SIGNAL};
pub use top::{TEST, TEST_FILE};

use super::operator::{MODEL_CALL, MODEL_RULE, MODEL_USAGE, MODEL_WHEN};
use super::schema::schema_of;
use super::{Key, Place, Shape};

/// What the schema of test files calls itself.
pub const TEST_SCHEMA_ID: &str = "https://github.com/pawl-dev/pawl/blob/main/docs/test.schema.json";

/// Every place of a test file, in the order of docs/testing.md.
pub static TEST_PLACES: [&Place; 17] = [
    &TEST_FILE,
    &TEST,
    &RULE,
    &FAILURE,
    &MODEL_RULE,
    &MODEL_WHEN,
    &MODEL_CALL,
    &MODEL_USAGE,
    &MEMORIES,
    &PERSON,
    &SENT_SIGNAL,
    &OUTSIDE_EVENT,
    &CANCEL,
    &FAULT,
    &EXPECT,
    &CALLS,
    &ERROR,
];

/// The JSON Schema (2020-12) of a test file.
pub fn test_schema() -> Value {
    schema_of(TEST_SCHEMA_ID, "Tests of a workflow of pawl", &TEST_PLACES)
}

#[cfg(test)]
mod tests;
