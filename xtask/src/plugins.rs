//! `cargo xtask plugins`: builds the components that are committed.
//!
//! The bytes are the same wherever and whenever they are built: the compiler is pinned, the lock
//! file holds, and no path of the machine is left in them. They are built in a target folder of
//! their own, so that a plain `cargo build --release` of the guests keeps what it has compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-unknown-unknown";

/// Folders of plugins, and where their components are committed; relative to the root.
const PLACES: [(&str, &str); 2] = [("plugins", "plugins/dist"), ("plugins/tests", "tests/guests")];

/// What stands in a component for the folder of a registry's sources.
const REGISTRY: &str = "/cargo/registry/src";

/// Files by their path relative to the root: what a build gives.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What this task reads of a `plugin.toml`.
#[derive(Deserialize)]
struct Manifest {
    capabilities: BTreeSet<String>,
}

/// Builds, then writes the files, or compares them with those that are committed.
pub(crate) fn run(root: &Path, check: bool) -> Result<ExitCode> {
    ensure_target()?;
    let built = build(root)?;
    let mut files = Files::new();
    for (sources, place) in PLACES {
        files.extend(collect(root, &built, sources, place)?);
    }
    if check { compare(root, &files) } else { write(root, &files) }
}

/// Adds the target through rustup if the compiler has no library for it.
fn ensure_target() -> Result<()> {
    let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(&libraries).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    ensure!(
        added.is_ok_and(|status| status.success()),
        "the compiler has no library for {TARGET} and rustup could not add it; add the target to the \
         toolchain that rust-toolchain.toml names, then run this again"
    );
    Ok(())
}

/// Builds all guests and returns the folder of the components.
fn build(root: &Path) -> Result<PathBuf> {
    let target = root.join("plugins/target/dist");
    let cargo = || Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Only what is there can be renamed.
    let fetched = cargo().args(["fetch", "--locked", "--quiet"]).current_dir(root.join("plugins")).status();
    ensure!(fetched.context("cargo cannot be started")?.success(), "what the plugins need cannot be fetched");
    let status = cargo()
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .current_dir(root.join("plugins"))
        // It goes before RUSTFLAGS and configuration files, which would change the bytes.
        .env("CARGO_ENCODED_RUSTFLAGS", remaps(root)?.join("\x1f"))
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "the plugins do not build");
    Ok(target.join(TARGET).join("release"))
}

/// Names every folder of this machine by one that is the same everywhere.
fn remaps(root: &Path) -> Result<Vec<String>> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
        .context("there is neither CARGO_HOME nor a home folder")?;
    let version = output(Command::new("rustc").arg("-vV"))?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .context("`rustc -vV` names no commit")?;
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    // The library's own name for its source; with the component rust-src, rustc uses the real path.
    let library = format!("{sysroot}/lib/rustlib/src/rust");
    let mut renamed = vec![
        (root.display().to_string(), "/pawl".to_owned()),
        (cargo_home.display().to_string(), "/cargo".to_owned()),
        (library, format!("/rustc/{commit}")),
    ];
    // After its parent: of several prefixes that fit, rustc takes the last.
    renamed.extend(registries(&cargo_home)?.into_iter().map(|folder| (folder, REGISTRY.to_owned())));
    Ok(renamed.into_iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect())
}

/// The folders that sources were fetched into. Each is named after the host that they came from, and
/// a mirror gives the same sources.
fn registries(cargo_home: &Path) -> Result<BTreeSet<String>> {
    let sources = cargo_home.join("registry/src");
    let read = match fs::read_dir(&sources) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", sources.display())),
    };
    read.map(|entry| Ok(entry?.path().display().to_string())).collect()
}

/// The components and manifests of the plugins in `sources`, and their digests.
fn collect(root: &Path, built: &Path, sources: &str, place: &str) -> Result<Files> {
    let mut files = Files::new();
    let mut digests = Vec::new();
    for name in plugins_in(&root.join(sources))? {
        let manifest = read(&root.join(sources).join(&name).join("plugin.toml"))?;
        let component = read(&built.join(format!("{name}.wasm")))?;
        check_capabilities(&name, &manifest, &component)?;
        for (file, bytes) in [(format!("{name}.toml"), manifest), (format!("{name}.wasm"), component)] {
            digests.push(format!("{}  {file}\n", hex::encode(Sha256::digest(&bytes))));
            files.insert(Path::new(place).join(file), bytes);
        }
    }
    files.insert(Path::new(place).join("SHA256SUMS"), digests.concat().into_bytes());
    Ok(files)
}

/// Names of the folders that hold a `plugin.toml`, in order.
fn plugins_in(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let entry = entry?;
        if entry.path().join("plugin.toml").is_file() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// A manifest must list exactly the capabilities that the component imports.
fn check_capabilities(name: &str, manifest: &[u8], component: &[u8]) -> Result<()> {
    let manifest: Manifest =
        toml::from_slice(manifest).with_context(|| format!("plugin.toml of {name} cannot be read"))?;
    let imported = capabilities(component).with_context(|| format!("{name} is no component"))?;
    ensure!(
        manifest.capabilities == imported,
        "plugin.toml of {name} lists the capabilities {:?}, but the component imports {imported:?}",
        manifest.capabilities
    );
    Ok(())
}

/// The capabilities that a component's imports need. Types alone need none.
fn capabilities(component: &[u8]) -> Result<BTreeSet<String>> {
    let decoded = wit_parser::decoding::decode(component)?;
    let wit_parser::decoding::DecodedWasm::Component(resolve, world) = decoded else {
        bail!("this is a WIT package");
    };
    let mut capabilities = BTreeSet::new();
    for key in resolve.worlds[world].imports.keys() {
        let name = resolve.name_world_key(key);
        let interface = name.split('@').next().unwrap_or(&name);
        match interface.split_once('/') {
            Some(("pawl:plugin", "types")) => {}
            Some(("pawl:plugin", capability)) => {
                capabilities.insert(capability.to_owned());
            }
            // Of the clocks, a request's timeouts need the type of a duration.
            Some(("wasi:http" | "wasi:io" | "wasi:clocks", _)) => {
                capabilities.insert("http".to_owned());
            }
            _ => bail!("it imports {name}, which no world gives"),
        }
    }
    Ok(capabilities)
}

/// Writes the files, and removes shipped components whose plugin is gone.
fn write(root: &Path, files: &Files) -> Result<ExitCode> {
    for file in stale(root, files)? {
        fs::remove_file(root.join(&file)).with_context(|| format!("{} cannot be removed", file.display()))?;
        println!("{} removed", file.display());
    }
    for (file, bytes) in files {
        let path = root.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        fs::write(&path, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
        if file.extension().is_some_and(|extension| extension == "wasm") {
            println!("{:>8} bytes  {}", bytes.len(), file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists what differs from what is committed; fails if anything does.
fn compare(root: &Path, files: &Files) -> Result<ExitCode> {
    let mut differences: Vec<_> = stale(root, files)?
        .into_iter()
        .map(|file| format!("{}: no plugin is built into it", file.display()))
        .collect();
    for (file, bytes) in files {
        match fs::read(root.join(file)) {
            Ok(committed) if committed == *bytes => {}
            Ok(_) => differences.push(format!("{}: differs from what is built", file.display())),
            Err(error) => differences.push(format!("{}: {error}", file.display())),
        }
    }
    if differences.is_empty() {
        println!("all {} files are as built", files.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", differences.join("\n"));
    println!("Run `cargo xtask plugins` and commit what it writes.");
    Ok(ExitCode::FAILURE)
}

/// Files among the shipped plugins that no plugin is built into. The guests of the tests may stand
/// beside others.
fn stale(root: &Path, files: &Files) -> Result<Vec<PathBuf>> {
    let (_, shipped) = PLACES[0];
    let folder = root.join(shipped);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut stale = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{shipped} cannot be read"))? {
        let file = Path::new(shipped).join(entry?.file_name());
        if !files.contains_key(&file) {
            stale.push(file);
        }
    }
    Ok(stale)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// What a command prints, without the line's end.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} cannot be started"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_the_same_name_whatever_its_host() -> Result<()> {
        let home = env::temp_dir().join(format!("pawl-registries-{}", std::process::id()));
        assert!(registries(&home)?.is_empty());
        let folders =
            ["one.example-0123", "two.example-4567"].map(|name| home.join("registry/src").join(name));
        for folder in &folders {
            fs::create_dir_all(folder)?;
        }
        let found = registries(&home)?;
        fs::remove_dir_all(&home)?;
        let expected: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        Ok(())
    }
}
