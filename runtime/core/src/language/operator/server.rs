//! The server, and what is kept of runs.

use super::{Key, Place, Shape};
use crate::source::operator::KEEP_RUNS_MAX;

/// `server`: how `pawl serve` listens and ends.
pub static SERVER: Place = Place {
    name: "server",
    what: "server",
    keys: &[
        Key::optional(
            "listen",
            Shape::Text,
            "Where `pawl serve` listens, an address and a port. `PAWL_LISTEN` and `--listen` come before it.",
            "127.0.0.1:9000",
        )
        .otherwise("`127.0.0.1:8917`"),
        Key::optional(
            "drain",
            Shape::Duration,
            "How long steps that are under way may take to end when the server is stopped; what takes longer is cut off and goes on after the next start. `PAWL_DRAIN` and `--drain` come before it.",
            "2m",
        )
        .otherwise("`30s`"),
    ],
    shared: &[],
};

/// `retention`: which runs that are over are kept.
pub static RETENTION: Place = Place {
    name: "retention",
    what: "retention",
    keys: &[
        Key::optional(
            "keep_for",
            Shape::Duration,
            "Runs that ended longer ago are removed. `PAWL_KEEP_FOR` comes before it.",
            "30d",
        )
        .otherwise("all are kept"),
        Key::optional(
            "keep_runs",
            Shape::Whole(0, KEEP_RUNS_MAX),
            "The newest runs that are over, so many of them, are kept however old they are. `PAWL_KEEP_RUNS` comes before it.",
            "1000",
        )
        .otherwise("none"),
    ],
    shared: &[],
};
