//! Values that are kept elsewhere, and how they are kept out of everything.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::operator::{KeptValue, KeyPlace};
use pawl_core::{Failure, FailureKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

/// The longest value, in bytes.
const VALUE_MAX_BYTES: u64 = 16 << 10;
/// Shorter values are not looked for, in bytes: what they are stands in too many texts by chance.
pub(crate) const HIDDEN_MIN_BYTES: usize = 4;
/// What stands where a value was.
const HIDDEN: &str = "[key]";

/// A value that is kept elsewhere, with what comes before it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    prefix: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl Kept {
    pub(crate) fn new(value: &KeptValue, folder: &Path) -> Self {
        let place = match &value.place {
            KeyPlace::Env(name) => Place::Env(name.clone()),
            KeyPlace::File(path) => Place::File(folder.join(path)),
        };
        Self { prefix: value.prefix.clone(), place }
    }

    /// The value as it is now, with its prefix; from then on it is looked for.
    pub(crate) fn read(&self, what: &str, secrets: &Secrets) -> Result<String, Failure> {
        let (text, place) = match &self.place {
            Place::Env(name) => {
                (std::env::var(name).map_err(|error| error.to_string()), format!("the variable {name}"))
            }
            Place::File(path) => (read_file(path), format!("the file {}", path.display())),
        };
        let missing = |why: &str| {
            Failure::new(FailureKind::Denied, format!("{place}, which `{what}` in pawl.yaml names, {why}"))
        };
        let value = text.map_err(|reason| missing(&format!("cannot be read: {reason}")))?;
        let value = value.trim();
        if value.is_empty() {
            return Err(missing("is empty"));
        }
        if value.contains(char::is_control) {
            return Err(missing("holds more than a value: write the value and nothing else"));
        }
        secrets.learn(value);
        Ok(format!("{}{value}", self.prefix))
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > VALUE_MAX_BYTES {
        return Err(format!("it is no file of at most {VALUE_MAX_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The values that a server was given. `Debug` shows nothing of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<Vec<SecretString>>>);

impl Secrets {
    fn learn(&self, value: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if value.len() >= HIDDEN_MIN_BYTES && !known.iter().any(|known| known.expose_secret() == value) {
            known.push(SecretString::from(value));
            // The longest first: one may stand within another.
            known.sort_by_key(|known| std::cmp::Reverse(known.expose_secret().len()));
        }
    }

    /// A text without them.
    pub(crate) fn out_of(&self, mut text: String) -> String {
        for value in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let value = value.expose_secret();
            if text.contains(value) {
                text = text.replace(value, HIDDEN);
            }
        }
        text
    }

    /// A value without them.
    pub(crate) fn out_of_value(&self, value: Value) -> Value {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.out_of(text)),
            Value::Array(items) => items.into_iter().map(|item| self.out_of_value(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                let fields = fields.map(|(name, value)| (self.out_of(name), self.out_of_value(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => value,
        }
    }

    /// A failure without them.
    pub(crate) fn out_of_failure(&self, failure: Failure) -> Failure {
        Failure {
            message: self.out_of(failure.message),
            details: failure.details.map(|details| self.out_of_value(details)),
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(prefix: &str) -> KeptValue {
        KeptValue { prefix: prefix.to_owned(), place: KeyPlace::File("token".to_owned()) }
    }

    #[test]
    fn a_value_is_read_with_its_prefix_and_taken_out_of_everything() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("token"), text).unwrap();
        let secrets = Secrets::default();
        let token = Kept::new(&kept("Bearer "), folder.path());
        let missing = token.read("headers", &secrets).unwrap_err();
        assert_eq!(missing.kind, FailureKind::Denied);
        assert!(
            missing.message.contains("`headers` in pawl.yaml names, cannot be read"),
            "{}",
            missing.message
        );
        write(" tok-canary\n");
        assert_eq!(token.read("headers", &secrets).unwrap(), "Bearer tok-canary");
        write("tok-canary-2");
        assert_eq!(token.read("headers", &secrets).unwrap(), "Bearer tok-canary-2");
        assert!(!format!("{secrets:?}{token:?}").contains("canary"));
        assert_eq!(secrets.out_of("a tok-canary-2 b tok-canary".to_owned()), "a [key] b [key]");
        let value = json!({ "tok-canary": ["x tok-canary", 1, { "y": "tok-canary-2" }] });
        assert_eq!(secrets.out_of_value(value), json!({ "[key]": ["x [key]", 1, { "y": "[key]" }] }));
    }

    #[test]
    fn what_is_no_value_is_told_and_what_is_short_stays() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let token = Kept::new(&kept(""), folder.path());
        for (text, part) in
            [(" \n", "is empty"), ("a\nb", "nothing else"), (&"x".repeat(20_000), "at most 16384 bytes")]
        {
            std::fs::write(folder.path().join("token"), text).unwrap();
            let failure = token.read("env", &secrets).unwrap_err();
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        std::fs::write(folder.path().join("token"), "1").unwrap();
        assert_eq!(token.read("env", &secrets).unwrap(), "1");
        assert_eq!(secrets.out_of("11:11".to_owned()), "11:11");
    }
}
