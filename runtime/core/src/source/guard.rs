//! Rules by which calls stop at an approval: those of workflows and steps, and the operator's.

use super::human::people;
use super::keys::{Keys, get};
use super::lower::Lower;
use super::terms::{Beside, terms};
use super::tree::Node;
use crate::Duration;
use crate::definition::{Definition, Verb};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::Root;
use crate::guard::{APPROVE, ARGUMENTS, ASK, GUARD_RULES_MAX, GuardRule, REJECT, compile, covers};
use crate::language::{APPROVAL, Place};
use crate::source::Places;

/// Reads `approvals`; `by` says whose rules they are.
pub(super) fn approvals(lower: &mut Lower, node: &Node, by: &str) -> Vec<GuardRule> {
    rules(lower, node, &APPROVAL, by)
}

/// Reads a list of rules of a place.
pub(super) fn rules(lower: &mut Lower, node: &Node, place: &'static Place, by: &str) -> Vec<GuardRule> {
    let what = format!("a list of {}", place.name);
    let items = lower.list(node, &what).unwrap_or_default();
    if items.len() > GUARD_RULES_MAX {
        let message = format!("there are {} rules", items.len());
        let help =
            format!("guard_rules_max is {GUARD_RULES_MAX}; `plugin.*` stands for all tools of a plugin");
        lower.report(Code::OutOfRange, &node.span, message, Some(help));
        return Vec::new();
    }
    items.iter().filter_map(|item| rule(lower, item, place, by)).collect()
}

fn rule(lower: &mut Lower, node: &Node, place: &'static Place, by: &str) -> Option<GuardRule> {
    let keys = lower.map(node, place)?;
    if place.key("approval").is_some()
        && let Some(node) = lower.required(keys, "approval", &node.span)
        && lower.text(node, "approval").is_some_and(|text| text != "required")
    {
        let help = Some("write `approval: required`".to_owned());
        lower.report(Code::InvalidValue, &node.span, "a policy asks for nothing else", help);
    }
    let tool = lower.required(keys, "tool", &node.span).and_then(|node| {
        let tool = lower.text(node, "tool")?;
        pattern(lower, tool, node).then(|| tool.to_owned())
    });
    let when = get(keys, "when").and_then(|node| condition(lower, node));
    let tainted = get(keys, "tainted").and_then(|node| lower.flag(node, "tainted")).unwrap_or_default();
    let to = get(keys, "to").map(|node| people(lower, node)).unwrap_or_default();
    let (due, on_timeout) = due(lower, keys).unzip();
    let actions = [APPROVE, REJECT].map(str::to_owned);
    let terms = terms(lower, keys, &Beside { to: &to, actions: &actions, due });
    Some(GuardRule { by: by.to_owned(), tool: tool?, when, tainted, to, due, on_timeout, terms })
}

/// `plugin.tool`, `plugin.*`, `mcp.server.*` or `*`.
pub(super) fn pattern(lower: &mut Lower, tool: &str, node: &Node) -> bool {
    let (plugin, name) = tool.split_once('.').unwrap_or((tool, ""));
    let star = name == "*" || name.ends_with(".*");
    let stars = tool.matches('*').count();
    let named = !plugin.is_empty() && !name.is_empty() && !tool.contains(char::is_whitespace);
    let good = tool == "*" || (named && stars == usize::from(star));
    if !good {
        let message = format!("'{tool}' names no tool");
        let help = "write plugin.tool, plugin.* for all of a plugin, or * for all there are".to_owned();
        lower.report(Code::InvalidValue, &node.span, message, Some(help));
    }
    good
}

/// An expression that uses `arguments` and nothing else.
fn condition(lower: &mut Lower, node: &Node) -> Option<String> {
    let around = std::mem::replace(&mut lower.locals, vec![ARGUMENTS.into()]);
    let expression = lower.expression(node, "when");
    lower.locals = around;
    let expression = expression?;
    let other =
        expression.references().iter().find(|reference| reference.root != Root::Local(ARGUMENTS.into()));
    if let Some(other) = other {
        let message = format!("'{}' is not seen here", other.root.name());
        let help = "a rule sees the `arguments` of the call, such as `arguments.amount > 100`".to_owned();
        lower.report(Code::UnknownName, &node.span, message, Some(help));
        return None;
    }
    // What a run keeps is the text; it is compiled again where a call is looked at.
    compile(expression.source()).is_ok().then(|| expression.source().to_owned())
}

/// `due` and `on_timeout` stand together.
fn due(lower: &mut Lower, keys: Keys<'_>) -> Option<(Duration, String)> {
    let (due, on_timeout) = (get(keys, "due"), get(keys, "on_timeout"));
    let duration = due.and_then(|node| lower.duration(node, "due"));
    let action = on_timeout.and_then(|node| {
        let action = lower.text(node, "on_timeout")?;
        let known = [APPROVE, REJECT].contains(&action);
        if !known {
            let help = among(action, "actions are", [APPROVE, REJECT]);
            let message = format!("on_timeout is '{action}', which is none of the actions");
            lower.report(Code::InvalidValue, &node.span, message, help);
        }
        known.then(|| action.to_owned())
    });
    match (due, on_timeout) {
        (Some(due), None) => {
            let help = Some(format!("say what is chosen then: `on_timeout: {REJECT}`"));
            lower.report(Code::KeyMismatch, &due.span, "due needs on_timeout", help);
        }
        (None, Some(node)) => {
            let help = Some("say how long to wait, such as `due: 24h`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "on_timeout needs due", help);
        }
        (None, None) | (Some(_), Some(_)) => {}
    }
    Some((duration?, action?))
}

/// A rule for a tool that nothing here can call guards nothing, which is most likely a slip.
pub(super) fn check(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    let mut called: Vec<String> = Vec::new();
    for step in &definition.steps {
        if let Verb::Tool(tool) = &step.verb
            && tool.route.is_some()
        {
            // Which tool it is shows when the step is reached; it is one of these, or any.
            if tool.permissions.tools.is_empty() {
                return;
            }
            called.extend(tool.permissions.tools.iter().cloned());
        } else if let Verb::Tool(tool) = &step.verb {
            called.push(format!("{}.{}", tool.plugin, tool.tool));
        } else if let Verb::Agent(agent) = &step.verb {
            called.extend(agent.permissions.tools.iter().cloned());
            called.extend(agent.permissions.human.then(|| ASK.to_owned()));
        } else if let Verb::Workflow(_) = &step.verb {
            // What the other workflow calls is known when it is started.
            return;
        }
    }
    let own = definition.approvals.iter().map(|rule| (rule, None));
    let steps = definition.steps.iter().enumerate();
    let all =
        own.chain(steps.flat_map(|(index, step)| step.approvals.iter().map(move |rule| (rule, Some(index)))));
    let mut numbers = std::collections::BTreeMap::new();
    for (rule, step) in all {
        let number: &mut usize = numbers.entry(step).or_default();
        let above = step.map(|index| places.step(index).to_owned()).unwrap_or_default();
        let at = format!("{above}/approvals/{number}/tool");
        *number += 1;
        if !called.iter().any(|tool| covers(&rule.tool, tool) || covers(tool, &rule.tool)) {
            let message = format!("no step calls '{}', so this rule stops nothing", rule.tool);
            let known = called.iter().map(String::as_str);
            problems.push(
                Code::IdleRule,
                places.value(&at),
                message,
                "",
                among(&rule.tool, "called are", known),
            );
        }
    }
}
