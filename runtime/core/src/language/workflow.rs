//! The top of a workflow.

use super::{APPROVAL, BUDGET, CONCURRENCY, Key, PERMISSIONS, Place, Shape};
use crate::definition::{LANGUAGE_VERSION, PRIORITY_MAX};

/// The top of a workflow.
pub static WORKFLOW: Place = Place {
    name: "workflow",
    what: "a workflow",
    keys: &[
        Key::required("pawl", Shape::Exactly(LANGUAGE_VERSION), "The version of the language.", "1"),
        Key::required("workflow", Shape::Name("-."), "The workflow's name.", "refund"),
        Key::required(
            "version",
            Shape::Version,
            "The workflow's version: three numbers, optionally `-pre` and `+build`.",
            "1.0.0",
        ),
        Key::optional("description", Shape::Text, "What it is for.", "Pays money back."),
        Key::optional(
            "inputs",
            Shape::Fields,
            "What a run is given; nothing undeclared is let in.",
            "{ order: string, amount: { type: number, minimum: 0 }, orders: array }",
        )
        .default("{}"),
        Key::optional(
            "vars",
            Shape::Named(&Shape::Template),
            "The run's variables, each with its first value.",
            "{ total: 0 }",
        )
        .default("{}"),
        Key::optional(
            "plugins",
            Shape::Named(&Shape::Text),
            "Components by name: their paths, relative to this file, or where they are in a [registry](operator-reference.md#registries), `oci://host/repository:tag@sha256:…`.",
            "{ triage: ./plugins/triage.wasm }",
        )
        .otherwise("what `pawl.yaml` gives, then the plugin folder, then what ships with pawl"),
        Key::optional(
            "workflows",
            Shape::Named(&Shape::Text),
            "Workflows that steps start, by name: their paths, relative to this file.",
            "{ payment: ./payment.yaml }",
        )
        .default("{}"),
        Key::optional(
            "permissions",
            Shape::Map(&PERMISSIONS),
            "What the steps' plugins may do, unless a step narrows it.",
            "{ http: [api.example.com] }",
        )
        .otherwise("nothing is granted"),
        Key::optional(
            "approvals",
            Shape::Any(&Shape::Map(&APPROVAL)),
            "The calls of tools that stop at a person before they are made.",
            "[{ tool: orders.lookup, to: [group:finance] }]",
        )
        .default("[]"),
        Key::optional(
            "timeout",
            Shape::Duration,
            "The longest that a run may take, whatever it waits for.",
            "7d",
        ),
        Key::optional(
            "concurrency",
            Shape::Map(&CONCURRENCY),
            "How many runs may go on at once.",
            "{ limit: 3 }",
        )
        .otherwise("any number"),
        Key::optional(
            "budget",
            Shape::Map(&BUDGET),
            "How much a run may use, with the runs that its steps start.",
            "{ tokens: 20000, money: 0.5 }",
        )
        .otherwise("no limit"),
        Key::optional(
            "priority",
            Shape::Either(&[Shape::Whole(0, PRIORITY_MAX as u32), Shape::TextTemplate]),
            "Which run goes first where not all can go on: the higher, 0 to 100.",
            "80",
        )
        .otherwise("50, or that of the step that starts it"),
        Key::optional(
            "on_cancel",
            Shape::OneOf(&["stop", "undo"]),
            "What a run does that is cancelled: stops at once, or undoes first what it did.",
            "undo",
        )
        .default("stop"),
        Key::required(
            "steps",
            Shape::Steps,
            "What is done, one step after the other.",
            "[{ id: hello, tool: echo.say }]",
        ),
        Key::optional(
            "outputs",
            Shape::Outputs,
            "What a completed run gives.",
            "{ message: \"${{ inputs.order }}\" }",
        )
        .default("{}"),
    ],
    shared: &[],
};
