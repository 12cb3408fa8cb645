//! What was fetched once, by its digest. It may be removed at any time, and is believed only as far as its digest.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pawl_core::Digest;

/// Files that this process writes have names of their own until they are whole.
static PARTS: AtomicU64 = AtomicU64::new(0);

/// A folder with what was fetched; without one, nothing is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache(pub(crate) Option<PathBuf>);

impl Cache {
    /// What is there, of at most so many bytes, if it is what its name says.
    pub(crate) fn get(&self, digest: &Digest, max_bytes: u64) -> Option<Vec<u8>> {
        let path = self.0.as_ref()?.join(digest.to_string());
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(max_bytes).read_to_end(&mut bytes).ok()?;
        // A file that was altered, or cut off, is fetched again.
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Keeps it. Where that fails it is fetched again next time.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) {
        if let Some(Err(error)) = self.0.as_ref().map(|folder| write(folder, digest, bytes)) {
            tracing::warn!(%digest, "what was fetched from a registry cannot be kept: {error}");
        }
    }
}

fn write(folder: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let number = PARTS.fetch_add(1, Ordering::Relaxed);
    let part = folder.join(format!("{digest}.part-{}-{number}", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&part, folder.join(digest.to_string()))).inspect_err(|_| {
        // What is left of it has no name that anyone looks for.
        let _ = std::fs::remove_file(&part);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_believed_only_as_far_as_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache(Some(folder.path().join("registry")));
        let digest = Digest::of(b"bytes");
        assert_eq!(cache.get(&digest, 100), None);
        cache.put(&digest, b"bytes");
        assert_eq!(cache.get(&digest, 5).as_deref(), Some(&b"bytes"[..]));
        assert_eq!(cache.get(&digest, 4), None, "no more is read than that");
        std::fs::write(folder.path().join("registry").join(digest.to_string()), "other").unwrap();
        assert_eq!(cache.get(&digest, 100), None);
        cache.put(&digest, b"bytes");
        assert!(cache.get(&digest, 100).is_some());
        assert_eq!(
            std::fs::read_dir(folder.path().join("registry")).unwrap().count(),
            1,
            "no parts are left"
        );
        assert_eq!(Cache::default().get(&digest, 100), None);
    }
}
