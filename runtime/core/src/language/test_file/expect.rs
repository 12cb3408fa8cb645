//! What must come of a test's run.

use super::{Key, MEMORIES, Place, Shape};
use crate::source::test_file::TIMES_MAX;

/// `expect`.
pub static EXPECT: Place = Place {
    name: "expect",
    what: "expect",
    keys: &[
        Key::optional(
            "status",
            Shape::OneOf(&["completed", "failed", "cancelled", "waiting"]),
            "The run is so in the end.",
            "waiting",
        )
        .otherwise("`completed`, or `failed` where there is an `error`"),
        Key::optional(
            "path",
            Shape::OneOrMore(&Shape::Text),
            "The workflow's own steps were reached in this order. A skipped step stands in brackets.",
            "[order, (pay)]",
        )
        .otherwise("not looked at"),
        Key::optional(
            "within",
            Shape::Named(&Shape::OneOrMore(&Shape::Text)),
            "The same for lists within steps: `each[0]` is the first item of the `map` `each`, `both/goods` a branch, `poll` the turns of a `loop`, `weather/catch` and `weather/finally` those of a step. Lists within lists: `each[0]/both/goods`.",
            "{ \"each[0]\": [line] }",
        )
        .default("{}"),
        Key::optional("outputs", Shape::Constant, "The outputs are exactly these.", "{ id: A-1 }")
            .otherwise("not looked at"),
        Key::optional("outputs_include", Shape::Constant, "The outputs have these in them.", "{ id: A-1 }")
            .otherwise("not looked at"),
        Key::optional(
            "holds",
            Shape::OneOrMore(&Shape::Expression),
            "These expressions hold. They see `outputs`, `inputs`, `vars`, `run`, `error` and `steps.<id>.output` of the workflow's own steps.",
            "outputs.id == 'A-1'",
        )
        .default("[]"),
        Key::optional(
            "events",
            Shape::OneOrMore(&Shape::Text),
            "Events happened in this order, whatever stands between: `step-completed`, or of one step, `step-completed pay`.",
            "[run-started, step-completed pay]",
        )
        .default("[]"),
        Key::optional(
            "calls",
            Shape::Named(&Shape::Either(&[Shape::Whole(0, TIMES_MAX), Shape::Map(&CALLS)])),
            "How often a tool or agent was called: a number, or more.",
            "{ payments.refund: 1 }",
        )
        .default("{}"),
        Key::optional(
            "memory",
            Shape::Map(&MEMORIES),
            "What memories that runs share hold then, exactly; of the memories those that are named.",
            "{ keys: { customer/ann: { visits: 3 } } }",
        )
        .default("{}"),
        Key::optional("error", Shape::Map(&ERROR), "The run failed so.", "{ kind: denied }")
            .otherwise("not looked at"),
    ],
    shared: &[],
};

/// The calls of a tool or agent.
pub static CALLS: Place = Place {
    name: "calls",
    what: "an entry of calls",
    keys: &[
        Key::optional("times", Shape::Whole(0, TIMES_MAX), "How many.", "1").otherwise("not looked at"),
        Key::optional(
            "with",
            Shape::Any(&Shape::Constant),
            "What is in the arguments of each call, in order.",
            "[{ amount: 40 }]",
        )
        .otherwise("not looked at"),
    ],
    shared: &[],
};

/// Why a run fails.
pub static ERROR: Place = Place {
    name: "error",
    what: "error",
    keys: &[
        Key::optional("kind", Shape::FailureKind, "Its kind.", "denied").otherwise("not looked at"),
        Key::optional("message", Shape::Text, "A part of its message.", "no such order")
            .otherwise("not looked at"),
        Key::optional("step", Shape::Text, "The step that failed.", "order").otherwise("not looked at"),
    ],
    shared: &[],
};
