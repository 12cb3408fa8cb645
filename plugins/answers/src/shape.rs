//! What an answer must be, and whether it is.
//!
//! A schema is checked whole or not taken: a keyword that is not known here is refused before the
//! model is asked, so that nobody rests on what is not checked.

use pawl_plugin::prelude::*;

/// Keywords that say nothing of what fits.
const SAYS: [&str; 7] = ["$schema", "$id", "title", "description", "default", "examples", "$comment"];
/// The types of JSON; `any` in short forms only.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
/// How deeply schemas may lie within each other.
const DEPTH_MAX: usize = 32;

/// What an answer must be: a JSON Schema that can be checked whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape(Value);

impl Shape {
    /// A JSON Schema of type object, or a short form, as it stands in `output`.
    pub fn new(written: Value) -> Result<Self, Failure> {
        Self::of("output", written)
    }

    /// The same, as it stands in another field.
    pub fn of(field: &str, written: Value) -> Result<Self, Failure> {
        let is_whole = written.get("type").and_then(Value::as_str) == Some("object");
        let schema = if is_whole { written } else { expand(field, &written)? };
        known(&schema, field, 0).map_err(Failure::invalid_input)?;
        Ok(Self(schema))
    }

    /// The schema, as models are given it.
    pub fn schema(&self) -> &Value {
        &self.0
    }

    /// The value that a text is, if it fits.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value =
            serde_json::from_str(unfenced(text)).map_err(|error| format!("it is no JSON: {error}"))?;
        self.check("the answer", &value).map(|()| value)
    }

    /// Whether a value fits; `what` begins the reason why it does not.
    pub fn check(&self, what: &str, value: &Value) -> Result<(), String> {
        fits(&self.0, value, what)
    }
}

/// Models like to put JSON into a block of Markdown.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

fn expand(field: &str, written: &Value) -> Result<Value, Failure> {
    let wrong = || {
        Failure::invalid_input(format!(
            "`{field}` is neither a JSON Schema of type object nor a short form such as {{\"total\": \"number\"}}"
        ))
    };
    let fields = written.as_object().filter(|fields| !fields.is_empty()).ok_or_else(wrong)?;
    let mut properties = serde_json::Map::new();
    for (name, kind) in fields {
        let schema = match kind.as_str() {
            Some("any") => json!({}),
            Some(kind) if TYPES.contains(&kind) => json!({ "type": kind }),
            _ => return Err(wrong()),
        };
        properties.insert(name.clone(), schema);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    Ok(json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    }))
}

/// Whether all of a schema can be checked here.
fn known(schema: &Value, at: &str, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{at}: schemas lie more than {DEPTH_MAX} deep"));
    }
    let fields = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(fields) => fields,
        _ => return Err(format!("{at} is no schema")),
    };
    let deeper = |schema: &Value, at: String| known(schema, &at, depth + 1);
    for (keyword, value) in fields {
        let at = format!("{at}.{keyword}");
        let good = match keyword.as_str() {
            "type" => types(value).is_some(),
            "enum" | "required" => value.is_array(),
            "const" => true,
            "minimum" | "maximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "items" | "additionalProperties" => {
                deeper(value, at.clone())?;
                true
            }
            "properties" => match value.as_object() {
                Some(all) => {
                    all.iter().try_for_each(|(name, schema)| deeper(schema, format!("{at}.{name}")))?;
                    true
                }
                None => false,
            },
            "anyOf" => match value.as_array() {
                Some(all) => {
                    all.iter().try_for_each(|schema| deeper(schema, at.clone()))?;
                    true
                }
                None => false,
            },
            other => {
                if SAYS.contains(&other) {
                    continue;
                }
                return Err(format!("{at}: the agent cannot check this keyword; leave it out"));
            }
        };
        if !good {
            return Err(format!("{at} is not what JSON Schema has there"));
        }
    }
    Ok(())
}

/// The names of `type`, if they are types.
fn types(value: &Value) -> Option<Vec<&str>> {
    let names: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    names.iter().all(|name| TYPES.contains(name)).then_some(names)
}

fn fits(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fields = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(fields) => fields,
        _ => return Err(format!("{at} must not be there")),
    };
    for (keyword, rule) in fields {
        keyword_fits(fields, keyword, rule, value, at)?;
    }
    Ok(())
}

fn keyword_fits(
    schema: &serde_json::Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let told = |good: bool, what: String| if good { Ok(()) } else { Err(format!("{at} {what}")) };
    let count = |found: Option<usize>, holds: fn(u64, u64) -> bool| {
        found.is_none_or(|found| rule.as_u64().is_none_or(|limit| holds(found as u64, limit)))
    };
    let length = value.as_str().map(|text| text.chars().count());
    let items = value.as_array().map(Vec::len);
    let number = |holds: fn(f64, f64) -> bool| {
        value.as_f64().is_none_or(|found| rule.as_f64().is_none_or(|limit| holds(found, limit)))
    };
    match keyword {
        "type" => {
            let names = types(rule).unwrap_or_default();
            told(
                names.iter().any(|name| is_of(value, name)),
                format!("must be of type {}", names.join(" or ")),
            )
        }
        "enum" => {
            let all = rule.as_array().map_or(&[][..], Vec::as_slice);
            told(all.contains(value), format!("must be one of {rule}"))
        }
        "const" => told(rule == value, format!("must be {rule}")),
        "minimum" => told(number(|found, limit| found >= limit), format!("must be at least {rule}")),
        "maximum" => told(number(|found, limit| found <= limit), format!("must be at most {rule}")),
        "minLength" => {
            told(count(length, |n, limit| n >= limit), format!("must have at least {rule} characters"))
        }
        "maxLength" => {
            told(count(length, |n, limit| n <= limit), format!("must have at most {rule} characters"))
        }
        "minItems" => told(count(items, |n, limit| n >= limit), format!("must have at least {rule} items")),
        "maxItems" => told(count(items, |n, limit| n <= limit), format!("must have at most {rule} items")),
        "items" => {
            let all = value.as_array().map_or(&[][..], Vec::as_slice);
            all.iter().enumerate().try_for_each(|(index, item)| fits(rule, item, &format!("{at}[{index}]")))
        }
        "required" => {
            let names = rule.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
            let lacking =
                value.as_object().and_then(|fields| names.clone().find(|name| !fields.contains_key(*name)));
            told(lacking.is_none(), format!("needs the field {:?}", lacking.unwrap_or_default()))
        }
        "properties" => {
            let Some((rules, fields)) = rule.as_object().zip(value.as_object()) else { return Ok(()) };
            let both = fields.iter().filter_map(|(name, value)| Some((name, rules.get(name)?, value)));
            both.into_iter().try_for_each(|(name, rule, value)| fits(rule, value, &format!("{at}.{name}")))
        }
        "additionalProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            let Some(fields) = value.as_object() else { return Ok(()) };
            let others =
                fields.iter().filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name)));
            others.into_iter().try_for_each(|(name, value)| fits(rule, value, &format!("{at}.{name}")))
        }
        "anyOf" => {
            let all = rule.as_array().map_or(&[][..], Vec::as_slice);
            told(all.iter().any(|schema| fits(schema, value, at).is_ok()), "fits none of `anyOf`".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_form_is_a_schema_that_has_every_field() {
        let shape = Shape::new(json!({ "total": "number", "more": "any" })).unwrap();
        assert_eq!(shape.read("{\"total\": 1, \"more\": []}"), Ok(json!({ "total": 1, "more": [] })));
        assert_eq!(
            shape.read("```json\n{\"total\": 1.5, \"more\": null}\n```"),
            Ok(json!({ "total": 1.5, "more": null }))
        );
        for (text, part) in [
            ("total", "it is no JSON"),
            ("{}", "the answer needs the field"),
            ("{\"total\": \"1\", \"more\": 1}", "the answer.total must be of type number"),
            ("{\"total\": 1, \"more\": 1, \"x\": 1}", "the answer.x must not be there"),
        ] {
            let wrong = shape.read(text).unwrap_err();
            assert!(wrong.contains(part), "{text}: {wrong}");
        }
    }

    #[test]
    fn every_known_keyword_is_checked() {
        let cases = [
            (json!({ "enum": [1, "a"] }), json!("a"), json!("b")),
            (json!({ "const": 1 }), json!(1), json!(2)),
            (json!({ "type": ["string", "null"] }), json!(null), json!(1)),
            (json!({ "type": "integer" }), json!(2.0), json!(2.5)),
            (json!({ "type": "boolean" }), json!(true), json!("true")),
            (json!({ "minimum": 1 }), json!(1), json!(0)),
            (json!({ "maximum": 1 }), json!(1), json!(1.5)),
            (json!({ "minLength": 2 }), json!("äb"), json!("ä")),
            (json!({ "maxLength": 1 }), json!("ä"), json!("äb")),
            (json!({ "minItems": 1 }), json!([1]), json!([])),
            (json!({ "maxItems": 1 }), json!([1]), json!([1, 2])),
            (json!({ "items": { "type": "string" } }), json!(["a"]), json!(["a", 1])),
            (json!({ "anyOf": [{ "type": "string" }, { "minimum": 5 }] }), json!(5), json!(4)),
            (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 })),
            (json!({ "properties": { "a": { "const": 1 } } }), json!({ "a": 1, "b": 2 }), json!({ "a": 2 })),
            (json!({ "additionalProperties": { "const": 1 } }), json!({ "a": 1 }), json!({ "a": 2 })),
        ];
        for (rule, good, bad) in cases {
            let schema = json!({ "type": "object", "properties": { "x": rule } });
            let shape = Shape::new(schema).unwrap();
            let read = |value: &Value| shape.read(&json!({ "x": value }).to_string());
            assert!(read(&good).is_ok(), "{rule}: {good}");
            assert!(read(&bad).is_err(), "{rule}: {bad}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused_before_anything_is_asked() {
        for wrong in [
            json!({}),
            json!("string"),
            json!({ "total": "money" }),
            json!({ "type": "object", "patternProperties": {} }),
            json!({ "type": "object", "properties": { "a": { "pattern": "x" } } }),
            json!({ "type": "object", "properties": 1 }),
            json!({ "type": "object", "properties": { "a": { "type": "money" } } }),
        ] {
            assert_eq!(Shape::new(wrong.clone()).unwrap_err().kind, FailureKind::InvalidInput, "{wrong}");
        }
        let mut deep = json!({ "type": "object" });
        for _ in 0..=DEPTH_MAX {
            deep = json!({ "type": "object", "properties": { "a": deep } });
        }
        assert!(Shape::new(deep).unwrap_err().message.contains("32 deep"));
    }
}
