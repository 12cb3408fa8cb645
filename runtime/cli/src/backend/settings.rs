//! `--set`: a value of a run that shall be another, `inputs.amount=5` or `steps.order.output.id=A-1`.

use pawl_core::StepId;
use pawl_core::fork::{Change, put};
use serde_json::Value;

use crate::fault::Fault;
use crate::values;

/// What was set, in order.
#[derive(Debug, PartialEq)]
pub(super) struct Settings {
    changes: Vec<Change>,
}

impl Settings {
    /// Reads `PATH=VALUE`, an input as its schema wants it, anything else as JSON where it is JSON.
    pub(super) fn parse(settings: &[String], inputs: &Value) -> Result<Self, Fault> {
        let changes = settings.iter().map(|setting| parse(setting, inputs)).collect::<Result<_, _>>()?;
        Ok(Self { changes })
    }

    /// Everything that was set.
    pub(super) fn changes(self) -> Vec<Change> {
        self.changes
    }

    /// Inputs with what was set, where nothing else can be.
    pub(super) fn inputs(self, mut inputs: Value) -> Result<Value, Fault> {
        for Change { step, path, value } in self.changes {
            if let Some(step) = step {
                return Err(Fault::usage(format!(
                    "a run from the start has no output of step '{step}' to set"
                ))
                .hint("`pawl fork RUN --at SEQ --set steps.x.output=VALUE` starts from a later place"));
            }
            put(&mut inputs, &path, value).map_err(|why| Fault::usage(format!("inputs: {why}")))?;
        }
        Ok(inputs)
    }
}

fn parse(setting: &str, inputs: &Value) -> Result<Change, Fault> {
    let unknown = || {
        Fault::usage(format!("'{setting}' sets nothing that a run has"))
            .hint("write inputs.NAME=VALUE, or steps.ID.output=VALUE, or steps.ID.output.FIELD=VALUE")
    };
    let (path, text) = setting.split_once('=').ok_or_else(unknown)?;
    let parts: Vec<&str> = path.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(unknown());
    }
    let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
    match parts.as_slice() {
        ["inputs", name] => {
            let value = values::read(Some(inputs), name, text)?;
            Ok(Change { step: None, path: owned(&[name]), value })
        }
        ["inputs", path @ ..] if !path.is_empty() => {
            Ok(Change { step: None, path: owned(path), value: json_or_text(text) })
        }
        ["steps", id, "output", path @ ..] => {
            Ok(Change { step: Some(StepId::new(*id)), path: owned(path), value: json_or_text(text) })
        }
        _ => Err(unknown()),
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_is_read_as_what_it_sets() {
        let schema = json!({ "properties": { "note": { "type": "string" }, "n": { "type": "number" } } });
        let change = |step: Option<&str>, path: &[&str], value| Change {
            step: step.map(StepId::new),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            value,
        };
        let cases = [
            ("inputs.note=5", Some(change(None, &["note"], json!("5")))),
            ("inputs.n=5", Some(change(None, &["n"], json!(5)))),
            ("inputs.n=five", None),
            ("inputs.deep.n=5", Some(change(None, &["deep", "n"], json!(5)))),
            ("steps.a.output=5", Some(change(Some("a"), &[], json!(5)))),
            ("steps.a.output.b.0=x=y", Some(change(Some("a"), &["b", "0"], json!("x=y")))),
            ("steps.a.output.b=\"5\"", Some(change(Some("a"), &["b"], json!("5")))),
            ("steps.a=5", None),
            ("inputs=5", None),
            ("inputs..n=5", None),
            ("vars.n=5", None),
            ("inputs.n", None),
        ];
        for (text, expected) in cases {
            let parsed = Settings::parse(&[text.to_owned()], &schema).ok().map(Settings::changes);
            assert_eq!(parsed, expected.map(|change| vec![change]), "{text}");
        }
    }
}
