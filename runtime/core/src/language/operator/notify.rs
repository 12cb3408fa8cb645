//! Who is told of approvals.

use super::{HOST, KEY, Key, Place, Shape};

/// `notify`: a web hook, or a tool.
pub static NOTIFY: Place = Place {
    name: "notify",
    what: "an entry of notify",
    keys: &[
        Key::verb(
            "url",
            Shape::Text,
            "A web hook: where deliveries are posted to, over `https`, or over `http` to this machine.",
            "",
            "https://desk.example.com/pawl",
        ),
        Key::verb("tool", Shape::Tool, "A tool that is called with each notification.", "", "http.post_keyed"),
        Key::optional(
            "secret",
            Shape::Map(&KEY),
            "Where the secret is that deliveries are signed with: 16 bytes at least. It never stands here itself.",
            "{ env: PAWL_HOOK_SECRET }",
        )
        .otherwise("required with `url`")
        .with(&["url"]),
        Key::optional(
            "with",
            Shape::Arguments,
            "The arguments of the tool, from `inputs.notification`.",
            "{ url: \"https://chat.example.com/hook\", json: { text: \"${{ inputs.notification.approval.title }}\" } }",
        )
        .otherwise("the notification")
        .with(&["tool"]),
        Key::optional(
            "http",
            Shape::OneOrMore(&Shape::Either(&[Shape::Text, Shape::Map(&HOST)])),
            "The hosts that the tool may send requests to.",
            "[chat.example.com]",
        )
        .default("[]")
        .with(&["tool"]),
        Key::optional(
            "secrets",
            Shape::OneOrMore(&Shape::Text),
            "The [secrets](#secrets) that the tool may send.",
            "[chat]",
        )
        .default("[]")
        .with(&["tool"]),
        Key::optional(
            "events",
            Shape::OneOrMore(&Shape::OneOf(&[
                "opened",
                "escalated",
                "delegated",
                "decided",
                "expired",
                "withdrawn",
            ])),
            "What is told.",
            "[opened, escalated]",
        )
        .otherwise("all of them"),
        Key::optional(
            "links",
            Shape::Duration,
            "For how long the signed links are good that are told with what can be answered, one for each person who is asked by name; at most 30 days, and not beyond `due`. Whoever gets them can answer as those people. It needs `server.public_url`.",
            "24h",
        )
        .otherwise("there are none"),
    ],
    shared: &[],
};
