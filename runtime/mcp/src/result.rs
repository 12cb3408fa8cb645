//! What a tool of a server gives, as JSON: `text`, and where there is such, `structured` and `content`.

use pawl_core::call::CallResponse;
use pawl_core::{Failure, FailureKind};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};

/// The longest that an error of a tool may say, in bytes; the rest is cut off.
const ERROR_MAX_BYTES: usize = 16 << 10;

/// A result as a run records it, or the tool's own failure.
///
/// All texts are one, with line breaks between them; what is no text (images, sounds, resources, links) stays as
/// the server sent it, in its order.
pub(crate) fn response(result: CallToolResult) -> CallResponse {
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    for block in result.content {
        match block {
            ContentBlock::Text(text) => texts.push(text.text),
            other => others.push(serde_json::to_value(other).unwrap_or_default()),
        }
    }
    let text = texts.join("\n");
    if result.is_error == Some(true) {
        let message = if text.trim().is_empty() {
            "the tool failed, and does not say why".to_owned()
        } else {
            cut(text, ERROR_MAX_BYTES)
        };
        return Err(Failure {
            details: result.structured_content,
            ..Failure::new(FailureKind::Permanent, message)
        });
    }
    let mut fields = Map::from_iter([("text".to_owned(), Value::String(text))]);
    fields.extend(result.structured_content.map(|structured| ("structured".to_owned(), structured)));
    if !others.is_empty() {
        fields.insert("content".to_owned(), Value::Array(others));
    }
    Ok(Value::Object(fields))
}

/// The schema of such a result, of a tool that says what `structured` is, or does not.
pub(crate) fn schema(structured: Option<Value>) -> Value {
    let required = if structured.is_some() { json!(["text", "structured"]) } else { json!(["text"]) };
    json!({
        "type": "object",
        "properties": {
            "text": { "type": "string" },
            "structured": structured.map_or_else(|| json!({}), |schema| moved(schema, true)),
            "content": { "type": "array", "items": { "type": "object" } },
        },
        "required": required,
        "additionalProperties": false,
    })
}

/// Where the schema of `structured` stands.
const PLACE: &str = "#/properties/structured";

/// A schema that stands within another: what it refers to of itself has moved. It has the dialect and the name
/// of the whole.
fn moved(schema: Value, is_top: bool) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields =
                fields.into_iter().filter(|(name, _)| !is_top || (name != "$schema" && name != "$id"));
            let fields = fields.map(|(name, value)| match value {
                Value::String(to) if name == "$ref" => {
                    let to = to.strip_prefix('#').map_or(to.clone(), |rest| format!("{PLACE}{rest}"));
                    (name, Value::String(to))
                }
                value => (name, moved(value, false)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| moved(item, false)).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The first part of a text, whole characters.
pub(crate) fn cut(text: String, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text;
    }
    format!("{}…", &text[..text.floor_char_boundary(max_bytes)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::definition::Schema;

    fn read(result: Value) -> CallResponse {
        response(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn texts_are_one_and_all_else_stays_as_it_was_sent() {
        let image = json!({ "type": "image", "data": "aGk=", "mimeType": "image/png" });
        let link = json!({ "type": "resource_link", "uri": "file:///a", "name": "a" });
        let resource = json!({ "type": "resource", "resource": { "uri": "file:///a", "text": "t" } });
        let given = json!({ "content": [
            { "type": "text", "text": "one" }, image, { "type": "text", "text": "two" }, resource, link,
        ] });
        let expected = json!({ "text": "one\ntwo", "content": [image, resource, link] });
        assert_eq!(read(given), Ok(expected.clone()));
        assert_eq!(Schema::new(schema(None)).unwrap().problems(&expected), Vec::<String>::new());
        let structured = json!({ "content": [], "structuredContent": { "n": 1 } });
        assert_eq!(read(structured), Ok(json!({ "text": "", "structured": { "n": 1 } })));
    }

    #[test]
    fn an_error_of_a_tool_is_a_failure_with_its_words() {
        let said = read(json!({ "content": [{ "type": "text", "text": "no such file" }], "isError": true }));
        assert_eq!(said, Err(Failure::new(FailureKind::Permanent, "no such file")));
        let silent =
            read(json!({ "content": [], "isError": true, "structuredContent": { "code": 5 } })).unwrap_err();
        assert!(silent.message.contains("does not say why") && silent.details == Some(json!({ "code": 5 })));
        let long = "ä".repeat(ERROR_MAX_BYTES);
        let long =
            read(json!({ "content": [{ "type": "text", "text": long }], "isError": true })).unwrap_err();
        assert!(long.message.len() <= ERROR_MAX_BYTES + 3 && long.message.ends_with("ä…"));
    }

    #[test]
    fn a_schema_of_a_server_refers_to_itself_where_it_stands_now() {
        let own = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$id": "https://example.com/tree",
            "type": "object",
            "properties": { "leaf": { "$ref": "#/definitions/leaf" }, "below": { "$ref": "#" } },
            "required": ["leaf"],
            "definitions": { "leaf": { "type": "integer" } },
        });
        let schema = Schema::new(schema(Some(own))).unwrap();
        let good = json!({ "text": "", "structured": { "leaf": 1, "below": { "leaf": 2 } } });
        assert_eq!(schema.problems(&good), Vec::<String>::new());
        for bad in [
            json!({ "text": "" }),
            json!({ "text": "", "structured": { "leaf": "x" } }),
            json!({ "text": "", "structured": { "leaf": 1, "below": { "leaf": "x" } } }),
        ] {
            assert_eq!(schema.problems(&bad).len(), 1, "{bad}");
        }
    }
}
