//! What workflows grant, against the most that may be granted to them: by the operator, and by the steps of other
//! workflows that start them. Told before a run is started; what a run is bound by is part of its first event.

use pawl_core::definition::{Definition, Verb};
use pawl_core::plugin::Ceiling;

use crate::{EngineError, OperatorSays};

/// What the operator's file withholds of what a workflow grants or does.
pub(crate) fn check(definition: &Definition, file: &str, says: &OperatorSays) -> Result<(), EngineError> {
    let ceiling = &says.policy.grants;
    let mut withheld = granted(definition, ceiling);
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
    refused(file, &says.policy_file, withheld, "add it to `grants` there, or take it out of the workflow")
}

/// What a step that starts a run of a workflow withholds of what that grants.
pub(crate) fn check_child(
    definition: &Definition,
    file: &str,
    by: &str,
    ceiling: &Ceiling,
) -> Result<(), EngineError> {
    let hint = "add it to the `permissions` of the step that starts it, or take it out of the workflow";
    refused(file, by, granted(definition, ceiling), hint)
}

/// The most that the steps of a workflow let the runs of another be granted, with the file of the steps.
pub(crate) fn ceilings(definition: &Definition, workflow: &str, file: &str) -> Vec<(String, Ceiling)> {
    let steps = definition.steps.iter().filter_map(|step| match &step.verb {
        Verb::Workflow(verb) if verb.workflow == workflow && !verb.grants.is_empty() => Some(&verb.grants),
        _ => None,
    });
    steps.map(|grants| (file.to_owned(), grants.clone())).collect()
}

fn granted(definition: &Definition, ceiling: &Ceiling) -> Vec<String> {
    let mut withheld = Vec::new();
    for step in &definition.steps {
        let granted = match &step.verb {
            Verb::Agent(agent) => &agent.permissions,
            Verb::Tool(tool) => &tool.permissions,
            _ => continue,
        };
        let beyond = ceiling.withholds(granted);
        if !beyond.is_empty() {
            withheld.push(format!("step '{}': {}", step.id, beyond.join(", ")));
        }
    }
    withheld
}

fn refused(file: &str, by: &str, withheld: Vec<String>, hint: &'static str) -> Result<(), EngineError> {
    if withheld.is_empty() {
        return Ok(());
    }
    Err(EngineError::Withheld { file: file.to_owned(), by: by.to_owned(), withheld, hint })
}
