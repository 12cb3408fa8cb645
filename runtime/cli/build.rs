//! Embeds the pages of error codes, and what `pawl plugin new` writes: the templates, the SDKs and the WIT, each as it lies in the
//! repository, so that none of them is kept twice.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Names in the binary, and the folders or files whose text they hold; relative to this crate.
const EMBEDDED: [(&str, &str); 7] = [
    ("TEMPLATES", "templates"),
    ("WIT", "../../wit"),
    ("SDK_RUST", "../../plugins/sdk"),
    ("SDK_JS", "../../plugins/sdk-js"),
    ("SDK_PYTHON", "../../plugins/sdk-python"),
    ("RUST_WORKSPACE", "../../plugins/Cargo.toml"),
    ("RUST_LOCK", "../../plugins/Cargo.lock"),
];

fn main() -> io::Result<()> {
    let home = folder("CARGO_MANIFEST_DIR")?;
    let mut code = String::new();
    for (name, path) in EMBEDDED {
        println!("cargo::rerun-if-changed={path}");
        let root = home.join(path);
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        let entries: Vec<String> = files
            .iter()
            .map(|file| {
                let within = file.strip_prefix(&root).unwrap_or(file).display().to_string();
                format!("    ({within:?}, include_str!({:?})),\n", file.display().to_string())
            })
            .collect();
        // Writing to memory does not fail.
        let _ = writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[\n{}];", entries.concat());
    }
    fs::write(folder("OUT_DIR")?.join("embedded.rs"), code)?;
    error_pages(&home)
}

/// A table of the pages in `docs/errors`, by their codes, so that the binary can explain them.
fn error_pages(home: &Path) -> io::Result<()> {
    let pages = home.join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut files = Vec::new();
    collect(&pages, &mut files)?;
    files.sort();
    let rows = files.iter().filter_map(|file| {
        let code = file.file_stem()?.to_str().filter(|stem| stem.starts_with('P'))?;
        Some(format!("({code:?}, include_str!({:?})),\n", file.display().to_string()))
    });
    fs::write(folder("OUT_DIR")?.join("error_pages.rs"), format!("[{}]", rows.collect::<String>()))
}

fn folder(variable: &str) -> io::Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("cargo sets no {variable}")))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What tools leave behind is no source.
        if name != "target" && name != "__pycache__" && name != "node_modules" {
            collect(&entry, files)?;
        }
    }
    Ok(())
}
