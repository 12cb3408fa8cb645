//! What tools, agents and people do in a test, and what goes wrong.

use super::{Key, Place, Shape};
use crate::source::test_file::TIMES_MAX;

/// A rule of a tool or agent.
pub static RULE: Place = Place {
    name: "rule",
    what: "a rule",
    keys: &[
        Key::optional(
            "when",
            Shape::Constant,
            "What the arguments (an agent's input) have in them: of objects the fields that are named.",
            "{ id: A-1 }",
        )
        .otherwise("any call"),
        Key::optional(
            "times",
            Shape::Whole(1, TIMES_MAX),
            "For how many calls the rule holds. So a sequence is several rules with `times: 1`.",
            "2",
        )
        .otherwise("all"),
        Key::optional("delay", Shape::Duration, "How long the call takes.", "3s").default("0s"),
        Key::verb(
            "result",
            Shape::Constant,
            "What it gives. It must be what the plugin's own description allows.",
            "",
            "{ id: A-1 }",
        ),
        Key::verb(
            "fail",
            Shape::Either(&[Shape::FailureKind, Shape::Map(&FAILURE)]),
            "That it fails, and how.",
            "",
            "transient",
        ),
        Key::verb("real", Shape::True, "The component itself answers.", "", "true"),
        Key::verb("hang", Shape::True, "It never answers. Its step needs a timeout.", "", "true"),
    ],
    shared: &[],
};

/// What memories that runs share hold.
pub static MEMORIES: Place = Place {
    name: "memories",
    what: "memory",
    keys: &[
        Key::optional(
            "workflow",
            Shape::Named(&Shape::Constant),
            "That of the workflow's runs.",
            "{ seen: 3 }",
        )
        .otherwise("nothing is said of it"),
        Key::optional(
            "keys",
            Shape::Named(&Shape::Named(&Shape::Constant)),
            "Those of keys.",
            "{ customer/ann: { visits: 2 } }",
        )
        .otherwise("nothing is said of them"),
    ],
    shared: &[],
};

/// How a call fails.
pub static FAILURE: Place = Place {
    name: "failure",
    what: "fail",
    keys: &[
        Key::required("kind", Shape::FailureKind, "Its kind.", "transient"),
        Key::optional("message", Shape::Text, "What went wrong.", "the shop is closed")
            .default("the test has it fail"),
        Key::optional("details", Shape::Constant, "What else is said of it.", "{ open_at: 9 }"),
        Key::optional("retry_after", Shape::Duration, "When it asks to be tried again.", "5s"),
    ],
    shared: &[],
};

/// One who answers.
pub static PERSON: Place = Place {
    name: "answer",
    what: "an entry of people",
    keys: &[
        Key::optional("step", Shape::Text, "Which question: that of this step, or of an agent in it.", "approve")
            .otherwise("any; `step` or `title` must be there"),
        Key::optional("title", Shape::Text, "Which question: one with these words in its title.", "Pay")
            .otherwise("any"),
        Key::optional(
            "unknown",
            Shape::True,
            "The question is pawl's own, about an `at-most-once` call whose outcome is unknown. The entry may stay unused.",
            "true",
        )
        .otherwise("it is not"),
        Key::verb("action", Shape::Text, "What is chosen.", "", "approve"),
        Key::verb("nobody", Shape::True, "Nobody answers it.", "", "true"),
        Key::optional("form", Shape::Constant, "What is filled in.", "{ note: ok }").with(ANSWERED),
        Key::optional("comment", Shape::Text, "Why, in their words.", "as agreed").with(ANSWERED),
        Key::optional("by", Shape::Person, "Who answers.", "user:ann")
            .otherwise("the operator, who may answer everything")
            .with(ANSWERED),
        Key::optional("groups", Shape::OneOrMore(&Shape::Person), "Their groups.", "[group:finance]")
            .default("[]")
            .with(ANSWERED)
            .beside(&["by"]),
        Key::optional("after", Shape::Duration, "How long after the question.", "3h")
            .default("0s")
            .with(ANSWERED),
        Key::optional(
            "refused",
            Shape::True,
            "The answer must be refused. The next entry for the question may do better.",
            "true",
        )
        .otherwise("it must be taken")
        .with(ANSWERED),
    ],
    shared: &[],
};

const ANSWERED: &[&str] = &["action"];

/// Something that goes wrong.
pub static FAULT: Place = Place {
    name: "fault",
    what: "a fault",
    keys: &[
        Key::verb(
            "crash_after",
            Shape::Whole(1, u32::MAX),
            "The process dies as soon as the event of this number is durable, and another goes on. `pawl test --json` shows the journal.",
            "",
            "7",
        ),
        Key::verb(
            "fail",
            Shape::Text,
            "The first calls of this tool fail, whatever rules say.",
            "",
            "orders.lookup",
        ),
        Key::verb("slow", Shape::Text, "The first calls of this tool take longer.", "", "orders.lookup"),
        Key::optional("first", Shape::Whole(1, TIMES_MAX), "How many calls.", "2")
            .default("1")
            .with(&["fail", "slow"]),
        Key::optional("kind", Shape::FailureKind, "How they fail.", "denied")
            .default("transient")
            .with(&["fail"]),
        Key::optional("message", Shape::Text, "Why they fail.", "the shop is closed")
            .default("a fault of the test")
            .with(&["fail"]),
        Key::optional("by", Shape::Duration, "How much longer.", "20s")
            .otherwise("required with `slow`")
            .with(&["slow"]),
    ],
    shared: &[],
};
