//! What the runs of a namespace may be granted.

use super::super::plugins::FOLDER;
use super::{GRANTS, Key, Place, Shape};

/// One of `namespaces`.
pub static NAMESPACE: Place = Place {
    name: "namespace",
    what: "a namespace",
    keys: &[
        Key::optional(
            "grants",
            Shape::Map(&GRANTS),
            "The most that workflows of the namespace may grant their steps, within the `grants` of the file. Secrets that are not named are not granted.",
            "{ tools: [acme-orders.*], models: [acme], secrets: [acme-stripe] }",
        )
        .otherwise("the `grants` of the file, without any secret"),
        Key::optional(
            "files",
            Shape::Any(&Shape::Map(&FOLDER)),
            "The folders that workflows of the namespace may grant their tools, in place of the `files` of the file.",
            "[{ path: /srv/acme }]",
        )
        .default("[]"),
    ],
    shared: &[],
};
