//! One expression, compiled and checked for everything that needs no values.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};
use serde_json::Value;

use super::environment::{ENVIRONMENT, FILTERS, FUNCTIONS, TESTS};
use super::output::{self, Budget};
use super::reference::{Reference, Root, references};
use super::token::{KEYWORDS, Kind, Tokens};
use super::{EXPRESSION_FUEL, EXPRESSION_MAX_BYTES, Scope};
use crate::diagnostic::among;

/// An expression that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot evaluate `{expression}`: {reason}")]
pub struct EvaluationError {
    /// The expression as written.
    pub expression: String,
    /// What went wrong and what to do.
    pub reason: String,
}

/// What kind of mistake an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be read.
    Syntax,
    /// A name that does not exist.
    Name,
    /// A filter, test or function that does not exist.
    Function,
    /// It is too long, or nested too deeply.
    Size,
}

/// A text that is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidExpression {
    /// What kind of mistake.
    pub problem: Problem,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The place in the text.
    pub range: Range<usize>,
}

/// One compiled expression, bare.
pub struct Expression {
    source: Box<str>,
    program: minijinja::Expression<'static, 'static>,
    references: Vec<Reference>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Expression {
    /// Compiles an expression and checks the names in it.
    pub fn compile(text: &str) -> Result<Self, InvalidExpression> {
        let (expression, mistakes) = Self::compile_all(text, &[])?;
        match mistakes.into_iter().next() {
            None => Ok(expression),
            Some(mistake) => Err(mistake),
        }
    }

    /// The expression, with every name in it that does not exist: what it refers to is known all the same.
    /// `locals` are the names that the workflow gives to items.
    pub(crate) fn compile_all(
        text: &str,
        locals: &[Arc<str>],
    ) -> Result<(Self, Vec<InvalidExpression>), InvalidExpression> {
        let whole = 0..text.len();
        if text.len() > EXPRESSION_MAX_BYTES {
            let message = format!("the expression has {} bytes", text.len());
            let help = format!("expression_max_bytes is {EXPRESSION_MAX_BYTES}; use several `set` steps");
            return Err(InvalidExpression {
                problem: Problem::Size,
                message,
                help: Some(help),
                range: whole,
            });
        }
        if text.trim().is_empty() {
            let message = "the expression is empty".to_owned();
            let help = Some("write a value, such as inputs.name".to_owned());
            return Err(InvalidExpression { problem: Problem::Syntax, message, help, range: whole });
        }
        let tokens = Tokens::of(text);
        check_nesting(&tokens)?;
        let written = ENVIRONMENT.compile_expression_owned(text.to_owned());
        let written = written.map_err(|error| syntax(&error, text))?;
        let mut mistakes = unknown_names(&tokens, written.undeclared_variables(false), locals);
        mistakes.extend(unknown_functions(&tokens));
        mistakes.sort_by_key(|mistake| mistake.range.start);
        let (references, asking) = references(&tokens, locals);
        let program = if asking == text {
            written
        } else {
            ENVIRONMENT.compile_expression_owned(asking).map_err(|error| syntax(&error, text))?
        };
        Ok((Self { source: text.into(), program, references }, mistakes))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Everything it refers to.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The value.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        self.evaluate_within(scope, &mut Budget::whole())
    }

    /// The value, as a part of one that has only so much left.
    pub(super) fn evaluate_within(
        &self,
        scope: &Scope<'_>,
        budget: &mut Budget,
    ) -> Result<Value, EvaluationError> {
        let value = self.run(scope)?;
        output::to_json(&value, budget).map_err(|reason| self.error(reason))
    }

    /// Whether it holds; anything but a boolean is an error.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        let value = self.run(scope)?;
        bool::try_from(value.clone())
            .ok()
            .filter(|_| value.kind() == minijinja::value::ValueKind::Bool)
            .ok_or_else(|| {
                let kind = value.kind();
                self.error(format!(
                    "a condition must give true or false, not {kind}; compare it with something"
                ))
            })
    }

    fn run(&self, scope: &Scope<'_>) -> Result<minijinja::Value, EvaluationError> {
        let context = scope.context(&self.references);
        self.program.eval(context).map_err(|error| self.error(reason(&error)))
    }

    fn error(&self, reason: String) -> EvaluationError {
        EvaluationError { expression: self.source.trim().to_owned(), reason }
    }
}

/// What an error of the engine says to the author of a workflow.
pub(super) fn reason(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!(
            "it takes more work than expression_fuel ({EXPRESSION_FUEL}) allows; let a tool do what is heavy"
        ),
        (ErrorKind::UndefinedError, None) => {
            "a value in it does not exist; ask with `is defined`, or give a `default(…)`".to_owned()
        }
        (ErrorKind::UndefinedError, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn syntax(error: &Error, text: &str) -> InvalidExpression {
    let range = error.range().filter(|range| range.end <= text.len() && range.start < range.end);
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let unquoted = text.contains("&&") || text.contains("||") || text.contains('!') && !text.contains("!=");
    let help = unquoted.then(|| "write `and`, `or` and `not`".to_owned());
    InvalidExpression { problem: Problem::Syntax, message, help, range: range.unwrap_or(0..text.len()) }
}

/// The parser goes down once for every bracket and operator sign: keep it far from the end of its stack.
fn check_nesting(tokens: &Tokens<'_>) -> Result<(), InvalidExpression> {
    const NESTING_MAX: usize = 64;
    let mut depth = 0_usize;
    let mut signs = 0_usize;
    for (index, token) in tokens.list.iter().enumerate() {
        match tokens.at(index) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        signs = if matches!(tokens.at(index), "-" | "+" | "not") { signs + 1 } else { 0 };
        if depth > NESTING_MAX || signs > NESTING_MAX {
            return Err(InvalidExpression {
                problem: Problem::Size,
                message: "the expression is nested too deeply".to_owned(),
                help: Some("use several `set` steps".to_owned()),
                range: token.range.clone(),
            });
        }
    }
    Ok(())
}

fn unknown_names(
    tokens: &Tokens<'_>,
    undeclared: impl IntoIterator<Item = String>,
    locals: &[Arc<str>],
) -> Vec<InvalidExpression> {
    let names: BTreeSet<String> = undeclared.into_iter().collect();
    let known = |name: &str| {
        Root::ALL.iter().any(|root| root.name() == name)
            || FUNCTIONS.contains(&name)
            || locals.iter().any(|local| **local == *name)
    };
    let place = |name: &str| {
        let mut all = 0..tokens.list.len();
        all.find(|index| tokens.at(*index) == name && !matches!(tokens.before(*index), "." | "|"))
    };
    let unknown = names.iter().filter(|name| !known(name)).map(|name| (name, place(name)));
    // A call is the business of `unknown_functions`, which knows what to suggest.
    let unknown = unknown.filter(|(_, index)| index.is_none_or(|index| tokens.at(index + 1) != "("));
    let names = || Root::ALL.iter().map(Root::name).chain(locals.iter().map(AsRef::as_ref));
    let mistake = |(name, index): (&String, Option<usize>)| InvalidExpression {
        problem: Problem::Name,
        message: format!("there is no '{name}' in an expression"),
        help: among(name, "an expression can use", names())
            .map(|help| format!("{help}; a text needs quotes")),
        range: index.map_or(0..tokens.text.len(), |index| tokens.list[index].range.clone()),
    };
    unknown.map(mistake).collect()
}

fn unknown_functions(tokens: &Tokens<'_>) -> Vec<InvalidExpression> {
    let mut mistakes = Vec::new();
    for index in 0..tokens.list.len() {
        if tokens.kind(index) != Some(Kind::Word) {
            continue;
        }
        let word = tokens.at(index);
        let called = tokens.at(index + 1) == "(";
        let (what, known): (&str, &[&str]) = match tokens.before(index) {
            "|" => ("filter", &FILTERS),
            "." if called => ("method", &[]),
            "." => continue,
            _ if tokens.is_test(index) && word != "not" => ("test", &TESTS),
            _ if called && !KEYWORDS.contains(&word) => ("function", &FUNCTIONS),
            _ => continue,
        };
        if known.contains(&word) {
            continue;
        }
        let help = if known.is_empty() {
            Some(format!("values have no methods; filters do the work, as in `… | {word}`"))
        } else {
            among(word, "there are", known.iter().copied())
        };
        mistakes.push(InvalidExpression {
            problem: Problem::Function,
            message: format!("there is no {what} '{word}'"),
            help,
            range: tokens.list[index].range.clone(),
        });
    }
    mistakes
}
