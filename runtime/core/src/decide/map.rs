//! A list of steps for each item.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Draft;
use super::parallel::within;
use crate::definition::{MapStep, OnError, Verb};
use crate::event::Entry;
use crate::{Failure, FailureKind, VisitId};

/// The most items of a `map`.
pub const MAP_MAX_ITEMS: usize = 10_000;

impl Draft<'_> {
    /// Begins as many items as may be under way; completes the step when all are over.
    pub(super) fn go_on_with_items(&mut self, id: VisitId, map: &MapStep) {
        loop {
            let Some(inside) = self.state.visit(id).and_then(|visit| visit.inside.as_ref()) else { return };
            let (begun, open) = (inside.begun, inside.open.len());
            if begun as usize >= inside.items.len() {
                if open == 0 {
                    let output = output(map, inside.items.len(), &inside.results);
                    self.complete_step(id, output);
                }
                return;
            }
            if open >= map.max_parallel as usize {
                return;
            }
            self.start_frame(id, Entry::Item(begun), map.body);
        }
    }

    /// An item is done or failed.
    pub(super) fn item_ended(&mut self, id: VisitId) {
        let definition = self.definition;
        let step = self.index_of(id).and_then(|index| definition.step(index));
        let Some(Verb::Map(map)) = step.map(|step| &step.verb) else { return };
        let Some(inside) = self.state.visit(id).and_then(|visit| visit.inside.as_ref()) else { return };
        let failed =
            inside.results.iter().find_map(|(number, result)| Some((number, result.as_ref().err()?)));
        match (map.on_error, failed) {
            (OnError::Fail, Some((number, failure))) => {
                let failure = within(&format!("item {number}"), failure);
                self.cancel_frames(id);
                self.fail_step(id, failure);
            }
            (OnError::Fail | OnError::Collect, _) => self.go_on_with_items(id, map),
        }
    }
}

/// The outputs of all items in their order; with `on_error: collect` what came of each.
fn output(map: &MapStep, items: usize, results: &BTreeMap<u32, Result<Arc<Value>, Failure>>) -> Value {
    let numbers = 0..u32::try_from(items).unwrap_or(u32::MAX);
    let result = |number: u32| results.get(&number);
    match map.on_error {
        OnError::Fail => numbers
            .map(|number| {
                result(number)
                    .and_then(|r| r.as_ref().ok())
                    .map_or(Value::Null, |output| Value::clone(output))
            })
            .collect(),
        OnError::Collect => numbers
            .map(|number| match result(number) {
                Some(Ok(output)) => json!({ "output": **output }),
                Some(Err(failure)) => json!({ "error": failure }),
                None => Value::Null,
            })
            .collect(),
    }
}

/// The items that an expression gave.
pub(super) fn items_of(value: Value) -> Result<Value, Failure> {
    let wrong = |message: String| Err(Failure::new(FailureKind::InvalidInput, message));
    match &value {
        Value::Array(items) if items.len() > MAP_MAX_ITEMS => {
            wrong(format!("`items` gives {} items, and map_max_items is {MAP_MAX_ITEMS}", items.len()))
        }
        Value::Array(_) => Ok(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            wrong("`items` must give a list".to_owned())
        }
    }
}
