//! The page behind a link: what is asked, and a form that works without scripts.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use pawl_core::view::OpenApproval;
use serde_json::{Map, Value};

/// What is used beside: styles in the page itself, and nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;\
color-scheme:light dark}pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:6px;white-space:pre-wrap}\
label{display:block;margin:.75rem 0}input:not([type=checkbox]),select,textarea{display:block;width:100%;font:inherit;\
padding:.4rem;box-sizing:border-box}button{font:inherit;padding:.5rem 1.25rem;margin:1rem .5rem 0 0}";

/// A text within a page.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What turns the direction of a text can make it say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A page that only says something.
pub(super) fn says(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>", escaped(text)))
}

/// What is asked, with the form. `problems` are those of what was sent before.
pub(super) fn asks(
    status: StatusCode,
    open: &OpenApproval,
    who: &str,
    form_token: &str,
    problems: Option<&str>,
) -> Response {
    let mut body = String::new();
    if let Some(problems) = problems {
        let _ = write!(body, "<p role=\"alert\"><strong>{}</strong></p>", escaped(problems));
    }
    let _ = write!(
        body,
        "<p>Step <b>{}</b> of <b>{}</b> asks {}.</p>",
        escaped(open.step.as_str()),
        escaped(&open.workflow),
        escaped(who)
    );
    if let Some(subject) = &open.subject {
        let text = serde_json::to_string_pretty(subject).unwrap_or_default();
        let _ = write!(body, "<p>What the answer allows:</p><pre>{}</pre>", escaped(&text));
    }
    if let Some(due) = open.due {
        let _ = write!(body, "<p>Due {}.</p>", escaped(&due.to_string()));
    }
    let _ = write!(
        body,
        "<form method=\"post\"><input type=\"hidden\" name=\"_form\" value=\"{}\">{}",
        escaped(form_token),
        fields(open.form.as_ref())
    );
    body.push_str(
        "<label>Comment<textarea name=\"_comment\" rows=\"2\" maxlength=\"2000\"></textarea></label>",
    );
    for action in &open.actions {
        let action = escaped(action);
        let _ = write!(body, "<button name=\"_action\" value=\"{action}\">{action}</button>");
    }
    body.push_str("</form>");
    page(status, &open.title, &body)
}

fn properties(form: Option<&Value>) -> Map<String, Value> {
    form.and_then(|form| form.get("properties")?.as_object().cloned()).unwrap_or_default()
}

fn fields(form: Option<&Value>) -> String {
    let required: Vec<&str> = form
        .and_then(|form| form.get("required")?.as_array())
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut html = String::new();
    for (name, schema) in properties(form) {
        let label = schema.get("title").and_then(Value::as_str).unwrap_or(&name);
        let mark = if required.contains(&name.as_str()) { " *" } else { "" };
        let (name, label) = (escaped(&name), escaped(label));
        let default = schema.get("default").map(plain).unwrap_or_default();
        let value = escaped(&default);
        let field = match (schema.get("enum").and_then(Value::as_array), kind(&schema)) {
            (Some(choices), _) => {
                let mut options = String::from("<option value=\"\"></option>");
                for choice in choices.iter().map(plain) {
                    let chosen = if choice == default { " selected" } else { "" };
                    let choice = escaped(&choice);
                    let _ = write!(options, "<option{chosen} value=\"{choice}\">{choice}</option>");
                }
                format!("<select name=\"{name}\">{options}</select>")
            }
            (None, "boolean") => {
                let checked = if default == "true" { " checked" } else { "" };
                format!("<input type=\"checkbox\" name=\"{name}\" value=\"true\"{checked}>")
            }
            (None, "number" | "integer") => {
                format!("<input type=\"number\" step=\"any\" name=\"{name}\" value=\"{value}\">")
            }
            (None, "string") => format!("<input type=\"text\" name=\"{name}\" value=\"{value}\">"),
            (None, _) => format!("<textarea name=\"{name}\" rows=\"3\">{value}</textarea> as JSON"),
        };
        let _ = write!(html, "<label>{label}{mark} {field}</label>");
    }
    html
}

fn kind(schema: &Value) -> &str {
    schema.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What was filled in, as the form's schema wants it. What cannot be read stays a text: the run says what is wrong.
pub(super) fn filled(form: Option<&Value>, pairs: &[(String, String)]) -> Value {
    let mut data = Map::new();
    for (name, schema) in properties(form) {
        let text = pairs.iter().find(|(key, _)| *key == name).map(|(_, text)| text.as_str());
        let kind = kind(&schema);
        let value = match text {
            None if kind == "boolean" => Value::from(false),
            // What was left empty was not filled in.
            None | Some("") => continue,
            Some(text) if kind == "string" => text.into(),
            Some(text) => {
                let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
                let chosen = choices.into_iter().find(|choice| plain(choice) == text).cloned();
                chosen.or_else(|| serde_json::from_str(text).ok()).unwrap_or_else(|| text.into())
            }
        };
        data.insert(name, value);
    }
    data.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_stays_a_text() {
        let form = json!({ "properties": { "a\"><script>": { "title": "<b>", "default": "'\"&" } } });
        let html = fields(Some(&form));
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert_eq!(escaped("a\u{202e}b"), "a\u{fffd}b");
    }

    #[test]
    fn a_form_is_read_as_its_schema_wants_it() {
        let form = json!({ "properties": {
            "note": { "type": "string" }, "n": { "type": "integer" }, "ok": { "type": "boolean" },
            "no": { "type": "boolean" }, "level": { "enum": [1, "high"] }, "list": { "type": "array" },
            "empty": { "type": "string" },
        } });
        let pairs = [
            ("note", "5"),
            ("n", "7"),
            ("ok", "true"),
            ("level", "1"),
            ("list", "[1]"),
            ("empty", ""),
            ("x", "1"),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let wanted = json!({ "note": "5", "n": 7, "ok": true, "no": false, "level": 1, "list": [1] });
        assert_eq!(filled(Some(&form), &pairs), wanted);
        assert_eq!(filled(None, &pairs), json!({}));
    }
}
