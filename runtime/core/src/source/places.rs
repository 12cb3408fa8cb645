//! Where each part of a definition stands in its source.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tree::{Kind, Node};
use crate::expression::escaped;

/// The place of every value and key of a source, by JSON pointer: `/steps/0/with/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    values: BTreeMap<String, Range<usize>>,
    keys: BTreeMap<String, Range<usize>>,
    steps: Vec<String>,
}

impl Places {
    pub(super) fn of(root: &Node) -> Self {
        let mut places = Self::default();
        places.add(root, String::new());
        places
    }

    fn add(&mut self, node: &Node, pointer: String) {
        match &node.kind {
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(item, format!("{pointer}/{index}"));
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    let below = format!("{pointer}/{}", escaped(&entry.key));
                    self.keys.insert(below.clone(), entry.key_span.clone());
                    self.add(&entry.value, below);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
        self.values.insert(pointer, node.span.clone());
    }

    pub(super) fn set_steps(&mut self, pointers: Vec<String>) {
        self.steps = pointers;
    }

    /// The pointer of the step at an index: `/steps/0`.
    pub fn step(&self, index: usize) -> &str {
        self.steps.get(index).map_or("", String::as_str)
    }

    /// Whether there is a value at a pointer.
    pub fn has(&self, pointer: &str) -> bool {
        self.values.contains_key(pointer)
    }

    /// The place of the value at a pointer, or of the nearest one above it.
    pub fn value(&self, pointer: &str) -> Range<usize> {
        nearest(&self.values, pointer)
    }

    /// The place of the key at a pointer, or of the nearest one above it.
    pub fn key(&self, pointer: &str) -> Range<usize> {
        nearest(&self.keys, pointer)
    }
}

fn nearest(places: &BTreeMap<String, Range<usize>>, pointer: &str) -> Range<usize> {
    let mut pointer = pointer;
    loop {
        if let Some(place) = places.get(pointer) {
            return place.clone();
        }
        match pointer.rfind('/') {
            Some(at) => pointer = &pointer[..at],
            None => return 0..0,
        }
    }
}
