//! What an expression refers to, found before it is ever evaluated.

use std::ops::Range;
use std::sync::Arc;

use super::token::{KEYWORDS, Kind, Tokens};

/// A name that an expression can begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `inputs`.
    Inputs,
    /// `steps`.
    Steps,
    /// `vars`.
    Vars,
    /// `run`.
    Run,
    /// `error`.
    Error,
    /// `item`.
    Item,
    /// `index`.
    Index,
    /// The name that a `map` gives its item.
    Local(Arc<str>),
}

impl Root {
    /// All but those that a workflow names itself.
    pub const ALL: [Self; 7] =
        [Self::Inputs, Self::Steps, Self::Vars, Self::Run, Self::Error, Self::Item, Self::Index];

    /// The name in an expression.
    pub fn name(&self) -> &str {
        match self {
            Self::Inputs => "inputs",
            Self::Steps => "steps",
            Self::Vars => "vars",
            Self::Run => "run",
            Self::Error => "error",
            Self::Item => "item",
            Self::Index => "index",
            Self::Local(name) => name,
        }
    }

    /// The name under which the compiled form asks for values that may be absent.
    ///
    /// As long as the name, and none that a workflow can give: those begin with a small letter.
    pub(super) fn asking_name(&self) -> String {
        let name = self.name();
        name.chars()
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + &name[1..])
    }

    fn named(name: &str, locals: &[Arc<str>]) -> Option<Self> {
        let local =
            || locals.iter().find(|local| ***local == *name).map(|local| Self::Local(Arc::clone(local)));
        Self::ALL.into_iter().find(|root| root.name() == name).or_else(local)
    }
}

/// One step down into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `["name"]`.
    Field(String),
    /// `[0]`.
    Index(usize),
    /// `[…]`: known only when the expression is evaluated.
    Dynamic,
}

/// One place of an expression that names a value: `steps.order.output.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it begins.
    pub root: Root,
    /// How it goes on.
    pub path: Vec<Segment>,
    /// Whether the expression asks if it exists: `is defined`, `| default(…)`.
    pub asks: bool,
    /// The place in the expression.
    pub range: Range<usize>,
}

impl Reference {
    /// The field at a position of the path.
    pub fn field(&self, position: usize) -> Option<&str> {
        match self.path.get(position) {
            Some(Segment::Field(name)) => Some(name),
            Some(Segment::Index(_) | Segment::Dynamic) | None => None,
        }
    }
}

/// Every reference, and the text that is compiled in the expression's place.
///
/// A reference that asks begins with another name there, as long as the one
/// it replaces, and so reads from values that answer "absent" rather than
/// fail. `["name"]` becomes `.name`, which fails where nothing has the name.
pub(super) fn references(tokens: &Tokens<'_>, locals: &[Arc<str>]) -> (Vec<Reference>, String) {
    let mut text = tokens.text.to_owned();
    let mut found = Vec::new();
    for index in 0..tokens.list.len() {
        let Some(root) = root_at(tokens, index, locals) else { continue };
        let (path, end) = path_after(tokens, index + 1, &mut text);
        let asks = asks(tokens, end);
        let range = tokens.list[index].range.start..tokens.list[end - 1].range.end;
        if asks {
            text.replace_range(tokens.list[index].range.clone(), &root.asking_name());
        }
        found.push(Reference { root, path, asks, range });
    }
    (found, text)
}

fn root_at(tokens: &Tokens<'_>, index: usize, locals: &[Arc<str>]) -> Option<Root> {
    let named = Root::named(tokens.at(index), locals).filter(|_| tokens.kind(index) == Some(Kind::Word))?;
    let argument = tokens.at(index + 1) == "=";
    let other = matches!(tokens.before(index), "." | "|") || tokens.is_test(index);
    (!argument && !other).then_some(named)
}

/// The segments from a token on, and the index after the last of them.
fn path_after(tokens: &Tokens<'_>, start: usize, text: &mut String) -> (Vec<Segment>, usize) {
    let mut path = Vec::new();
    let mut at = start;
    loop {
        match tokens.at(at) {
            // What is called is no field: values have no methods, which is told elsewhere.
            "." if tokens.kind(at + 1) == Some(Kind::Word) && tokens.at(at + 2) != "(" => {
                path.push(Segment::Field(tokens.at(at + 1).to_owned()));
                at += 2;
            }
            "[" => {
                let Some(after) = tokens.after_bracket(at) else { return (path, at) };
                path.push(subscript(tokens, at, after, text));
                at = after;
            }
            _ => return (path, at),
        }
    }
}

fn subscript(tokens: &Tokens<'_>, open: usize, after: usize, text: &mut String) -> Segment {
    let inner = tokens.at(open + 1);
    if after != open + 3 {
        return Segment::Dynamic;
    }
    match tokens.kind(open + 1) {
        Some(Kind::Number) => inner.parse().map_or(Segment::Dynamic, Segment::Index),
        Some(Kind::Text) if !inner.contains('\\') && inner.len() >= 2 => {
            let name = &inner[1..inner.len() - 1];
            if is_plain_name(name) {
                let range = tokens.list[open].range.start..tokens.list[open + 2].range.end;
                let padded =
                    format!(".{name:width$}", width = range.len() - 1 - name.len() + name.chars().count());
                text.replace_range(range, &padded);
            }
            Segment::Field(name.to_owned())
        }
        _ => Segment::Dynamic,
    }
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !KEYWORDS.contains(&name)
}

/// Whether the reference that ends before a token is followed by a question for its existence.
fn asks(tokens: &Tokens<'_>, end: usize) -> bool {
    match tokens.at(end) {
        "|" => matches!(tokens.at(end + 1), "default" | "d"),
        "is" => {
            let name = if tokens.at(end + 1) == "not" { end + 2 } else { end + 1 };
            matches!(tokens.at(name), "defined" | "undefined")
        }
        _ => false,
    }
}
