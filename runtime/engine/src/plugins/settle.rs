//! Files that someone may still be writing.
//!
//! A component or a manifest is read once it has stood still. Whoever renames a finished file into
//! its place waits for it once, for a moment; whoever copies slowly keeps its readers waiting, and a
//! component that is cut off is refused by its own form.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pawl_registry::signature_place;

/// How long a file must not have changed before it is read, in milliseconds.
const QUIET_MIN_MS: u64 = 250;
/// How long is waited for a file that changes again and again, in milliseconds.
const SETTLE_MAX_MS: u64 = 5_000;

/// Where the manifest of a component may be, the first first: named after it, or `plugin.toml` where
/// there is no other component that it could be meant for.
pub(crate) fn manifest_places(component: &Path) -> Vec<PathBuf> {
    let is_component = |file: &Path| file.extension().is_some_and(|extension| extension == "wasm");
    let folder = component.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let components = files.filter_map(Result::ok).filter(|file| is_component(&file.path())).take(2).count();
    let shared = (components == 1).then(|| folder.join("plugin.toml"));
    std::iter::once(component.with_extension("toml")).chain(shared).collect()
}

/// Waits until a component, its manifest and its signature have stood still.
pub(crate) async fn settled(component: &Path) {
    settled_within(component, SETTLE_MAX_MS).await;
}

async fn settled_within(component: &Path, max_ms: u64) {
    let mut waited_ms = 0;
    while waited_ms < max_ms {
        let beside = manifest_places(component).into_iter().chain([signature_place(component)]);
        let files = std::iter::once(component.to_owned()).chain(beside);
        let Some(wait_ms) = files.filter_map(|file| restless_ms(&file)).max() else { return };
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        waited_ms += wait_ms;
    }
}

/// How long a file has yet to stand still; nothing for one that has, or is not there, or says that it
/// was changed in the future.
fn restless_ms(file: &Path) -> Option<u64> {
    let changed = std::fs::metadata(file).and_then(|about| about.modified()).ok()?;
    let still_ms = u64::try_from(changed.elapsed().ok()?.as_millis()).unwrap_or(u64::MAX);
    QUIET_MIN_MS.checked_sub(still_ms).filter(|wait_ms| *wait_ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Instant;

    #[tokio::test]
    async fn a_file_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let mut file = std::fs::File::create(&path).unwrap();
        let began = Instant::now();
        // Five pieces, each before the one before has stood still.
        let writer = tokio::spawn(async move {
            for piece in 0..5 {
                file.write_all(&[piece]).unwrap();
                tokio::time::sleep(Duration::from_millis(QUIET_MIN_MS / 3)).await;
            }
        });
        settled(&path).await;
        assert_eq!(std::fs::read(&path).unwrap(), [0, 1, 2, 3, 4]);
        assert!(began.elapsed() >= Duration::from_millis(QUIET_MIN_MS));
        writer.await.unwrap();
        let again = Instant::now();
        settled(&path).await;
        assert!(again.elapsed() < Duration::from_millis(QUIET_MIN_MS), "it stands still");
    }

    #[tokio::test]
    async fn a_file_that_never_rests_is_read_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let mut file = std::fs::File::create(&path).unwrap();
        let writer = tokio::spawn(async move {
            loop {
                file.write_all(b"more").unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        settled_within(&path, 2 * QUIET_MIN_MS).await;
        assert!(restless_ms(&path).is_some(), "it is still being written");
        writer.abort();
    }
}
