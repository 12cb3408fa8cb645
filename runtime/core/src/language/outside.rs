//! The bodies of `signal` and `emit`.

use super::{Key, Place, Shape};

/// `signal`: waits for something that is sent to the run.
pub static SIGNAL: Place = Place {
    name: "signal",
    what: "signal",
    keys: &[
        Key::required("name", Shape::Name("-."), "The signal's name.", "payment"),
        Key::optional(
            "data",
            Shape::Form,
            "What the signal must bring, like inputs; the same for all steps that wait for the name.",
            "{ amount: { type: number, minimum: 0 } }",
        )
        .otherwise("anything"),
        Key::optional("due", Shape::Duration, "How long to wait; then the step fails with `timeout`.", "48h")
            .otherwise("for ever"),
    ],
    shared: &[],
};

/// `emit`: an event for whoever waits for its topic.
pub static EMIT: Place = Place {
    name: "emit",
    what: "emit",
    keys: &[
        Key::required(
            "topic",
            Shape::TextTemplate,
            "The topic: levels divided by `/`, at most 8 of them and 250 bytes.",
            "orders/created",
        ),
        Key::optional(
            "data",
            Shape::Template,
            "What the event brings.",
            "{ order: \"${{ inputs.order }}\" }",
        )
        .default("{}"),
    ],
    shared: &[],
};
