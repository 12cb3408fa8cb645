//! The models of pawl: what an operator's `pawl.yaml` names, and the servers behind it.
//!
//! Nothing here knows of runs. An engine asks by the name of a profile and records what it gets; who
//! answered, how often it was tried and what it was told to wait is decided here and kept nowhere.
//! A key is read when a request is made, stands in that request's header and in nothing else:
//! whatever a server says is searched for it before anybody sees it.

#![warn(missing_docs)]

mod error;
mod http;
mod key;
mod names;
mod pace;
mod profiles;
mod provider;
mod stream;
mod unheard;

use std::fmt::Debug;

use async_trait::async_trait;
use pawl_core::budget::Prices;
use pawl_core::call::CallResponse;
use pawl_core::chat::ChatRequest;

pub use error::ModelsError;
pub use http::MODEL_RESPONSE_MAX_BYTES;
pub use pace::TURN_WAIT_MAX_MS;
pub use profiles::{Profiles, RETRY_WAIT_MAX_MS};
pub use stream::Listener;

/// Where an engine's questions to models go.
#[async_trait]
pub trait Models: Debug + Send + Sync + 'static {
    /// The names that can be asked, sorted.
    fn names(&self) -> Vec<String>;

    /// What those cost that have a price, and whose fallbacks have one.
    fn prices(&self) -> Prices {
        Prices::new()
    }

    /// Asks a model by its name. The key is the same for every try of one call, across crashes. Dropping the
    /// future gives the question up.
    async fn chat(&self, key: &str, profile: &str, request: ChatRequest) -> CallResponse;

    /// The same, and what the model says is told while it says it, where it can be had so.
    async fn chat_aloud(
        &self,
        key: &str,
        profile: &str,
        request: ChatRequest,
        _listener: &Listener,
    ) -> CallResponse {
        self.chat(key, profile, request).await
    }
}
