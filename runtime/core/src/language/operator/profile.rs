//! The top of `pawl.yaml`, and its models.

use super::super::plugins::FOLDER;
use super::{
    GRANTS, IDENTITY, Key, MCP_SERVER, NAMESPACE, NOTIFY, PLUGIN, POLICY, Place, REGISTRY, RETENTION, SECRET,
    SERVER, Shape, TELEMETRY, TRUSTED_KEY,
};
use crate::chat::{CHAT_TOKENS_MAX, TEMPERATURE_MAX, TOP_P_MAX};
use crate::operator::PRICE_MAX;
use crate::source::operator::{REQUESTS_PER_MINUTE_MAX, RETRIES_MAX};

/// The top of `pawl.yaml`.
pub static OPERATOR: Place = Place {
    name: "operator",
    what: "pawl.yaml",
    keys: &[
        Key::optional("description", Shape::Text, "For people.", "What this machine may use."),
        Key::optional(
            "models",
            Shape::Named(&Shape::Map(&PROFILE)),
            "The models, by the names that workflows grant in `permissions: models`.",
            "{ default: { provider: ollama, model: llama3.2 } }",
        )
        .default("{}"),
        Key::optional(
            "mcp",
            Shape::Named(&Shape::Map(&MCP_SERVER)),
            "The MCP servers, by the names that stand between the dots of `mcp.server.tool` in workflows.",
            "{ files: { command: mcp-server-filesystem, args: [/srv/files] } }",
        )
        .default("{}"),
        Key::optional(
            "plugins",
            Shape::Named(&Shape::Map(&PLUGIN)),
            "Where [plugins](#plugins) are that every workflow may use, by their names, and what [routes](workflow-reference.md#route) shall take them for instead of what their `plugin.toml` says.",
            "{ triage: { priority: 10, cost: 0.002 } }",
        )
        .default("{}"),
        Key::optional(
            "policies",
            Shape::Any(&Shape::Map(&POLICY)),
            "The calls of tools that stop at a person, whatever a workflow says.",
            "[{ tool: payments.*, approval: required, to: [group:finance] }]",
        )
        .default("[]"),
        Key::optional(
            "untrusted",
            Shape::Any(&Shape::Text),
            "The tools whose results taint what is made of them, as those of models do: `plugin.tool`, `plugin.*`.",
            "[mcp.web.*, http.*]",
        )
        .default("[]"),
        Key::optional(
            "grants",
            Shape::Map(&GRANTS),
            "The most that workflows may grant their steps.",
            "{ tools: [orders.*], models: [default] }",
        )
        .otherwise("workflows grant what they name"),
        Key::optional(
            "secrets",
            Shape::Named(&Shape::Map(&SECRET)),
            "What tools may send and never see, by the names that workflows grant in `permissions: secrets`.",
            "{ stripe: { env: STRIPE_KEY, hosts: [api.stripe.com] } }",
        )
        .default("{}"),
        Key::optional(
            "files",
            Shape::Any(&Shape::Map(&FOLDER)),
            "The folders that workflows may grant their tools, or folders within them.",
            "[{ path: /srv/reports, mode: write }]",
        )
        .default("[]"),
        Key::optional(
            "namespaces",
            Shape::Named(&Shape::Map(&NAMESPACE)),
            "What the runs of namespaces may be granted, by their names. What stands at the top of the file is the `default` namespace's.",
            "{ acme: { grants: { tools: [acme-orders.*], secrets: [acme-stripe] } } }",
        )
        .default("{}"),
        Key::optional(
            "new_plugins",
            Shape::OneOf(&["accept", "hold"]),
            "What becomes of a plugin whose name was never used in this data folder: it is taken as it is, or new runs are refused until `pawl plugin accept`. One that asks for more than was accepted is held in any case.",
            "hold",
        )
        .default("accept"),
        Key::optional(
            "trusted_keys",
            Shape::Named(&Shape::Map(&TRUSTED_KEY)),
            "Whose plugins are used. Where there is one, a plugin that none of them has signed is refused.",
            "{ release: { file: release.key.pub } }",
        )
        .otherwise("signatures are not looked at"),
        Key::optional(
            "registries",
            Shape::Named(&Shape::Map(&REGISTRY)),
            "What is to know of registries of plugins, by their hosts.",
            "{ registry.example.com: { username: ann, password: { env: REGISTRY_PASSWORD } } }",
        )
        .default("{}"),
        Key::optional(
            "server",
            Shape::Map(&SERVER),
            "How `pawl serve` listens and ends, who may use it, and what it takes at most.",
            "{ listen: \"127.0.0.1:9000\" }",
        )
        .default("{}"),
        Key::optional(
            "retention",
            Shape::Map(&RETENTION),
            "Which runs that are over a process keeps that drives runs.",
            "{ keep_for: 30d, keep_runs: 1000 }",
        )
        .default("{}"),
        Key::optional(
            "telemetry",
            Shape::Map(&TELEMETRY),
            "Where spans of runs go, and what is in them.",
            "{ endpoint: \"http://127.0.0.1:4318\", service: refunds }",
        )
        .default("{}"),
        Key::optional(
            "identity",
            Shape::Map(&IDENTITY),
            "Whose tokens `pawl serve` takes, beside those of `pawl token`.",
            "{ issuer: \"https://login.example.com\", audience: pawl, jwks_url: \"https://login.example.com/.well-known/jwks.json\" }",
        )
        .otherwise("only those of `pawl token`"),
        Key::optional(
            "notify",
            Shape::Named(&Shape::Map(&NOTIFY)),
            "The web hooks and tools that `pawl serve` tells of approvals, by names of yours.",
            "{ desk: { url: \"https://desk.example.com/pawl\", secret: { env: PAWL_HOOK_SECRET } } }",
        )
        .default("{}"),
    ],
    shared: &[],
};

/// One model.
pub static PROFILE: Place = Place {
    name: "profile",
    what: "a model",
    keys: &[
        Key::required(
            "provider",
            Shape::OneOf(&["scripted", "openai", "anthropic", "ollama"]),
            "Who has it: a script, any server with OpenAI's chat completions, Anthropic, or Ollama.",
            "ollama",
        ),
        Key::optional("model", Shape::Text, "The model, as its server calls it.", "llama3.2")
            .otherwise("required, but for `scripted`, which has none"),
        Key::optional(
            "script",
            Shape::Text,
            "The [script](#scripts) of a `scripted` model, relative to this file.",
            "models/demo.yaml",
        )
        .otherwise("required with `scripted`, and with nothing else"),
        Key::optional(
            "base_url",
            Shape::Text,
            "What the server's addresses begin with, `http` or `https`.",
            "http://127.0.0.1:8000/v1",
        )
        .otherwise("`https://api.openai.com/v1`, `https://api.anthropic.com` or `http://127.0.0.1:11434`"),
        Key::optional("key", Shape::Map(&KEY), "Where the key is. It never stands here itself.", "{ env: MODEL_KEY }")
            .otherwise("no key is sent"),
        Key::optional("timeout", Shape::Duration, "The longest that one try may take.", "30s").default("2m"),
        Key::optional(
            "retries",
            Shape::Whole(0, RETRIES_MAX),
            "How often a request is made again that failed for a passing reason: a limit of the server, a fault of it, a connection that broke. It waits as long as the server asks.",
            "4",
        )
        .default("2"),
        Key::optional(
            "requests_per_minute",
            Shape::Whole(1, REQUESTS_PER_MINUTE_MAX),
            "No more requests are made in a minute by this process; others wait for their turn, two minutes at most.",
            "60",
        )
        .otherwise("no limit"),
        Key::optional(
            "temperature",
            Shape::Number(0, TEMPERATURE_MAX),
            "From 0, always the likeliest word, to 2. This and the next three hold where a request does not say it itself; a `scripted` model has none of them.",
            "0.2",
        )
        .otherwise("the server's own"),
        Key::optional(
            "top_p",
            Shape::Number(0, TOP_P_MAX),
            "From 0 to 1: words are chosen among the likeliest, so many that their chances make up this much.",
            "0.9",
        )
        .otherwise("the server's own"),
        Key::optional("max_tokens", Shape::Whole(1, CHAT_TOKENS_MAX), "The most tokens of an answer.", "2000")
            .otherwise("the server's own; 4,096 for `anthropic`, which wants to be told"),
        Key::optional(
            "seed",
            Shape::Whole(0, u32::MAX),
            "What chance begins with: the same question shall have the same answer, as far as the server keeps to it. `anthropic` has none.",
            "7",
        )
        .otherwise("none"),
        Key::optional(
            "price",
            Shape::Map(&PRICE),
            "What a million tokens cost, in whatever money budgets are written in.",
            "{ input: 1.25, output: 10 }",
        )
        .otherwise("no budget of money can be kept with it"),
        Key::optional(
            "fallbacks",
            Shape::OneOrMore(&Shape::Text),
            "The models that are asked in turn when this one fails, by their names here. Their own `fallbacks` are not followed.",
            "[extra]",
        )
        .default("[]"),
    ],
    shared: &[],
};

/// What a model costs.
pub static PRICE: Place = Place {
    name: "price",
    what: "price",
    keys: &[
        Key::required("input", Shape::Number(0, PRICE_MAX), "A million tokens that it reads.", "1.25"),
        Key::required("output", Shape::Number(0, PRICE_MAX), "A million tokens that it writes.", "10"),
    ],
    shared: &[],
};

/// Where a key is.
pub static KEY: Place = Place {
    name: "key",
    what: "key",
    keys: &[
        Key::verb("env", Shape::Text, "A variable of the environment.", "", "MODEL_KEY"),
        Key::verb(
            "file",
            Shape::Text,
            "A file with the key in it and nothing else, relative to this one.",
            "",
            "model.key",
        ),
    ],
    shared: &[],
};
