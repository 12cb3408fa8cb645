//! Who may import whom: the import rule of `ARCHITECTURE.md`, over `cargo metadata`.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// For each crate, the crates of pawl that it may use.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("pawl-core", &[]),
    ("pawl-store", &["pawl-core"]),
    ("pawl-sandbox", &["pawl-core"]),
    ("pawl-wire", &[]),
    ("pawl-models", &["pawl-core", "pawl-wire"]),
    ("pawl-mcp", &["pawl-core", "pawl-wire"]),
    ("pawl-registry", &["pawl-core", "pawl-wire"]),
    (
        "pawl-engine",
        &["pawl-core", "pawl-store", "pawl-sandbox", "pawl-models", "pawl-mcp", "pawl-registry", "pawl-wire"],
    ),
    ("pawl-telemetry", &["pawl-core", "pawl-store", "pawl-engine", "pawl-wire"]),
    ("pawl-testing", &["pawl-core", "pawl-store", "pawl-sandbox", "pawl-models", "pawl-mcp", "pawl-engine"]),
    ("pawl-server", &["pawl-core", "pawl-store", "pawl-engine", "pawl-wire"]),
    (
        "pawl",
        &[
            "pawl-core",
            "pawl-store",
            "pawl-sandbox",
            "pawl-models",
            "pawl-mcp",
            "pawl-registry",
            "pawl-engine",
            "pawl-server",
            "pawl-telemetry",
            "pawl-server",
            "pawl-testing",
            "pawl-wire",
        ],
    ),
];

/// For each library, by the beginning of its name, the crates that may use it.
const OWNED: [(&str, &[&str]); 16] = [
    ("wasmtime", &["pawl-sandbox"]),
    ("heed", &["pawl-store"]),
    ("sled", &["pawl-store"]),
    ("clap", &["pawl", "pawl-fuzz", "pawl-guard", "xtask", "pawl-sim"]),
    ("anyhow", &["pawl", "xtask", "pawl-tests", "pawl-sim", "pawl-fuzz", "pawl-guard"]),
    ("wasmparser", &["pawl-sandbox"]),
    ("rayon", &["pawl-sandbox"]),
    ("mimalloc", &["pawl"]),
    ("inquire", &["pawl"]),
    ("comfy-table", &["pawl"]),
    ("quick-junit", &["pawl-testing"]),
    (
        "hyper",
        &["pawl", "pawl-wire", "pawl-models", "pawl-mcp", "pawl-registry", "pawl-server", "pawl-telemetry"],
    ),
    ("tokio-rustls", &["pawl", "pawl-models", "pawl-mcp", "pawl-registry", "pawl-server", "pawl-telemetry"]),
    ("secrecy", &["pawl-models", "pawl-mcp", "pawl-registry", "pawl-sandbox", "pawl-engine"]),
    ("rmcp", &["pawl-mcp"]),
    ("ring", &["pawl-registry", "pawl-server"]),
];

/// What the pure core must not use: whatever awaits, draws, reads or runs.
const IMPURE: [&str; 9] =
    ["tokio", "async-trait", "rand", "getrandom", "heed", "rustix", "sled", "tempfile", "wasmtime"];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata")
}

fn dependencies(metadata: &Metadata) -> BTreeMap<String, Vec<String>> {
    let of = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), of(package))).collect()
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let dependencies = dependencies(&metadata());
    for (name, allowed) in ALLOWED {
        for used in dependencies[name].iter().filter(|used| used.starts_with("pawl")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn a_library_is_named_only_by_the_crates_that_own_it() {
    for (name, used) in dependencies(&metadata()) {
        for (library, owners) in OWNED {
            let names = used.iter().any(|used| used == library || used.starts_with(&format!("{library}-")));
            assert!(!names || owners.contains(&name.as_str()), "{name} must not use {library}");
        }
    }
}

#[test]
fn the_core_is_pure() {
    for used in &dependencies(&metadata())["pawl-core"] {
        assert!(!IMPURE.contains(&used.as_str()), "pawl-core must not use {used}");
    }
}

/// The one crate that may say `#[expect(unsafe_code)]`, and how often it does.
const UNSAFE: [(&str, usize); 1] = [("pawl-store", 1)];

#[test]
fn unsafe_code_is_forbidden_but_for_one_call() {
    let metadata = metadata();
    let workspace = std::fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).expect("Cargo.toml");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        let allowed = UNSAFE.iter().find(|(name, _)| package.name.as_str() == *name).map(|(_, times)| *times);
        if allowed.is_none() {
            assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
            continue;
        }
        assert!(manifest.contains("unsafe_code = \"deny\""), "{} does not deny unsafe code", package.name);
        let folder = package.manifest_path.parent().expect("a folder");
        assert_eq!(Some(blocks(folder.as_std_path())), allowed, "{}: blocks of unsafe code", package.name);
    }
}

/// How many `unsafe` blocks the sources in a folder have.
fn blocks(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| match path.extension() {
            _ if path.is_dir() => blocks(&path),
            Some(extension) if extension == "rs" => {
                std::fs::read_to_string(&path).expect("a source").matches("unsafe {").count()
            }
            _ => 0,
        })
        .sum()
}
