//! Who asks a registry: a name, and a password that is read when it is asked for.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use pawl_core::operator::{KeyPlace, Login};
use secrecy::{ExposeSecret as _, SecretString};

use crate::RegistryError;

/// The longest password, in bytes.
const PASSWORD_MAX_BYTES: u64 = 16 << 10;
/// What stands where a password was.
const HIDDEN: &str = "[password]";

/// Who asks, with the password in hand. Its `Debug` shows nothing of it.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    username: String,
    password: SecretString,
}

impl Credentials {
    pub(crate) fn read(login: &Login, folder: &Path) -> Result<Self, RegistryError> {
        let (text, place) = match &login.password {
            KeyPlace::Env(name) => {
                (std::env::var(name).map_err(|error| error.to_string()), format!("the variable {name}"))
            }
            KeyPlace::File(path) => {
                let path = folder.join(path);
                (read_file(&path), format!("the file {}", path.display()))
            }
        };
        let wrong = |reason: String| RegistryError::Password { place: place.clone(), reason };
        let text = text.map_err(|reason| wrong(format!("cannot be read: {reason}")))?;
        let password = text.trim();
        if password.is_empty() || password.contains(char::is_control) {
            return Err(wrong("does not hold a password and nothing else".to_owned()));
        }
        Ok(Self { username: login.username.clone(), password: SecretString::from(password) })
    }

    /// The header's value for basic authentication, marked so that nothing prints it.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password.expose_secret());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text without the password.
    pub(crate) fn out_of(&self, text: &str) -> String {
        text.replace(self.password.expose_secret(), HIDDEN)
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > PASSWORD_MAX_BYTES {
        return Err(format!("it is no file of at most {PASSWORD_MAX_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_from_its_place_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let login = Login { username: "ann".to_owned(), password: KeyPlace::File("p".to_owned()) };
        let write = |text: &str| std::fs::write(folder.path().join("p"), text).unwrap();
        let read = || Credentials::read(&login, folder.path());
        assert!(read().unwrap_err().to_string().contains("cannot be read"));
        write(" canary\n");
        let credentials = read().unwrap();
        let header = credentials.basic().unwrap();
        assert_eq!(header.as_bytes(), b"Basic YW5uOmNhbmFyeQ==");
        assert!(!format!("{credentials:?} {header:?}").contains("canary"));
        assert_eq!(credentials.out_of("no canary here"), "no [password] here");
        for text in ["", "canary\ncanary", &"canary".repeat(10_000)] {
            write(text);
            let refused = read().unwrap_err().to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
