//! The operator's models: asked, asked again, and replaced by their fallbacks.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use pawl_core::budget::{Price, Prices};
use pawl_core::call::CallResponse;
use pawl_core::chat::{ChatAnswer, ChatRequest, Sampling, UNHEARD};
use pawl_core::operator::{self, Operator};
use pawl_core::{Failure, FailureKind};
use serde_json::json;

use crate::pace::Pace;
use crate::provider::{Provider, Scripted, Server};
use crate::unheard::is_unheard;
use crate::{Listener, Models, ModelsError};

/// The pause before the first retry, where the server does not say; each further one is twice as long.
const PAUSE_MS: u64 = 500;
/// The longest that a server is waited for within one question, in milliseconds. If it asks for
/// more, the question fails and says so: a step's `retry` waits without holding anything.
pub const RETRY_WAIT_MAX_MS: u64 = 30_000;

/// The models of a `pawl.yaml`.
#[derive(Debug, Default)]
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug)]
struct Profile {
    provider: Box<dyn Provider>,
    pace: Pace,
    timeout: Duration,
    retries: u32,
    sampling: Sampling,
    price: Option<Price>,
    fallbacks: Vec<String>,
}

impl Profiles {
    /// The models that an operator names; paths are relative to `folder`, and scripts are read with `read`.
    pub fn new(
        operator: &Operator,
        folder: &Path,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, ModelsError> {
        let profile = |(name, written): (&String, &operator::Profile)| {
            let provider: Box<dyn Provider> = match &written.provider {
                operator::Provider::Scripted { script } => {
                    Box::new(Scripted::read(name, &folder.join(script), &read)?)
                }
                operator::Provider::Remote(remote) => Box::new(Server::new(name, remote, folder)?),
            };
            let profile = Profile {
                provider,
                pace: Pace::new(written.requests_per_minute),
                timeout: Duration::from_millis(written.timeout.0),
                retries: written.retries,
                sampling: written.sampling,
                price: written.price,
                fallbacks: written.fallbacks.clone(),
            };
            Ok((name.clone(), profile))
        };
        Ok(Self { profiles: operator.models.iter().map(profile).collect::<Result<_, ModelsError>>()? })
    }
}

#[async_trait]
impl Models for Profiles {
    fn names(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }

    fn prices(&self) -> Prices {
        let price = |name: &String| self.profiles.get(name).and_then(|profile| profile.price);
        let all = self
            .profiles
            .iter()
            .filter(|(_, profile)| profile.fallbacks.iter().all(|name| price(name).is_some()));
        all.filter_map(|(name, profile)| Some((name.clone(), profile.price?))).collect()
    }

    async fn chat(&self, _key: &str, profile: &str, request: ChatRequest) -> CallResponse {
        self.ask(profile, &request, None).await
    }

    async fn chat_aloud(
        &self,
        _key: &str,
        profile: &str,
        request: ChatRequest,
        listener: &Listener,
    ) -> CallResponse {
        self.ask(profile, &request, Some(listener)).await
    }
}

impl Profiles {
    async fn ask(&self, profile: &str, request: &ChatRequest, listener: Option<&Listener>) -> CallResponse {
        let Some(first) = self.profiles.get(profile) else {
            let message = format!("there is no model '{profile}'; name it under `models` in pawl.yaml");
            return Err(Failure::new(FailureKind::InvalidInput, message));
        };
        let (mut failures, mut unheard) = (Vec::new(), 0);
        for name in std::iter::once(profile).chain(first.fallbacks.iter().map(String::as_str)) {
            let Some(asked) = self.profiles.get(name) else { continue };
            match asked.ask(name, request, listener, &mut unheard).await {
                Ok(answer) => {
                    let mut answer = answer.to_json(name);
                    if unheard > 0 {
                        answer[UNHEARD] = unheard.into();
                    }
                    return Ok(answer);
                }
                Err(failure) => {
                    // Nobody else would take it either.
                    let is_last = failure.kind == FailureKind::InvalidInput;
                    tracing::warn!(model = name, kind = failure.kind.name(), "a model did not answer");
                    failures
                        .push(Failure { message: format!("model '{name}': {}", failure.message), ..failure });
                    if is_last {
                        break;
                    }
                }
            }
        }
        let details = (unheard > 0).then(|| json!({ UNHEARD: unheard }));
        Err(Failure { details, ..together(failures) })
    }
}

impl Profile {
    /// Asks until there is an answer, or none is to be had. Counts the tries that may have been answered where nobody
    /// heard it.
    async fn ask(
        &self,
        name: &str,
        request: &ChatRequest,
        listener: Option<&Listener>,
        unheard: &mut u32,
    ) -> Result<ChatAnswer, Failure> {
        let filled = self.sampling.fill(request);
        let request = filled.as_ref().unwrap_or(request);
        let mut pause_ms = PAUSE_MS;
        for left in (0..=self.retries).rev() {
            self.pace.turn().await?;
            let asked = self.provider.chat(request, listener);
            let failure = match tokio::time::timeout(self.timeout, asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => {
                    *unheard += u32::from(is_unheard(&failure));
                    failure
                }
                Err(_) => {
                    *unheard += 1;
                    let message =
                        format!("there was no answer within `timeout` ({} ms)", self.timeout.as_millis());
                    Failure::new(FailureKind::Transient, message)
                }
            };
            let wait_ms = failure.retry_after_ms.unwrap_or(pause_ms);
            if left == 0 || failure.kind != FailureKind::Transient || wait_ms > RETRY_WAIT_MAX_MS {
                return Err(failure);
            }
            tracing::info!(model = name, wait_ms, left, "a model is asked again");
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            pause_ms = pause_ms.saturating_mul(2);
        }
        // `0..=retries` has at least one number, and the last returns.
        Err(Failure::new(FailureKind::Permanent, "the model was never asked, which is a fault of pawl"))
    }
}

/// One failure of all: worth another try if one of them is.
fn together(failures: Vec<Failure>) -> Failure {
    let passing = failures.iter().filter(|failure| failure.kind == FailureKind::Transient);
    let retry_after_ms = passing.clone().filter_map(|failure| failure.retry_after_ms).min();
    let kind = match passing.count() {
        0 => failures.last().map_or(FailureKind::Permanent, |failure| failure.kind),
        _ => FailureKind::Transient,
    };
    let messages: Vec<_> = failures.into_iter().map(|failure| failure.message).collect();
    Failure { retry_after_ms, ..Failure::new(kind, messages.join("; ")) }
}
