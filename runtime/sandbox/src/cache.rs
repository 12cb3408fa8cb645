//! The folder of compiled code.
//!
//! What lies in it becomes native code without another look, so it is used only where nobody but its
//! owner can write: it is made with mode 0700, and one that others can write in, or put another in the
//! place of, is left alone. Plugins are then compiled anew in each process, which is slower and safe.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use wasmtime::{Cache, CacheConfig};

use crate::SandboxError;

/// May others write: the bits of a folder's group, and of everybody.
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
/// In a folder with this bit, names can be taken away only by their owners.
const STICKY: u32 = 0o1000;
/// Whoever is this can write everywhere anyway.
const ROOT: u32 = 0;

/// Makes the folder where there is none, and opens it; nothing where others can write in it.
pub(crate) fn open(folder: &Path) -> Result<Option<Cache>, SandboxError> {
    let unusable = |reason: String| SandboxError::CacheDir { path: folder.to_owned(), reason };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unusable(error.to_string()))?;
    if let Some(reason) = exposed(folder).map_err(|error| unusable(error.to_string()))? {
        tracing::warn!(
            "compiled code is not kept, for others could leave code there to be run: {}: {reason}; remove \
             that folder, or name a data folder of your own",
            folder.display()
        );
        return Ok(None);
    }
    let folder = folder.canonicalize().map_err(|error| unusable(error.to_string()))?;
    remove_unfinished(&folder);
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map(Some).map_err(|error| unusable(format!("{error:#}")))
}

/// Why code that is kept in a folder might not be this user's own, where that may be.
pub fn exposed(folder: &Path) -> io::Result<Option<String>> {
    exposed_to_others_than(rustix::process::geteuid().as_raw(), folder)
}

fn exposed_to_others_than(user: u32, folder: &Path) -> io::Result<Option<String>> {
    let folder = folder.canonicalize()?;
    let about = folder.metadata()?;
    if about.uid() != user {
        return Ok(Some(format!("it belongs to user {}", about.uid())));
    }
    if about.mode() & (GROUP_WRITES | ALL_WRITE) != 0 {
        return Ok(Some(format!("others can write in it (mode {:03o})", about.mode() & 0o777)));
    }
    // Whoever can write around it can put another folder in its place.
    let Some(around) = folder.parent() else { return Ok(None) };
    let about = around.metadata()?;
    let (path, mode) = (around.display(), about.mode());
    Ok(if ![user, ROOT].contains(&about.uid()) {
        Some(format!("{path}, which it is in, belongs to user {}", about.uid()))
    } else if mode & ALL_WRITE != 0 && mode & STICKY == 0 {
        Some(format!("others can write in {path}, which it is in (mode {:03o})", mode & 0o777))
    } else {
        None
    })
}

/// Removes what a process that was killed left half written: wasmtime makes such a file only where
/// there is none, so that its entry would never be written again. All go, however young, since a
/// restart follows a kill at once. Should another process be writing one at this moment, it loses
/// that entry, says so in its log, and compiles the next time.
fn remove_unfinished(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_unfinished = entry.file_name().to_string_lossy().contains(".wip-");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_unfinished(&entry.path()),
            Ok(kind) if kind.is_file() && is_unfinished => {
                // Another process may have finished or removed it meanwhile.
                if let Err(error) = std::fs::remove_file(entry.path())
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(%error, path = %entry.path().display(), "an unfinished file stays in the cache");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn compiled_code_is_kept_only_where_nobody_else_can_write() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("data/cache");
        assert!(open(&folder).unwrap().is_some());
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700, "made for its owner alone");
        let cases = [
            (0o755, 0o755, None),
            (0o700, 0o770, None),
            (0o700, 0o1777, None),
            (0o770, 0o700, Some("others can write in it (mode 770)")),
            (0o702, 0o700, Some("others can write in it (mode 702)")),
            (0o700, 0o777, Some("which it is in (mode 777)")),
        ];
        for (mode, mode_around, expected) in cases {
            set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            set_permissions(folder.parent().unwrap(), Permissions::from_mode(mode_around)).unwrap();
            let reason = exposed(&folder).unwrap();
            match expected {
                None => assert_eq!(reason, None, "{mode:o} in {mode_around:o}"),
                Some(part) => assert!(reason.as_ref().is_some_and(|said| said.contains(part)), "{reason:?}"),
            }
            assert_eq!(open(&folder).unwrap().is_some(), expected.is_none(), "{mode:o} in {mode_around:o}");
        }
    }

    #[test]
    fn compiled_code_of_another_user_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().metadata().unwrap().uid();
        assert_eq!(exposed_to_others_than(user, folder.path()).unwrap(), None);
        let reason = exposed_to_others_than(user + 1, folder.path()).unwrap().unwrap();
        assert_eq!(reason, format!("it belongs to user {user}"));
        // A link does not make it one's own.
        let link = folder.path().join("cache");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert!(exposed_to_others_than(user + 1, &link).unwrap().is_some());
    }
}
