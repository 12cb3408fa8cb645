//! A step, and the ways that it leads.

use super::{
    APPROVAL, BUDGET, CONCURRENCY, EMIT, FAIL, HUMAN, Key, LOOP, MAP, MEMORY, PARALLEL, PERMISSIONS, Place,
    RETRY, ROUTE, SIGNAL, Shape, TIMEOUT, WAIT,
};
use crate::definition::PRIORITY_MAX;
use crate::source::VISITS_MAX;

const WORKS: &[&str] = &["agent", "tool"];
/// Verbs whose steps may be under way or wait, and so may have to wait for others.
const WAITS: &[&str] = &["agent", "tool", "human", "parallel", "map", "loop", "workflow", "wait", "signal"];
/// Verbs whose steps may have a timeout.
const TIMED: &[&str] = &["agent", "tool", "parallel", "map", "loop", "workflow"];

/// A step.
pub static STEP: Place = Place {
    name: "step",
    what: "a step",
    keys: &[
        Key::required("id", Shape::Name(""), "The step's name, unique in the workflow; not `end`.", "lookup"),
        Key::optional("description", Shape::Text, "What it is for.", "Looks the order up."),
        Key::optional(
            "if",
            Shape::Expression,
            "The step is skipped when it is false.",
            "inputs.amount > 100",
        )
        .otherwise("always"),
        Key::optional(
            "needs",
            Shape::OneOrMore(&Shape::Name("")),
            "The steps of the same list that must be done before; makes the list a graph.",
            "[order]",
        )
        .without(&["switch"]),
        Key::verb(
            "agent",
            Shape::Either(&[Shape::Name("-"), Shape::Map(&ROUTE)]),
            "Runs a plugin of kind agent, which it names or which is chosen by a route.", "What the agent returns.",
            "planner",
        ),
        Key::verb(
            "tool",
            Shape::Either(&[Shape::Tool, Shape::Map(&ROUTE)]),
            "Calls a tool of a plugin, which it names or which is chosen by a route.", "What the tool returns.",
            "orders.lookup",
        ),
        Key::verb("human", Shape::Map(&HUMAN), "Asks a person and waits.", "`{action, data, by}`, and `decisions` with a `quorum`.", "{ title: Refund this order? }"),
        Key::verb("set", Shape::Template, "Gives a value.", "The value.", "{ total: \"${{ inputs.amount * 2 }}\" }"),
        Key::verb(
            "switch",
            Shape::List(&Shape::Map(&BRANCH)),
            "Goes on with the first case that holds.", "`{case}`, the number from 0.",
            "[{ when: inputs.amount < 100, to: end }, { to: end }]",
        ),
        Key::verb(
            "wait",
            Shape::Either(&[Shape::Duration, Shape::Map(&WAIT)]),
            "Waits for a time, until an instant, or for an event.", "For an event `{topic, data}`, else none to rely on.",
            "5m",
        ),
        Key::verb(
            "fail",
            Shape::Either(&[Shape::TextTemplate, Shape::Map(&FAIL)]),
            "Ends the run as failed, where nothing catches it.", "None.",
            "No such order.",
        ),
        Key::verb(
            "parallel",
            Shape::Map(&PARALLEL),
            "Goes through several lists of steps at once.", "`{branch: output}`.",
            "{ branches: { one: [{ id: one, set: 1 }], other: [{ id: other, set: 2 }] } }",
        ),
        Key::verb(
            "map",
            Shape::Map(&MAP),
            "Goes through a list of steps for each item.", "A list, one output an item.",
            "{ items: inputs.orders, steps: [{ id: double, set: \"${{ item }}\" }] }",
        ),
        Key::verb(
            "loop",
            Shape::Map(&LOOP),
            "Goes through a list of steps again and again.", "The output of the last turn.",
            "{ while: index < 3, max_visits: 3, steps: [{ id: count, set: \"${{ index }}\" }] }",
        ),
        Key::verb(
            "signal",
            Shape::Either(&[Shape::Name("-."), Shape::Map(&SIGNAL)]),
            "Waits for a signal; one that came before is kept.", "What the signal brings.",
            "payment",
        ),
        Key::verb(
            "emit",
            Shape::Map(&EMIT),
            "Tells whoever waits for a topic.", "`{topic}`.",
            "{ topic: orders/created }",
        ),
        Key::verb(
            "workflow",
            Shape::Name("-"),
            "Starts a run of one of the `workflows` and waits for its end.", "The run's outputs.",
            "payment",
        ),
        Key::optional(
            "with",
            Shape::Arguments,
            "What the plugin, or the workflow, is given.",
            "{ id: \"${{ inputs.order }}\" }",
        )
        .default("{}")
        .with(&["agent", "tool", "workflow"]),
        Key::optional(
            "permissions",
            Shape::Map(&PERMISSIONS),
            "What the step's plugin may do; narrows the workflow's. Of a run that it starts: the most that its steps may be granted, of every kind that is named there.",
            "{ timers: true }",
        )
        .otherwise("the workflow's")
        .with(&["agent", "tool", "workflow"]),
        Key::optional(
            "approvals",
            Shape::Any(&Shape::Map(&APPROVAL)),
            "The calls of tools that stop at a person, beside those that the workflow and the operator name.",
            "[{ tool: orders.lookup, to: [group:finance] }]",
        )
        .default("[]")
        .with(&["agent", "tool", "workflow"]),
        Key::optional(
            "memory",
            Shape::Either(&[Shape::OneOf(&["run", "workflow"]), Shape::Map(&MEMORY)]),
            "Whose memory the agent uses: that of its run, of all runs of its workflow, or of a key.",
            "{ key: \"customer/${{ inputs.customer }}\" }",
        )
        .default("run")
        .with(&["agent"]),
        Key::optional("retry", Shape::Map(&RETRY), "When a failed attempt is followed by another.", "{ max_attempts: 3 }")
            .otherwise("one attempt")
            .with(WORKS),
        Key::optional(
            "timeout",
            Shape::Either(&[Shape::Duration, Shape::Map(&TIMEOUT)]),
            "How long it may take: an attempt, or more in the long form, of which `parallel`, `map`, `loop` and `workflow` have `total`.",
            "{ total: 5m }",
        )
        .with(TIMED),
        Key::optional(
            "concurrency",
            Shape::Map(&CONCURRENCY),
            "How many visits of the step may go on at once, of all runs.",
            "{ limit: 3 }",
        )
        .otherwise("any number")
        .with(WAITS),
        Key::optional(
            "budget",
            Shape::Map(&BUDGET),
            "How much a visit may use, with all its attempts and what is done within it; its `catch`, `finally` and `undo` not counted.",
            "{ tokens: 20000, tool_calls: 100 }",
        )
        .otherwise("no limit but those around it")
        .with(TIMED),
        Key::optional(
            "priority",
            Shape::Either(&[Shape::Whole(0, PRIORITY_MAX as u32), Shape::TextTemplate]),
            "Which step goes first where not all can go on: the higher, 0 to 100. Holds for all that is done within it.",
            "80",
        )
        .otherwise("that of the step around it, or the run's")
        .with(WAITS),
        Key::optional(
            "then",
            Shape::Either(&[Shape::Target, Shape::List(&Shape::Map(&BRANCH))]),
            "Where it leads: a step, `end`, or the first branch that holds.",
            "[{ when: inputs.amount > 100, to: end }]",
        )
        .otherwise("the step below")
        .without(&["switch", "fail"]),
        Key::optional(
            "vars",
            Shape::Named(&Shape::Template),
            "The variables that it changes when it is completed.",
            "{ total: \"${{ vars.total + 1 }}\" }",
        )
        .default("{}")
        .without(&["fail"]),
        Key::optional(
            "max_visits",
            Shape::Whole(1, VISITS_MAX),
            "How often a run may arrive here; one more fails it. Within `map` and `loop` counted for each item and each turn.",
            "5",
        )
        .default("10000"),
        Key::optional(
            "catch",
            Shape::Steps,
            "The steps for what went wrong, after the last attempt.",
            "[{ id: guess, set: \"${{ error.message }}\" }]",
        )
        .without(&["switch"]),
        Key::optional("finally", Shape::Steps, "The steps for any case.", "[{ id: note, set: 1 }]")
            .without(&["switch"]),
        Key::optional(
            "undo",
            Shape::Steps,
            "The steps that take it back when the run fails after it was completed.",
            "[{ id: back, set: \"${{ error.message }}\" }]",
        )
        .without(&["switch", "fail"]),
    ],
    shared: &[],
};

/// A way of a `then`, or a case of a `switch`.
pub static BRANCH: Place = Place {
    name: "branch",
    what: "a branch",
    keys: &[
        Key::optional("when", Shape::Expression, "It is taken when this holds.", "inputs.amount < 100")
            .otherwise("always"),
        Key::required("to", Shape::Target, "The step of the same list that it leads to, or `end`.", "end"),
    ],
    shared: &[],
};
