//! The body of `concurrency`.

use super::{Key, Place, Shape};
use crate::definition::CONCURRENCY_MAX;

/// `concurrency`: how many may go on at once.
pub static CONCURRENCY: Place = Place {
    name: "concurrency",
    what: "concurrency",
    keys: &[
        Key::required("limit", Shape::Whole(1, CONCURRENCY_MAX), "How many may go on at once.", "3"),
        Key::optional(
            "key",
            Shape::TextTemplate,
            "Among which they are counted: at most 256 bytes, shared by all workflows and steps that give the same.",
            "customer/${{ inputs.order }}",
        )
        .otherwise("the workflow's name; of a step `WORKFLOW/STEP`"),
        Key::optional(
            "overflow",
            Shape::OneOf(&["queue", "fail", "replace"]),
            "What one more does: waits, fails with `limit`, or takes the place of the oldest.",
            "fail",
        )
        .default("queue"),
    ],
    shared: &[],
};
