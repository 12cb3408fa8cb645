//! A test file, and a test in it.

use super::{
    CANCEL, EXPECT, FAULT, Key, MEMORIES, MODEL_RULE, OUTSIDE_EVENT, PERSON, Place, RULE, SENT_SIGNAL, Shape,
};

/// The top of a test file.
pub static TEST_FILE: Place = Place {
    name: "test-file",
    what: "a test file",
    keys: &[
        Key::optional("workflow", Shape::Text, "The workflow's file, relative to this one.", "refund.yaml")
            .otherwise("the one of the same name"),
        Key::optional("description", Shape::Text, "For people.", "Refunds by card."),
        Key::required(
            "tests",
            Shape::Any(&Shape::Map(&TEST)),
            "The tests, at most `tests_max`.",
            "[{ name: an order is found, expect: { status: completed } }]",
        ),
    ],
    shared: &[],
};

/// A test.
pub static TEST: Place = Place {
    name: "test",
    what: "a test",
    keys: &[
        Key::required("name", Shape::Text, "Unique in the file.", "a rejected refund is not paid"),
        Key::optional("description", Shape::Text, "For people.", "As the shop wants it."),
        Key::optional("inputs", Shape::Named(&Shape::Constant), "The run's inputs.", "{ amount: 40 }")
            .default("{}"),
        Key::optional("at", Shape::Text, "When the run begins, in RFC 3339.", "2026-05-01T09:00:00Z")
            .default("2026-01-01T00:00:00Z"),
        Key::optional(
            "tools",
            Shape::Named(&RULES),
            "What tools do instead of their components, by `plugin.tool`. A tool that does not stand here is the real one.",
            "{ orders.lookup: { result: { id: A-1 } } }",
        )
        .default("{}"),
        Key::optional(
            "agents",
            Shape::Named(&RULES),
            "The same for agents, by plugin.",
            "{ planner: { result: { plan: none } } }",
        )
        .default("{}"),
        Key::optional(
            "models",
            Shape::Named(&MODEL),
            "What models say, by the names that the workflow grants: rules, or the [script](operator-reference.md#scripts) with them, relative to this file. No model that does not stand here is asked.",
            "{ default: [{ reply: Good morning. }] }",
        )
        .default("{}"),
        Key::optional(
            "memory",
            Shape::Map(&MEMORIES),
            "What memories that runs share hold before.",
            "{ keys: { customer/ann: { visits: 2 } } }",
        )
        .default("{}"),
        Key::optional(
            "people",
            Shape::Any(&Shape::Map(&PERSON)),
            "Who answers what.",
            "[{ step: approve, action: approve }]",
        )
        .default("[]"),
        Key::optional(
            "signals",
            Shape::Any(&Shape::Map(&SENT_SIGNAL)),
            "The signals that are sent to the run.",
            "[{ name: paid, data: { amount: 40 } }]",
        )
        .default("[]"),
        Key::optional(
            "events",
            Shape::Any(&Shape::Map(&OUTSIDE_EVENT)),
            "The events on topics that come from outside.",
            "[{ topic: orders/created }]",
        )
        .default("[]"),
        Key::optional("cancel", Shape::Map(&CANCEL), "Where the run is cancelled.", "{ step: approve }")
            .otherwise("it is not"),
        Key::optional(
            "faults",
            Shape::Any(&Shape::Map(&FAULT)),
            "What goes wrong.",
            "[{ crash_after: 3 }]",
        )
        .default("[]"),
        Key::required("expect", Shape::Map(&EXPECT), "What must come of it.", "{ status: completed }"),
    ],
    shared: &[],
};

static RULES: Shape = Shape::Either(&[Shape::Map(&RULE), Shape::Any(&Shape::Map(&RULE))]);

static MODEL: Shape = Shape::Either(&[Shape::Text, Shape::Any(&Shape::Map(&MODEL_RULE))]);
