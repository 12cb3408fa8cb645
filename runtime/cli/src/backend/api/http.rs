//! Requests to a server, and streams of events from it.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use pawl_server::Problem;
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::read::strange;
use crate::fault::{Fault, FaultKind};

/// How long a server may take to answer, in milliseconds.
const API_REQUEST_MAX_MS: u64 = 90_000;
/// The longest answer, and the longest event of a stream, in bytes.
const API_ANSWER_MAX_BYTES: usize = 64 << 20;
/// How long a stream may be silent, in milliseconds: a server says every 15 seconds that it is there.
const API_SILENCE_MAX_MS: u64 = 60_000;

/// A server, and who asks it.
#[derive(Clone)]
pub(crate) struct Api {
    uri: Uri,
    token: Option<String>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("uri", &self.uri).finish_non_exhaustive()
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A key that no other request has.
pub(super) fn new_key() -> String {
    use pawl_engine::{Chance as _, SystemChance};
    format!("pawl-{}", SystemChance.run_id())
}

/// A text as a part of a path or a query.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Api {
    /// The server of an address, asked with the token of a file, or of `PAWL_TOKEN`.
    pub(crate) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Fault> {
        let wrong = |why: &str| {
            Fault::usage(format!("--server {url}: {why}"))
                .hint("write --server https://HOST or http://127.0.0.1:8917")
        };
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong("it is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.host().is_none()
            || uri.query().is_some()
        {
            return Err(wrong("it is no address of a server"));
        }
        let token = match token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Fault::usage(format!("cannot read the token in {}: {error}", path.display()))
                    .hint("name a file that holds a token and nothing else")
            })?),
            None => std::env::var("PAWL_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let api = Self { uri, token };
        if api.token.is_some() && !api.is_tls() && !api.is_loopback() {
            return Err(wrong("a token is not sent over a connection that others can read"));
        }
        Ok(api)
    }

    fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn unreachable(&self, why: &str) -> Fault {
        Fault::unusable(format!("the server {} gave no answer: {why}", self.uri))
            .hint("check the address, and that `pawl serve` runs there; what was accepted is on disk")
    }

    /// Asks; gives the JSON of the answer.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        more: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, Fault> {
        let (status, value) = self.exchange(method, path, more, body).await?;
        if status.is_success() { Ok(value) } else { Err(refused(status, value)) }
    }

    /// Looks for something that may not be there.
    pub(super) async fn look(&self, path: &str) -> Result<Option<Value>, Fault> {
        let (status, value) = self.exchange("GET", path, &[], None).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(value)),
            status => Err(refused(status, value)),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        more: &[&str],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Fault> {
        self.exchange_within(API_REQUEST_MAX_MS, method, path, more, body).await
    }

    async fn exchange_within(
        &self,
        max_ms: u64,
        method: &str,
        path: &str,
        more: &[&str],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Fault> {
        let asking = async {
            let (status, body, _connection) = self.send(method, path, more, body).await?;
            let whole = Limited::new(body, API_ANSWER_MAX_BYTES).collect().await;
            let bytes = whole.map_err(|error| self.unreachable(&told(error.as_ref())))?.to_bytes();
            let value = serde_json::from_slice(&bytes).map_err(|_| strange())?;
            Ok((status, value))
        };
        let late = || self.unreachable(&format!("it takes longer than api_request_max_ms ({max_ms})"));
        timeout(Duration::from_millis(max_ms), asking).await.unwrap_or_else(|_| Err(late()))
    }

    /// Opens a stream of events, from behind a seq.
    pub(super) async fn stream(&self, path: &str) -> Result<Events, Fault> {
        let (status, body, connection) = self.send("GET", path, &[], None).await?;
        if status.is_success() {
            return Ok(Events { body, _connection: connection, text: Vec::new(), ready: VecDeque::new() });
        }
        let whole = Limited::new(body, API_ANSWER_MAX_BYTES).collect().await;
        let bytes = whole.map_err(|error| self.unreachable(&told(error.as_ref())))?.to_bytes();
        Err(refused(status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        more: &[&str],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Incoming, Driven), Fault> {
        let authority = self.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let prefix = self.uri.path().trim_end_matches('/');
        let mut request = Request::builder().method(method).uri(format!("{prefix}{path}"));
        request = request.header(header::HOST, authority);
        request = request.header(header::USER_AGENT, concat!("pawl/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in more.iter().filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| Fault::usage(error.to_string()))?;
        let io = self.connect().await?;
        let hands = hyper::client::conn::http1::handshake(Connection(io)).await;
        let (mut sender, connection) = hands.map_err(|error| self.unreachable(&told(&error)))?;
        let driven = Driven(tokio::spawn(async move {
            // What went wrong is told to who waits for the answer.
            let _ = connection.await;
        }));
        let response = sender.send_request(request).await.map_err(|error| self.unreachable(&told(&error)))?;
        let (head, body) = response.into_parts();
        Ok((head.status, body, driven))
    }

    async fn connect(&self) -> Result<Box<dyn Io>, Fault> {
        let port = self.uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 });
        let stream = TcpStream::connect((self.host(), port)).await;
        let stream = stream.map_err(|error| self.unreachable(&error.to_string()))?;
        if !self.is_tls() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(self.host().to_owned())
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let config = tls_config().map_err(|error| self.unreachable(&told(&error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| self.unreachable(&told(&error)))?))
    }
}

/// A connection that is served, as long as this is held.
#[derive(Debug)]
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why the server did not do it.
fn refused(status: StatusCode, answer: Value) -> Fault {
    let Ok(problem) = serde_json::from_value::<Problem>(answer) else { return strange() };
    let kind = match status.as_u16() {
        403 | 409 | 410 => FaultKind::Failed,
        408 | 429 | 500.. => FaultKind::Unusable,
        _ => FaultKind::Usage,
    };
    let fault = match problem.detail.rsplit_once("; ") {
        Some((message, hint)) if !message.is_empty() => Fault::new(kind, message).hint(hint),
        _ => Fault::new(kind, problem.detail),
    };
    let fault = match problem.errors {
        Some(errors) => fault.details(*errors),
        None => fault,
    };
    if status == StatusCode::UNAUTHORIZED {
        return fault.hint("give a token with PAWL_TOKEN or --token-file FILE");
    }
    fault
}

/// A stream of events.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    _connection: Driven,
    text: Vec<u8>,
    ready: VecDeque<(String, Value)>,
}

impl Events {
    /// The name of the next event and what it says; nothing when the stream ended or broke off. May be dropped and
    /// called again without loss.
    pub(super) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let silence = Duration::from_millis(API_SILENCE_MAX_MS);
            let frame = timeout(silence, self.body.frame()).await.ok()??.ok()?;
            let Ok(bytes) = frame.into_data() else { continue };
            self.text.extend_from_slice(&bytes);
            if self.text.len() > API_ANSWER_MAX_BYTES {
                return None;
            }
            while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let rest = self.text.split_off(end + 2);
                let event = std::mem::replace(&mut self.text, rest);
                self.ready.extend(parsed(&event));
            }
        }
    }
}

fn parsed(event: &[u8]) -> Option<(String, Value)> {
    let text = std::str::from_utf8(event).ok()?;
    let field = |name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_start()))
    };
    let data = serde_json::from_str(field("data")?).ok()?;
    Some((field("event")?.to_owned(), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_a_server_and_a_token_goes_where_nobody_else_reads() {
        for url in ["127.0.0.1:8917", "ftp://a", "http://", "http://a/?b=c", "nothing"] {
            assert!(Api::new(url, None).is_err(), "{url}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "pawl_x\n").unwrap();
        for (url, taken) in [
            ("https://a.example", true),
            ("http://a.example", false),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
        ] {
            assert_eq!(Api::new(url, Some(&file)).is_ok(), taken, "{url}");
        }
        let api = Api::new("https://a.example", Some(&file)).unwrap();
        assert!(!format!("{api:?}").contains("pawl_x"));
        assert!(Api::new("https://a.example", Some(&folder.path().join("none"))).is_err());
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
        // It takes connections, and nobody answers on them.
        let fault = api.exchange_within(50, "GET", "/v1/runs", &[], None).await.unwrap_err();
        assert!(fault.message.contains("api_request_max_ms (50)"), "{fault:?}");
    }

    #[test]
    fn parts_of_paths_are_escaped() {
        assert_eq!(escaped("a b/c?d=é"), "a%20b%2Fc%3Fd%3D%C3%A9");
        assert_eq!(parsed(b"event: end\ndata: {\"a\":1}\n\n").unwrap().1["a"], 1);
        assert_eq!(parsed(b":\n\n"), None);
    }

    #[test]
    fn what_is_refused_says_who_can_act() {
        let problem = |status: u16, detail: &str| {
            let answer = serde_json::json!({ "type": "", "title": "", "status": status, "code": "x", "detail": detail });
            refused(StatusCode::from_u16(status).unwrap(), answer)
        };
        let fault = problem(409, "the run has ended (failed); start a new one");
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Failed, "the run has ended (failed)"));
        assert_eq!(fault.hint.as_deref(), Some("start a new one"));
        assert_eq!(problem(422, "x").kind, FaultKind::Usage);
        assert_eq!(problem(503, "x").kind, FaultKind::Unusable);
        assert!(problem(401, "x").hint.unwrap().contains("PAWL_TOKEN"));
        assert_eq!(refused(StatusCode::OK, Value::Null), strange());
    }
}
