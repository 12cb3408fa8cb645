//! `concurrency` and `priority`: how many at once, and who goes first.

use serde_json::Value;

use super::keys::get;
use super::lower::Lower;
use super::tree::{Kind, Node};
use crate::definition::{CONCURRENCY_MAX, Concurrency, PRIORITY_MAX};
use crate::diagnostic::{Code, among};
use crate::event::Overflow;
use crate::expression::Template;
use crate::language::CONCURRENCY;

/// Reads `concurrency`.
pub(super) fn concurrency(lower: &mut Lower, node: &Node) -> Option<Concurrency> {
    let entries = lower.map(node, &CONCURRENCY)?;
    let limit = lower.required(entries, "limit", &node.span);
    let limit = limit.and_then(|node| lower.whole(node, "limit", 1..=CONCURRENCY_MAX));
    let key = get(entries, "key").map(|node| lower.template(node));
    let overflow = get(entries, "overflow").and_then(|node| overflow(lower, node));
    Some(Concurrency { key, limit: limit?, overflow: overflow.unwrap_or_default() })
}

fn overflow(lower: &mut Lower, node: &Node) -> Option<Overflow> {
    let name = lower.text(node, "overflow")?;
    let found = Overflow::ALL.into_iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let help = among(name, "it is one of", Overflow::ALL.into_iter().map(|(name, _)| name));
        lower.report(Code::InvalidValue, &node.span, format!("there is no overflow '{name}'"), help);
    }
    found.map(|(_, overflow)| overflow)
}

/// Reads `priority`: a number, or an expression that gives one.
pub(super) fn priority(lower: &mut Lower, node: &Node) -> Option<Template> {
    if matches!(node.kind, Kind::Text(_)) {
        let priority = lower.template(node);
        if priority.uses().is_empty() {
            let message = format!(
                "priority must be a whole number or an expression that gives one, not {}",
                node.describe()
            );
            lower.report(Code::WrongType, &node.span, message, None);
        }
        return Some(priority);
    }
    let number = lower.whole(node, "priority", 0..=PRIORITY_MAX.into())?;
    Some(Template::literal(Value::from(number)))
}
