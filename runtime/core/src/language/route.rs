//! The body of `agent` and `tool` where it is a route.

use super::{Key, Place, Shape};

/// A route: what is to be done, and not by whom.
pub static ROUTE: Place = Place {
    name: "route",
    what: "a route",
    keys: &[
        Key::required(
            "match",
            Shape::Map(&MATCH),
            "What a plugin must be, to be chosen.",
            "{ capability: classify }",
        ),
        Key::optional(
            "prefer",
            Shape::OneOrMore(&Shape::OneOf(&["cost", "latency", "health"])),
            "What goes first among those of the same priority, in this order; then by name. What names no cost comes last, what was never used counts as the quickest.",
            "[cost, latency]",
        )
        .default("[]"),
        Key::optional(
            "failover",
            Shape::Flag,
            "Whether another one is tried when the chosen one fails, but for `invalid-input`, `rejected` and `cancelled`. When all have failed, `retry` says whether it begins anew.",
            "true",
        )
        .default("false"),
        Key::optional(
            "otherwise",
            Shape::OneOf(&["fail", "wait"]),
            "What becomes of the step when there is none: it fails, or waits until there is one.",
            "wait",
        )
        .default("fail"),
    ],
    shared: &[],
};

/// `match` of a route.
pub static MATCH: Place = Place {
    name: "match",
    what: "match",
    keys: &[
        Key::required(
            "capability",
            Shape::Name("-."),
            "What it must be able to do: what an agent says of itself, or a tool's name; its plugin.toml or the operator may say otherwise.",
            "classify",
        ),
        Key::optional(
            "labels",
            Shape::Named(&Shape::TextTemplate),
            "The labels that it must have, exactly so; at most 16, of at most 200 bytes.",
            "{ lang: \"${{ inputs.order }}\" }",
        )
        .default("{}"),
    ],
    shared: &[],
};
