//! What workflows grant, against the most that may be granted to them: by the operator, and by the steps of other
//! workflows that start them. Told before a run is started; what a run is bound by is part of its first event.

use std::path::Path;

use pawl_core::definition::{Definition, MemoryOf, Verb};
use pawl_core::plugin::{Ceiling, Permissions};
use pawl_core::{Namespace, StepId};
use serde_json::Value;

use crate::{EngineError, OperatorSays};

const HINT: &str = "add it to `grants`, `secrets` or `files` there, or take it out of the workflow";

/// What the operator's file withholds of what a workflow of a namespace grants or does.
pub(crate) fn check(
    definition: &Definition,
    file: &str,
    folder: Option<&str>,
    says: &OperatorSays,
    namespace: &Namespace,
) -> Result<(), EngineError> {
    let policy = says.policy_of(namespace);
    let ceiling = &policy.grants;
    let mut withheld = granted(definition, ceiling, folder);
    withheld.extend(memories(definition, ceiling));
    if let Some(secrets) = &says.secrets {
        let folders = Ceiling { files: Some(policy.files.clone()), ..Ceiling::default() };
        withheld.extend(granted(definition, &folders, folder));
        for (step, permissions) in permissions(definition) {
            let unknown = secrets.unknown(&permissions.secrets);
            withheld.extend(unknown.map(|name| format!("step '{step}': secrets: {name}")));
        }
    }
    for step in &definition.steps {
        match &step.verb {
            // What a route finds is known later; the router leaves out what lies beyond.
            Verb::Tool(tool) if tool.route.is_none() => {
                let name = format!("{}.{}", tool.plugin, tool.tool);
                if !ceiling.lets_tool(&name) {
                    withheld.push(format!("step '{}' calls {name}", step.id));
                }
            }
            Verb::Agent(agent) if agent.route.is_none() && !ceiling.lets_agent(&agent.agent) => {
                withheld.push(format!("step '{}' runs agent {}", step.id, agent.agent));
            }
            _ => {}
        }
    }
    refused(file, &says.said_of(namespace), withheld, HINT)
}

/// What a step that starts a run of a workflow withholds of what that grants.
pub(crate) fn check_child(
    definition: &Definition,
    file: &str,
    folder: Option<&str>,
    by: &str,
    ceiling: &Ceiling,
) -> Result<(), EngineError> {
    let hint = "add it to the `permissions` of the step that starts it, or take it out of the workflow";
    refused(file, by, granted(definition, ceiling, folder), hint)
}

/// The most that the steps of a workflow let the runs of another be granted, with the file of the steps.
pub(crate) fn ceilings(
    definition: &Definition,
    workflow: &str,
    file: &str,
    folder: Option<&str>,
) -> Vec<(String, Ceiling)> {
    let steps = definition.steps.iter().filter_map(|step| match &step.verb {
        Verb::Workflow(verb) if verb.workflow == workflow && !verb.grants.is_empty() => Some(&verb.grants),
        _ => None,
    });
    steps.map(|grants| (file.to_owned(), grants.based(folder))).collect()
}

fn granted(definition: &Definition, ceiling: &Ceiling, folder: Option<&str>) -> Vec<String> {
    let mut withheld = Vec::new();
    for (step, granted) in permissions(definition) {
        let beyond = ceiling.withholds(&granted.based(folder));
        if !beyond.is_empty() {
            withheld.push(format!("step '{step}': {}", beyond.join(", ")));
        }
    }
    withheld
}

/// The memories that steps name and may not use, of those whose name is known before a run is.
fn memories(definition: &Definition, ceiling: &Ceiling) -> Vec<String> {
    let mut withheld = Vec::new();
    for step in &definition.steps {
        // Without `memory` its grant is told already, or it has none.
        let Verb::Agent(agent) = &step.verb else { continue };
        if !ceiling.narrow(&agent.permissions).memory {
            continue;
        }
        let name = match &agent.memory {
            MemoryOf::Run => continue,
            MemoryOf::Workflow => Some(definition.name.as_str()),
            MemoryOf::Key(key) => key.as_literal().and_then(Value::as_str),
        };
        if let Some(name) = name.filter(|name| !ceiling.lets_memory(name)) {
            withheld.push(format!("step '{}': memory: {name}", step.id));
        }
    }
    withheld
}

/// What each step that has a plugin grants it.
fn permissions(definition: &Definition) -> impl Iterator<Item = (&StepId, &Permissions)> {
    definition.steps.iter().filter_map(|step| match &step.verb {
        Verb::Agent(agent) => Some((&step.id, &agent.permissions)),
        Verb::Tool(tool) => Some((&step.id, &tool.permissions)),
        _ => None,
    })
}

/// The folder of a workflow's file, as the run keeps it, where the workflow grants files or bounds those of others.
pub(crate) fn folder(definition: &Definition, base: &Path) -> Result<Option<String>, EngineError> {
    let bounds = definition.steps.iter().any(|step| match &step.verb {
        Verb::Workflow(verb) => verb.grants.files.as_ref().is_some_and(|files| !files.is_empty()),
        _ => false,
    });
    if !bounds && permissions(definition).all(|(_, granted)| granted.files.is_empty()) {
        return Ok(None);
    }
    let unusable = |reason: String| EngineError::Unreadable { path: base.display().to_string(), reason };
    let here = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let whole = std::fs::canonicalize(here).map_err(|error| unusable(error.to_string()))?;
    let text = whole.into_os_string().into_string();
    let text =
        text.map_err(|_| unusable("its name is no UTF-8, so no `files` can be granted below it".to_owned()))?;
    Ok(Some(text))
}

fn refused(file: &str, by: &str, withheld: Vec<String>, hint: &'static str) -> Result<(), EngineError> {
    if withheld.is_empty() {
        return Ok(());
    }
    Err(EngineError::Withheld { file: file.to_owned(), by: by.to_owned(), withheld, hint })
}
