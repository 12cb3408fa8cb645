//! What the operator says of plugins.

use super::{Key, Place, Shape};
use crate::route::{COST_MAX, OFFER_PRIORITY_MAX};

/// One plugin.
pub static PLUGIN: Place = Place {
    name: "plugin",
    what: "a plugin",
    keys: &[
        Key::optional(
            "from",
            Shape::Text,
            "Where it is: the path of a component, relative to this file, or a [registry](#registries), with a digest. Every workflow may then use it by its name.",
            "./dist/triage.wasm",
        )
        .otherwise("the plugin folder, or what ships with pawl"),
        Key::optional(
            "capabilities",
            Shape::Either(&[
                Shape::OneOrMore(&Shape::Name("-.")),
                Shape::Named(&Shape::Name("-")),
            ]),
            "What it can do, instead of what it says itself; of a tool plugin perhaps with the tool that does it.",
            "{ lookup: find }",
        )
        .otherwise("what it says itself"),
        Key::optional(
            "labels",
            Shape::Named(&Shape::Text),
            "Its labels, one by one instead of its own or beside them.",
            "{ lang: de }",
        )
        .default("{}"),
        Key::optional(
            "priority",
            Shape::Whole(0, OFFER_PRIORITY_MAX),
            "The higher goes first.",
            "10",
        )
        .otherwise("that of its `plugin.toml`, or `0`"),
        Key::optional(
            "cost",
            Shape::Number(0, COST_MAX),
            "What one use of it costs, in whatever you count in; compared by `prefer: cost`.",
            "0.002",
        )
        .otherwise("that of its `plugin.toml`, or none"),
        Key::optional("enabled", Shape::Flag, "Whether routes may choose it.", "false").default("true"),
    ],
    shared: &[],
};
