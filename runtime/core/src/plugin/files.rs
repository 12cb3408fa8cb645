//! The folders that tools may use, as paths: nothing here looks at a disk.
//!
//! A workflow writes them relative to its file. What binds a run is absolute, and compared as text: whoever opens a
//! folder makes sure that no link leads out of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderMode {
    /// Files are read and listed.
    Read,
    /// They are changed, made and removed as well.
    Write,
}

impl FolderMode {
    /// The name as it stands in workflows and in `pawl.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Folders by their paths, with what may be done in them.
pub type Folders = BTreeMap<String, FolderMode>;

/// A folder as a tool is given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its name for the tool: as the workflow writes it.
    pub name: String,
    /// The operator's folder around it, absolute.
    pub root: String,
    /// The way from there, which no link may lead away from.
    pub below: String,
    /// What may be done in it.
    pub mode: FolderMode,
}

/// A path that is absolute and has no `.` and `..` in it.
pub(crate) fn absolute(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether a path is a folder, or lies within it; both are absolute.
pub fn is_within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folders that both let through, each with what both allow.
pub(super) fn common(one: &Folders, two: &Folders) -> Folders {
    let mut both = Folders::new();
    for (own, mode) in one {
        for (other, others) in two {
            let narrower = match (is_within(own, other), is_within(other, own)) {
                (true, _) => own,
                (false, true) => other,
                (false, false) => continue,
            };
            let mode = *mode.min(others);
            let most = both.get(narrower).map_or(mode, |known| mode.max(*known));
            both.insert(narrower.clone(), most);
        }
    }
    both
}

/// What is granted and is not within any of these folders, as people read it.
pub(super) fn outside(granted: &Folders, folders: &Folders) -> Vec<String> {
    let beyond =
        granted.iter().filter(|(path, mode)| around(folders, path).is_none_or(|(_, most)| most < **mode));
    beyond.map(|(path, mode)| format!("{path} ({})", mode.name())).collect()
}

/// The folder around a path that allows most.
pub(crate) fn around<'f>(folders: &'f Folders, path: &str) -> Option<(&'f str, FolderMode)> {
    let found = folders.iter().filter(|(folder, _)| is_within(path, folder));
    found.max_by_key(|(_, mode)| **mode).map(|(folder, mode)| (folder.as_str(), *mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(all: &[(&str, FolderMode)]) -> Folders {
        all.iter().map(|(path, mode)| ((*path).to_owned(), *mode)).collect()
    }

    #[test]
    fn a_path_is_made_absolute_without_a_way_out() {
        for (path, whole) in [
            ("./data", "/w/f/data"),
            ("data/", "/w/f/data"),
            ("..", "/w"),
            ("../../../../etc", "/etc"),
            ("a/../../b", "/w/b"),
            ("/srv//x/./y/..", "/srv/x"),
            ("/", "/"),
        ] {
            assert_eq!(absolute("/w/f", path), whole, "{path}");
        }
    }

    #[test]
    fn a_name_that_begins_the_same_is_not_within() {
        for (path, folder, within) in [
            ("/a/b", "/a/b", true),
            ("/a/b/c", "/a/b", true),
            ("/a/bc", "/a/b", false),
            ("/a", "/a/b", false),
            ("/a", "/", true),
            ("/a/b", "/a/", true),
        ] {
            assert_eq!(is_within(path, folder), within, "{path} in {folder}");
        }
    }

    #[test]
    fn the_narrower_folder_and_the_smaller_mode_are_common() {
        use FolderMode::{Read, Write};
        let one = folders(&[("/a", Write), ("/b/c", Read), ("/d", Write)]);
        let two = folders(&[("/a/x", Write), ("/b", Write), ("/d", Read), ("/e", Write)]);
        let both = folders(&[("/a/x", Write), ("/b/c", Read), ("/d", Read)]);
        assert_eq!(common(&one, &two), both);
        assert_eq!(common(&two, &one), both);
        assert_eq!(outside(&one, &two), ["/a (write)", "/d (write)"]);
        assert_eq!(outside(&both, &two), Vec::<String>::new());
    }
}
