//! `pawl.lock`: the plugins of the workflows in a folder, by their digests.
//!
//! TOML, one key a line and nothing fancy, so that it is read here line by line: a parser that goes as deep as its
//! input has no place before something that others may have written.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use pawl_core::Digest;
use serde_json::Value;

use crate::LockError;

/// The name of the file.
pub const LOCK_FILE: &str = "pawl.lock";
/// The longest lock, in bytes.
pub const LOCK_MAX_BYTES: usize = 1 << 20;
/// The most plugins of a lock.
pub const LOCK_PLUGINS_MAX: usize = 2_000;
/// The format that this pawl writes and reads.
const FORMAT: u64 = 1;
const HEAD: &str =
    "# Which plugins the workflows of this folder use. Made by `pawl lock`; `--locked` refuses others.\n";

/// A plugin of a lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// The name by which workflows use it.
    pub name: String,
    /// Where it came from: a path relative to the lock, `folder`, `shipped`, or `oci://…@sha256:…`.
    pub origin: String,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// The interfaces that it imports and that must be granted.
    pub needs: Vec<String>,
}

/// A lock, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    plugins: Vec<Locked>,
}

impl Lock {
    /// A lock of these plugins.
    pub fn new(plugins: impl IntoIterator<Item = Locked>) -> Self {
        let mut plugins: Vec<_> = plugins.into_iter().collect();
        plugins.sort();
        plugins.dedup();
        Self { plugins }
    }

    /// The plugins.
    pub fn plugins(&self) -> &[Locked] {
        &self.plugins
    }

    /// Those of a name. There may be several: two workflows can call two plugins the same.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Locked> {
        self.plugins.iter().filter(move |plugin| plugin.name == name)
    }

    /// Refuses a plugin that is not in the lock, `file` in messages. Where it came from does not matter as long as
    /// it is the same.
    pub fn check(&self, file: &str, name: &str, origin: &str, found: &Digest) -> Result<(), LockError> {
        if self.named(name).any(|plugin| plugin.digest == *found) {
            return Ok(());
        }
        let shown = |digest: &Digest, origin: &str| format!("sha256:{digest} ({origin})");
        let (name, found, file) = (name.to_owned(), shown(found, origin), file.to_owned());
        let meant = self.named(&name).find(|plugin| plugin.origin == origin);
        Err(match meant.or_else(|| self.named(&name).next()) {
            None => LockError::NotLocked { name, found, file },
            Some(plugin) => {
                let locked = shown(&plugin.digest, &plugin.origin);
                LockError::Differs { name, found, locked, file }
            }
        })
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}version = {FORMAT}\n");
        for plugin in &self.plugins {
            // What JSON writes of a text without control characters, TOML reads as the same.
            let (name, origin) = (Value::from(plugin.name.as_str()), Value::from(plugin.origin.as_str()));
            // Writing to memory does not fail.
            let _ = write!(
                text,
                "\n[[plugin]]\nname = {name}\norigin = {origin}\ndigest = \"sha256:{}\"\nneeds = {}\n",
                plugin.digest,
                serde_json::json!(plugin.needs),
            );
        }
        text
    }

    /// Reads a lock; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, LockError> {
        let wrong = |line, reason: String| LockError::Unreadable { file: file.to_owned(), line, reason };
        if text.len() > LOCK_MAX_BYTES {
            return Err(wrong(0, format!("it has more than lock_max_bytes ({LOCK_MAX_BYTES})")));
        }
        let (mut version, mut plugins) = (None, Vec::<Partial>::new());
        for (number, line) in text.lines().enumerate() {
            let (number, line) = (number + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "[[plugin]]" {
                if plugins.len() == LOCK_PLUGINS_MAX {
                    return Err(wrong(
                        number,
                        format!("there are more than lock_plugins_max ({LOCK_PLUGINS_MAX})"),
                    ));
                }
                plugins.push(Partial { line: number, ..Partial::default() });
                continue;
            }
            let read = line.split_once('=').and_then(|(key, value)| {
                Some((key.trim(), serde_json::from_str::<Value>(value.trim()).ok()?))
            });
            let Some((key, value)) = read else {
                return Err(wrong(number, "it is none of the lines that a lock has".to_owned()));
            };
            let taken = match plugins.last_mut() {
                None if key == "version" && version.is_none() => {
                    version = value.as_u64();
                    version.is_some()
                }
                None => false,
                Some(plugin) => plugin.take(key, &value),
            };
            if !taken {
                return Err(wrong(
                    number,
                    format!("'{key}' stands here twice, is none of its keys or has no such value"),
                ));
            }
        }
        match version {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(wrong(0, format!("it has the version {other}, and this pawl reads {FORMAT}")));
            }
            None => return Err(wrong(0, "it does not begin with a version".to_owned())),
        }
        let whole = plugins.into_iter().map(|plugin| {
            let line = plugin.line;
            plugin
                .whole()
                .ok_or_else(|| wrong(line, "a plugin needs name, origin, digest and needs".to_owned()))
        });
        Ok(Self::new(whole.collect::<Result<Vec<_>, _>>()?))
    }
}

/// A plugin of which not all lines have been read.
#[derive(Debug, Default)]
struct Partial {
    line: usize,
    name: Option<String>,
    origin: Option<String>,
    digest: Option<Digest>,
    needs: Option<Vec<String>>,
}

impl Partial {
    /// Whether a key is one of a plugin's, stands there once and has a value that it can have.
    fn take(&mut self, key: &str, value: &Value) -> bool {
        let text = || value.as_str().filter(|text| !text.contains(char::is_control)).map(str::to_owned);
        match key {
            "name" if self.name.is_none() => self.name = text(),
            "origin" if self.origin.is_none() => self.origin = text(),
            "digest" if self.digest.is_none() => {
                self.digest = value.as_str().and_then(|text| text.strip_prefix("sha256:")?.parse().ok());
            }
            "needs" if self.needs.is_none() => {
                let items =
                    value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
                self.needs = items.and_then(Iterator::collect);
            }
            _ => return false,
        }
        match key {
            "name" => self.name.is_some(),
            "origin" => self.origin.is_some(),
            "digest" => self.digest.is_some(),
            _ => self.needs.is_some(),
        }
    }

    fn whole(self) -> Option<Locked> {
        Some(Locked { name: self.name?, origin: self.origin?, digest: self.digest?, needs: self.needs? })
    }
}

/// A path as it is written in a folder: `./plugins/a.wasm`, `../a.wasm`. Links are not followed, so that the same
/// tree gives the same wherever it is.
pub fn path_from(folder: &Path, path: &Path) -> String {
    let (from, to) = (plain(folder), plain(path));
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let mut relative: PathBuf = from.map(|_| Component::ParentDir).collect();
    if relative.as_os_str().is_empty() {
        relative.push(Component::CurDir);
    }
    relative.extend(to);
    relative.display().to_string()
}

/// A path from the root, without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    // That of a file without a folder is empty, and means the current one.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, origin: &str) -> Locked {
        let needs = vec!["pawl:plugin/tools".to_owned()];
        Locked {
            name: name.to_owned(),
            origin: origin.to_owned(),
            digest: Digest::of(origin.as_bytes()),
            needs,
        }
    }

    #[test]
    fn a_lock_is_sorted_and_read_as_it_was_written() {
        let odd = locked("odd", "./a \"b\"\\c[é.wasm");
        let lock = Lock::new([locked("b", "shipped"), odd, locked("a", "folder"), locked("b", "shipped")]);
        let names: Vec<_> = lock.plugins().iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "odd"]);
        let text = lock.to_text();
        assert_eq!(Lock::parse("pawl.lock", &text).unwrap(), lock);
        assert_eq!(Lock::parse("pawl.lock", &text).unwrap().to_text(), text);
    }

    #[test]
    fn another_plugin_is_refused_with_both_digests() {
        let lock = Lock::new([locked("a", "shipped"), locked("b", "./b.wasm")]);
        let shipped = Digest::of(b"shipped");
        lock.check("pawl.lock", "a", "shipped", &shipped).unwrap();
        lock.check("pawl.lock", "a", "folder", &shipped).unwrap();
        let other = Digest::of(b"other");
        let refused = lock.check("pawl.lock", "a", "folder", &other).unwrap_err().to_string();
        assert!(refused.contains(&shipped.to_string()) && refused.contains(&other.to_string()), "{refused}");
        let unknown = lock.check("pawl.lock", "c", "folder", &other);
        assert!(matches!(unknown, Err(LockError::NotLocked { .. })), "{unknown:?}");
        // The digest of another name does not help.
        assert!(lock.check("pawl.lock", "b", "shipped", &shipped).is_err());
    }

    #[test]
    fn what_is_no_lock_says_where() {
        let good = Lock::new([locked("a", "shipped")]).to_text();
        let many = format!("version = 1\n{}", "[[plugin]]\n".repeat(LOCK_PLUGINS_MAX + 1));
        let cases = [
            (String::new(), 0, "begin with a version"),
            (good.replace("version = 1", "version = 2"), 0, "reads 1"),
            (good.replace("name = \"a\"", "name = a"), 5, "none of the lines"),
            (good.replace("name = \"a\"", "name = \"a\\n\""), 5, "'name'"),
            (good.replace("name = \"a\"\n", ""), 4, "needs name"),
            (good.replace("sha256:", "sha1:"), 7, "'digest'"),
            (good.replace("needs = [", "need = ["), 8, "'need'"),
            (format!("{good}name = \"b\"\n"), 9, "twice"),
            (format!("{good}needs = {}\n", "[".repeat(50_000)), 9, "none of the lines"),
            (format!("{good}{}", " ".repeat(LOCK_MAX_BYTES)), 0, "lock_max_bytes"),
            (many, LOCK_PLUGINS_MAX + 2, "lock_plugins_max"),
        ];
        for (text, line, part) in cases {
            let refused = Lock::parse("pawl.lock", &text).unwrap_err();
            assert!(refused.to_string().contains(part), "{refused}");
            assert!(matches!(&refused, LockError::Unreadable { line: at, .. } if *at == line), "{refused:?}");
        }
    }

    #[test]
    fn paths_are_written_from_the_lock() {
        for (folder, path, text) in [
            ("/w", "/w/a.wasm", "./a.wasm"),
            ("/w", "/w/./p/../a.wasm", "./a.wasm"),
            ("/w/x", "/w/p/a.wasm", "../p/a.wasm"),
            ("/w", "/other/a.wasm", "../other/a.wasm"),
        ] {
            assert_eq!(path_from(Path::new(folder), Path::new(path)), text);
        }
        assert_eq!(path_from(Path::new(""), Path::new("a.wasm")), "./a.wasm");
    }
}
