//! A model that says what stands in a file.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pawl_core::chat::{ChatAnswer, ChatRequest, ModelScript};
use pawl_core::{Failure, source};

use super::Provider;
use crate::ModelsError;
use crate::stream::{Listener, Voice};

/// A model that says what stands in a file.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: ModelScript,
    /// How often each rule has answered, in this process.
    used: Mutex<Vec<u32>>,
}

impl Scripted {
    pub(crate) fn read(
        model: &str,
        path: &Path,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, ModelsError> {
        let shown = path.display().to_string();
        let text = read(path).map_err(|error| ModelsError::Unreadable {
            model: model.to_owned(),
            path: shown.clone(),
            reason: error.to_string(),
        })?;
        let script = source::operator::load_script(&shown, &text)
            .map_err(|problems| ModelsError::Script(Box::new(problems)))?;
        Ok(Self { script, used: Mutex::default() })
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn chat(&self, request: &ChatRequest, listener: Option<&Listener>) -> Result<ChatAnswer, Failure> {
        let said = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            self.script.answer(&mut used, request)
        };
        tokio::time::sleep(Duration::from_millis(said.delay.0)).await;
        if let (Some(listener), Ok(answer)) = (listener, &said.answer) {
            let mut voice = Voice::new(listener.clone(), None);
            voice.say(&answer.text);
            voice.end();
        }
        said.answer
    }
}
