//! The server, and what is kept of runs.

use super::{Key, Place, Shape};
use crate::source::operator::{KEEP_RUNS_MAX, TOKEN_REQUESTS_PER_SECOND_TOP};

/// `server`: how `pawl serve` listens and ends, who may use it, and what it takes at most.
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
        Key::optional(
            "identity",
            Shape::OneOf(&["required", "off"]),
            "Whether who asks must say who they are; `off` on loopback alone. `PAWL_IDENTITY` and `--identity` come before it.",
            "required",
        )
        .otherwise("on loopback only where `identity` names an issuer, elsewhere always"),
        Key::optional(
            "tls_cert",
            Shape::Text,
            "The certificate that is served over TLS, PEM, relative to this file; it is read anew when it changes. `PAWL_TLS_CERT` and `--tls-cert` come before it.",
            "tls/cert.pem",
        )
        .otherwise("no TLS"),
        Key::optional(
            "tls_key",
            Shape::Text,
            "The certificate's key, PEM, relative to this file. `PAWL_TLS_KEY` and `--tls-key` come before it.",
            "tls/key.pem",
        )
        .otherwise("no TLS"),
        Key::optional(
            "hosts",
            Shape::OneOrMore(&Shape::Text),
            "The names of this server; requests to any other are refused. `PAWL_HOSTS`, with commas, and `--host` take the place of all of them.",
            "[pawl.example.com]",
        )
        .otherwise("on loopback its names, elsewhere any"),
        Key::optional(
            "allow_origins",
            Shape::OneOrMore(&Shape::Text),
            "Pages elsewhere that may ask. `PAWL_ALLOW_ORIGINS`, with commas, and `--allow-origin` take the place of all of them.",
            "[\"https://console.example.com\"]",
        )
        .otherwise("none"),
        Key::optional(
            "public_url",
            Shape::Text,
            "What signed links begin with. `PAWL_PUBLIC_URL` and `--public-url` come before it.",
            "https://pawl.example.com",
        )
        .otherwise("the address"),
        Key::optional(
            "token_requests_max",
            Shape::Whole(1, TOKEN_REQUESTS_PER_SECOND_TOP),
            "The requests of one token or user in a second, `token_requests_per_second_max`. `PAWL_TOKEN_REQUESTS_MAX` and `--token-requests-max` come before it.",
            "50",
        )
        .otherwise("`200`"),
        Key::optional(
            "limits",
            Shape::Map(&SERVER_LIMITS),
            "What the server takes at most. `PAWL_LIMITS` and `--limit` come before it, limit by limit: `NAME=NUMBER`.",
            "{ requests_at_once_max: 64 }",
        )
        .otherwise("as below"),
    ],
    shared: &[],
};

/// `server.limits`: what the server takes at most. Each row has one in `ServerLimits` of the crate pawl-server, with
/// the same default; a test there says where one is missing.
pub static SERVER_LIMITS: Place = Place {
    name: "server-limits",
    what: "limits",
    keys: &[
        limit(
            "connections_max",
            (1, 1_000_000),
            "The connections that are served at once; more wait to be accepted.",
            "256",
            "`4096`",
        ),
        limit(
            "head_max_ms",
            (100, 3_600_000),
            "How long the head of a request may take to arrive; a connection on which nothing is asked ends so too.",
            "10000",
            "`30000`",
        ),
        limit("head_max_bytes", (8_192, 1_048_576), "The longest head of a request.", "16384", "`65536`"),
        limit(
            "body_max_bytes",
            (1_024, 268_435_456),
            "The longest body of a request.",
            "1048576",
            "`4194304`",
        ),
        limit("body_max_ms", (100, 3_600_000), "How long a body may take to arrive.", "10000", "`30000`"),
        limit(
            "request_max_ms",
            (100, 3_600_000),
            "How long an answer may take; streams take as long as they are listened to.",
            "20000",
            "`60000`",
        ),
        limit(
            "requests_at_once_max",
            (1, 100_000),
            "The requests that are answered at once, streams not counted.",
            "64",
            "`512`",
        ),
        limit("streams_at_once_max", (1, 100_000), "The streams that are open at once.", "200", "`2000`"),
        limit(
            "stream_lag_max",
            (1, 1_000_000),
            "The changes that a stream may lag behind before it reads the store instead.",
            "1024",
            "`8192`",
        ),
        limit(
            "stall_max_ms",
            (100, 3_600_000),
            "How long a connection may take none of what it is sent.",
            "10000",
            "`30000`",
        ),
        limit(
            "idempotency_kept_ms",
            (60_000, 2_592_000_000),
            "How long the key of a request that starts a run is kept at least.",
            "3600000",
            "`86400000`",
        ),
        limit(
            "runs_scanned_max",
            (1, 10_000_000),
            "The runs that one request for a listing looks at.",
            "5000",
            "`20000`",
        ),
    ],
    shared: &[],
};

/// A limit of the server: the range that it can be set in, and what holds where it is not.
const fn limit(
    name: &'static str,
    (from, to): (u32, u32),
    says: &'static str,
    example: &'static str,
    usual: &'static str,
) -> Key {
    Key::optional(name, Shape::Whole(from, to), says, example).otherwise(usual)
}

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
