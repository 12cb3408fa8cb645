//! How a question is answered: the keys that `human` and rules of approval have in common.

use super::{Key, Place, Shape};
use crate::terms::QUORUM_MAX;

pub(super) const QUORUM: Key = Key::optional(
    "quorum",
    Shape::Whole(1, QUORUM_MAX),
    "How many different people must choose the same.",
    "2",
)
.default("1");

pub(super) const AT_ONCE: Key = Key::optional(
    "at_once",
    Shape::Any(&Shape::Name("-")),
    "The actions for which one person is enough, whatever the quorum; none with `[]`.",
    "[reject]",
)
.otherwise("`reject`")
.beside(&["quorum"]);

pub(super) const NOT_BY: Key = Key::optional(
    "not_by",
    Shape::OneOrMore(&Shape::Excluded),
    "Who may not answer: `initiator` is whoever started the run, `steps.check` whoever answered that step. Holds for operators as well.",
    "[initiator, user:ann]",
)
.otherwise("nobody");

pub(super) const REASON: Key = Key::optional(
    "reason",
    Shape::Either(&[Shape::OneOf(&["required"]), Shape::OneOrMore(&Shape::Name("-"))]),
    "What needs a reason: every action with `required`, or these.",
    "[reject]",
)
.otherwise("nothing");

pub(super) const CLAIM_FOR: Key =
    Key::optional("claim_for", Shape::Duration, "How long somebody who claims the question holds it.", "30m")
        .default("8h");

static RUNG: Shape = Shape::Map(&ESCALATION);

pub(super) const ESCALATE: Key = Key::optional(
    "escalate",
    Shape::List(&RUNG),
    "Who else may answer while nobody does, in the order of time.",
    "[{ after: 4h, to: group:leads }]",
)
.otherwise("nobody else");

/// A rung of `escalate`.
pub static ESCALATION: Place = Place {
    name: "escalation",
    what: "a rung of escalate",
    keys: &[
        Key::required(
            "after",
            Shape::Duration,
            "How long after the question was asked; before `due`, and later than the rung before it.",
            "4h",
        ),
        Key::required(
            "to",
            Shape::OneOrMore(&Shape::Person),
            "Who may answer as well from then on.",
            "group:leads",
        ),
    ],
    shared: &[],
};
