//! The top of a workflow.

use std::collections::BTreeMap;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Entry, Kind, Node};
use super::{block, budget, concurrency, guard, inputs, permissions, timeouts, undo, vars};
use crate::Digest;
use crate::definition::{Definition, LANGUAGE_VERSION, Output, Role, Step};
use crate::diagnostic::Code;
use crate::language::{OUTPUT, WORKFLOW};
use crate::oci::{InvalidReference, Reference};

/// Reads a workflow; what is wrong is reported, and something harmless stands in for it.
pub(super) fn definition(lower: &mut Lower, root: &Node) -> Definition {
    let entries = lower.map(root, &WORKFLOW).unwrap_or(Keys::new(&WORKFLOW, &[]));
    let start = &root.span;
    if let Some(node) = lower.required(entries, "pawl", start) {
        check_language(lower, node);
    }
    let name = lower.required(entries, "workflow", start).and_then(|node| {
        let name = lower.text(node, "workflow")?;
        lower.name(name, &node.span, WORKFLOW.what, "-.").then(|| name.to_owned())
    });
    let version = lower.required(entries, "version", start).and_then(|node| version(lower, node));
    if let Some(node) = get(entries, "description") {
        lower.text(node, "description");
    }
    let nothing = Node { span: start.clone(), kind: Kind::Map(Vec::new()) };
    let inputs = inputs::object(lower, get(entries, "inputs").unwrap_or(&nothing), "inputs");
    let vars = get(entries, "vars").map(|node| vars::assignments(lower, node)).unwrap_or_default();
    let timeout = get(entries, "timeout").and_then(|node| timeouts::duration(lower, node, "timeout"));
    let on_cancel = get(entries, "on_cancel").and_then(|node| undo::on_cancel(lower, node));
    let concurrency = get(entries, "concurrency").and_then(|node| concurrency::concurrency(lower, node));
    let budget = get(entries, "budget").and_then(|node| budget::budget(lower, node));
    let priority = get(entries, "priority").and_then(|node| concurrency::priority(lower, node));
    let own = get(entries, "permissions").map(|node| permissions::permissions(lower, node));
    lower.ceiling.clone_from(&own);
    let by = format!("workflow '{}'", name.as_deref().unwrap_or_default());
    let approvals =
        get(entries, "approvals").map(|node| guard::approvals(lower, node, &by)).unwrap_or_default();
    let plugins =
        get(entries, "plugins").map(|node| files(lower, node, "plugin", "a component")).unwrap_or_default();
    let workflows = get(entries, "workflows")
        .map(|node| files(lower, node, "workflow", "a workflow"))
        .unwrap_or_default();
    lower
        .required(entries, "steps", start)
        .map(|node| block::block(lower, node, Role::Workflow, None, "/steps"));
    let outputs = get(entries, "outputs").map(|node| outputs(lower, node)).unwrap_or_default();
    let steps: Vec<Step> = std::mem::take(&mut lower.steps).into_iter().flatten().collect();
    let rules = approvals.iter().chain(steps.iter().flat_map(|step| &step.approvals));
    let asks_for_taint = rules.into_iter().any(|rule| rule.tainted);
    Definition {
        name: name.unwrap_or_default(),
        version: version.unwrap_or_default(),
        digest: Digest::of(lower.problems.text.as_bytes()),
        inputs,
        plugins,
        workflows,
        permissions: own.unwrap_or_default(),
        approvals,
        asks_for_taint,
        vars,
        concurrency,
        budget,
        priority,
        timeout,
        on_cancel: on_cancel.unwrap_or_default(),
        steps,
        blocks: std::mem::take(&mut lower.blocks),
        outputs,
    }
}

fn check_language(lower: &mut Lower, node: &Node) {
    let known =
        matches!(&node.kind, Kind::Number(number) if number.as_u64() == Some(LANGUAGE_VERSION.into()));
    if !known {
        let message = "this is another version of the workflow language";
        let help = format!("this pawl reads version {LANGUAGE_VERSION}: write `pawl: {LANGUAGE_VERSION}`");
        lower.report(Code::InvalidValue, &node.span, message, Some(help));
    }
}

/// Three numbers, and what semantic versioning allows behind them.
fn version(lower: &mut Lower, node: &Node) -> Option<String> {
    let text = match &node.kind {
        Kind::Number(number) => {
            let message = format!("the version {number} is a number");
            let written = lower.problems.text.get(node.span.clone()).unwrap_or_default();
            let dots = written.matches('.').count();
            let help = format!("write three numbers: {written}{}", ".0".repeat(2_usize.saturating_sub(dots)));
            lower.report(Code::InvalidValue, &node.span, message, Some(help));
            return None;
        }
        Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
            lower.text(node, "version")?
        }
    };
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let good = numbers.len() == 3
        && numbers.iter().all(|n| !n.is_empty() && n.len() <= 9 && n.bytes().all(|b| b.is_ascii_digit()))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
        && text.len() <= 64;
    if !good {
        let message = format!("'{text}' is not a version");
        lower.report(Code::InvalidValue, &node.span, message, Some("write three numbers: 1.0.0".to_owned()));
    }
    good.then(|| text.to_owned())
}

/// Names and the files that they stand for, relative to the workflow's file.
fn files(lower: &mut Lower, node: &Node, what: &str, of: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in lower.any_map(node, &format!("{what}s")).unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        lower.name(&entry.key, &entry.key_span, &format!("a {what}"), "-");
        if let Some(path) = lower.text(&entry.value, &format!("a {what}'s path")) {
            if path.is_empty() {
                let help = Some(format!("write the path of {of}, relative to this file"));
                lower.report(Code::InvalidValue, &entry.value.span, "the path is empty", help);
            }
            if what == "plugin"
                && Reference::is_meant(path)
                && let Err(error) = path.parse::<Reference>()
            {
                let message = format!("'{path}' names no plugin in a registry: {}", error.why());
                let help = Some(InvalidReference::HELP.to_owned());
                lower.report(Code::InvalidValue, &entry.value.span, message, help);
            }
            files.insert(entry.key.clone(), path.to_owned());
        }
    }
    files
}

fn outputs(lower: &mut Lower, node: &Node) -> BTreeMap<String, Output> {
    let mut outputs = BTreeMap::new();
    for entry in lower.any_map(node, "outputs").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        lower.name(&entry.key, &entry.key_span, "an output", "-");
        outputs.insert(entry.key.clone(), output(lower, entry));
    }
    outputs
}

/// A map with the key `value` is the long form; anything else is the value itself.
fn output(lower: &mut Lower, entry: &Entry) -> Output {
    let long = entry.value.get("value").and_then(|_| lower.map(&entry.value, &OUTPUT));
    let Some((keys, value)) = long.and_then(|keys| Some((keys, get(keys, "value")?))) else {
        return Output { value: lower.template(&entry.value), schema: None };
    };
    let schema = inputs::output_schema(lower, &entry.value, keys);
    Output { value: lower.template(value), schema }
}
