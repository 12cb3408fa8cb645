//! The YAML as written: every node with its place, nothing interpreted yet.

use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A place in the source, in bytes.
pub(super) type Span = Range<usize>;

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map, in the order of the source.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

impl Node {
    /// What it is, as messages name it.
    pub(super) const fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The text, when it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The entries, when it is a map.
    pub(super) fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => None,
        }
    }

    /// The items, when it is a list.
    pub(super) fn as_list(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => None,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The node at a JSON pointer, or the nearest one above it.
    pub(super) fn at(&self, pointer: &str) -> &Self {
        let mut node = self;
        for name in pointer.split('/').skip(1) {
            let name = name.replace("~1", "/").replace("~0", "~");
            let below = match &node.kind {
                Kind::List(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
                Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                    node.get(&name)
                }
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        node
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => {
                let fields = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// How many nodes it has, itself included.
    pub(super) fn count(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => 1,
            Kind::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }

    /// How many bytes its texts and keys have, itself included.
    pub(super) fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => 0,
            Kind::Text(text) => text.len(),
            Kind::List(items) => items.iter().map(Self::bytes).sum(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.key.len() + entry.value.bytes()).sum(),
        }
    }

    /// How deep it is: 0 without anything below it.
    pub(super) fn depth(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => 0,
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or_default(),
            Kind::Map(entries) => {
                1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or_default()
            }
        }
    }
}
