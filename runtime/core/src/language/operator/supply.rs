//! Where plugins come from, and whose they are.

use super::{KEY, Key, Place, Shape};

/// The public key of somebody who signs plugins.
pub static TRUSTED_KEY: Place = Place {
    name: "trusted-key",
    what: "a trusted key",
    keys: &[
        Key::verb(
            "key",
            Shape::Text,
            "The public key, as `pawl plugin keygen` prints it.",
            "",
            "\"ed25519:3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29\"",
        ),
        Key::verb(
            "file",
            Shape::Text,
            "A file with the public key in it and nothing else, relative to this one.",
            "",
            "release.key.pub",
        ),
    ],
    shared: &[],
};

/// A registry of plugins.
pub static REGISTRY: Place = Place {
    name: "registry",
    what: "a registry",
    keys: &[
        Key::optional(
            "insecure",
            Shape::Flag,
            "Whether it is spoken to without TLS. Whoever is in between then sees the password.",
            "true",
        )
        .otherwise("`true` for `localhost` and loopback addresses, else `false`"),
        Key::optional("username", Shape::Text, "Who asks.", "ann").otherwise("nobody").beside(&["password"]),
        Key::optional(
            "password",
            Shape::Map(&KEY),
            "Where the password or token is. It never stands here itself.",
            "{ env: REGISTRY_PASSWORD }",
        )
        .otherwise("none is sent")
        .beside(&["username"]),
    ],
    shared: &[],
};
