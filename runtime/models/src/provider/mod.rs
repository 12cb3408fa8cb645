//! Who has a model: one file a protocol. Each makes a request of pawl's own, and pawl's own of an answer.

mod anthropic;
mod ollama;
mod openai;
mod scripted;

use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, StatusCode};
use pawl_core::chat::{ChatAnswer, ChatRequest};
use pawl_core::operator::{Protocol, Remote};
use pawl_core::{Failure, FailureKind};
use serde_json::{Value, json};

pub(crate) use scripted::Scripted;

use crate::ModelsError;
use crate::http::{Address, Answer};
use crate::key::{Key, KeySource};
use crate::names::Names;
use crate::stream::{Listener, Stream};

/// How much of a server's own words an error shows.
const SHOWN_MAX_CHARS: usize = 500;

/// Who has a model.
#[async_trait]
pub(crate) trait Provider: Debug + Send + Sync {
    /// Asks once. What is said is told while it is said, where somebody listens.
    async fn chat(&self, request: &ChatRequest, listener: Option<&Listener>) -> Result<ChatAnswer, Failure>;
}

/// A model on a server.
#[derive(Debug)]
pub(crate) struct Server {
    protocol: Protocol,
    model: String,
    address: Address,
    key: Option<KeySource>,
    /// Whether it is the protocol's own server, which may know more than those that speak like it.
    is_original: bool,
}

/// What an answer is read with.
type Read = fn(&Value, &Names, &ChatRequest) -> Result<ChatAnswer, String>;

impl Server {
    pub(crate) fn new(model: &str, remote: &Remote, folder: &Path) -> Result<Self, ModelsError> {
        let address = Address::parse(&remote.base_url)
            .ok_or_else(|| ModelsError::Address { model: model.to_owned(), url: remote.base_url.clone() })?;
        Ok(Self {
            protocol: remote.protocol,
            model: remote.model.clone(),
            address,
            key: remote.key.as_ref().map(|place| KeySource::new(place, folder)),
            is_original: remote.base_url == remote.protocol.base_url(),
        })
    }

    fn headers(&self, key: Option<&Key>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        let (name, prefix) = match self.protocol {
            Protocol::OpenAi | Protocol::Ollama => (http::header::AUTHORIZATION, "Bearer "),
            Protocol::Anthropic => {
                let version = HeaderName::from_static("anthropic-version");
                headers.push((version, HeaderValue::from_static(anthropic::VERSION)));
                (HeaderName::from_static("x-api-key"), "")
            }
        };
        headers.extend(key.and_then(|key| Some((name, key.header(prefix)?))));
        headers
    }
}

#[async_trait]
impl Provider for Server {
    async fn chat(&self, request: &ChatRequest, listener: Option<&Listener>) -> Result<ChatAnswer, Failure> {
        let key = self.key.as_ref().map(KeySource::read).transpose()?;
        let names = Names::of(request);
        let (path, mut body, read): (_, _, Read) = match self.protocol {
            Protocol::OpenAi => (
                "/chat/completions",
                openai::body(&self.model, request, &names, self.is_original),
                openai::read,
            ),
            Protocol::Anthropic => {
                ("/v1/messages", anthropic::body(&self.model, request, &names), anthropic::read)
            }
            Protocol::Ollama => ("/api/chat", ollama::body(&self.model, request, &names), ollama::read),
        };
        let mut stream = listener.map(|listener| Stream::new(self.protocol, listener.clone(), key.clone()));
        if stream.is_some() {
            body["stream"] = true.into();
            if matches!(self.protocol, Protocol::OpenAi) {
                body["stream_options"] = json!({ "include_usage": true });
            }
        }
        let body = body.to_string().into_bytes();
        let posted = self.address.post(path, self.headers(key.as_ref()), body, stream.as_mut()).await;
        // What a server says in the midst of an answer may be what it was sent.
        let mut answer = posted.map_err(|failure| match &key {
            Some(key) => Failure { message: key.out_of(failure.message), ..failure },
            None => failure,
        })?;
        if let Some(key) = &key {
            // A server that repeats what it was sent must not put the key into a journal.
            answer.body = key.out_of(answer.body);
        }
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let malformed = |why: &str| {
            Failure::new(FailureKind::InvalidOutput, format!("the server's answer cannot be read: {why}"))
        };
        let value: Value =
            serde_json::from_str(&answer.body).map_err(|error| malformed(&error.to_string()))?;
        let answer = read(&value, &names, request).map_err(|why| malformed(&why))?;
        answer.check().map_err(|why| malformed(&why))?;
        Ok(answer)
    }
}

/// What a status says: who can act on it.
fn refusal(answer: &Answer) -> Failure {
    let status = answer.status;
    let kind = match status.as_u16() {
        400 | 413 | 422 => FailureKind::InvalidInput,
        401 | 403 => FailureKind::Denied,
        408 | 409 | 425 | 429 | 500..=599 => FailureKind::Transient,
        _ => FailureKind::Permanent,
    };
    let message = match status.as_u16() {
        // Servers like to repeat a part of the key here.
        401 | 403 => format!("the server answers {status}: check the model's `key` in pawl.yaml"),
        300..=399 => {
            format!("the server answers {status}, and is not followed: write where it leads as `base_url`")
        }
        _ => format!("the server answers {status}: {}", words(&answer.body)),
    };
    let retry_after_ms = answer.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Failure { retry_after_ms, ..Failure::new(kind, message) }
}

/// The server's own words, where it has any.
pub(crate) fn words(body: &str) -> String {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let said = json.as_ref().and_then(|json| {
        let error = json.get("error")?;
        error.get("message").unwrap_or(error).as_str()
    });
    let plain = said.unwrap_or(body).chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(SHOWN_MAX_CHARS).collect()
}

/// Arguments that came as text: what is no JSON stays a text, for the agent to say so.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests;
