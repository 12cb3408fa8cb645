//! Who answers in a test.

use serde_json::Value;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::Node;
use super::mock::only_true;
use super::{Place, Placed};
use crate::Duration;
use crate::diagnostic::Code;
use crate::language::test_file::PERSON;

/// One question and what becomes of it. Each is used once, in their order.
#[derive(Debug, Clone)]
pub struct Person {
    /// Where it stands.
    pub place: Place,
    /// Which question.
    pub asks: Asks,
    /// What is answered; nothing when nobody answers.
    pub answers: Option<Answers>,
}

/// Which question is meant.
#[derive(Debug, Clone, Default)]
pub struct Asks {
    /// That of this step, or of an agent in it.
    pub step: Option<Placed<String>>,
    /// One whose title has these words.
    pub title: Option<String>,
    /// Whether it is about an outcome that is unknown.
    pub unknown: bool,
}

/// What a person does.
#[derive(Debug, Clone)]
pub struct Answers {
    /// What is chosen.
    pub action: String,
    /// What is filled in, an object; null when there is nothing.
    pub form: Value,
    /// Why, in their words.
    pub comment: Option<String>,
    /// Who: `user:ann`. Without it the operator answers, who may answer everything.
    pub by: Option<String>,
    /// The groups that they belong to.
    pub groups: Vec<String>,
    /// How long after the question.
    pub after: Duration,
    /// Whether the answer must be refused.
    pub refused: bool,
}

/// Reads `people`.
pub(super) fn people(lower: &mut Lower, node: &Node) -> Vec<Person> {
    let items = lower.list(node, "people").unwrap_or_default();
    items.iter().filter_map(|item| person(lower, item)).collect()
}

fn person(lower: &mut Lower, node: &Node) -> Option<Person> {
    let keys = lower.map(node, &PERSON)?;
    let asks = asks(lower, node, keys);
    let answers = match get(keys, "nobody") {
        Some(nobody) => {
            let beside = PERSON.keys().filter(|key| key.name == "action" || !key.goes.with("nobody"));
            if let Some(key) = beside.map(|key| key.name).find(|key| get(keys, key).is_some()) {
                let message = format!("'nobody' and '{key}' do not go together");
                lower.report(Code::KeyMismatch, &nobody.span, message, None);
            }
            only_true(lower, nobody, "nobody");
            None
        }
        None => Some(answers(lower, node, keys)),
    };
    Some(Person { place: Place::of(lower, &node.span), asks, answers })
}

fn asks(lower: &mut Lower, node: &Node, keys: Keys<'_>) -> Asks {
    let step = get(keys, "step").and_then(|node| {
        let value = lower.text(node, "step")?.to_owned();
        Some(Placed { value, place: Place::of(lower, &node.span) })
    });
    let title = get(keys, "title").and_then(|node| lower.text(node, "title")).map(str::to_owned);
    if get(keys, "step").or(get(keys, "title")).is_none() {
        let help = Some("name the step that asks, or words of the title".to_owned());
        lower.report(Code::MissingKey, &node.span, "an entry of people needs 'step' or 'title'", help);
    }
    let unknown = get(keys, "unknown").is_some_and(|node| only_true(lower, node, "unknown"));
    Asks { step, title, unknown }
}

fn answers(lower: &mut Lower, node: &Node, keys: Keys<'_>) -> Answers {
    let action = lower.required(keys, "action", &node.span);
    let action = action.and_then(|node| lower.text(node, "action")).unwrap_or_default().to_owned();
    let mut text = |key: &str| get(keys, key).and_then(|node| lower.text(node, key)).map(str::to_owned);
    let (comment, by) = (text("comment"), text("by"));
    let groups = get(keys, "groups").map(|node| lower.texts(node, "groups")).unwrap_or_default();
    let groups: Vec<String> = groups.into_iter().map(|(group, _)| group.to_owned()).collect();
    if let (None, Some(node)) = (&by, get(keys, "groups")) {
        let help = Some("say who it is: `by: user:ann`".to_owned());
        lower.report(Code::KeyMismatch, &node.span, "groups need 'by'", help);
    }
    let named = by.iter().map(|by| ("by", "user:", by)).chain(groups.iter().map(|g| ("groups", "group:", g)));
    let wrong: Vec<_> = named.filter(|(_, prefix, name)| !name.starts_with(prefix)).collect();
    for (key, prefix, name) in wrong {
        if let Some(node) = get(keys, key) {
            let message = format!("'{name}' does not begin with {prefix}");
            lower.report(Code::InvalidValue, &node.span, message, Some(format!("write {prefix}{name}")));
        }
    }
    Answers {
        action,
        form: get(keys, "form").map(|node| lower.constant(node, "form")).unwrap_or_default(),
        comment,
        by,
        groups,
        after: get(keys, "after").and_then(|node| lower.duration(node, "after")).unwrap_or(Duration(0)),
        refused: get(keys, "refused").is_some_and(|node| only_true(lower, node, "refused")),
    }
}
