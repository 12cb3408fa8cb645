//! The secrets of the operator's file. They are read when a tool asks for one, and kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pawl_core::operator::{KeyPlace, Secret as Named};
use pawl_sandbox::{SECRET_MAX_BYTES, Secret, SecretSource};

use crate::files;

/// The secrets that tools may be granted, by name: where they are, and where they may go.
#[derive(Debug, Default)]
pub struct Secrets {
    named: BTreeMap<String, Named>,
    /// What the files of secrets are relative to.
    folder: PathBuf,
}

impl Secrets {
    /// Those of an operator's file in this folder.
    pub fn new(named: BTreeMap<String, Named>, folder: &Path) -> Self {
        Self { named, folder: folder.to_owned() }
    }

    /// Those of these that there are not.
    pub(crate) fn unknown<'n>(&self, granted: &'n BTreeSet<String>) -> impl Iterator<Item = &'n String> {
        granted.iter().filter(|name| !self.named.contains_key(*name))
    }
}

impl SecretSource for Secrets {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        let named = self.named.get(name).ok_or("pawl.yaml has none of that name under `secrets`")?;
        let (text, place) = match &named.place {
            KeyPlace::Env(variable) => (text(std::env::var_os(variable)), format!("the variable {variable}")),
            KeyPlace::File(path) => {
                let path = self.folder.join(path);
                // A line's end may follow.
                let bytes =
                    files::read(&path, SECRET_MAX_BYTES as u64 + 2).map_err(|error| error.to_string());
                let text =
                    bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no text".to_owned()));
                (text, format!("the file {}", path.display()))
            }
        };
        let text = text.map_err(|why| format!("{place}, which pawl.yaml names, cannot be read: {why}"))?;
        Secret::new(&text, &named.hosts).map_err(|why| format!("{place}, which pawl.yaml names: {why}"))
    }
}

/// What a variable holds. What the system says of one that is no text would show it.
fn text(value: Option<OsString>) -> Result<String, String> {
    let value = value.ok_or_else(|| "it is not set".to_owned())?;
    value.into_string().map_err(|_| "it is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::plugin::Hosts;

    #[test]
    fn a_secret_is_read_when_it_is_asked_for_and_shown_in_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let hosts: Hosts = "a.test".parse().unwrap();
        let at = |place| Named { place, hosts: hosts.clone() };
        let named = BTreeMap::from([
            ("file".to_owned(), at(KeyPlace::File("key".to_owned()))),
            ("env".to_owned(), at(KeyPlace::Env("PAWL_NO_SUCH_SECRET".to_owned()))),
        ]);
        let secrets = Secrets::new(named, folder.path());
        for (name, part) in
            [("none", "none of that name"), ("env", "the variable PAWL_NO_SUCH_SECRET"), ("file", "key")]
        {
            let why = secrets.secret(name).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        for (text, good) in [("sk-canary-1\n", true), ("canary", false), ("sk-canary\nsk-canary", false)] {
            std::fs::write(folder.path().join("key"), text).unwrap();
            let read = secrets.secret("file");
            assert_eq!(read.is_ok(), good, "{text}");
            assert!(!format!("{read:?}").contains("canary"), "{read:?}");
        }
        let granted = BTreeSet::from(["file".to_owned(), "other".to_owned()]);
        assert_eq!(secrets.unknown(&granted).collect::<Vec<_>>(), ["other"]);
    }
    #[test]
    fn a_variable_that_is_no_text_is_not_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = OsString::from_vec(b"sk-canary\xff".to_vec());
        assert_eq!(text(Some(value)), Err("it is no text".to_owned()));
        assert_eq!(text(None), Err("it is not set".to_owned()));
        assert_eq!(text(Some("key".into())), Ok("key".to_owned()));
    }
}
