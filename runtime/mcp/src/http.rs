//! Streamable HTTP, as `rmcp` asks for it, over what pawl speaks with already.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use pawl_core::Failure;
use pawl_wire::trace::{TRACEPARENT, TRACESTATE};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use crate::connect::{Address, Broken};
use crate::handler::Notes;
use crate::result::cut;
use crate::value::{Kept, Secrets};

const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// What is shown of an answer that is no answer, in bytes.
const SHOWN_MAX_BYTES: usize = 1 << 10;

/// Asks one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: Address,
    /// What each request has with it; read for each, so that a value that was renewed is used at once.
    pub(crate) headers: Arc<Vec<(HeaderName, Kept)>>,
    pub(crate) secrets: Secrets,
    pub(crate) notes: Arc<Notes>,
    /// The longest message, in bytes.
    pub(crate) max: usize,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A value that it needs cannot be had.
    #[error("{}", .0.message)]
    Value(Failure),
    /// The server refuses it.
    #[error("the server answers {status}{said}")]
    Status { status: StatusCode, said: String },
    #[error("the server answers with more than mcp_message_max_bytes")]
    Flood,
    #[error("{0}")]
    Strange(String),
}

impl HttpError {
    /// Whether it cannot have done anything: it was not sent, or was refused before it was looked at.
    pub(crate) fn was_not_done(&self) -> bool {
        match self {
            Self::Broken(broken) => !broken.was_sent,
            Self::Value(_) => true,
            Self::Status { status, .. } => {
                status.is_client_error() || *status == StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Flood | Self::Strange(_) => false,
        }
    }
}

type Error = StreamableHttpError<HttpError>;

impl Client {
    async fn request(
        &self,
        method: Method,
        body: Vec<u8>,
        session: Option<Arc<str>>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Response<Incoming>, Error> {
        let built =
            Request::builder().method(method).uri(&self.address.path).body(Full::new(Bytes::from(body)));
        let mut request = built
            .map_err(|error| HttpError::Broken(self.address.broken(false, &error)))
            .map_err(Error::Client)?;
        let own = request.headers_mut();
        let text =
            |text: &str| HeaderValue::try_from(text).map_err(|_| strange("a header of the server's own"));
        own.insert(HOST, text(&self.address.authority)?);
        own.insert(USER_AGENT, HeaderValue::from_static(concat!("pawl/", env!("CARGO_PKG_VERSION"))));
        own.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        own.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        own.extend(headers.into_iter().collect::<HeaderMap>());
        if let Some(session) = session {
            own.insert(SESSION, text(&session)?);
        }
        for (name, kept) in self.headers.iter() {
            let value =
                kept.read("headers", &self.secrets).map_err(HttpError::Value).map_err(Error::Client)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| strange("the value of a header"))?;
            value.set_sensitive(true);
            own.insert(name.clone(), value);
        }
        self.address.send(request).await.map_err(HttpError::Broken).map_err(Error::Client)
    }

    /// A whole answer, within the limit.
    async fn whole(&self, body: Incoming) -> Result<Bytes, Error> {
        match Limited::new(body, self.max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                self.notes.flooded.store(true, Ordering::Release);
                Err(Error::Client(HttpError::Flood))
            }
            Err(error) => Err(Error::Client(self.address.broken(true, error.as_ref()).into())),
        }
    }

    fn events(&self, body: Incoming) -> BoxStream<'static, Result<Sse, SseError>> {
        let body = Bounded {
            inner: body.into_data_stream(),
            read: 0,
            at_line_start: true,
            max: self.max,
            notes: Arc::clone(&self.notes),
        };
        SseStream::from_bytes_stream(body).boxed()
    }

    async fn post(
        &self,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        mut headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        headers.extend(trace_of(&message));
        let has_session = session.is_some();
        let response = self.request(Method::POST, serde_json::to_vec(&message)?, session, headers).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(Error::SessionExpired);
        }
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let awaits = matches!(message, ClientJsonRpcMessage::Request(_));
        let kind = media_type(&response);
        let session = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        if !status.is_success() {
            return self.refused(&message, has_session, response).await;
        }
        match kind.as_deref() {
            Some(EVENTS) => Ok(StreamableHttpPostResponse::Sse(self.events(response.into_body()), session)),
            _ if !awaits => Ok(StreamableHttpPostResponse::Accepted),
            Some(JSON) => {
                let body = self.whole(response.into_body()).await?;
                let answer = serde_json::from_slice(&body)
                    .map_err(|error| strange(&format!("the server's answer cannot be read: {error}")))?;
                Ok(StreamableHttpPostResponse::Json(answer, session))
            }
            _ => Err(Error::UnexpectedContentType(kind)),
        }
    }

    /// What comes of an answer that is none: an error of the protocol is one, wherever it stands.
    async fn refused(
        &self,
        message: &ClientJsonRpcMessage,
        has_session: bool,
        response: Response<Incoming>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let status = response.status();
        let body = self.whole(response.into_body()).await?;
        let said = String::from_utf8_lossy(&body).into_owned();
        let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let error = match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(ServerJsonRpcMessage::Error(error)) if !is_denied => Some(error),
            _ => None,
        };
        // A server of an earlier protocol refuses the first question in its own ways, without its id.
        if let Some(id) =
            discovery(message).filter(|_| status.is_client_error() && !is_denied && !has_session)
        {
            let refused = || ErrorData::invalid_request(format!("HTTP {status}"), None);
            let error = error.map_or_else(refused, |error| error.error);
            return Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id)), None));
        }
        if let Some(error) = error {
            return Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::Error(error), None));
        }
        let said = cut(said.chars().filter(|c| !c.is_control()).collect(), SHOWN_MAX_BYTES);
        let said = if said.trim().is_empty() { String::new() } else { format!(": {said}") };
        Err(Error::Client(HttpError::Status { status, said: self.secrets.out_of(said) }))
    }
}

/// The id of the first question of the newest protocol.
fn discovery(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    let ClientJsonRpcMessage::Request(request) = message else { return None };
    matches!(request.request, ClientRequest::DiscoverRequest(_)).then(|| request.id.clone())
}

/// The trace of a call, as headers: what stands between looks at no bodies.
fn trace_of(message: &ClientJsonRpcMessage) -> Vec<(HeaderName, HeaderValue)> {
    let ClientJsonRpcMessage::Request(request) = message else { return Vec::new() };
    let ClientRequest::CallToolRequest(call) = &request.request else { return Vec::new() };
    let Some(meta) = &call.params.meta else { return Vec::new() };
    let header = |name: &'static str| {
        let value = HeaderValue::from_str(meta.get(name)?.as_str()?).ok()?;
        Some((HeaderName::from_static(name), value))
    };
    [TRACEPARENT, TRACESTATE].into_iter().filter_map(header).collect()
}

fn strange(what: &str) -> Error {
    Error::Client(HttpError::Strange(what.to_owned()))
}

fn media_type(response: &Response<Incoming>) -> Option<String> {
    let whole = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

impl StreamableHttpClient for Client {
    type Error = HttpError;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        self.post(message, session_id, custom_headers).await
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Error> {
        // Whether the server keeps it is the server's own business.
        self.request(Method::DELETE, Vec::new(), Some(session_id), custom_headers).await.map(drop)
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        mut custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Error> {
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::try_from(id).ok()) {
            custom_headers.insert(HeaderName::from_static(LAST_EVENT), id);
        }
        let response = self.request(Method::GET, Vec::new(), session_id, custom_headers).await?;
        let status = response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Err(Error::ServerDoesNotSupportSse);
        }
        if !status.is_success() {
            return Err(Error::Client(HttpError::Status { status, said: String::new() }));
        }
        match media_type(&response).as_deref() {
            Some(EVENTS) => Ok(self.events(response.into_body())),
            other => Err(Error::UnexpectedContentType(other.map(str::to_owned))),
        }
    }
}

/// The bytes of events, which end where one event is longer than is taken.
struct Bounded<S> {
    inner: S,
    /// How much of the event at hand was read.
    read: usize,
    /// Whether a line has just begun.
    at_line_start: bool,
    max: usize,
    notes: Arc<Notes>,
}

impl<S> Stream for Bounded<S>
where
    S: Stream<Item = Result<Bytes, hyper::Error>> + Unpin,
{
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.read > self.max {
            return Poll::Ready(None);
        }
        let Some(piece) = ready!(Pin::new(&mut self.inner).poll_next(cx)) else { return Poll::Ready(None) };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(HttpError::Strange(error.to_string())))),
        };
        for byte in &piece {
            // An empty line ends an event.
            let ends = *byte == b'\n' && self.at_line_start;
            if *byte != b'\r' {
                self.at_line_start = *byte == b'\n';
            }
            self.read = if ends { 0 } else { self.read + 1 };
            if self.read > self.max {
                self.notes.flooded.store(true, Ordering::Release);
                return Poll::Ready(Some(Err(HttpError::Flood)));
            }
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether pieces are taken to their end by a limit of 8 bytes an event.
    async fn taken(pieces: &[&'static str]) -> bool {
        let pieces = pieces.iter().map(|piece| Ok::<_, hyper::Error>(Bytes::from_static(piece.as_bytes())));
        let notes = Arc::new(Notes::default());
        let inner = futures::stream::iter(pieces.collect::<Vec<_>>());
        let bounded = Bounded { inner, read: 0, at_line_start: true, max: 8, notes: Arc::clone(&notes) };
        let all: Vec<_> = bounded.collect().await;
        let whole = all.iter().all(Result::is_ok);
        assert_eq!(whole, !notes.flooded.load(Ordering::Acquire));
        whole
    }

    #[tokio::test]
    async fn an_event_that_is_too_long_ends_the_stream_however_it_is_cut_up() {
        assert!(taken(&["1234567\n\n", "123456", "7\n", "\n12345\r\n\r\n"]).await);
        assert!(!taken(&["12345678\n\n"]).await);
        assert!(!taken(&["123", "\n456", "\n789\n"]).await);
        assert!(!taken(&["1\n", "2\n", "3\n", "4\n", "5\n"]).await);
    }
}
