//! The MCP servers of `pawl.yaml`.

use super::{Key, Place, Shape};

/// One MCP server.
pub static MCP_SERVER: Place = Place {
    name: "mcp-server",
    what: "an MCP server",
    keys: &[
        Key::optional(
            "command",
            Shape::Text,
            "The program that is started and spoken to over its stdin and stdout.",
            "mcp-server-filesystem",
        )
        .otherwise("`url` is required"),
        Key::optional("args", Shape::Any(&Shape::Text), "The program's arguments, as they stand.", "[/srv/files]")
            .default("[]"),
        Key::optional(
            "env",
            Shape::Named(&Shape::Either(&[Shape::Text, Shape::Map(&MCP_VALUE)])),
            "The program's environment. It has `PATH`, `HOME` and what stands here, and nothing else of pawl's own.",
            "{ LOG_LEVEL: warn, API_TOKEN: { env: FILES_TOKEN } }",
        )
        .default("{}"),
        Key::optional("cwd", Shape::Text, "The program's folder, relative to this file.", "servers")
            .otherwise("the folder of this file"),
        Key::optional(
            "url",
            Shape::Text,
            "The address of a server that speaks streamable HTTP, `http` or `https`.",
            "https://mcp.example.com/mcp",
        )
        .otherwise("`command` is required"),
        Key::optional(
            "headers",
            Shape::Named(&Shape::Map(&MCP_VALUE)),
            "What each request to `url` has with it. The values never stand here themselves.",
            "{ Authorization: { env: MCP_TOKEN, prefix: \"Bearer \" } }",
        )
        .default("{}"),
        Key::optional(
            "tools",
            Shape::OneOrMore(&Shape::Text),
            "The tools that workflows see, by the server's own names. The others are as if they were not there.",
            "[read_file, list_directory]",
        )
        .otherwise("all that the server has"),
        Key::optional(
            "effects",
            Shape::Named(&Shape::OneOf(&["pure", "idempotent", "at-most-once"])),
            "What happens outside when a tool is called, and so what may happen after a crash.",
            "{ read_file: pure }",
        )
        .default("{}"),
        Key::optional(
            "trust_annotations",
            Shape::Flag,
            "Whether `readOnlyHint` and `idempotentHint` of the server make a tool `pure` or `idempotent`. Without it every tool that `effects` does not name is `at-most-once`.",
            "true",
        )
        .default("false"),
        Key::optional("timeout", Shape::Duration, "The longest that one call may take.", "30s").default("1m"),
        Key::optional(
            "idle",
            Shape::Duration,
            "After how long without a call the server is closed. The next call starts it again.",
            "30s",
        )
        .default("5m"),
        Key::optional(
            "elicitation",
            Shape::Either(&[Shape::Flag, Shape::Map(&MCP_ELICITATION)]),
            "Whether the server may ask people, and whom. What it asks opens an approval of the run.",
            "{ to: [group:office], due: 2d, on_timeout: cancel }",
        )
        .default("true"),
    ],
    shared: &[],
};

/// What becomes of a server's questions.
pub static MCP_ELICITATION: Place = Place {
    name: "mcp-elicitation",
    what: "elicitation",
    keys: &[
        Key::optional(
            "to",
            Shape::OneOrMore(&Shape::Person),
            "Who may answer: users and groups.",
            "[group:office, user:ann]",
        )
        .otherwise("anyone"),
        Key::optional("due", Shape::Duration, "How long to wait.", "2d")
            .otherwise("for ever")
            .beside(&["on_timeout"]),
        Key::optional(
            "on_timeout",
            Shape::OneOf(&["accept", "decline", "cancel"]),
            "What is chosen when time is up; `accept` with the form's defaults.",
            "decline",
        )
        .otherwise("required with `due`, refused without")
        .beside(&["due"]),
        Key::optional(
            "hold",
            Shape::Duration,
            "How long a call is kept open whose server waits for the answer in it (protocols before 2026-07-28). After it the call is given up, and made again with the answer.",
            "1h",
        )
        .default("10m"),
    ],
    shared: &[],
};

/// A value that is kept elsewhere.
pub static MCP_VALUE: Place = Place {
    name: "mcp-value",
    what: "a value",
    keys: &[
        Key::verb("env", Shape::Text, "A variable of pawl's own environment.", "", "MCP_TOKEN"),
        Key::verb(
            "file",
            Shape::Text,
            "A file with the value in it and nothing else, relative to this one.",
            "",
            "mcp.token",
        ),
        Key::optional("prefix", Shape::Text, "What is put before the value; it is no secret.", "\"Bearer \"")
            .default("\"\""),
    ],
    shared: &[],
};
