//! `pawl.yaml` as written, and the scripts of models: read by the same readers as workflows, every
//! problem at once, each with its place.

mod identity;
mod mcp;
mod namespace;
mod notify;
mod plugin;
mod policy;
mod profile;
mod script;
mod secret;
mod server;
mod supply;
mod telemetry;

use std::collections::BTreeMap;

pub use identity::IDENTITY_ROLES_MAX;
pub(super) use script::rules;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::permissions::folders;
use super::tree::Node;
use super::{SOURCE_MAX_BYTES, yaml};
use crate::Duration;
use crate::chat::ModelScript;
use crate::diagnostic::{Code, Diagnostics, among};
use crate::language::operator::{OPERATOR, SCRIPT};
use crate::operator::{Operator, Profile};

/// What the names of keys have in them that hold a key themselves.
const KEY_WORDS: [&str; 5] = ["key", "token", "secret", "password", "authorization"];
/// The most models of a file.
pub const MODELS_MAX: usize = 100;
/// The most plugins that a file says something of.
pub const OPERATOR_PLUGINS_MAX: usize = 1_000;
/// The most namespaces that a file says something of.
pub const NAMESPACES_MAX: usize = 1_000;
/// The most secrets of a file.
pub const SECRETS_MAX: usize = 100;
/// The most trusted keys of a file.
pub const TRUSTED_KEYS_MAX: usize = 100;
/// The most registries of a file.
pub const REGISTRIES_MAX: usize = 100;
/// The most retries of a request.
pub const RETRIES_MAX: u32 = 10;
/// The most requests in a minute that can be asked for.
pub const REQUESTS_PER_MINUTE_MAX: u32 = 10_000;
/// The most rules of a scripted model.
pub const MODEL_RULES_MAX: usize = 1_000;
/// The most MCP servers of a file.
pub const MCP_SERVERS_MAX: usize = 100;
/// The most runs that `keep_runs` can name.
pub const KEEP_RUNS_MAX: u32 = 1_000_000_000;
/// The most requests of one token in a second that can be asked for.
pub const TOKEN_REQUESTS_PER_SECOND_TOP: u32 = 1_000_000;
/// The longest that a collector of spans may take to answer, in milliseconds.
pub const COLLECTOR_TIMEOUT_MAX_MS: u64 = 600_000;
/// The most web hooks and tools of a file that are told of approvals.
pub const NOTIFY_MAX: usize = 20;
/// The last turn that a rule can be for.
pub const TURN_MAX: u32 = 10_000;

/// Reads `pawl.yaml`; `file` is its name in messages.
pub fn load(file: &str, text: &str) -> Result<Operator, Diagnostics> {
    read(file, text, "models:", |lower, root| {
        let keys = lower.map(root, &OPERATOR).unwrap_or(Keys::new(&OPERATOR, &[]));
        description(lower, keys);
        let models = get(keys, "models").map(|node| models(lower, node)).unwrap_or_default();
        let mcp = get(keys, "mcp").map(|node| mcp::servers(lower, node)).unwrap_or_default();
        let plugins = get(keys, "plugins").map(|node| plugin::plugins(lower, node));
        let (plugins, sources) = plugins.unwrap_or_default();
        let policy = policy::policy(lower, keys);
        let trusted_keys = get(keys, "trusted_keys").map(|node| supply::trusted_keys(lower, node));
        let registries = get(keys, "registries").map(|node| supply::registries(lower, node));
        let server = get(keys, "server").map(|node| server::server(lower, node));
        let retention = get(keys, "retention").map(|node| server::retention(lower, node));
        let identity = get(keys, "identity").and_then(|node| identity::identity(lower, node));
        Operator {
            server: server.unwrap_or_default(),
            retention: retention.unwrap_or_default(),
            models,
            mcp,
            plugins,
            sources,
            policy,
            secrets: get(keys, "secrets").map(|node| secret::secrets(lower, node)).unwrap_or_default(),
            files: get(keys, "files").map(|node| folders(lower, node)).unwrap_or_default(),
            namespaces: get(keys, "namespaces")
                .map(|node| namespace::namespaces(lower, node))
                .unwrap_or_default(),
            hold_new_plugins: get(keys, "new_plugins").is_some_and(|node| secret::holds(lower, node)),
            trusted_keys: trusted_keys.unwrap_or_default(),
            registries: registries.unwrap_or_default(),
            identity,
            telemetry: get(keys, "telemetry")
                .map(|node| telemetry::telemetry(lower, node))
                .unwrap_or_default(),
            notify: get(keys, "notify").map(|node| notify::notify(lower, node)).unwrap_or_default(),
        }
    })
}

/// Reads the script of a model; `file` is its name in messages.
pub fn load_script(file: &str, text: &str) -> Result<ModelScript, Diagnostics> {
    read(file, text, "rules:", |lower, root| {
        let keys = lower.map(root, &SCRIPT).unwrap_or(Keys::new(&SCRIPT, &[]));
        description(lower, keys);
        let node = lower.required(keys, "rules", &root.span);
        node.map(|node| rules(lower, node)).unwrap_or_default()
    })
}

fn read<T>(
    file: &str,
    text: &str,
    begin: &str,
    lowered: impl FnOnce(&mut Lower, &Node) -> T,
) -> Result<T, Diagnostics> {
    let mut problems = Diagnostics::new(file, text);
    if text.len() > SOURCE_MAX_BYTES {
        let message = format!("the file has {} bytes", text.len());
        let help = format!("source_max_bytes is {SOURCE_MAX_BYTES}");
        problems.push(Code::SourceTooLarge, 0..0, message, "", Some(help));
        return Err(problems);
    }
    let help = Some(format!("begin with `{begin}`"));
    let Some(root) = yaml::parse(text, &mut problems) else {
        if problems.is_empty() {
            problems.push(Code::MissingKey, 0..0, "the file is empty", "", help);
        }
        return Err(problems);
    };
    if root.as_map().is_none() {
        let message = format!("the file must be a map, not {}", root.describe());
        problems.push(Code::WrongType, root.span, message, "", help);
        return Err(problems);
    }
    cover(&mut problems, &root);
    let mut lower = Lower::new(problems, &root);
    let value = lowered(&mut lower, &root);
    if lower.problems.has_errors() { Err(lower.problems) } else { Ok(value) }
}

/// Covers what may be a key, wherever it stands, so that no problem beside it shows it.
fn cover(problems: &mut Diagnostics, node: &Node) {
    for item in node.as_list().unwrap_or_default() {
        cover(problems, item);
    }
    for entry in node.as_map().unwrap_or_default() {
        let name = entry.key.to_lowercase();
        // Somebody may write one instead of where it is.
        for secret in entry.value.as_map().filter(|_| name == "secrets").unwrap_or_default() {
            if secret.value.as_text().is_some() {
                problems.hide(&secret.value.span);
            }
        }
        if entry.value.as_text().is_some() && KEY_WORDS.iter().any(|word| name.contains(word)) {
            problems.hide(&entry.value.span);
        } else {
            cover(problems, &entry.value);
        }
    }
}

/// A duration that is not nothing.
fn some_time(lower: &mut Lower, keys: Keys<'_>, key: &str) -> Option<Duration> {
    let node = get(keys, key)?;
    let time = lower.duration(node, key)?;
    if time.0 == 0 {
        let help = Some("leave the key out, or write more".to_owned());
        lower.report(Code::OutOfRange, &node.span, format!("{key} is nothing"), help);
    }
    Some(time)
}

fn description(lower: &mut Lower, keys: Keys<'_>) {
    if let Some(node) = get(keys, "description") {
        lower.text(node, "description");
    }
}

fn models(lower: &mut Lower, node: &Node) -> BTreeMap<String, Profile> {
    let mut models = BTreeMap::new();
    let entries = lower.any_map(node, "models").unwrap_or_default();
    let entries: Vec<_> = entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect();
    if entries.len() > MODELS_MAX {
        let message = format!("there are {} models", entries.len());
        lower.report(Code::OutOfRange, &node.span, message, Some(format!("models_max is {MODELS_MAX}")));
        return models;
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    for entry in &entries {
        if !lower.name(&entry.key, &entry.key_span, "a model", "-") {
            continue;
        }
        let Some((profile, fallbacks)) = profile::profile(lower, &entry.value) else { continue };
        for (name, span) in &fallbacks {
            let wrong = if *name == entry.key {
                Some(("a model cannot stand in for itself".to_owned(), None))
            } else if names.contains(name) {
                None
            } else {
                Some((format!("there is no model '{name}'"), among(name, "there are", names.iter().copied())))
            };
            if let Some((message, help)) = wrong {
                lower.report(Code::InvalidValue, span, message, help);
            }
        }
        let fallbacks = fallbacks.into_iter().map(|(name, _)| name.to_owned()).collect();
        models.insert(entry.key.clone(), Profile { fallbacks, ..profile });
    }
    models
}

#[cfg(test)]
mod tests;
