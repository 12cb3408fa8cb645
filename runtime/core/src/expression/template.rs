//! A value with expressions in it.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::output::{Budget, TooDeep};
use super::segment::{self, Piece};
use super::{EvaluationError, Expression, InvalidExpression, Problem, Scope, TEMPLATE_MAX_DEPTH};

/// A value with expressions in it: a string that is exactly one expression
/// keeps its type, any other becomes text.
#[derive(Debug)]
pub struct Template {
    part: Part,
}

/// A part of a template.
#[derive(Debug)]
pub(crate) enum Part {
    /// No expression in it.
    Literal(Value),
    /// A string that is exactly one expression.
    Expression(Box<Expression>),
    /// A string with expressions in it.
    Text(Vec<Fragment>),
    /// A list that has an expression somewhere.
    List(Vec<Part>),
    /// A map that has an expression somewhere.
    Map(Vec<(String, Part)>),
}

/// A piece of a text.
#[derive(Debug)]
pub(crate) enum Fragment {
    Text(String),
    Expression(Expression),
}

/// A mistake in one of a template's expressions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct InvalidTemplate {
    /// The string that holds it, as a JSON pointer.
    pub pointer: String,
    /// The place of the expression's text in that string.
    pub within: Range<usize>,
    /// The mistake; its range counts from the expression's start.
    pub error: InvalidExpression,
}

/// One expression of a template and where it stands.
#[derive(Debug, Clone)]
pub struct Use<'t> {
    /// The string that holds it, as a JSON pointer.
    pub pointer: String,
    /// The expression.
    pub expression: &'t Expression,
}

impl Template {
    /// Compiles every expression of a value, or gives every mistake.
    pub fn compile(value: &Value) -> Result<Self, Vec<InvalidTemplate>> {
        let (template, mistakes) = Self::compile_all(value, &[]);
        if mistakes.is_empty() { Ok(template) } else { Err(mistakes) }
    }

    /// The template of what could be compiled, and every mistake.
    ///
    /// `locals` are the names that the workflow gives to items.
    pub(crate) fn compile_all(value: &Value, locals: &[Arc<str>]) -> (Self, Vec<InvalidTemplate>) {
        let mut mistakes = Vec::new();
        let part = compile(value, locals, &mut Vec::new(), &mut mistakes);
        (Self { part }, mistakes)
    }

    /// A value without expressions.
    pub const fn literal(value: Value) -> Self {
        Self { part: Part::Literal(value) }
    }

    /// The value, when there is no expression in it.
    pub const fn as_literal(&self) -> Option<&Value> {
        match &self.part {
            Part::Literal(value) => Some(value),
            Part::Expression(_) | Part::Text(_) | Part::List(_) | Part::Map(_) => None,
        }
    }

    /// Its form.
    pub(crate) const fn part(&self) -> &Part {
        &self.part
    }

    /// Every expression in it.
    pub fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Vec::new();
        collect(&self.part, "", &mut uses);
        uses
    }

    /// The value.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        evaluate(&self.part, scope, &mut Budget::whole())
    }

    /// The value as text: a string as it is, anything else as JSON.
    pub fn evaluate_text(&self, scope: &Scope<'_>) -> Result<String, EvaluationError> {
        self.evaluate(scope).map(into_text)
    }
}

fn into_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn compile(
    value: &Value,
    locals: &[Arc<str>],
    path: &mut Vec<String>,
    mistakes: &mut Vec<InvalidTemplate>,
) -> Part {
    if path.len() > TEMPLATE_MAX_DEPTH {
        let message = format!("the value is nested deeper than template_max_depth ({TEMPLATE_MAX_DEPTH})");
        let error = InvalidExpression { problem: Problem::Size, message, help: None, range: 0..0 };
        mistakes.push(InvalidTemplate { pointer: pointer(path), within: 0..0, error });
        return Part::Literal(Value::Null);
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Part::Literal(value.clone()),
        Value::String(text) => compile_text(text, locals, path, mistakes),
        Value::Array(items) => {
            let parts: Vec<Part> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    path.push(index.to_string());
                    let part = compile(item, locals, path, mistakes);
                    path.pop();
                    part
                })
                .collect();
            let literal = parts.iter().all(|part| matches!(part, Part::Literal(_)));
            if literal { Part::Literal(value.clone()) } else { Part::List(parts) }
        }
        Value::Object(fields) => {
            let parts: Vec<(String, Part)> = fields
                .iter()
                .map(|(name, item)| {
                    path.push(name.clone());
                    let part = compile(item, locals, path, mistakes);
                    path.pop();
                    (name.clone(), part)
                })
                .collect();
            let literal = parts.iter().all(|(_, part)| matches!(part, Part::Literal(_)));
            if literal { Part::Literal(value.clone()) } else { Part::Map(parts) }
        }
    }
}

fn compile_text(
    text: &str,
    locals: &[Arc<str>],
    path: &[String],
    mistakes: &mut Vec<InvalidTemplate>,
) -> Part {
    let pieces = match segment::split(text) {
        Ok(pieces) => pieces,
        Err(open) => {
            let error = InvalidExpression {
                problem: Problem::Syntax,
                message: "the expression is never closed".to_owned(),
                help: Some("close it with `}}`".to_owned()),
                range: 0..open.len(),
            };
            mistakes.push(InvalidTemplate { pointer: pointer(path), within: open, error });
            return Part::Literal(Value::Null);
        }
    };
    let alone = matches!(pieces.as_slice(), [Piece::Expression(_)]);
    let plain = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
    if plain {
        return Part::Literal(Value::String(text.to_owned()));
    }
    let mut fragments = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(range) => fragments.push(Fragment::Text(text[range].to_owned())),
            Piece::Expression(range) => {
                let mut wrong = |error| {
                    mistakes.push(InvalidTemplate { pointer: pointer(path), within: range.clone(), error });
                };
                match Expression::compile_all(&text[range.clone()], locals) {
                    Ok((expression, found)) => {
                        found.into_iter().for_each(wrong);
                        if alone {
                            return Part::Expression(Box::new(expression));
                        }
                        fragments.push(Fragment::Expression(expression));
                    }
                    Err(error) => wrong(error),
                }
            }
        }
    }
    Part::Text(fragments)
}

fn collect<'t>(part: &'t Part, pointer: &str, uses: &mut Vec<Use<'t>>) {
    match part {
        Part::Literal(_) => {}
        Part::Expression(expression) => uses.push(Use { pointer: pointer.to_owned(), expression }),
        Part::Text(fragments) => uses.extend(fragments.iter().filter_map(|fragment| match fragment {
            Fragment::Text(_) => None,
            Fragment::Expression(expression) => Some(Use { pointer: pointer.to_owned(), expression }),
        })),
        Part::List(parts) => {
            for (index, part) in parts.iter().enumerate() {
                collect(part, &format!("{pointer}/{index}"), uses);
            }
        }
        Part::Map(parts) => {
            for (name, part) in parts {
                collect(part, &format!("{pointer}/{}", escaped(name)), uses);
            }
        }
    }
}

fn evaluate(part: &Part, scope: &Scope<'_>, budget: &mut Budget) -> Result<Value, EvaluationError> {
    match part {
        Part::Literal(value) => Ok(value.clone()),
        Part::Expression(expression) => expression.evaluate_within(scope, budget),
        Part::Text(fragments) => {
            let mut text = String::new();
            for fragment in fragments {
                match fragment {
                    Fragment::Text(fragment) => text.push_str(fragment),
                    Fragment::Expression(expression) => {
                        let value = into_text(expression.evaluate_within(scope, budget)?);
                        budget.spend(value.len()).map_err(|reason| EvaluationError {
                            expression: expression.source().trim().to_owned(),
                            reason,
                        })?;
                        text.push_str(&value);
                    }
                }
            }
            Ok(Value::String(text))
        }
        Part::List(parts) => budget.below(|budget| {
            parts.iter().map(|part| evaluate(part, scope, budget)).collect::<Result<_, _>>().map(Value::Array)
        }),
        Part::Map(parts) => budget.below(|budget| {
            let fields = parts.iter().map(|(name, part)| Ok((name.clone(), evaluate(part, scope, budget)?)));
            fields.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }),
    }
}

impl From<TooDeep> for EvaluationError {
    fn from(too_deep: TooDeep) -> Self {
        Self { expression: "a value with expressions in it".to_owned(), reason: too_deep.into() }
    }
}

/// One name within a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &[String]) -> String {
    path.iter().flat_map(|name| ["/".to_owned(), escaped(name)]).collect()
}
