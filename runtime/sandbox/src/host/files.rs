//! The folders of a tool, behind `wasi:filesystem`: those that were granted, and nothing around them.
//!
//! A folder is opened on its way down from the operator's, one that no link may lead out of: whoever can write there
//! could put one in. What a guest then opens in it is kept within by wasmtime.

use std::os::fd::{AsRawFd as _, OwnedFd};

use pawl_core::plugin::{FolderMode, Mount};
use pawl_core::{Failure, FailureKind};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    name: String,
    mode: FolderMode,
    handle: OwnedFd,
}

/// Opens folders, or says which cannot be.
pub(crate) fn open(mounts: &[Mount]) -> Result<Vec<Folder>, Failure> {
    let open = |mount: &Mount| {
        beneath(&mount.root, &mount.below)
            .map(|handle| Folder { name: mount.name.clone(), mode: mount.mode, handle })
            .map_err(|why| {
                let message = format!("the folder {} cannot be given to the tool: {why}", mount.name);
                Failure::new(FailureKind::Denied, message)
            })
    };
    mounts.iter().map(open).collect()
}

#[cfg(target_os = "linux")]
fn beneath(root: &str, below: &str) -> Result<OwnedFd, String> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    use rustix::io::Errno;

    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root_handle = openat(CWD, root, flags, Mode::empty());
    let root_handle =
        root_handle.map_err(|error| format!("{root}, which pawl.yaml names, cannot be opened: {error}"))?;
    if below.is_empty() {
        return Ok(root_handle);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(&root_handle, below, flags, Mode::empty(), resolve).map_err(|error| match error {
        Errno::XDEV | Errno::LOOP => format!("a link leads out of {root}, which pawl.yaml names"),
        error => format!("{below} in {root} cannot be opened: {error}"),
    })
}

/// Elsewhere each part of the way is opened by itself and must be no link.
#[cfg(not(target_os = "linux"))]
fn beneath(root: &str, below: &str) -> Result<OwnedFd, String> {
    use rustix::fs::{CWD, Mode, OFlags, openat};

    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut at = openat(CWD, root, flags, Mode::empty())
        .map_err(|error| format!("{root}, which pawl.yaml names, cannot be opened: {error}"))?;
    for part in below.split('/').filter(|part| !part.is_empty()) {
        at = openat(&at, part, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| format!("{part} in {root} cannot be opened, or is a link: {error}"))?;
    }
    Ok(at)
}

/// Gives the guest its folders. What is open already is opened again by its number, so that nobody can put another
/// in its place meanwhile. Gives those that could not be.
pub(crate) fn give(builder: &mut WasiCtxBuilder, folders: &[Folder]) -> Vec<String> {
    let mut lost = Vec::new();
    for folder in folders {
        let perms = match folder.mode {
            FolderMode::Read => FsPerms::ReadOnly,
            FolderMode::Write => FsPerms::ReadWrite,
        };
        let place = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        let path = format!("{place}/{}", folder.handle.as_raw_fd());
        if let Err(error) = builder.preopened_dir(path, &folder.name, perms) {
            lost.push(format!("the folder {} is not there for the tool: {error}", folder.name));
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_out_of_the_operators_folder() {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(around.path().join("secret")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink(around.path().join("secret"), root.join("far")).unwrap();
        symlink("../../secret", root.join("a/up")).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        let root = root.display().to_string();
        for (below, opens) in [
            ("", true),
            ("a", true),
            ("a/b", true),
            ("out", false),
            ("far", false),
            ("a/up", false),
            ("..", false),
            ("a/../../secret", false),
            ("file", false),
            ("none", false),
        ] {
            let opened = beneath(&root, below);
            assert_eq!(opened.is_ok(), opens, "{below}: {opened:?}");
        }
        let mount = Mount { name: "./x".into(), root, below: "out".into(), mode: FolderMode::Read };
        let failure = open(&[mount]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.message.contains("a link leads out of"), "{failure}");
    }
}
