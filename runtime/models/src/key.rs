//! Keys: where they are, and how they are kept out of everything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pawl_core::operator::KeyPlace;
use pawl_core::{Failure, FailureKind};
use secrecy::{ExposeSecret as _, SecretString};

/// The longest key, in bytes.
const KEY_MAX_BYTES: u64 = 16 << 10;
/// What stands where a key was.
const HIDDEN: &str = "[key]";

/// Where a key is.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl KeySource {
    pub(crate) fn new(place: &KeyPlace, folder: &Path) -> Self {
        match place {
            KeyPlace::Env(name) => Self::Env(name.clone()),
            KeyPlace::File(path) => Self::File(folder.join(path)),
        }
    }

    /// The key as it is now: one that was renewed is used from the next request on.
    pub(crate) fn read(&self) -> Result<Key, Failure> {
        let (text, place) = match self {
            Self::Env(name) => (text(std::env::var_os(name)), format!("the variable {name}")),
            Self::File(path) => (read_file(path), format!("the file {}", path.display())),
        };
        let missing = |why: &str| {
            let message = format!("{place}, which `key` in pawl.yaml names, {why}");
            Failure::new(FailureKind::Denied, message)
        };
        let key = text.map_err(|reason| missing(&format!("cannot be read: {reason}")))?;
        let key = key.trim();
        if key.is_empty() {
            return Err(missing("is empty"));
        }
        if key.contains(|c: char| c.is_control() || !c.is_ascii()) {
            return Err(missing("holds more than a key: write the key and nothing else"));
        }
        Ok(Key(SecretString::from(key)))
    }
}

/// What a variable holds. What the system says of one that is no text would show it.
fn text(value: Option<OsString>) -> Result<String, String> {
    let value = value.ok_or_else(|| "it is not set".to_owned())?;
    value.into_string().map_err(|_| "it is no text".to_owned())
}

fn read_file(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > KEY_MAX_BYTES {
        return Err(format!("it is no file of at most {KEY_MAX_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// A key. Its `Debug` shows nothing of it.
#[derive(Debug, Clone)]
pub(crate) struct Key(SecretString);

impl Key {
    /// The header's value with it, marked so that nothing prints it.
    pub(crate) fn header(&self, prefix: &str) -> Option<http::HeaderValue> {
        let mut value = http::HeaderValue::try_from(format!("{prefix}{}", self.0.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text without it.
    pub(crate) fn out_of(&self, text: String) -> String {
        let key = self.0.expose_secret();
        if text.contains(key) { text.replace(key, HIDDEN) } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_no_text_is_not_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = OsString::from_vec(b"sk-canary\xff".to_vec());
        assert_eq!(text(Some(value)), Err("it is no text".to_owned()));
        assert_eq!(text(None), Err("it is not set".to_owned()));
    }

    #[test]
    fn a_key_is_read_from_its_place_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("key"), text).unwrap();
        let source = KeySource::new(&KeyPlace::File("key".to_owned()), folder.path());
        let missing = source.read().unwrap_err();
        assert_eq!(missing.kind, FailureKind::Denied);
        assert!(missing.message.contains("cannot be read"), "{}", missing.message);
        write("  sk-canary\n");
        let key = source.read().unwrap();
        assert!(!format!("{key:?}").contains("canary"));
        let header = key.header("Bearer ").unwrap();
        assert_eq!(header.as_bytes(), b"Bearer sk-canary");
        assert!(!format!("{header:?}").contains("canary"));
        assert_eq!(key.out_of("no sk-canary here".to_owned()), "no [key] here");
        for (text, part) in
            [(" \n", "is empty"), ("a\nb", "nothing else"), (&"x".repeat(20_000), "at most 16384 bytes")]
        {
            write(text);
            let failure = source.read().unwrap_err();
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        let unset = KeySource::Env("PAWL_NO_SUCH_KEY".to_owned()).read().unwrap_err();
        assert!(unset.message.contains("the variable PAWL_NO_SUCH_KEY"), "{}", unset.message);
    }
}
