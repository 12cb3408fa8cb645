//! The tables of the workflow reference and of docs/testing.md, from the tables of keys.

use pawl_core::language::operator::{OPERATOR_PLACES, SCRIPT};
use pawl_core::language::test_file::TEST_PLACES;
use pawl_core::language::{Goes, INPUT, Key, Need, PLACES, Place, STEP, Shape};

/// The table that a mark of the reference names.
pub(crate) fn table(name: &str) -> Option<String> {
    match name {
        "verbs" => Some(verbs()),
        "keywords" => Some(keywords()),
        _ => {
            if let Some(place) = TEST_PLACES.into_iter().find(|place| place.name == name) {
                // The kinds of failure are told of in the other document.
                return Some(rows(place.keys.iter()).replace("](#retry)", "](workflow-reference.md#retry)"));
            }
            if name == SCRIPT.name {
                // Rules are told of in the other document.
                return Some(rows(SCRIPT.keys.iter()).replace("](#models)", "](testing.md#models)"));
            }
            if let Some(place) = OPERATOR_PLACES.into_iter().find(|place| place.name == name) {
                return Some(rows(place.keys.iter()));
            }
            let place: &Place = PLACES.into_iter().find(|place| place.name == name)?;
            Some(rows(place.keys.iter().filter(|key| !key.verb)))
        }
    }
}

/// Every mark that the reference must have.
pub(crate) fn marks() -> Vec<&'static str> {
    PLACES.into_iter().map(|place| place.name).chain(["verbs", "keywords"]).collect()
}

/// Every mark that docs/testing.md must have.
pub(crate) fn test_marks() -> Vec<&'static str> {
    TEST_PLACES.into_iter().map(|place| place.name).collect()
}

/// Every mark that docs/operator-reference.md must have.
pub(crate) fn operator_marks() -> Vec<&'static str> {
    OPERATOR_PLACES.into_iter().map(|place| place.name).chain([SCRIPT.name]).collect()
}

fn rows(keys: impl Iterator<Item = &'static Key>) -> String {
    let mut out = String::from("| Key | Value | Default | For | Example |\n|---|---|---|---|---|\n");
    for key in keys {
        let says = format!("{}{}", key.says, goes(key.goes));
        let cells = [code(key.name), value(key.shape), default(key), says, code(key.example)];
        out.push_str(&row(&cells));
    }
    out
}

fn keywords() -> String {
    let mut out = String::from("| Keyword | For | Example |\n|---|---|---|\n");
    for key in INPUT.shared {
        out.push_str(&row(&[code(key.name), key.says.to_owned(), code(key.example)]));
    }
    out
}

fn verbs() -> String {
    let mut out = String::from("| Verb | Value | For | Output | Example |\n|---|---|---|---|---|\n");
    for key in STEP.keys().filter(|key| key.verb) {
        let cells =
            [code(key.name), value(key.shape), key.says.to_owned(), key.gives.to_owned(), code(key.example)];
        out.push_str(&row(&cells));
    }
    out
}

fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn default(key: &Key) -> String {
    match key.need {
        Need::Required => "required".to_owned(),
        Need::Default(yaml) => yaml.parse().map_or_else(|_| code(yaml), grouped),
        Need::Otherwise("none") if key.verb => "one of the verbs".to_owned(),
        Need::Otherwise(words) => words.to_owned(),
    }
}

fn goes(goes: Goes) -> String {
    match goes {
        Goes::WithAll => String::new(),
        Goes::With(verbs) => format!(" With {}.", listed(verbs, "and")),
        Goes::Without(verbs) => format!(" Not with {}.", listed(verbs, "or")),
    }
}

fn listed(names: &[&str], last: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| code(name)).collect();
    match names.split_last() {
        Some((end, before)) if !before.is_empty() => format!("{} {last} {end}", before.join(", ")),
        _ => names.concat(),
    }
}

/// A whole number with commas between the thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn value(shape: Shape) -> String {
    match shape {
        Shape::Constant => "any value".to_owned(),
        Shape::Template => "any value with expressions".to_owned(),
        Shape::Arguments => "map with expressions, or one expression that gives a map".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::TextTemplate => "text with expressions".to_owned(),
        Shape::Expression => "bare expression".to_owned(),
        Shape::Name("") => "name".to_owned(),
        Shape::Name(more) => {
            let more: Vec<_> = more.chars().map(|more| code(&more.to_string())).collect();
            format!("name, may hold {}", more.join(" and "))
        }
        Shape::Tool => "`plugin.tool`".to_owned(),
        Shape::Version => "version".to_owned(),
        Shape::Person => "`user:…` or `group:…`".to_owned(),
        Shape::Excluded => "`initiator`, `steps.…`, `user:…` or `group:…`".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::True => "`true`".to_owned(),
        Shape::Exactly(number) => code(&number.to_string()),
        Shape::Whole(from, to) => format!("{from} to {}", grouped(to)),
        Shape::Number(from, to) => format!("number, {from} to {to}"),
        Shape::Percent => "part of a limit, 1% to 100%".to_owned(),
        Shape::OneOf(texts) => listed(texts, "or"),
        Shape::FailureKind => "[kind](#retry) of failure".to_owned(),
        Shape::Target => "id of a step, or `end`".to_owned(),
        Shape::Map(place) => format!("[{}](#{})", place.name, anchor(place)),
        Shape::Named(inner) => format!("map of names to {}", value(*inner)),
        Shape::Steps => "list of [steps](#steps)".to_owned(),
        Shape::List(inner) => format!("list, each a {}", value(*inner)),
        Shape::Any(inner) => format!("list of {}", value(*inner)),
        Shape::OneOrMore(inner) => format!("{}; one or a list", value(*inner)),
        Shape::Either(shapes) => shapes.iter().map(|shape| value(*shape)).collect::<Vec<_>>().join(", or "),
        Shape::Type => "type".to_owned(),
        Shape::Fields => "map of [inputs](#inputs-and-outputs)".to_owned(),
        Shape::Form => "map of fields like [inputs](#inputs-and-outputs), or a JSON Schema".to_owned(),
        Shape::Outputs => "map of [outputs](#inputs-and-outputs)".to_owned(),
        Shape::Keyword => "as in JSON Schema".to_owned(),
    }
}

/// The section that has a place's keys.
fn anchor(place: &Place) -> &'static str {
    match place.name {
        "workflow" => "at-the-top",
        "input" | "output" => "inputs-and-outputs",
        "step" => "steps",
        "branch" => "then",
        "test" => "a-test",
        "rule" | "failure" => "tools-and-agents",
        "model-rule" | "model-when" | "model-call" | "model-usage" | "profile" => "models",
        "key" => "keys",
        "mcp-server" => "mcp-servers",
        "mcp-elicitation" => "what-servers-ask",
        "mcp-value" => "values-that-are-kept-elsewhere",
        "plugin" => "plugins",
        "trusted-key" => "trusted-keys",
        "registry" => "registries",
        "notify" => "notifications",
        "answer" => "people",
        "sent-signal" | "outside-event" | "cancel" => "signals-events-and-cancels",
        "fault" => "faults",
        "expect" | "calls" | "error" => "what-is-expected",
        other => other,
    }
}
