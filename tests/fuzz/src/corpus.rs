//! The inputs that cases begin with.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::Target;

/// Known inputs of one target, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    /// Each with the file that it comes from.
    pub inputs: Vec<(PathBuf, Vec<u8>)>,
}

/// The folder of the whole project.
pub fn project() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

impl Corpus {
    /// What is kept for a target, and the files of the project that are of its kind.
    pub fn of(target: &Target) -> Result<Self> {
        let mut inputs = Vec::new();
        let kept = format!("tests/fuzz/corpus/{}", target.name);
        let folders = std::iter::once((kept.as_str(), "")).chain(target.seeds.iter().copied());
        for (folder, end) in folders {
            let folder = project().join(folder);
            let entries =
                std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_file() && path.to_string_lossy().ends_with(end) {
                    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
                    inputs.push((path, bytes));
                }
            }
        }
        inputs.sort();
        Ok(Self { inputs })
    }
}
