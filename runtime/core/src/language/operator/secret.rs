//! The secrets of `pawl.yaml`.

use super::{Key, Place, Shape};

/// One secret: where it is, and where it may go.
pub static SECRET: Place = Place {
    name: "secret",
    what: "a secret",
    keys: &[
        Key::verb("env", Shape::Text, "A variable of pawl's own environment.", "", "STRIPE_KEY"),
        Key::verb(
            "file",
            Shape::Text,
            "A file with the secret in it and nothing else, relative to this one.",
            "",
            "stripe.key",
        ),
        Key::required(
            "hosts",
            Shape::OneOrMore(&Shape::Text),
            "The hosts that it may be sent to, `api.example.com` or `api.example.com:8443`: over TLS, and without it only to this machine.",
            "[api.stripe.com]",
        ),
    ],
    shared: &[],
};
