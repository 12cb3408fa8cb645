//! One step: its id, its condition, where it leads, what happens when it fails.

use std::collections::BTreeSet;

use serde_json::Value;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Kind, Node, Span};
use super::{
    RETRY_MAX_ATTEMPTS, VISITS_MAX, block, budget, concurrency, guard, needs, timeouts, undo, vars, verb,
};
use crate::definition::{
    BlockIndex, Branch, RetryPolicy, Role, Step, StepIndex, Target, Then, Timeouts, Verb,
};
use crate::diagnostic::{Code, among};
use crate::expression::Template;
use crate::language::{BRANCH, Goes, RETRY, STEP};
use crate::{FailureKind, StepId};

/// The target that ends a list of steps.
const END: &str = "end";

/// Reads the step at an index, which stands in a list, at a pointer.
pub(super) fn step(
    lower: &mut Lower,
    node: &Node,
    index: StepIndex,
    block: BlockIndex,
    pointer: &str,
) -> Step {
    let Some(entries) = lower.map(node, &STEP) else {
        lower.ways_known = false;
        return harmless(index, block);
    };
    let id = lower
        .required(entries, "id", &node.span)
        .and_then(|node| id(lower, node, index))
        .unwrap_or_else(|| StepId::new(format!("step{}", index.0)));
    if let Some(node) = get(entries, "description") {
        lower.text(node, "description");
    }
    let condition = get(entries, "if").and_then(|node| lower.expression(node, "if"));
    let needs = get(entries, "needs").map(|node| needs::needs(lower, node, index)).unwrap_or_default();
    needs::check_keys(lower, &entries, block);
    let verb = verb::verb(lower, entries, node, index, pointer);
    if let Some(verb) = &verb {
        check_keys(lower, entries, verb);
    }
    let verb = verb.unwrap_or_else(|| harmless(index, block).verb);
    let then = get(entries, "then").map_or(Then::Next, |node| then(lower, node, index));
    let retry = get(entries, "retry").map(|node| retry(lower, node)).unwrap_or_default();
    let timeout = get(entries, "timeout").map(|node| timeouts::of_step(lower, node)).unwrap_or_default();
    let concurrency = get(entries, "concurrency").and_then(|node| concurrency::concurrency(lower, node));
    timeouts::check_start(lower, entries);
    let budget = get(entries, "budget").and_then(|node| budget::budget(lower, node));
    let priority = get(entries, "priority").and_then(|node| concurrency::priority(lower, node));
    let max_visits = get(entries, "max_visits")
        .and_then(|node| lower.whole(node, "max_visits", 1..=VISITS_MAX))
        .unwrap_or(VISITS_MAX);
    let vars = get(entries, "vars").map(|node| vars::assignments(lower, node)).unwrap_or_default();
    let catch = block::after(lower, entries, "catch", Role::Catch, index, pointer);
    let finally = block::after(lower, entries, "finally", Role::Finally, index, pointer);
    let undo = undo::undo(lower, entries, index, block, pointer);
    let by = format!("step '{id}'");
    let approvals =
        get(entries, "approvals").map(|node| guard::approvals(lower, node, &by)).unwrap_or_default();
    Step {
        id,
        condition,
        needs,
        verb,
        then,
        retry,
        timeout,
        concurrency,
        budget,
        priority,
        vars,
        max_visits,
        block,
        below: None,
        catch,
        finally,
        undo,
        approvals,
    }
}

/// What stands in for a step that was reported, so that the reading goes on.
fn harmless(index: StepIndex, block: BlockIndex) -> Step {
    Step {
        id: StepId::new(format!("step{}", index.0)),
        condition: None,
        needs: Vec::new(),
        verb: Verb::Set(Template::literal(Value::Null)),
        then: Then::Next,
        retry: RetryPolicy::default(),
        timeout: Timeouts::default(),
        concurrency: None,
        budget: None,
        priority: None,
        vars: Vec::new(),
        max_visits: VISITS_MAX,
        block,
        below: None,
        catch: None,
        finally: None,
        undo: None,
        approvals: Vec::new(),
    }
}

fn id(lower: &mut Lower, node: &Node, index: StepIndex) -> Option<StepId> {
    let id = lower.text(node, "id")?;
    if id == END {
        let message = "a step cannot be called 'end': that is where a run completes";
        lower.report(Code::InvalidValue, &node.span, message, Some("choose another id".to_owned()));
    } else if lower.name(id, &node.span, "a step", "")
        && lower.outline.ids.get(id).is_some_and(|first| *first != index)
    {
        let message = format!("there is another step '{id}'");
        lower.report(
            Code::DuplicateStep,
            &node.span,
            message,
            Some("ids are unique in a workflow".to_owned()),
        );
    }
    Some(StepId::new(id))
}

/// Keys that go with some verbs only.
fn check_keys(lower: &mut Lower, entries: Keys<'_>, verb: &Verb) {
    // Of `needs` its own check knows more: no step of a graph is a switch.
    for entry in entries.iter().filter(|entry| entry.key != "needs") {
        let goes = STEP.key(&entry.key).map(|key| key.goes).filter(|goes| !goes.with(verb.name()));
        let timeout = (entry.key == "timeout").then(|| timeouts::mismatch(verb, &entry.value)).flatten();
        let help = match (entry.key.as_str(), verb.name(), goes) {
            (_, _, None) if timeout.is_none() => continue,
            ("timeout", _, _) => timeout.unwrap_or_default().to_owned(),
            ("catch" | "finally", "switch", _) => "put the switch into a step of its own".to_owned(),
            ("then", "switch", _) => "the cases of a switch say where it leads".to_owned(),
            ("undo", _, _) => "it does nothing that could be undone".to_owned(),
            ("vars", "fail", _) => "a step that fails changes nothing".to_owned(),
            ("then", "fail", _) => "a run ends where it fails".to_owned(),
            (_, _, Some(Goes::With(verbs))) => format!("it goes with {}", all(verbs)),
            (_, _, None | Some(Goes::WithAll | Goes::Without(_))) => "take one of them out".to_owned(),
        };
        let message = format!("'{}' does not go with {}", entry.key, verb.name());
        lower.report(Code::KeyMismatch, &entry.key_span, message, Some(help));
    }
}

/// `one, two and three`.
fn all(names: &[&str]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

fn then(lower: &mut Lower, node: &Node, index: StepIndex) -> Then {
    match &node.kind {
        Kind::Text(_) => Then::To(target(lower, node, index)),
        Kind::List(items) => Then::Choose(branches(lower, items, index)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Map(_) => {
            let message = format!("then must be a step or a list of branches, not {}", node.describe());
            let help = Some("write `then: lookup`, or `then: [{ when: …, to: lookup }]`".to_owned());
            lower.report(Code::WrongType, &node.span, message, help);
            lower.ways_known = false;
            Then::Next
        }
    }
}

/// The ways of a `then` or a `switch`; one without `when` is always taken, so nothing may follow it.
pub(super) fn branches(lower: &mut Lower, items: &[Node], index: StepIndex) -> Vec<Branch> {
    let mut branches = Vec::new();
    let mut always: Option<Span> = None;
    for item in items {
        let Some(entries) = lower.map(item, &BRANCH) else {
            lower.ways_known = false;
            continue;
        };
        if always.is_some() {
            let message = "this branch is never reached: the one before it is always taken";
            let help = Some("give the one before it a `when`, or put it last".to_owned());
            lower.report(Code::UnreachableBranch, &item.span, message, help);
        }
        let condition = get(entries, "when");
        if condition.is_none() {
            always = Some(item.span.clone());
        }
        let when = condition.map(|node| lower.expression(node, "when"));
        let Some(to) = lower.required(entries, "to", &item.span) else {
            lower.ways_known = false;
            continue;
        };
        let to = target(lower, to, index);
        branches.push(Branch { when: when.flatten(), to });
    }
    branches
}

fn target(lower: &mut Lower, node: &Node, from: StepIndex) -> Target {
    let Some(name) = lower.text(node, "the target") else {
        lower.ways_known = false;
        return Target::End;
    };
    if name == END {
        return Target::End;
    }
    let Some(index) = lower.outline.ids.get(name).copied() else {
        let message = format!("there is no step '{name}'");
        let help = among(name, "steps are", lower.outline.ids.keys().map(String::as_str).chain([END]));
        lower.report(Code::UnknownTarget, &node.span, message, help);
        lower.ways_known = false;
        return Target::End;
    };
    let known = |index: StepIndex| lower.outline.steps.get(index.0).copied().unwrap_or_default();
    let ((counted, list), (_, own)) = (known(index), known(from));
    if list != own {
        let message = format!("'{name}' stands in another list of steps");
        let help = Some("a jump stays in its list; `end` leads to the list's end".to_owned());
        lower.report(Code::UnknownTarget, &node.span, message, help);
        lower.ways_known = false;
        return Target::End;
    }
    if index <= from && !counted {
        let message = format!("this jumps back to '{name}', which has no max_visits");
        let help = format!("give the step '{name}' a limit, such as `max_visits: 5`");
        lower.report(Code::MissingMaxVisits, &node.span, message, Some(help));
    }
    Target::Step(index)
}

fn retry(lower: &mut Lower, node: &Node) -> RetryPolicy {
    let default = RetryPolicy::default();
    let Some(entries) = lower.map(node, &RETRY) else { return default };
    let attempts = lower.required(entries, "max_attempts", &node.span);
    let max_attempts = attempts.and_then(|node| lower.whole(node, "max_attempts", 1..=RETRY_MAX_ATTEMPTS));
    let delay = get(entries, "delay").and_then(|node| lower.duration(node, "delay"));
    let max_delay = get(entries, "max_delay").and_then(|node| lower.duration(node, "max_delay"));
    let factor = get(entries, "factor").and_then(|node| factor(lower, node));
    let mut on = get(entries, "on").map_or(default.on, |node| kinds(lower, node, "on"));
    for kind in get(entries, "except").map(|node| kinds(lower, node, "except")).unwrap_or_default() {
        on.remove(&kind);
    }
    let delay = delay.unwrap_or(default.delay);
    let max_delay = max_delay.unwrap_or(default.max_delay.max(delay));
    if let Some(node) = get(entries, "max_delay").filter(|_| max_delay < delay) {
        let message = format!("max_delay ({max_delay}) is shorter than delay ({delay})");
        lower.report(Code::OutOfRange, &node.span, message, None);
    }
    RetryPolicy {
        max_attempts: max_attempts.unwrap_or(default.max_attempts),
        delay,
        factor: factor.unwrap_or(default.factor),
        max_delay,
        on,
    }
}

fn factor(lower: &mut Lower, node: &Node) -> Option<f64> {
    let Kind::Number(number) = &node.kind else {
        let message = format!("factor must be a number, not {}", node.describe());
        lower.report(Code::WrongType, &node.span, message, None);
        return None;
    };
    let factor = number.as_f64().filter(|factor| (1.0..=10.0).contains(factor));
    if factor.is_none() {
        let message = format!("factor is {number}");
        lower.report(Code::OutOfRange, &node.span, message, Some("a number from 1 to 10".to_owned()));
    }
    factor
}

fn kinds(lower: &mut Lower, node: &Node, what: &str) -> BTreeSet<FailureKind> {
    let mut kinds = BTreeSet::new();
    for (name, span) in lower.texts(node, what) {
        match kind(name) {
            Some(kind) => {
                kinds.insert(kind);
            }
            None => unknown_kind(lower, name, &span),
        }
    }
    kinds
}

/// The kind of failure with this name.
pub(super) fn kind(name: &str) -> Option<FailureKind> {
    FailureKind::ALL.into_iter().find(|kind| kind.name() == name)
}

pub(super) fn unknown_kind(lower: &mut Lower, name: &str, span: &Span) {
    let message = format!("there is no kind of failure '{name}'");
    let help = among(name, "kinds are", FailureKind::ALL.iter().map(|kind| kind.name()));
    lower.report(Code::InvalidValue, span, message, help);
}
