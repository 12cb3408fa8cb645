//! The source as written, with its places; lowered to a [`Definition`] or to every problem it has.
//!
//! Three stages. The text becomes a tree in which every node has its place.
//! The tree is lowered: whatever is wrong is reported, something harmless
//! stands in for it, and the reading goes on, so that one pass finds every
//! problem. What was lowered is then checked as a whole: names, ways, fields.
//! A definition leaves this module only when nothing was wrong.
//!
//! Plugins are not known here; [`check_plugins`] compares a definition with
//! what plugins say of themselves.

mod arguments;
mod block;
mod budget;
mod concurrency;
mod fields;
mod guard;
mod human;
mod inputs;
mod keys;
mod listen;
mod lower;
mod maybe;
mod names;
mod needs;
pub mod operator;
mod outline;
mod permissions;
mod places;
mod plugins;
mod route;
mod scalar;
mod sites;
mod step;
mod terms;
pub mod test_file;
mod timeouts;
mod tree;
mod undo;
mod vars;
mod verb;
mod ways;
mod workflow;
mod yaml;

#[cfg(test)]
pub(crate) use keys::read;
pub use places::Places;
pub use plugins::{KnownModels, WorkflowShape, check_plugins};
pub use route::check_routes;
pub(crate) use sites::{Moment as SiteMoment, Site, sites};

use crate::definition::Definition;
use crate::diagnostic::{Code, Diagnostics};

/// The largest source, in bytes.
pub const SOURCE_MAX_BYTES: usize = 256 * 1_024;
/// The most nodes of a source; an alias counts as many as what it names.
pub const YAML_MAX_NODES: usize = 20_000;
/// The most bytes that aliases may add to a source, in texts and keys.
pub const YAML_MAX_BYTES: usize = 1_024 * 1_024;
/// How deeply lists and maps may be nested.
pub const YAML_MAX_DEPTH: usize = 48;
/// The most steps of a workflow.
pub const STEPS_MAX: usize = 500;
/// How deeply lists of steps may be nested in steps.
pub const BLOCKS_MAX_DEPTH: usize = 8;
/// The most branches of a `parallel`.
pub const BRANCHES_MAX: usize = 32;
/// The most items of a `map` at once.
pub const MAP_MAX_PARALLEL: u32 = 256;
/// The most attempts of a visit.
pub const RETRY_MAX_ATTEMPTS: u32 = 100;
/// The most visits of a step, and what a step without `max_visits` may have.
pub const VISITS_MAX: u32 = 10_000;
/// The longest name of a workflow, step, input, output or action, in bytes.
pub const NAME_MAX_BYTES: usize = 64;

/// A definition that is ready to run, and where its parts stand in the source.
#[derive(Debug)]
pub struct Loaded {
    /// What runs.
    pub definition: Definition,
    /// Where each part stands.
    pub places: Places,
    /// What is odd without being wrong.
    pub warnings: Diagnostics,
}

/// Reads one workflow; `file` is its name in messages.
pub fn load(file: &str, text: &str) -> Result<Loaded, Diagnostics> {
    let mut problems = Diagnostics::new(file, text);
    if text.len() > SOURCE_MAX_BYTES {
        let message = format!("the file has {} bytes", text.len());
        let help = format!("source_max_bytes is {SOURCE_MAX_BYTES}; keep data out of the definition");
        problems.push(Code::SourceTooLarge, 0..0, message, "", Some(help));
        return Err(problems);
    }
    let Some(root) = yaml::parse(text, &mut problems) else {
        if problems.is_empty() {
            let help = "begin with `pawl: 1`".to_owned();
            problems.push(Code::MissingKey, 0..0, "the file is empty", "", Some(help));
        }
        return Err(problems);
    };
    if root.as_map().is_none() {
        let message = format!("a workflow must be a map, not {}", root.describe());
        problems.push(Code::WrongType, root.span, message, "", Some("begin with `pawl: 1`".to_owned()));
        return Err(problems);
    }
    let mut places = Places::of(&root);
    let mut lower = lower::Lower::new(problems, &root);
    let mut definition = workflow::definition(&mut lower, &root);
    let lower::Lower { mut problems, ways_known, pointers, .. } = lower;
    places.set_steps(pointers);
    undo::find_uses(&mut definition, &places);
    vars::check(&definition, &places, &mut problems);
    names::check(&definition, &places, &mut problems);
    signals(&definition, &places, &mut problems);
    guard::check(&definition, &places, &mut problems);
    if ways_known {
        ways::check(&definition, &places, &mut problems);
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Loaded { definition, places, warnings: problems })
}

/// A piece of YAML as JSON; nothing where it cannot be read.
pub fn yaml_value(text: &str) -> Option<serde_json::Value> {
    yaml::parse(text, &mut Diagnostics::new("", text)).map(|node| node.to_json())
}

/// Steps that wait for the same signal agree on what it brings: which of them takes it is not known when it comes.
fn signals(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    if let Some((index, name)) = crate::decide::differing(definition) {
        let span = places.value(&format!("{}/signal", places.step(index)));
        let message = format!("another step waits for the signal '{name}' with other data");
        let help = Some("give both the same `data`, or the signals two names".to_owned());
        problems.push(Code::KeyMismatch, span, message, "", help);
    }
}

#[cfg(test)]
mod tests;
