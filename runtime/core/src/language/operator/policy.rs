//! What the operator asks of every run, and the most that it may be granted.

use super::super::guard::RULE;
use super::super::plugins::HOST;
use super::{Key, Place, Shape};

/// `policies`: calls that stop at an approval, whatever the workflow says.
pub static POLICY: Place = Place {
    name: "policy",
    what: "a policy",
    keys: &[Key::required(
        "approval",
        Shape::OneOf(&["required"]),
        "What the policy asks: a person must allow the call before it is made.",
        "required",
    )],
    shared: &RULE,
};

/// `grants`: the most that steps may be granted.
pub static GRANTS: Place = Place {
    name: "grants",
    what: "grants",
    keys: &[
        Key::optional(
            "tools",
            Shape::Any(&Shape::Text),
            "The tools that agents may be granted and that steps may call: `plugin.tool`, `plugin.*`.",
            "[orders.*, payments.refund]",
        )
        .otherwise("any"),
        Key::optional(
            "http",
            Shape::Any(&Shape::Either(&[Shape::Text, Shape::Map(&HOST)])),
            "The hosts that tools may be granted, with any method or with those that are named; `--allow-http` is needed beside.",
            "[api.example.com, { host: www.example.com, methods: [GET] }]",
        )
        .otherwise("any"),
        Key::optional(
            "secrets",
            Shape::Any(&Shape::Name("-")),
            "The secrets that tools may be granted, of those under `secrets`.",
            "[stripe]",
        )
        .otherwise("all under `secrets`"),
        Key::optional(
            "agents",
            Shape::Any(&Shape::Name("-")),
            "The agents that steps may run, and other agents call.",
            "[planner]",
        )
        .otherwise("any"),
        Key::optional(
            "models",
            Shape::Any(&Shape::Name("-")),
            "The models that agents may be granted.",
            "[default]",
        )
        .otherwise("any"),
        Key::optional(
            "signals",
            Shape::Any(&Shape::Name("-.")),
            "The signals that agents may wait for.",
            "[delivered]",
        )
        .otherwise("any"),
        Key::optional("human", Shape::Flag, "Whether agents may ask people.", "false").default("true"),
        Key::optional(
            "memory",
            Shape::Either(&[Shape::Flag, Shape::Any(&Shape::Text)]),
            "Whether agents may use memory; or the memories that runs share, by key or by the workflow's name, `crm/*` for all that begin so. With a list agents have the memory of their run as well, with `false` and `[]` none.",
            "[crm/*, support]",
        )
        .default("true"),
        Key::optional("timers", Shape::Flag, "Whether agents may sleep.", "false").default("true"),
    ],
    shared: &[],
};
