//! The operator's rules name plugins, and so a plugin that a workflow brings must not go by a name that hides what it
//! is: neither by another than its manifest gives it, nor by that of one that the operator provides.
//!
//! Only where a rule speaks of such a name; without rules a workflow may call what it brings as it likes. Who can make a
//! component can make its manifest: whose names are to be believed says `trusted_keys`, and what a component reaches is
//! bounded by `grants` whatever it is called.

use pawl_core::guard::Policy;
use pawl_core::plugin::{PluginOrigin, PluginPin, PluginPins, WorkflowPins};
use pawl_core::{Digest, Namespace};

use super::catalog::place;
use crate::EngineError;
use crate::driver::Context;
use crate::workflow::Workflow;

/// Refuses a workflow that is to be started, and those that it starts.
pub(crate) async fn check(
    context: &Context,
    workflow: &Workflow,
    namespace: &Namespace,
) -> Result<(), EngineError> {
    let says = context.standing.now();
    let policy = says.policy_of(namespace);
    let mut all = Vec::new();
    collect(&workflow.plugins, &workflow.workflows, &mut all);
    for (name, pin) in all {
        if let Err(why) = refuse(context, &policy, (name, pin)).await {
            return Err(EngineError::Disguised { name: name.to_owned(), by: says.said_of(namespace), why });
        }
    }
    Ok(())
}

fn collect<'w>(
    plugins: &'w PluginPins,
    workflows: &'w WorkflowPins,
    found: &mut Vec<(&'w str, &'w PluginPin)>,
) {
    let is_brought =
        |pin: &PluginPin| matches!(pin.origin, PluginOrigin::Workflow(_) | PluginOrigin::Registry(_));
    found.extend(plugins.iter().filter(|(_, pin)| is_brought(pin)).map(|(name, pin)| (name.as_str(), pin)));
    // As deep as workflows may start workflows, and no deeper.
    for pin in workflows.values() {
        collect(&pin.plugins, &pin.workflows, found);
    }
}

/// Why a plugin may not go by its name.
async fn refuse(context: &Context, policy: &Policy, (name, pin): (&str, &PluginPin)) -> Result<(), String> {
    if let Some(own) = &pin.named {
        if policy.speaks_of(own) || policy.speaks_of(name) {
            return Err(format!("its manifest calls it '{own}': write it under that name"));
        }
        return Ok(());
    }
    if !policy.speaks_of(name) || !context.config.trusted_keys.is_empty() {
        return Ok(());
    }
    match context.catalog.find(name, None).await {
        Ok(provided) if Digest::of(&provided.bytes) != pin.component => Err(format!(
            "there is another '{name}', {}, and that is the one that is meant: give the workflow's own another name, or \
             have it signed and say by `trusted_keys` whose plugins are trusted",
            place(&provided.origin)
        )),
        _ => Ok(()),
    }
}
