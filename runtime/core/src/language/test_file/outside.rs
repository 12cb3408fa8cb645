//! What comes from outside in a test: signals, events on topics, a cancel.

use super::{Key, Place, Shape};

/// A signal that is sent.
pub static SENT_SIGNAL: Place = Place {
    name: "sent-signal",
    what: "an entry of signals",
    keys: &[
        Key::required("name", Shape::Name("-."), "The signal's name.", "paid"),
        Key::optional("data", Shape::Constant, "What it brings.", "{ amount: 40 }").default("{}"),
        Key::optional(
            "key",
            Shape::Text,
            "The sender's key: a signal with a key that came before changes nothing.",
            "invoice-7",
        ),
        Key::optional("step", Shape::Text, "It is sent when this step waits for it.", "payment")
            .otherwise("when any step does"),
        EARLY,
        Key::optional("after", Shape::Duration, AFTER, "3h").default("0s"),
        Key::optional("refused", Shape::True, "It must be refused.", "true").otherwise("it must be taken"),
    ],
    shared: &[],
};

/// An event that comes.
pub static OUTSIDE_EVENT: Place = Place {
    name: "outside-event",
    what: "an entry of events",
    keys: &[
        Key::required("topic", Shape::Text, "The event's topic.", "orders/eu/created"),
        Key::optional("data", Shape::Constant, "What it brings.", "{ order: A-1 }").default("{}"),
        Key::optional("step", Shape::Text, "It comes when this step waits for it.", "heard")
            .otherwise("when any step does"),
        EARLY,
        Key::optional("after", Shape::Duration, AFTER, "3h").default("0s"),
    ],
    shared: &[],
};

/// Where the run is cancelled.
pub static CANCEL: Place = Place {
    name: "cancel",
    what: "cancel",
    keys: &[
        Key::optional(
            "step",
            Shape::Text,
            "The run is cancelled when it waits at this step: the step has begun, and nothing happens unless time passes or somebody acts.",
            "approve",
        )
        .otherwise("`after` counts from the run's start; `step` or `after` must be there"),
        Key::optional("after", Shape::Duration, "How long after that.", "5m").otherwise("at once"),
        Key::optional("reason", Shape::Text, "Why, as the journal has it.", "the customer changed their mind"),
    ],
    shared: &[],
};

const EARLY: Key = Key::optional(
    "early",
    Shape::True,
    "It comes as soon as the run has begun, whether or not a step waits for it.",
    "true",
)
.otherwise("it comes when a step waits for it");

const AFTER: &str = "How long after the step began to wait; of an early one, after the run's start. It comes then, whatever became of the wait.";
