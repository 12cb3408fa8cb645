//! The bodies of `human`, `wait` and `fail`.

use super::terms::{AT_ONCE, CLAIM_FOR, ESCALATE, NOT_BY, QUORUM, REASON};
use super::{Key, Place, Shape};

/// `human`: a question.
pub static HUMAN: Place = Place {
    name: "human",
    what: "human",
    keys: &[
        Key::required(
            "title",
            Shape::TextTemplate,
            "The question, one line that can be read alone.",
            "Refund this order?",
        ),
        Key::optional(
            "to",
            Shape::OneOrMore(&Shape::Person),
            "Who may answer: users and groups.",
            "[group:finance, user:ann]",
        )
        .otherwise("anyone"),
        Key::optional(
            "actions",
            Shape::OneOrMore(&Shape::Name("-")),
            "What can be chosen.",
            "[approve, ask-again, reject]",
        )
        .default("[approve, reject]"),
        Key::optional(
            "form",
            Shape::Form,
            "The fields that are filled in, like inputs; or a whole JSON Schema with `type: object` and `properties`. Defaults are filled in; when time is up, they are all there is, so give a default to a field that later steps read, or ask with `default(…)`.",
            "{ note: { type: string, optional: true } }",
        ),
        Key::optional(
            "subject",
            Shape::Template,
            "What the answer allows, shown and hashed with the question.",
            "{ order: \"${{ inputs.order }}\" }",
        ),
        Key::optional("due", Shape::Duration, "How long to wait.", "48h")
            .otherwise("for ever")
            .beside(&["on_timeout"]),
        Key::optional("on_timeout", Shape::Name("-"), "The action taken when time is up.", "reject")
            .otherwise("required with `due`, refused without")
            .beside(&["due"]),
        Key::optional(
            "labels",
            Shape::Named(&Shape::Text),
            "What the actions are called where people read them.",
            "{ approve: Pay it }",
        )
        .default("{}"),
        QUORUM,
        AT_ONCE,
        NOT_BY,
        REASON,
        CLAIM_FOR,
        ESCALATE,
    ],
    shared: &[],
};

/// `wait` until an instant, or for an event.
pub static WAIT: Place = Place {
    name: "wait",
    what: "wait",
    keys: &[
        Key::optional(
            "until",
            Shape::Template,
            "RFC 3339 text or milliseconds since 1970, computed or written out.",
            "2026-12-24T09:00:00Z",
        )
        .otherwise("required without `topic`, refused with it"),
        Key::optional(
            "topic",
            Shape::TextTemplate,
            "A pattern: the step waits for the next event whose topic matches. `*` stands for one level, `>` at the end for all that follow.",
            "orders/*/created",
        )
        .otherwise("required without `until`"),
        Key::optional(
            "due",
            Shape::Duration,
            "How long to wait for the event; then the step fails with `timeout`.",
            "1h",
        )
        .otherwise("for ever")
        .beside(&["topic"]),
    ],
    shared: &[],
};

/// `fail` with a kind.
pub static FAIL: Place = Place {
    name: "fail",
    what: "fail",
    keys: &[
        Key::required("message", Shape::TextTemplate, "What went wrong.", "no such order"),
        Key::optional("kind", Shape::FailureKind, "The kind of failure.", "denied").default("permanent"),
    ],
    shared: &[],
};
