//! An approval as people read it, and the commands that answer it.

use pawl_core::elicit::takes_form;
use pawl_core::view::OpenApproval;
use serde_json::Value;

use crate::inbox;
use crate::output::pretty;
use crate::place::Place;
use crate::summary::one_line;
use crate::values::quoted;

/// What is asked, about what, of whom, until when.
pub(crate) fn describe(open: &OpenApproval) -> String {
    let mut lines = vec![one_line(&open.title)];
    let mut row = |name: &str, text: &str| {
        let indented = text.replace('\n', "\n              ");
        lines.push(format!("  {name:<10}  {indented}"));
    };
    row("approval", open.id.as_str());
    if !open.to.is_empty() {
        row("asked of", &one_line(&open.to.join(", ")));
    }
    if let Some(subject) = &open.subject {
        row("about", &pretty(subject));
    }
    let fields = open.form.as_ref().map(fields).unwrap_or_default();
    if !fields.is_empty() {
        let fields: Vec<_> = fields.iter().map(Field::describe).collect();
        row("form", &fields.join(", "));
    }
    if !open.terms.labels.is_empty() {
        let labelled = |action: &String| match open.terms.labels.get(action) {
            Some(label) => format!("{} ({})", one_line(action), one_line(label)),
            None => one_line(action),
        };
        row("actions", &open.actions.iter().map(labelled).collect::<Vec<_>>().join(", "));
    }
    for (name, text) in inbox::rows(open) {
        row(name, &text);
    }
    if let Some(due) = open.due {
        let then = open.on_timeout.as_deref().map(|action| format!(", then {}", one_line(action)));
        row("due", &format!("{due}{}", then.unwrap_or_default()));
    }
    lines.join("\n")
}

/// A command for each action, with every field that must be filled in; the one that approves also
/// shows where a note goes.
pub(crate) fn commands(open: &OpenApproval, place: &Place) -> Vec<String> {
    let fields = open.form.as_ref().map(fields).unwrap_or_default();
    let command = |action: &String| {
        let named = matches!(action.as_str(), "approve" | "reject");
        let shown = |field: &&Field<'_>| field.required || (action == "approve" && field.kind() == "string");
        let mut words = if named {
            vec![action.clone(), open.id.to_string()]
        } else {
            vec!["answer".to_owned(), open.id.to_string(), quoted(action)]
        };
        if open.terms.reason.contains(action) {
            words.push("--comment WHY".to_owned());
        }
        let fields = fields.iter().filter(|_| takes_form(open, action));
        words.extend(fields.filter(shown).map(|field| format!("--data {}", field.example())));
        place.command(&words.join(" "))
    };
    open.actions.iter().map(command).collect()
}

/// A field of a form.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its schema.
    pub(crate) schema: &'a Value,
    /// Whether it must be filled in.
    pub(crate) required: bool,
}

/// The fields of a form; of one that is not an object, none.
pub(crate) fn fields(form: &Value) -> Vec<Field<'_>> {
    let required = form.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let properties = form.get("properties").and_then(Value::as_object);
    let field = |(name, schema)| {
        let name: &String = name;
        Field { name, schema, required: is_required(name) }
    };
    properties.into_iter().flatten().map(field).collect()
}

impl<'a> Field<'a> {
    /// Its type as JSON Schema names it, the first that is not `null`; empty where it says none.
    pub(crate) fn kind(&self) -> &'a str {
        match self.schema.get("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
            }
            _ => "",
        }
    }

    /// The values it can have, where they are listed.
    pub(crate) fn choices(&self) -> Option<&'a Vec<Value>> {
        self.schema.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty())
    }

    fn describe(&self) -> String {
        let kind = match self.kind() {
            "string" => "text",
            "" => "value",
            other => other,
        };
        let need = if self.required { "" } else { ", optional" };
        format!("{} ({}{need})", one_line(self.name), one_line(kind))
    }

    /// `note=ok`: something that the form accepts as far as its type goes.
    fn example(&self) -> String {
        let value = match (self.choices().and_then(|values| values.first()), self.kind()) {
            (Some(Value::String(text)), _) => text.clone(),
            (Some(value), _) => value.to_string(),
            (None, "number" | "integer") => {
                self.schema.get("minimum").map_or_else(|| "1".to_owned(), Value::to_string)
            }
            (None, "boolean") => "true".to_owned(),
            (None, "array") => "[]".to_owned(),
            (None, "object") => "{}".to_owned(),
            (None, _) => "ok".to_owned(),
        };
        quoted(&format!("{}={value}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn commands_fill_in_what_the_form_requires() {
        let open: OpenApproval = serde_json::from_value(json!({
            "id": "0123456789abcdefghjkmnpqrs", "run": "01890000-0000-7000-8000-000000000000",
            "workflow": "w", "step": "s", "title": "Go?\u{1b}[2J", "to": [], "created_at": 0,
            "actions": ["approve", "send back"], "subject": null, "due": 0, "on_timeout": "approve",
            "form": {
                "properties": {
                    "note": { "type": "string" }, "n": { "type": "number" }, "more": { "type": "string" },
                },
                "required": ["note", "n"],
            },
            "digest": "00".repeat(32),
        }))
        .unwrap();
        let place = Place::new(Some("my data".into()), crate::place::StoreAt::default(), false);
        assert_eq!(
            commands(&open, &place),
            [
                "pawl --data 'my data' approve 0123456789abcdefghjkmnpqrs --data more=ok --data n=1 --data note=ok",
                "pawl --data 'my data' answer 0123456789abcdefghjkmnpqrs 'send back' --data n=1 --data note=ok",
            ]
        );
        assert_eq!(
            describe(&open),
            "Go? [2J\n  approval    0123456789abcdefghjkmnpqrs\n  \
             form        more (text, optional), n (number), note (text)\n  \
             due         1970-01-01T00:00:00.000Z, then approve"
        );
    }
}
