//! What models say in a test: nothing but what it writes down.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::budget::{Price, Prices};
use pawl_core::call::CallResponse;
use pawl_core::chat::{ChatRequest, ModelScript, Scripted};
use pawl_core::source;
use pawl_core::source::test_file::{Says, TestFile};
use pawl_core::{Failure, FailureKind};
use pawl_engine::Clock as _;
use pawl_models::Models;

use crate::TestingError;
use crate::clock::SimulatedClock;
use crate::store::ProcessStore;

/// What the models of a test say. Outlives processes, as what is outside does.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    scripts: BTreeMap<String, ModelScript>,
    said: Mutex<Said>,
}

/// How far the models got with it.
#[derive(Debug, Default)]
struct Said {
    /// How often each rule has answered.
    used: BTreeMap<String, Vec<u32>>,
    /// What was said to each call: who is asked again says the same.
    decided: BTreeMap<String, Scripted>,
}

impl Scripts {
    pub(crate) fn new(scripts: BTreeMap<String, ModelScript>) -> Self {
        Self { scripts, said: Mutex::default() }
    }
}

/// Reads the scripts that tests name, so that each has its rules with it.
pub(crate) fn read_scripts(tests: &mut TestFile, folder: &Path) -> Result<(), TestingError> {
    for model in tests.tests.iter_mut().flat_map(|test| &mut test.models) {
        let Says::File(path) = &model.says else { continue };
        let path = folder.join(path);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| TestingError::Unreadable { path: file.clone(), reason: error.to_string() })?;
        model.says = Says::Rules(source::operator::load_script(&file, &text)?);
    }
    Ok(())
}

/// The models as one process meets them.
#[derive(Debug)]
pub(crate) struct ScriptedModels {
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) clock: SimulatedClock,
    pub(crate) store: Arc<ProcessStore>,
}

#[async_trait]
impl Models for ScriptedModels {
    fn names(&self) -> Vec<String> {
        self.scripts.scripts.keys().cloned().collect()
    }

    /// What a test says costs nothing.
    fn prices(&self) -> Prices {
        self.scripts.scripts.keys().map(|name| (name.clone(), Price { input: 0, output: 0 })).collect()
    }

    async fn chat(&self, key: &str, profile: &str, request: ChatRequest) -> CallResponse {
        self.store.alive().await;
        let Some(script) = self.scripts.scripts.get(profile) else {
            let message =
                format!("the test does not say what the model '{profile}' says; add it to `models`");
            return Err(Failure::new(FailureKind::InvalidInput, message));
        };
        let said = {
            let Said { used, decided } =
                &mut *self.scripts.said.lock().unwrap_or_else(PoisonError::into_inner);
            let used = used.entry(profile.to_owned()).or_default();
            decided.entry(key.to_owned()).or_insert_with(|| script.answer(used, &request)).clone()
        };
        if said.delay.0 > 0 {
            self.clock.sleep_until(self.clock.now().after(said.delay)).await;
        }
        said.answer.map(|answer| answer.to_json(profile))
    }
}
