//! The data folder and what lies in it.

use std::fmt::{self, Display, Formatter};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::args::SpanArgs;
use crate::fault::Fault;

/// The data folder when neither `--data` nor `PAWL_DATA` says otherwise.
const DEFAULT: &str = ".pawl";
/// The operator's file, where none is named.
const CONFIG: &str = "pawl.yaml";
/// The longest path that a Unix socket can be bound to, without the closing zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// An engine that keeps a store in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StoreEngine {
    #[default]
    Lmdb,
    Sled,
}

/// Which engine keeps the store, and where: `lmdb:PATH`, `sled:PATH`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoreAt {
    pub(crate) engine: StoreEngine,
    /// Absent: in the data folder.
    folder: Option<PathBuf>,
}

impl FromStr for StoreAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (engine, folder) = text.split_once(':').unwrap_or((text, ""));
        let engine = match engine {
            // What the environment names may be empty.
            "lmdb" => StoreEngine::Lmdb,
            "" if text.is_empty() => StoreEngine::Lmdb,
            "sled" => StoreEngine::Sled,
            _ => {
                return Err(
                    "write lmdb:PATH or sled:PATH; without a path it is in the data folder".to_owned()
                );
            }
        };
        Ok(Self { engine, folder: (!folder.is_empty()).then(|| folder.into()) })
    }
}

impl StoreAt {
    /// The folder that it names.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

impl Display for StoreAt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            StoreEngine::Lmdb => "lmdb",
            StoreEngine::Sled => "sled",
        };
        write!(f, "{engine}:{}", self.folder.as_deref().unwrap_or(Path::new("")).display())
    }
}

/// Where data lives.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// The store, in the data folder if it does not say otherwise.
    pub(crate) store: StoreAt,
    /// What a command that is printed needs so that it finds folder and store again, with a space behind it.
    flags: String,
    /// Nothing is kept: the store is in memory.
    pub(crate) ephemeral: bool,
    /// The operator's file that was named.
    config: Option<PathBuf>,
    /// The server that is asked in place of the folder.
    server: Option<String>,
    /// Where the token is that it is asked with.
    token_file: Option<PathBuf>,
    /// What the command line says of where spans go.
    spans: SpanArgs,
}

/// How this program was called, so that what is suggested can be typed as it stands.
fn program() -> String {
    let called = std::env::args().next().filter(|name| name.ends_with("pawl"));
    crate::values::quoted(called.as_deref().unwrap_or("pawl"))
}

impl Place {
    /// The folder of `--data`, else of `PAWL_DATA`, else the default.
    pub(crate) fn new(data: Option<PathBuf>, store: StoreAt, ephemeral: bool) -> Self {
        let usual = named("PAWL_DATA").unwrap_or_else(|| PathBuf::from(DEFAULT));
        let usual_store = std::env::var("PAWL_STORE").ok().and_then(|text| text.parse().ok());
        Self::with_usual((data, store), (usual, usual_store.unwrap_or_default()), ephemeral)
    }

    /// The folder and the store that were named, and those that a command uses which names none.
    fn with_usual(
        (data, store): (Option<PathBuf>, StoreAt),
        (usual, usual_store): (PathBuf, StoreAt),
        ephemeral: bool,
    ) -> Self {
        let folder = data.as_deref().filter(|folder| *folder != usual);
        let folder = folder.map(|folder| ("--data", folder.display().to_string()));
        let named_store = (store != usual_store).then(|| ("--store", store.to_string()));
        let flags = folder.into_iter().chain(named_store);
        let flags = flags.fold(String::new(), |flags, (flag, value)| {
            format!("{flags}{flag} {} ", crate::values::quoted(&value))
        });
        Self {
            folder: data.unwrap_or(usual),
            store,
            flags,
            ephemeral,
            config: None,
            server: None,
            token_file: None,
            spans: SpanArgs::default(),
        }
    }

    /// With the operator's file that was named.
    pub(crate) fn with_config(mut self, config: Option<PathBuf>) -> Self {
        if let Some(path) = config.as_ref().filter(|path| Some(*path) != named("PAWL_CONFIG").as_ref()) {
            self.flags =
                format!("{}--config {} ", self.flags, crate::values::quoted(&path.display().to_string()));
        }
        Self { config, ..self }
    }

    /// With the server that was named, and where the token for it is.
    pub(crate) fn with_server(mut self, server: Option<String>, token_file: Option<PathBuf>) -> Self {
        if let Some(url) = server.as_ref().filter(|url| std::env::var("PAWL_SERVER").as_ref() != Ok(*url)) {
            self.flags = format!("{}--server {} ", self.flags, crate::values::quoted(url));
        }
        if let Some(path) = &token_file {
            self.flags =
                format!("{}--token-file {} ", self.flags, crate::values::quoted(&path.display().to_string()));
        }
        Self { server, token_file, ..self }
    }

    /// With what the command line says of where spans go.
    pub(crate) fn with_spans(self, spans: SpanArgs) -> Self {
        Self { spans, ..self }
    }

    /// What the command line says of where spans go.
    pub(crate) const fn spans(&self) -> &SpanArgs {
        &self.spans
    }

    /// The server that is asked in place of the folder.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Where the token is that it is asked with; that of `PAWL_TOKEN`, where there is none.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// The operator's file: the one that was named, else `pawl.yaml` in the data folder, else in the current one.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        let usual = || {
            let places = [self.folder.join(CONFIG), PathBuf::from(CONFIG)];
            places.into_iter().find(|path| path.exists())
        };
        self.config.clone().or_else(usual)
    }

    /// The folder of the store: the data folder, if `--store` does not say otherwise. Who holds it is reached
    /// through it.
    pub(crate) fn store_folder(&self) -> &Path {
        self.store.folder.as_ref().unwrap_or(&self.folder)
    }

    /// A command that finds this folder again: `pawl --data DIR resume`.
    pub(crate) fn command(&self, rest: &str) -> String {
        format!("{} {}{rest}", program(), self.flags)
    }

    /// Components that come before those that ship with pawl.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.join("plugins")
    }

    /// Where compiled code is kept: in the data folder, or for the user where there is none; nowhere
    /// when the user has no folder either, for in one of everybody others could leave code to be run.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        if !self.ephemeral && self.folder.is_dir() {
            return Some(self.folder.join("cache"));
        }
        user_cache(named("XDG_CACHE_HOME"), named("HOME"))
    }

    /// Where plugins are kept that were fetched from registries: in the data folder, or nowhere.
    pub(crate) fn registry_cache(&self) -> Option<PathBuf> {
        (!self.ephemeral && self.folder.is_dir()).then(|| self.folder.join("registry"))
    }

    /// The key that links to approvals are signed with.
    pub(crate) fn link_key(&self) -> PathBuf {
        self.folder.join("link.key")
    }

    /// Makes the data folder, and that of the store, where there is none.
    pub(crate) fn create(&self) -> Result<(), Fault> {
        for folder in [&self.folder, self.store_folder()] {
            // Journals may hold private data, and whoever writes to the cache can run code.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| {
                Fault::unusable(format!("cannot use the data folder {}: {error}", folder.display()))
                    .hint("name another folder with --data DIR, or make this one writable")
            })?;
        }
        Ok(())
    }

    /// Where the process that holds the store can be reached, as it says itself or as it would be.
    ///
    /// What it says may have outlived it, and where it says it may be a folder of everybody: a socket of
    /// someone else is not spoken to.
    pub(crate) fn socket(&self) -> PathBuf {
        let note = self.socket_note();
        let elsewhere = std::fs::read_to_string(&note).ok().map(|path| PathBuf::from(path.trim_end()));
        let elsewhere = elsewhere.filter(|socket| are_of_one_owner(socket, &note));
        elsewhere.unwrap_or_else(|| self.store_folder().join("pawl.sock"))
    }

    /// The file that says where the socket is when the folder's own path is too long for one.
    pub(crate) fn socket_note(&self) -> PathBuf {
        self.store_folder().join("pawl.sock.path")
    }

    /// Where to listen: in the folder, or under a name made of its path where that is too long.
    pub(crate) fn socket_to_bind(&self) -> PathBuf {
        let folder = self.store_folder();
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let inside = folder.join("pawl.sock");
        if inside.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return inside;
        }
        let digest = pawl_core::Digest::of(folder.as_os_str().as_encoded_bytes());
        runtime_folder(named("XDG_RUNTIME_DIR")).join(format!("pawl-{}.sock", digest.short()))
    }
}

/// Whether two files belong to the same user; a link is looked at itself.
fn are_of_one_owner(one: &Path, other: &Path) -> bool {
    let owner = |path: &Path| path.symlink_metadata().map(|about| about.uid());
    matches!((owner(one), owner(other)), (Ok(one), Ok(other)) if one == other)
}

/// A path that the environment names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Where sockets go that have no room in the data folder. The environment may name a folder that is
/// long gone, as it does after `su`.
fn runtime_folder(named: Option<PathBuf>) -> PathBuf {
    named.filter(|folder| folder.is_absolute() && folder.is_dir()).unwrap_or_else(std::env::temp_dir)
}

/// Compiled code of those who have no data folder.
fn user_cache(caches: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let caches = caches.or_else(|| home.map(|home| home.join(".cache")))?;
    Some(caches.join("pawl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_folder_where_another_would_be_used() {
        let cases = [
            ((None, ""), (".pawl", ""), "pawl runs"),
            ((Some("data"), ""), (".pawl", ""), "pawl --data data runs"),
            ((Some(".pawl"), ""), (".pawl", ""), "pawl runs"),
            ((Some(".pawl"), ""), ("data", ""), "pawl --data .pawl runs"),
            ((Some("data"), ""), ("data", ""), "pawl runs"),
            ((None, "sled:s"), (".pawl", ""), "pawl --store sled:s runs"),
            ((None, "sled:s"), (".pawl", "sled:s"), "pawl runs"),
            ((Some("data"), "sled"), (".pawl", "lmdb:s"), "pawl --data data --store sled: runs"),
        ];
        let store = |text: &str| text.parse::<StoreAt>().unwrap();
        for ((data, named), (usual, usual_store), command) in cases {
            let given = (data.map(PathBuf::from), store(named));
            let place = Place::with_usual(given, (usual.into(), store(usual_store)), false);
            assert_eq!(place.command("runs"), command, "{data:?} {named} {usual} {usual_store}");
        }
    }

    #[test]
    fn a_store_is_in_the_data_folder_unless_its_path_is_named() {
        let cases = [("", "lmdb:", "data"), ("lmdb", "lmdb:", "data"), ("sled:", "sled:", "data")];
        for (text, shown, folder) in cases.into_iter().chain([("sled:a:b", "sled:a:b", "a:b")]) {
            let store: StoreAt = text.parse().unwrap();
            assert_eq!(store.to_string(), shown);
            let place = Place::new(Some("data".into()), store, false);
            assert_eq!(place.store_folder(), Path::new(folder));
            assert!(place.socket_note().starts_with(folder));
        }
        for text in ["postgres:x", ":x", "/x", "Sled:x"] {
            assert!(text.parse::<StoreAt>().unwrap_err().contains("sled:PATH"), "{text}");
        }
    }

    #[test]
    fn compiled_code_is_kept_in_a_folder_of_the_user_or_nowhere() {
        let (caches, home) = (Some(PathBuf::from("/caches")), Some(PathBuf::from("/home/ann")));
        assert_eq!(user_cache(caches, home.clone()), Some("/caches/pawl".into()));
        assert_eq!(user_cache(None, home), Some("/home/ann/.cache/pawl".into()));
        assert_eq!(user_cache(None, None), None);
    }

    #[test]
    fn a_socket_goes_to_a_folder_that_is_there() {
        let there = tempfile::tempdir().unwrap();
        assert_eq!(runtime_folder(Some(there.path().into())), there.path());
        for named in [None, Some(there.path().join("gone")), Some("relative".into())] {
            assert_eq!(runtime_folder(named), std::env::temp_dir());
        }
    }

    #[test]
    fn a_socket_of_someone_else_is_not_spoken_to() {
        let folder = tempfile::tempdir().unwrap();
        let usual = (".pawl".into(), StoreAt::default());
        let place = Place::with_usual((Some(folder.path().into()), StoreAt::default()), usual, false);
        let inside = folder.path().join("pawl.sock");
        assert_eq!(place.socket(), inside);
        let own = folder.path().join("own.sock");
        std::fs::write(&own, "").unwrap();
        std::fs::write(place.socket_note(), own.as_os_str().as_encoded_bytes()).unwrap();
        assert_eq!(place.socket(), own);
        // For root, a file of another user; for another user, one of root.
        let other = if std::os::unix::fs::chown(&own, Some(65_534), None).is_ok() {
            &own
        } else {
            Path::new("/dev/null")
        };
        std::fs::write(place.socket_note(), other.as_os_str().as_encoded_bytes()).unwrap();
        assert_eq!(place.socket(), inside, "{} is not ours", other.display());
        std::fs::write(place.socket_note(), "/nowhere/pawl.sock").unwrap();
        assert_eq!(place.socket(), inside);
    }
}
