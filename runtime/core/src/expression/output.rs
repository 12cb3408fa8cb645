//! From minijinja's values back to JSON, within a size.

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value as Json};

use super::lazy::Lazy;
use super::{TEMPLATE_MAX_DEPTH, VALUE_MAX_BYTES};

/// Values nested deeper than this come from no workflow.
const DEPTH_MAX: usize = 4 * TEMPLATE_MAX_DEPTH;

/// Takes bytes from what is left.
pub(super) fn spend(left: &mut usize, bytes: usize) -> Result<(), String> {
    *left = left.checked_sub(bytes).ok_or_else(|| {
        format!("the value is larger than value_max_bytes ({VALUE_MAX_BYTES}) allows; pass on a part of it")
    })?;
    Ok(())
}

/// A value as JSON; what JSON cannot hold is an error.
pub(super) fn to_json(value: &Value, left: &mut usize) -> Result<Json, String> {
    convert(value, left, DEPTH_MAX)
}

fn convert(value: &Value, left: &mut usize, depth: usize) -> Result<Json, String> {
    if let Some(lazy) = value.downcast_object_ref::<Lazy>() {
        spend(left, size(lazy.json()))?;
        return Ok(lazy.json().clone());
    }
    let Some(depth) = depth.checked_sub(1) else { return Err("the value is nested too deeply".to_owned()) };
    spend(left, 8)?;
    match value.kind() {
        ValueKind::Undefined => {
            Err("it gives nothing; ask with `is defined`, or give a `default(…)`".to_owned())
        }
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number => number(value).map(Json::Number),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            spend(left, text.len())?;
            Ok(Json::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            items.map(|item| convert(&item, left, depth)).collect::<Result<_, _>>().map(Json::Array)
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let name =
                    key.as_str().ok_or_else(|| format!("the key {key} is no text; JSON needs texts"))?;
                spend(left, name.len())?;
                let item = value.get_item(&key).map_err(|error| error.to_string())?;
                map.insert(name.to_owned(), convert(&item, left, depth)?);
            }
            Ok(Json::Object(map))
        }
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

/// About as many bytes as the JSON text has.
pub(super) fn size(json: &Json) -> usize {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len() + 8,
        Json::Array(items) => 8 + items.iter().map(size).sum::<usize>(),
        Json::Object(fields) => 8 + fields.iter().map(|(name, item)| name.len() + size(item)).sum::<usize>(),
    }
}
