//! Readers of nodes: each gives what was meant, or reports what is wrong and gives nothing.

use std::sync::Arc;

use serde_json::Value;

use super::NAME_MAX_BYTES;
use super::keys::{Keys, get};
use super::outline::Outline;
use super::tree::{Entry, Kind, Node, Span};
use crate::Duration;
use crate::definition::{Block, Step, StepIndex};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::{Expression, InvalidExpression, Problem, Template};
use crate::language::Place;
use crate::plugin::{MCP_PREFIX, Permissions};

/// Keys of the language that a later version brings.
const LATER: [&str; 2] = ["triggers", "rate"];

/// What lowering knows while it goes through the tree.
pub(super) struct Lower {
    pub(super) problems: Diagnostics,
    /// What is known of the steps before they are read.
    pub(super) outline: Outline,
    /// The steps that were read so far, at their places in the source; a step's place is taken
    /// before the steps within it are read.
    pub(super) steps: Vec<Option<Step>>,
    /// Where each of them stands.
    pub(super) pointers: Vec<String>,
    /// The lists of steps that were begun so far.
    pub(super) blocks: Vec<Block>,
    /// The names that the `map`s around the place at hand give to their items.
    pub(super) locals: Vec<Arc<str>>,
    /// The workflow's own permissions, where it has any.
    pub(super) ceiling: Option<Permissions>,
    /// Whether every jump leads somewhere, so that ways can be followed.
    pub(super) ways_known: bool,
}

impl Lower {
    pub(super) fn new(problems: Diagnostics, root: &Node) -> Self {
        Self {
            problems,
            outline: Outline::of(root),
            steps: Vec::new(),
            pointers: Vec::new(),
            blocks: Vec::new(),
            locals: Vec::new(),
            ceiling: None,
            ways_known: true,
        }
    }

    /// The list that a step stands in, which may not be read to its end yet. Lists are numbered here as they
    /// are read, so that each has a smaller number than those within it: what goes outwards ends.
    pub(super) fn list_of(&self, step: StepIndex) -> Option<&Block> {
        self.blocks.iter().rev().find(|block| block.steps.contains(&step))
    }

    pub(super) fn report(
        &mut self,
        code: Code,
        span: &Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.problems.push(code, span.clone(), message, "", help);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, not {}", node.describe());
        let quoted = wanted == "a text" && matches!(node.kind, Kind::Bool(_) | Kind::Number(_));
        let help = quoted.then(|| {
            let written = self.problems.text.get(node.span.clone()).unwrap_or_default();
            format!("put it in quotes: \"{written}\"")
        });
        self.report(Code::WrongType, &node.span, message, help);
    }

    /// The keys of a map of the language; each is known, free (`x-…`) or reported.
    pub(super) fn map<'n>(&mut self, node: &'n Node, place: &'static Place) -> Option<Keys<'n>> {
        self.map_called(node, place.what, place)
    }

    /// The same, called something else in messages.
    pub(super) fn map_called<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        place: &'static Place,
    ) -> Option<Keys<'n>> {
        let entries = self.any_map(node, what)?;
        for entry in entries {
            let key = entry.key.as_str();
            if place.key(key).is_some() || key.starts_with("x-") {
                continue;
            }
            let known = place.keys().map(|key| key.name);
            if LATER.contains(&key) {
                let message = format!("'{key}' is not in this version of the language");
                let help = format!("{what} can have: {}", known.collect::<Vec<_>>().join(", "));
                self.report(Code::NotInThisVersion, &entry.key_span, message, Some(help));
            } else {
                let message = format!("{what} has no key '{key}'");
                let help = among(key, &format!("{what} can have"), known);
                self.report(Code::UnknownKey, &entry.key_span, message, help);
            }
        }
        Some(Keys::new(place, entries))
    }

    /// The entries of a map with any keys.
    pub(super) fn any_map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        let entries = node.as_map();
        if entries.is_none() {
            self.wrong_type(node, what, "a map");
        }
        entries
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let items = node.as_list();
        if items.is_none() {
            self.wrong_type(node, what, "a list");
        }
        items
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.as_text();
        if text.is_none() {
            self.wrong_type(node, what, "a text");
        }
        text
    }

    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(flag) = node.kind {
            return Some(flag);
        }
        self.wrong_type(node, what, "true or false");
        None
    }

    /// Texts of a list, or one text alone.
    pub(super) fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n str, Span)> {
        let items = match &node.kind {
            Kind::Text(_) => std::slice::from_ref(node),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => {
                self.list(node, what).unwrap_or_default()
            }
        };
        let what = format!("an entry of {what}");
        items.iter().filter_map(|item| Some((self.text(item, &what)?, item.span.clone()))).collect()
    }

    /// A required key of a map that stands at a place in the source.
    pub(super) fn required<'n>(&mut self, keys: Keys<'n>, key: &str, at: &Span) -> Option<&'n Node> {
        let found = get(keys, key);
        if found.is_none() {
            let place = keys.place();
            let message = format!("{} needs the key '{key}'", place.what);
            let help = place.key(key).map(|row| format!("such as `{key}: {}`", row.example));
            self.report(Code::MissingKey, at, message, help);
        }
        found
    }

    /// A whole number within its limits.
    pub(super) fn whole(
        &mut self,
        node: &Node,
        what: &str,
        limits: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let Kind::Number(number) = &node.kind else {
            self.wrong_type(node, what, "a whole number");
            return None;
        };
        let found = number.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| limits.contains(n));
        if found.is_none() {
            let message = format!("{what} is {number}");
            let help = format!("a whole number from {} to {}", limits.start(), limits.end());
            self.report(Code::OutOfRange, &node.span, message, Some(help));
        }
        found
    }

    /// A duration with its unit.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        match &node.kind {
            Kind::Number(number) => {
                let message = format!("{what} needs a unit");
                let help = format!("write {number}s for seconds, or use ms, m, h or d");
                self.report(Code::InvalidDuration, &node.span, message, Some(help));
                None
            }
            Kind::Text(text) => {
                let duration = text.parse().ok();
                if duration.is_none() {
                    let message = format!("'{text}' is not a duration");
                    let help = "write a whole number and a unit (ms, s, m, h, d), such as 30s".to_owned();
                    self.report(Code::InvalidDuration, &node.span, message, Some(help));
                }
                duration
            }
            Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => {
                self.wrong_type(node, what, "a duration, such as 30s");
                None
            }
        }
    }

    /// A name of letters, digits, `_` and whatever else is allowed, that begins with a letter.
    pub(super) fn name(&mut self, name: &str, span: &Span, what: &str, allowed: &str) -> bool {
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || allowed.contains(c))
            && name.len() <= NAME_MAX_BYTES;
        if !good {
            let more: String = allowed.chars().flat_map(|c| [',', ' ', c]).collect();
            let message = format!("'{name}' cannot be the name of {what}");
            let help =
                format!("a letter first, then letters, digits, _{more}; at most {NAME_MAX_BYTES} of them");
            self.report(Code::InvalidValue, span, message, Some(help));
        }
        good
    }

    /// The name of a plugin that has tools. It becomes the name of a file in the plugin folder, unless it is that
    /// of an MCP server.
    pub(super) fn plugin(&mut self, name: &str, span: &Span) -> bool {
        match name.strip_prefix(MCP_PREFIX) {
            Some(server) => self.name(server, span, "an MCP server", "-"),
            None => self.name(name, span, "a plugin", "-"),
        }
    }

    /// A value with expressions in it; what cannot be compiled is reported and null.
    pub(super) fn template(&mut self, node: &Node) -> Template {
        let (template, mistakes) = Template::compile_all(&node.to_json(), &self.locals);
        for mistake in mistakes {
            let holder = node.at(&mistake.pointer);
            let inner =
                holder.as_text().and_then(|text| text.get(mistake.within.clone())).unwrap_or_default();
            self.mistake(&holder.span.clone(), inner, mistake.error);
        }
        template
    }

    /// A bare expression.
    pub(super) fn expression(&mut self, node: &Node, what: &str) -> Option<Expression> {
        let text = match &node.kind {
            Kind::Bool(flag) => {
                if *flag {
                    "true"
                } else {
                    "false"
                }
            }
            Kind::Null | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                self.text(node, what)?
            }
        };
        if text.contains("${{") {
            let message = format!("{what} is an expression as it is");
            let help = "write it bare, without ${{ and }}".to_owned();
            self.report(Code::InvalidExpression, &node.span, message, Some(help));
            return None;
        }
        match Expression::compile_all(text, &self.locals) {
            Ok((expression, mistakes)) => {
                for mistake in mistakes {
                    self.mistake(&node.span, text, mistake);
                }
                Some(expression)
            }
            Err(error) => {
                self.mistake(&node.span, text, error);
                None
            }
        }
    }

    fn mistake(&mut self, holder: &Span, expression: &str, error: InvalidExpression) {
        let code = match error.problem {
            Problem::Syntax => Code::InvalidExpression,
            Problem::Name => Code::UnknownName,
            Problem::Function => Code::UnknownFunction,
            Problem::Size => Code::ExpressionTooLarge,
        };
        let span = within(&self.problems.text, holder, expression, &error.range);
        let message = match error.problem {
            Problem::Syntax => format!("the expression cannot be read: {}", error.message),
            Problem::Name | Problem::Function | Problem::Size => error.message,
        };
        self.report(code, &span, message, error.help);
    }

    /// A value as JSON, where expressions have no place.
    pub(super) fn constant(&mut self, node: &Node, what: &str) -> Value {
        let json = node.to_json();
        if json.to_string().contains("${{") {
            let message = format!("{what} cannot hold expressions");
            self.report(Code::InvalidValue, &node.span, message, None);
        }
        json
    }
}

/// The place of a part of an expression that stands somewhere in a node; the
/// whole node where quotes or folding make the source differ from the text.
pub(super) fn within(source: &str, holder: &Span, expression: &str, range: &Span) -> Span {
    let written = source.get(holder.clone()).unwrap_or_default();
    match written.find(expression) {
        Some(at) if !expression.is_empty() && range.start < range.end => {
            let start = holder.start + at;
            start + range.start..start + range.end
        }
        _ => holder.clone(),
    }
}
