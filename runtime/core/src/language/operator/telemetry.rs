//! Where spans of runs go.

use super::{Key, MCP_VALUE, Place, Shape};

/// `telemetry`: where spans of runs go, and what is in them.
pub static TELEMETRY: Place = Place {
    name: "telemetry",
    what: "telemetry",
    keys: &[
        Key::optional(
            "endpoint",
            Shape::Text,
            "The collector that spans are sent to, `http` or `https`, over OTLP with JSON; they go to `/v1/traces` below it. `OTEL_EXPORTER_OTLP_ENDPOINT` and `pawl serve --otlp-endpoint` come before it.",
            "http://127.0.0.1:4318",
        )
        .otherwise("none are sent"),
        Key::optional(
            "headers",
            Shape::Named(&Shape::Map(&MCP_VALUE)),
            "What each request to the collector has with it, such as a key. The values never stand here themselves. `OTEL_EXPORTER_OTLP_HEADERS` takes the place of all of them.",
            "{ Authorization: { env: COLLECTOR_TOKEN, prefix: \"Bearer \" } }",
        )
        .default("{}"),
        Key::optional(
            "service",
            Shape::Text,
            "The name under which this pawl shows itself, `service.name`. `OTEL_SERVICE_NAME` and `pawl serve --otlp-service` come before it.",
            "refunds",
        )
        .otherwise("`pawl`"),
        Key::optional(
            "timeout",
            Shape::Duration,
            "How long the collector may take to answer, at most `10m`. `OTEL_EXPORTER_OTLP_TIMEOUT` comes before it.",
            "5s",
        )
        .otherwise("`10s`"),
        Key::optional(
            "content",
            Shape::OneOf(&["none", "tools", "models", "all"]),
            "What of that which is said is in spans: nothing, the arguments and results of tools, the messages to and from models, or both. Whoever reads the collector reads it. `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` comes before it.",
            "tools",
        )
        .default("none"),
    ],
    shared: &[],
};
