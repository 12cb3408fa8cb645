//! From minijinja's values back to JSON, within a size and a depth.

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value as Json};

use super::lazy::Lazy;
use super::{VALUE_MAX_BYTES, VALUE_MAX_DEPTH};

/// What a value may still hold while it is made.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    depth: usize,
}

impl Budget {
    /// All that one value may hold.
    pub(super) const fn whole() -> Self {
        Self { bytes: VALUE_MAX_BYTES, depth: VALUE_MAX_DEPTH }
    }

    /// Takes bytes from what is left.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            format!(
                "the value is larger than value_max_bytes ({VALUE_MAX_BYTES}) allows; pass on a part of it"
            )
        })?;
        Ok(())
    }

    /// Makes something one level further down.
    pub(super) fn below<T, E: From<TooDeep>>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.depth = self.depth.checked_sub(1).ok_or(TooDeep)?;
        let outcome = make(self);
        self.depth += 1;
        outcome
    }

    /// Takes what a whole JSON value needs: about as many bytes as its text has.
    pub(super) fn spend_json(&mut self, json: &Json) -> Result<(), String> {
        self.spend(8)?;
        match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
            Json::String(text) => self.spend(text.len()),
            Json::Array(items) => {
                self.below(|budget| items.iter().try_for_each(|item| budget.spend_json(item)))
            }
            Json::Object(fields) => self.below(|budget| {
                fields.iter().try_for_each(|(name, item)| {
                    budget.spend(name.len())?;
                    budget.spend_json(item)
                })
            }),
        }
    }
}

/// A value has more levels than [`VALUE_MAX_DEPTH`].
#[derive(Debug)]
pub(super) struct TooDeep;

impl From<TooDeep> for String {
    fn from(_: TooDeep) -> Self {
        format!("the value is nested deeper than value_max_depth ({VALUE_MAX_DEPTH}) allows; make it flatter")
    }
}

/// A value as JSON; what JSON cannot hold is an error.
pub(super) fn to_json(value: &Value, budget: &mut Budget) -> Result<Json, String> {
    if let Some(lazy) = value.downcast_object_ref::<Lazy>() {
        budget.spend_json(lazy.json())?;
        return Ok(lazy.json().clone());
    }
    budget.spend(8)?;
    match value.kind() {
        ValueKind::Undefined => {
            Err("it gives nothing; ask with `is defined`, or give a `default(…)`".to_owned())
        }
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number => number(value).map(Json::Number),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.spend(text.len())?;
            Ok(Json::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            budget.below(|budget| {
                items.map(|item| to_json(&item, budget)).collect::<Result<_, _>>().map(Json::Array)
            })
        }
        ValueKind::Map => budget.below(|budget| {
            let mut map = Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let name =
                    key.as_str().ok_or_else(|| format!("the key {key} is no text; JSON needs texts"))?;
                budget.spend(name.len())?;
                let item = value.get_item(&key).map_err(|error| error.to_string())?;
                map.insert(name.to_owned(), to_json(&item, budget)?);
            }
            Ok(Json::Object(map))
        }),
        ValueKind::Invalid => Err(match value.try_iter() {
            Err(error) => super::compiled::reason(&error),
            Ok(_) => "the value is invalid".to_owned(),
        }),
        ValueKind::Bytes | ValueKind::Plain | _ => Err(format!("{value} has no form in JSON")),
    }
}

/// Whole numbers stay exact within `i64` and `u64`.
fn number(value: &Value) -> Result<Number, String> {
    if value.is_integer() {
        return i64::try_from(value.clone())
            .map(Number::from)
            .or_else(|_| u64::try_from(value.clone()).map(Number::from))
            .map_err(|_| format!("the number {value} is too large"));
    }
    let float = f64::try_from(value.clone()).map_err(|error| error.to_string())?;
    Number::from_f64(float).ok_or_else(|| format!("{float} is no number in JSON"))
}
