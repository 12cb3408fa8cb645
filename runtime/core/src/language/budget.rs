//! The body of `budget`.

use super::{Key, Place, Shape};
use crate::definition::{BUDGET_CALLS_MAX, BUDGET_MONEY_MAX, BUDGET_TOKENS_MAX};

/// `budget`: how much a run or a step may use.
pub static BUDGET: Place = Place {
    name: "budget",
    what: "budget",
    keys: &[
        Key::optional(
            "tokens",
            Shape::Whole(1, BUDGET_TOKENS_MAX),
            "What models read and write together.",
            "20000",
        )
        .otherwise("any number"),
        Key::optional(
            "calls",
            Shape::Whole(1, BUDGET_CALLS_MAX),
            "Calls of models and tools together.",
            "150",
        )
        .otherwise("any number"),
        Key::optional("model_calls", Shape::Whole(1, BUDGET_CALLS_MAX), "Calls of models.", "50")
            .otherwise("any number"),
        Key::optional(
            "tool_calls",
            Shape::Whole(1, BUDGET_CALLS_MAX),
            "Calls of tools by agents, and attempts of tool steps.",
            "100",
        )
        .otherwise("any number"),
        Key::optional(
            "duration",
            Shape::Duration,
            "The time that these calls take, added up. What is under way is not cut off: `timeout` does that.",
            "10m",
        )
        .otherwise("any time"),
        Key::optional(
            "money",
            Shape::Number(0, BUDGET_MONEY_MAX),
            "What models cost by their `price` in pawl.yaml, with at most six digits behind the point.",
            "0.5",
        )
        .otherwise("any amount"),
        Key::optional(
            "warn_at",
            Shape::Percent,
            "From which part of a limit on the run's story says so, once for each limit.",
            "90%",
        )
        .default("80%")
        .beside(&["tokens"]),
    ],
    shared: &[],
};
