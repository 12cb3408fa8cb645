//! Calls that stop at an approval.

use super::terms::{AT_ONCE, CLAIM_FOR, ESCALATE, NOT_BY, QUORUM, REASON};
use super::{Key, Place, Shape};

/// What a rule of a workflow and one of `pawl.yaml` have in common.
pub(super) static RULE: [Key; 12] = [
    Key::required(
        "tool",
        Shape::Text,
        "The tool: `plugin.tool`, `plugin.*` for all of a plugin, or `*`.",
        "orders.lookup",
    ),
    Key::optional(
        "when",
        Shape::Expression,
        "Only calls for which this holds; it sees `arguments` and nothing else. Where it cannot be evaluated, the call stops.",
        "arguments.amount > 100",
    )
    .otherwise("every call"),
    Key::optional(
        "tainted",
        Shape::Flag,
        "Only calls whose arguments may come from a model, or from a tool that the operator does not trust.",
        "true",
    )
    .default("false"),
    Key::optional(
        "to",
        Shape::OneOrMore(&Shape::Person),
        "Who may answer: users and groups.",
        "[group:finance, user:ann]",
    )
    .otherwise("anyone"),
    Key::optional("due", Shape::Duration, "How long to wait.", "24h")
        .otherwise("for ever")
        .beside(&["on_timeout"]),
    Key::optional(
        "on_timeout",
        Shape::OneOf(&["approve", "reject"]),
        "What is chosen when time is up.",
        "reject",
    )
    .otherwise("required with `due`, refused without")
    .beside(&["due"]),
    QUORUM,
    AT_ONCE,
    NOT_BY,
    REASON,
    CLAIM_FOR,
    ESCALATE,
];

/// `approvals`, of a workflow and of a step.
pub static APPROVAL: Place = Place { name: "approval", what: "an approval rule", keys: &RULE, shared: &[] };
