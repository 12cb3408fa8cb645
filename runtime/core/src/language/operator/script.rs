//! What a scripted model says.

use super::{Key, Place, Shape};
use crate::language::test_file::FAILURE;
use crate::source::operator::TURN_MAX;
use crate::source::test_file::TIMES_MAX;

/// The top of a script.
pub static SCRIPT: Place = Place {
    name: "script",
    what: "a script",
    keys: &[
        Key::optional("description", Shape::Text, "For people.", "For demonstrations."),
        Key::required(
            "rules",
            Shape::Any(&Shape::Map(&MODEL_RULE)),
            "What is said to which requests, at most `model_rules_max`. The first rule that applies answers.",
            "[{ reply: Good morning. }]",
        ),
    ],
    shared: &[],
};

/// A rule of a scripted model.
pub static MODEL_RULE: Place = Place {
    name: "model-rule",
    what: "a rule of a model",
    keys: &[
        Key::optional("when", Shape::Map(&MODEL_WHEN), "Which requests.", "{ turn: 0 }").otherwise("any"),
        Key::optional(
            "times",
            Shape::Whole(1, TIMES_MAX),
            "For how many requests the rule holds, as this process counts them.",
            "2",
        )
        .otherwise("all"),
        Key::optional("delay", Shape::Duration, "How long the answer takes.", "3s").default("0s"),
        Key::verb(
            "reply",
            Shape::Constant,
            "What it says: a text, or any other value as JSON text.",
            "",
            "Good morning.",
        ),
        Key::verb(
            "calls",
            Shape::Any(&Shape::Map(&MODEL_CALL)),
            "The tools that it asks for.",
            "",
            "[{ tool: orders.lookup, arguments: { id: A-1 } }]",
        ),
        Key::verb(
            "fail",
            Shape::Either(&[Shape::FailureKind, Shape::Map(&FAILURE)]),
            "That it fails, and how.",
            "",
            "transient",
        ),
        Key::optional(
            "usage",
            Shape::Map(&MODEL_USAGE),
            "What it is said to have read and written.",
            "{ input: 120, output: 8 }",
        )
        .otherwise("as many tokens as there are words")
        .with(&["reply", "calls"]),
    ],
    shared: &[],
};

/// Which requests a rule is for.
pub static MODEL_WHEN: Place = Place {
    name: "model-when",
    what: "when",
    keys: &[
        Key::optional("turn", Shape::Whole(0, TURN_MAX), "So many messages of the model came before.", "1")
            .otherwise("any number"),
        Key::optional("last", Shape::Text, "The last message has this in it.", "Where is").otherwise("any"),
        Key::optional("said", Shape::Text, "Some message has this in it.", "Be brief").otherwise("any"),
        Key::optional(
            "tool",
            Shape::Text,
            "The last message is what came of a call of this tool.",
            "orders.lookup",
        )
        .otherwise("any"),
    ],
    shared: &[],
};

/// A call that a scripted model asks for.
pub static MODEL_CALL: Place = Place {
    name: "model-call",
    what: "a call of a model",
    keys: &[
        Key::required("tool", Shape::Text, "The tool, as it was offered.", "orders.lookup"),
        Key::optional("arguments", Shape::Constant, "Its arguments.", "{ id: A-1 }").default("{}"),
    ],
    shared: &[],
};

/// What an answer cost.
pub static MODEL_USAGE: Place = Place {
    name: "model-usage",
    what: "usage",
    keys: &[
        Key::required("input", Shape::Whole(0, u32::MAX), "Tokens that were read.", "120"),
        Key::required("output", Shape::Whole(0, u32::MAX), "Tokens that were written.", "8"),
    ],
    shared: &[],
};
