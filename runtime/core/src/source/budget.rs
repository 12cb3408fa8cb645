//! `budget` of a workflow or a step, and `price` of a model.

use super::keys::get;
use super::lower::Lower;
use super::timeouts;
use super::tree::{Kind, Node};
use crate::budget::{Amounts, Dimension, MONEY_PARTS, Price, money};
use crate::definition::{
    BUDGET_CALLS_MAX, BUDGET_MONEY_MAX, BUDGET_TOKENS_MAX, BUDGET_WARN_AT_DEFAULT_PERCENT, Budget,
};
use crate::diagnostic::Code;
use crate::language::BUDGET;
use crate::language::operator::PRICE;
use crate::operator::PRICE_MAX;

/// Reads `budget`.
pub(super) fn budget(lower: &mut Lower, node: &Node) -> Option<Budget> {
    let entries = lower.map(node, &BUDGET)?;
    let mut limits = Amounts::default();
    let mut named = false;
    for dimension in Dimension::ALL {
        let Some(node) = get(entries, dimension.name()) else { continue };
        named = true;
        if let Some(limit) = limit(lower, node, dimension) {
            limits.set(dimension, limit);
        }
    }
    if !named {
        let help = Some("such as `budget: { tokens: 20000, tool_calls: 100 }`".to_owned());
        lower.report(Code::MissingKey, &node.span, "budget limits nothing", help);
    }
    let warn_at = get(entries, "warn_at").and_then(|node| percent(lower, node));
    Some(Budget { limits, warn_at: warn_at.unwrap_or(BUDGET_WARN_AT_DEFAULT_PERCENT) })
}

fn limit(lower: &mut Lower, node: &Node, dimension: Dimension) -> Option<u64> {
    let name = dimension.name();
    match dimension {
        Dimension::Tokens => lower.whole(node, name, 1..=BUDGET_TOKENS_MAX).map(u64::from),
        Dimension::Calls | Dimension::ModelCalls | Dimension::ToolCalls => {
            lower.whole(node, name, 1..=BUDGET_CALLS_MAX).map(u64::from)
        }
        Dimension::Duration => timeouts::duration(lower, node, name).map(|duration| duration.0),
        Dimension::Money => sum(lower, node, name, BUDGET_MONEY_MAX),
    }
}

/// A number with at most six digits behind the point, in millionths.
fn sum(lower: &mut Lower, node: &Node, what: &str, max: u32) -> Option<u64> {
    let Kind::Number(number) = &node.kind else {
        let message = format!("{what} must be a number, not {}", node.describe());
        lower.report(Code::WrongType, &node.span, message, None);
        return None;
    };
    let found = money(number).filter(|parts| *parts <= u64::from(max) * MONEY_PARTS);
    if found.is_none() {
        let help = format!("a number from 0 to {max}, with at most six digits behind the point");
        lower.report(Code::OutOfRange, &node.span, format!("{what} is {number}"), Some(help));
    }
    found
}

/// A part of a hundred, `80%`.
fn percent(lower: &mut Lower, node: &Node) -> Option<u8> {
    let text = lower.text(node, "warn_at")?;
    let number = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok());
    let found = number.filter(|number| (1..=100).contains(number));
    if found.is_none() {
        let help = Some("write a whole number from 1 to 100 and `%`, such as 80%".to_owned());
        lower.report(Code::InvalidValue, &node.span, format!("'{text}' is no part of a limit"), help);
    }
    found
}

/// Reads `price`: what a million tokens cost.
pub(super) fn price(lower: &mut Lower, node: &Node) -> Option<Price> {
    let keys = lower.map(node, &PRICE)?;
    let [input, output] = ["input", "output"].map(|key| {
        let node = lower.required(keys, key, &node.span)?;
        sum(lower, node, key, PRICE_MAX)
    });
    Some(Price { input: input?, output: output? })
}
