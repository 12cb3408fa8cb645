//! The rules of a scripted model.

use serde_json::Value;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::test_file::failure;
use super::super::tree::Node;
use super::{MODEL_RULES_MAX, TURN_MAX};
use crate::Duration;
use crate::chat::{CHAT_CALLS_MAX, ModelRule, ModelScript, ModelWhen, Reply, Usage};
use crate::diagnostic::Code;
use crate::language::operator::{MODEL_CALL, MODEL_RULE, MODEL_USAGE, MODEL_WHEN};
use crate::source::test_file::TIMES_MAX;

/// Reads a list of rules.
pub(in crate::source) fn rules(lower: &mut Lower, node: &Node) -> ModelScript {
    let items = lower.list(node, "rules").unwrap_or_default();
    if items.len() > MODEL_RULES_MAX {
        let message = format!("there are {} rules", items.len());
        let help = format!("model_rules_max is {MODEL_RULES_MAX}");
        lower.report(Code::OutOfRange, &node.span, message, Some(help));
        return ModelScript::default();
    }
    ModelScript { rules: items.iter().filter_map(|item| rule(lower, item)).collect() }
}

fn rule(lower: &mut Lower, node: &Node) -> Option<ModelRule> {
    let keys = lower.map(node, &MODEL_RULE)?;
    let verbs = MODEL_RULE.keys().filter(|key| key.verb).map(|key| key.name);
    let given: Vec<&str> = verbs.clone().filter(|verb| get(keys, verb).is_some()).collect();
    if given.len() != 1 {
        let message = match given.as_slice() {
            [] => "the rule does not say what the model says".to_owned(),
            several => format!("the rule has {} at once", several.join(" and ")),
        };
        let help = format!("give it one of: {}", verbs.collect::<Vec<_>>().join(", "));
        lower.report(Code::KeyMismatch, &node.span, message, Some(help));
        return None;
    }
    let usage = get(keys, "usage").and_then(|node| {
        if get(keys, "fail").is_some() {
            let help = Some("take one of them out".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "usage does not go with fail", help);
        }
        usage(lower, node)
    });
    Some(ModelRule {
        when: get(keys, "when").map(|node| when(lower, node)).unwrap_or_default(),
        times: get(keys, "times").and_then(|node| lower.whole(node, "times", 1..=TIMES_MAX)),
        delay: get(keys, "delay").and_then(|node| lower.duration(node, "delay")).unwrap_or(Duration(0)),
        reply: reply(lower, keys)?,
        usage,
    })
}

fn reply(lower: &mut Lower, keys: Keys<'_>) -> Option<Reply> {
    if let Some(node) = get(keys, "reply") {
        return Some(Reply::Text(match lower.constant(node, "reply") {
            Value::String(text) => text,
            value
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                value.to_string()
            }
        }));
    }
    if let Some(node) = get(keys, "calls") {
        let items = lower.list(node, "calls").unwrap_or_default();
        if items.is_empty() || items.len() > CHAT_CALLS_MAX {
            let message = format!("calls has {} entries", items.len());
            let help = format!("give it 1 to {CHAT_CALLS_MAX}");
            lower.report(Code::OutOfRange, &node.span, message, Some(help));
        }
        return Some(Reply::Calls(items.iter().filter_map(|item| call(lower, item)).collect()));
    }
    failure(lower, get(keys, "fail")?, "fail").map(Reply::Failure)
}

fn call(lower: &mut Lower, node: &Node) -> Option<(String, Value)> {
    let keys = lower.map(node, &MODEL_CALL)?;
    let tool = lower.required(keys, "tool", &node.span)?;
    let tool = lower.text(tool, "tool")?.to_owned();
    let arguments = get(keys, "arguments").map(|node| lower.constant(node, "arguments"));
    Some((tool, arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()))))
}

fn when(lower: &mut Lower, node: &Node) -> ModelWhen {
    let Some(keys) = lower.map(node, &MODEL_WHEN) else { return ModelWhen::default() };
    let mut text = |key: &str| get(keys, key).and_then(|node| lower.text(node, key)).map(str::to_owned);
    let (last, said, tool) = (text("last"), text("said"), text("tool"));
    let turn = get(keys, "turn").and_then(|node| lower.whole(node, "turn", 0..=TURN_MAX));
    ModelWhen { turn, last, said, tool }
}

fn usage(lower: &mut Lower, node: &Node) -> Option<Usage> {
    let keys = lower.map(node, &MODEL_USAGE)?;
    let mut tokens = |key: &str| {
        let node = lower.required(keys, key, &node.span)?;
        lower.whole(node, key, 0..=u32::MAX).map(u64::from)
    };
    Some(Usage { input_tokens: tokens("input")?, output_tokens: tokens("output")? })
}
