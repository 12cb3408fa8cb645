//! A run goes on with another definition.

use std::sync::Arc;

use serde_json::Value;

use super::RunState;
use crate::upgrade::DefinitionChanged;

impl RunState {
    /// The name of its workflow.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The author's version of the definition that it goes by.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn change_definition(&mut self, changed: &DefinitionChanged) {
        self.definition = changed.to;
        self.version.clone_from(&changed.version);
        let mut plugins = changed.plugins.as_ref().clone();
        // What a route chose for it is not named by any definition.
        for (name, pin) in self.plugins.iter() {
            plugins.entry(name.clone()).or_insert_with(|| pin.clone());
        }
        self.plugins = Arc::new(plugins);
        self.workflows = Arc::new(changed.workflows.clone());
        self.prices.extend(changed.prices.clone());
        if let Some(inputs) = &changed.inputs {
            self.inputs = inputs.share();
        }
        if let Value::Object(facts) = Arc::make_mut(&mut self.facts) {
            facts.insert("version".to_owned(), Value::String(changed.version.clone()));
        }
    }
}
