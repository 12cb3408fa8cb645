//! What goes with plugins: `retry`, `timeout`, `memory` and `permissions`.

use super::{Key, Place, Shape};
use crate::plugin::METHODS;
use crate::source::RETRY_MAX_ATTEMPTS;

/// `retry` of a step.
pub static RETRY: Place = Place {
    name: "retry",
    what: "retry",
    keys: &[
        Key::required(
            "max_attempts",
            Shape::Whole(1, RETRY_MAX_ATTEMPTS),
            "Attempts in all, the first included.",
            "3",
        ),
        Key::optional(
            "delay",
            Shape::Duration,
            "The pause before the second attempt; half of each pause is drawn at random.",
            "5s",
        )
        .default("1s"),
        Key::optional("factor", Shape::Number(1, 10), "Each further pause is multiplied by it.", "1.5")
            .default("2"),
        Key::optional(
            "max_delay",
            Shape::Duration,
            "No pause is longer, unless the failure asks for one.",
            "10m",
        )
        .otherwise("`1m`, or `delay` if that is longer"),
        Key::optional(
            "on",
            Shape::OneOrMore(&Shape::FailureKind),
            "The kinds of failure that are tried again.",
            "[transient]",
        )
        .default("[transient, timeout]"),
        Key::optional("except", Shape::OneOrMore(&Shape::FailureKind), "Kinds taken out of `on`.", "timeout")
            .default("[]"),
    ],
    shared: &[],
};

/// `timeout` of a step, the long form.
pub static TIMEOUT: Place = Place {
    name: "timeout",
    what: "timeout",
    keys: &[
        Key::optional(
            "start",
            Shape::Duration,
            "The longest that a visit may wait for its slot; goes with `concurrency`.",
            "30s",
        ),
        Key::optional(
            "attempt",
            Shape::Duration,
            "The longest that an attempt may take, an agent's waits included; `retry` may try again.",
            "10s",
        ),
        Key::optional(
            "total",
            Shape::Duration,
            "The longest that a visit may take, with all its attempts and the pauses between them, and all that is done in its lists of steps.",
            "5m",
        ),
    ],
    shared: &[],
};

/// The body of `memory`.
pub static MEMORY: Place = Place {
    name: "memory",
    what: "memory",
    keys: &[Key::required(
        "key",
        Shape::TextTemplate,
        "Whose memory it is: shared by all steps of all workflows that give the same; at most 200 bytes.",
        "customer/${{ inputs.order }}",
    )],
    shared: &[],
};

/// A host, with the methods of requests to it.
pub static HOST: Place = Place {
    name: "host",
    what: "a host",
    keys: &[
        Key::required(
            "host",
            Shape::Text,
            "The host alone, or with its port: without one it is 80 and 443.",
            "api.example.com",
        ),
        Key::required(
            "methods",
            Shape::OneOrMore(&Shape::OneOf(&METHODS)),
            "The methods of requests to it. A host that stands as a text has all.",
            "[GET]",
        ),
    ],
    shared: &[],
};

/// A folder, with what may be done in it.
pub static FOLDER: Place = Place {
    name: "folder",
    what: "a folder",
    keys: &[
        Key::required("path", Shape::Text, "The folder, relative to this file.", "./data"),
        Key::optional(
            "mode",
            Shape::OneOf(&["read", "write"]),
            "Whether files are only read and listed, or also changed, made and removed.",
            "write",
        )
        .default("read"),
    ],
    shared: &[],
};

/// `permissions` of a workflow or a step.
pub static PERMISSIONS: Place = Place {
    name: "permissions",
    what: "permissions",
    keys: &[
        Key::optional(
            "tools",
            Shape::OneOrMore(&Shape::Tool),
            "The tools that agents may call: `orders.lookup`, or `orders.*` for all of a plugin.",
            "[orders.*, payments.refund]",
        )
        .default("[]"),
        Key::optional(
            "http",
            Shape::OneOrMore(&Shape::Either(&[Shape::Text, Shape::Map(&HOST)])),
            "The hosts that tools may send requests to, with any method or with those that are named.",
            "[api.example.com, { host: www.example.com, methods: [GET] }]",
        )
        .default("[]"),
        Key::optional(
            "secrets",
            Shape::OneOrMore(&Shape::Text),
            "The secrets that tools may send, by their names in [pawl.yaml](operator-reference.md#secrets). A tool never sees one.",
            "[stripe]",
        )
        .default("[]"),
        Key::optional(
            "files",
            Shape::OneOrMore(&Shape::Map(&FOLDER)),
            "The folders that tools may use, relative to this file; the operator must name them as well.",
            "[{ path: ./data, mode: read }]",
        )
        .default("[]"),
        Key::optional(
            "agents",
            Shape::OneOrMore(&Shape::Text),
            "The agents that agents may call, or hand their task over to.",
            "[writer]",
        )
        .default("[]"),
        Key::optional(
            "signals",
            Shape::OneOrMore(&Shape::Text),
            "The signals that agents may wait for.",
            "[delivered]",
        )
        .default("[]"),
        Key::optional(
            "models",
            Shape::OneOrMore(&Shape::Text),
            "The models that agents may ask, by their names in [pawl.yaml](operator-reference.md).",
            "[default]",
        )
        .default("[]"),
        Key::optional("human", Shape::Flag, "Whether agents may ask people.", "true").default("false"),
        Key::optional(
            "memory",
            Shape::Flag,
            "Whether agents may use memory, the run's or that which their step names.",
            "true",
        )
        .default("false"),
        Key::optional("timers", Shape::Flag, "Whether agents may sleep.", "true").default("false"),
    ],
    shared: &[],
};
