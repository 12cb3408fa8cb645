//! JSON values as minijinja sees them: looked into where an expression asks, never copied as a whole.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

use super::EXPRESSION_READ_MAX_BYTES;
use crate::StepId;

/// Where a value comes from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Inputs,
    Vars,
    Run,
    Error,
    Item(Arc<str>),
    Output(StepId),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inputs => f.write_str("inputs"),
            Self::Vars => f.write_str("vars"),
            Self::Run => f.write_str("run"),
            Self::Error => f.write_str("error"),
            Self::Item(name) => f.write_str(name),
            Self::Output(step) => write!(f, "steps.{step}.output"),
        }
    }
}

#[derive(Debug, Clone)]
enum Key {
    Field(Box<str>),
    Index(usize),
}

/// What stands where nothing is, for an expression that asks: anything below it is absent too.
///
/// It exists only between a reference and the `is defined` or `default` right
/// behind it, so no other operation ever meets it.
#[derive(Debug)]
pub(super) struct Absent;

impl Object for Absent {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(absent())
    }
}

/// The value of something that is not there.
pub(super) fn absent() -> Value {
    Value::from_object(Absent)
}

/// A value that fails the expression as soon as it is read.
pub(super) fn missing(reason: String) -> Value {
    Value::from(Error::new(ErrorKind::UndefinedError, reason))
}

/// The bytes of text that one evaluation may still copy out of documents.
#[derive(Debug, Clone)]
pub(super) struct Reads(Arc<AtomicUsize>);

impl Reads {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(EXPRESSION_READ_MAX_BYTES)))
    }

    fn text(&self, text: &str) -> Value {
        let left =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(text.len()));
        if left.is_err() {
            return missing(format!(
                "it reads more text than expression_read_max_bytes ({EXPRESSION_READ_MAX_BYTES}) allows; \
                 let a tool do what is heavy"
            ));
        }
        Value::from(text)
    }
}

/// An array or object within a JSON document that is shared, not copied.
#[derive(Debug)]
pub(super) struct Lazy {
    document: Arc<Json>,
    origin: Origin,
    path: Vec<Key>,
    asks: bool,
    reads: Reads,
}

impl Lazy {
    /// A whole document.
    pub(super) fn document(document: &Arc<Json>, origin: Origin, asks: bool, reads: &Reads) -> Value {
        let root =
            Self { document: Arc::clone(document), origin, path: Vec::new(), asks, reads: reads.clone() };
        let json = Arc::clone(document);
        root.into_value(&json)
    }

    /// The JSON it stands for.
    pub(super) fn json(&self) -> &Json {
        self.path
            .iter()
            .try_fold(&*self.document, |json, key| match key {
                Key::Field(name) => json.get(&**name),
                Key::Index(index) => json.get(*index),
            })
            .unwrap_or(&Json::Null)
    }

    fn into_value(self, json: &Json) -> Value {
        match json {
            Json::Null => Value::from(()),
            Json::Bool(flag) => Value::from(*flag),
            Json::Number(number) => number_value(number),
            Json::String(text) => self.reads.text(text),
            Json::Array(_) | Json::Object(_) => Value::from_object(self),
        }
    }

    fn child(&self, key: Key, json: &Json) -> Value {
        let scalar = !json.is_array() && !json.is_object();
        let path = if scalar { Vec::new() } else { self.path.iter().cloned().chain([key]).collect() };
        let (document, origin) = (Arc::clone(&self.document), self.origin.clone());
        Self { document, origin, path, asks: self.asks, reads: self.reads.clone() }.into_value(json)
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.json().get(name).map(|json| self.child(Key::Field(name.into()), json))
    }

    /// The way to it, as it would be written in an expression.
    fn place(&self) -> String {
        let mut place = self.origin.to_string();
        for key in &self.path {
            let written = match key {
                Key::Field(name) => write!(place, ".{name}"),
                Key::Index(index) => write!(place, "[{index}]"),
            };
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        place
    }

    fn no_field(&self, name: &str) -> String {
        const NAMED_MAX: usize = 16;
        match self.json() {
            Json::Object(fields) if fields.is_empty() => {
                format!("{} has no field '{name}'; it is empty", self.place())
            }
            Json::Object(fields) => {
                let mut names: Vec<&str> = fields.keys().take(NAMED_MAX).map(String::as_str).collect();
                if fields.len() > NAMED_MAX {
                    names.push("…");
                }
                format!("{} has no field '{name}'; it has: {}", self.place(), names.join(", "))
            }
            Json::Array(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                format!("{} is a list and has no field '{name}'", self.place())
            }
        }
    }
}

/// Whole numbers stay whole: `i64` and `u64` cross exactly.
fn number_value(number: &serde_json::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        Value::from(whole)
    } else if let Some(whole) = number.as_u64() {
        Value::from(whole)
    } else {
        Value::from(number.as_f64().unwrap_or(f64::NAN))
    }
}

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.json().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    /// A subscript or an `in`: nothing where there is nothing, since `in` asks for just that.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = match self.json() {
            Json::Array(items) => {
                let Some(index) = key.as_usize() else { return self.asks.then(absent) };
                match items.get(index) {
                    Some(item) => Some(self.child(Key::Index(index), item)),
                    None if self.asks => None,
                    None => {
                        let reason =
                            format!("{} has no item {index}; it has {} items", self.place(), items.len());
                        return Some(missing(reason));
                    }
                }
            }
            Json::Object(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                key.as_str().and_then(|name| self.field(name))
            }
        };
        if self.asks { Some(found.unwrap_or_else(absent)) } else { found }
    }

    /// A dot: a field that does not exist is an error that says which do.
    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let found = self.field(name);
        Some(found.unwrap_or_else(|| if self.asks { absent() } else { missing(self.no_field(name)) }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.json() {
            Json::Array(items) => Enumerator::Seq(items.len()),
            Json::Object(fields) => {
                Enumerator::Values(fields.keys().map(|name| Value::from(name.as_str())).collect())
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.json() {
            Json::Array(items) => Some(items.len()),
            Json::Object(fields) => Some(fields.len()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
        }
    }

    /// Orders and compares as JSON does, but for objects of another kind.
    fn custom_cmp(self: &Arc<Self>, _: &DynObject) -> Option<std::cmp::Ordering> {
        None
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}
