//! Whether a value can be checked against a schema in time that grows with the value alone.
//!
//! A schema can apply the same part of itself to the same place of a value
//! many times: `allOf` of two references doubles the work, and a chain or a
//! cycle of such doubles it at each level. This follows a value downwards and
//! counts, for each place that a value can have, how often each part of the
//! schema is applied there. Places to which the same parts are applied equally
//! often are the same place, so a recursive schema comes to an end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

/// The most parts of a schema, repeated ones included, that are applied to one place of a value.
const APPLIED_MAX: usize = 2_000;
/// The most parts that are applied while all places are looked at.
const LOOKED_AT_MAX: usize = 100_000;
/// So many bytes of a text are as much work as a value of another kind.
const TEXT_BYTES: usize = 64;
/// How many references in a row lead somewhere.
const REFERENCES_MAX: usize = 64;

/// The parts that are applied to one place, by their number, and how often each is.
type Place = BTreeMap<usize, usize>;

/// How much work one place of a value makes at most, or why a schema is not taken.
pub(super) fn check(root: &Value) -> Result<usize, String> {
    let mut cost = Cost {
        root,
        parts: Vec::new(),
        own: Vec::new(),
        numbers: HashMap::new(),
        applied: 0,
        looked_at: 0,
        work: 0,
        work_max: 0,
    };
    let mut first = Place::new();
    cost.apply(root, 1, &mut first, 0)?;
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let mut places = vec![first];
    while let Some(place) = places.pop() {
        if seen.contains(&place) {
            continue;
        }
        cost.places_below(&place, &mut places)?;
        seen.insert(place);
    }
    Ok(cost.work_max)
}

struct Cost<'s> {
    root: &'s Value,
    /// Every part met so far.
    parts: Vec<&'s Value>,
    /// What each has of its own to look at: names, values, patterns.
    own: Vec<usize>,
    /// The number of each, by where it stands in memory.
    numbers: HashMap<*const Value, usize>,
    /// How many parts were applied to the place at hand.
    applied: usize,
    /// And to all places.
    looked_at: usize,
    /// What all parts that were applied to the place at hand have to look at.
    work: usize,
    /// The most at any place.
    work_max: usize,
}

impl<'s> Cost<'s> {
    /// Applies a part to a place, with all that it applies to the same place.
    fn apply(
        &mut self,
        part: &'s Value,
        times: usize,
        place: &mut Place,
        depth: usize,
    ) -> Result<(), String> {
        if depth > REFERENCES_MAX {
            return Err("its references go round in a circle or are nested too deeply".to_owned());
        }
        if !part.is_object() {
            return Ok(());
        }
        self.applied = self.applied.saturating_add(times);
        self.looked_at += 1;
        if self.applied > APPLIED_MAX {
            return Err(format!(
                "it applies more than {APPLIED_MAX} parts of itself to one place of a value; make it simpler"
            ));
        }
        if self.looked_at > LOOKED_AT_MAX {
            return Err("too many of its parts apply to each other; make it simpler".to_owned());
        }
        let number = *self.numbers.entry(std::ptr::from_ref(part)).or_insert_with(|| {
            self.parts.push(part);
            self.own.push(own(part));
            self.parts.len() - 1
        });
        let own = self.own.get(number).copied().unwrap_or(1);
        self.work = self.work.saturating_add(own.saturating_mul(times));
        self.work_max = self.work_max.max(self.work);
        *place.entry(number).or_default() += times;
        if part.get("$dynamicRef").is_some() || part.get("$recursiveRef").is_some() {
            return Err("dynamic references are not taken; write `$ref`".to_owned());
        }
        if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            let Some(target) = target else {
                return Err(format!("only references within the schema are taken, `#/…`, not '{reference}'"));
            };
            self.apply(target, times, place, depth + 1)?;
        }
        for other in at_same_place(part) {
            self.apply(other, times, place, depth + 1)?;
        }
        Ok(())
    }

    /// The places below a place: fields that are named, other fields, items that have a schema of their own, other items.
    fn places_below(&mut self, place: &Place, places: &mut Vec<Place>) -> Result<(), String> {
        let applied: Vec<(usize, &'s Value)> =
            place.iter().filter_map(|(number, times)| Some((*times, *self.parts.get(*number)?))).collect();
        let fields = applied.iter().filter_map(|(_, part)| part.get("properties")?.as_object());
        let names: BTreeSet<&str> = fields.flat_map(|fields| fields.keys().map(String::as_str)).collect();
        let firsts = applied.iter().filter_map(|(_, part)| part.get("prefixItems")?.as_array()).map(Vec::len);
        let firsts = firsts.max().unwrap_or_default();
        let fields = names.into_iter().map(Below::Field).chain([Below::OtherField]);
        for below in fields.chain((0..firsts).map(Below::Item)).chain([Below::OtherItem]) {
            let mut place = Place::new();
            (self.applied, self.work) = (0, 0);
            for (times, part) in &applied {
                for other in at_place_below(part, below) {
                    self.apply(other, *times, &mut place, 0)?;
                }
            }
            if !place.is_empty() {
                places.push(place);
            }
        }
        Ok(())
    }
}

/// What a part has to look at itself: the parts within it count where they are applied.
fn own(part: &Value) -> usize {
    let Some(keywords) = part.as_object() else { return 1 };
    let of = |(keyword, value): (&String, &Value)| match keyword.as_str() {
        "title" | "description" | "default" | "examples" | "$comment" | "$defs" | "definitions" => 0,
        "properties" | "patternProperties" | "dependentSchemas" | "allOf" | "anyOf" | "oneOf"
        | "prefixItems" => {
            value.as_object().map_or(0, serde_json::Map::len) + value.as_array().map_or(0, Vec::len)
        }
        "not"
        | "if"
        | "then"
        | "else"
        | "items"
        | "contains"
        | "additionalProperties"
        | "propertyNames"
        | "unevaluatedItems"
        | "unevaluatedProperties" => 1,
        _ => nodes(value),
    };
    1 + keywords.iter().map(of).sum::<usize>()
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many places a value has, long texts counted more than once; nothing when there are more than `max`.
pub(super) fn places_of(value: &Value, max: usize) -> Option<usize> {
    let mut left = max;
    counted(value, &mut left).then(|| max - left)
}

fn counted(value: &Value, left: &mut usize) -> bool {
    let take = |left: &mut usize, bytes: usize| {
        left.checked_sub(1 + bytes / TEXT_BYTES).map(|rest| *left = rest).is_some()
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => take(left, 0),
        Value::String(text) => take(left, text.len()),
        Value::Array(items) => take(left, 0) && items.iter().all(|item| counted(item, left)),
        Value::Object(fields) => {
            take(left, 0) && fields.iter().all(|(name, item)| take(left, name.len()) && counted(item, left))
        }
    }
}

/// A place right below another one.
#[derive(Debug, Clone, Copy)]
enum Below<'s> {
    Field(&'s str),
    OtherField,
    Item(usize),
    OtherItem,
}

/// What a part applies to the place that it is applied to.
fn at_same_place(part: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|keyword| part.get(keyword)?.as_array());
    let ones = ["not", "if", "then", "else"].into_iter().filter_map(|keyword| part.get(keyword));
    let maps = part.get("dependentSchemas").and_then(Value::as_object);
    lists.flatten().chain(ones).chain(maps.into_iter().flat_map(|map| map.values()))
}

/// What a part applies to a place below the one that it is applied to.
fn at_place_below<'s>(part: &'s Value, below: Below<'_>) -> impl Iterator<Item = &'s Value> {
    let own = match below {
        Below::Field(name) => part.get("properties").and_then(|fields| fields.get(name)),
        Below::Item(index) => part.get("prefixItems").and_then(|items| items.get(index)),
        Below::OtherField | Below::OtherItem => None,
    };
    let (every, patterns): (&[&str], _) = match below {
        Below::Field(_) | Below::OtherField => (
            &["additionalProperties", "propertyNames", "unevaluatedProperties"],
            part.get("patternProperties").and_then(Value::as_object),
        ),
        Below::Item(_) | Below::OtherItem => (&["items", "contains", "unevaluatedItems"], None),
    };
    let every = every.iter().filter_map(|keyword| part.get(*keyword));
    own.into_iter().chain(every).chain(patterns.into_iter().flat_map(|map| map.values()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A chain in which each part applies the next one twice, `levels` long.
    fn doubling(levels: usize, last: &Value) -> Value {
        let mut defs = serde_json::Map::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            defs.insert(format!("d{level}"), json!({ "allOf": [next, next] }));
        }
        defs.insert(format!("d{levels}"), last.clone());
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    }

    #[test]
    fn work_that_doubles_is_refused_and_recursion_is_not() {
        let this = json!({ "$ref": "#" });
        let cases = [
            ("true", json!(true), true),
            ("a chain of a few", doubling(5, &json!({})), true),
            ("a chain of many", doubling(40, &json!({})), false),
            ("a list", json!({ "properties": { "next": this } }), true),
            (
                "a tree",
                json!({ "properties": { "left": this, "right": this, "all": { "items": this } } }),
                true,
            ),
            (
                "any JSON",
                json!({ "anyOf": [{ "type": "string" }, { "items": this }, { "additionalProperties": this }] }),
                true,
            ),
            ("a pair", json!({ "prefixItems": [this, this], "items": false }), true),
            (
                "doubled with each level",
                json!({ "properties": { "next": { "allOf": [this, this] } } }),
                false,
            ),
            ("doubled by two lists", json!({ "allOf": [{ "items": this }, { "items": this }] }), false),
            ("round in a circle", json!({ "allOf": [this] }), false),
            ("elsewhere", json!({ "$ref": "other.json" }), false),
            ("dynamic", json!({ "$dynamicRef": "#x" }), false),
        ];
        for (name, schema, taken) in cases {
            let checked = check(&schema);
            assert_eq!(checked.is_ok(), taken, "{name}: {checked:?}");
        }
    }

    #[test]
    fn what_a_place_makes_of_work_is_that_of_all_parts_which_apply_to_it() {
        let many = json!((0..100).collect::<Vec<_>>());
        let cases = [
            (json!(true), 0),
            (json!({}), 1),
            (json!({ "description": ["a", "b"], "type": "string" }), 2),
            (json!({ "enum": many }), 102),
            (json!({ "items": { "enum": many } }), 102),
            (json!({ "items": { "allOf": [{ "enum": many }, { "enum": many }] } }), 207),
            (json!({ "dependentRequired": { "a": many } }), 103),
        ];
        for (schema, work) in cases {
            assert_eq!(check(&schema), Ok(work), "{schema}");
        }
        assert_eq!(places_of(&json!({ "a": [1, "x".repeat(TEXT_BYTES)] }), 10), Some(6));
        assert_eq!(places_of(&json!([1, 2, 3]), 3), None);
    }
}
