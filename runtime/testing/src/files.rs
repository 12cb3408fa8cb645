//! Where tests are.

use std::path::{Path, PathBuf};

use pawl_core::source::test_file::TEST_FILE_SUFFIX;

use crate::TestingError;

/// How deeply folders are looked into.
const FOLDERS_MAX_DEPTH: usize = 16;

/// The test files of some files and folders, sorted, each once. A workflow stands for its tests.
/// Folders whose names begin with a dot are left out.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TestingError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            look_into(path, FOLDERS_MAX_DEPTH, &mut found)?;
        } else {
            found.push(tests_of(path));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether a file has tests in it, by its name.
pub fn is_test(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(TEST_FILE_SUFFIX))
}

/// The test file beside a workflow, where there is one; else the file as it was named.
fn tests_of(path: &Path) -> PathBuf {
    let beside = path.with_extension(TEST_FILE_SUFFIX.trim_start_matches('.'));
    if !is_test(path) && beside.exists() { beside } else { path.to_owned() }
}

fn look_into(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), TestingError> {
    let unreadable = |error: std::io::Error| TestingError::Unreadable {
        path: folder.display().to_string(),
        reason: error.to_string(),
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // A link to a folder is not followed: it may lead back.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !hidden && depth > 0 {
                look_into(&path, depth - 1, found)?;
            }
        } else if is_test(&path) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_in_folders_and_beside_workflows() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let (b, a) = (file("b.test.yaml"), file("deep/er/a.test.yaml"));
        let (workflow, alone) = (file("b.yaml"), file("deep/alone.yaml"));
        file(".hidden/c.test.yaml");
        file("notes.yaml");
        assert_eq!(find(&[folder.path().to_owned()]).unwrap(), [b.clone(), a.clone()]);
        assert_eq!(find(&[workflow, b.clone()]).unwrap(), [b]);
        assert_eq!(find(std::slice::from_ref(&alone)).unwrap(), [alone]);
        assert_eq!(find(&[folder.path().join("deep")]).unwrap(), [a]);
        assert_eq!(find(&[PathBuf::from("/nowhere.test.yaml")]).unwrap().len(), 1);
    }

    #[test]
    fn folders_are_looked_into_only_so_deeply() {
        let folder = tempfile::tempdir().unwrap();
        let at = |depth: usize| (0..depth).fold(folder.path().to_owned(), |path, _| path.join("f"));
        std::fs::create_dir_all(at(FOLDERS_MAX_DEPTH + 1)).unwrap();
        for depth in [FOLDERS_MAX_DEPTH, FOLDERS_MAX_DEPTH + 1] {
            std::fs::write(at(depth).join("a.test.yaml"), "").unwrap();
        }
        assert_eq!(find(&[folder.path().to_owned()]).unwrap(), [at(FOLDERS_MAX_DEPTH).join("a.test.yaml")]);
    }
}
