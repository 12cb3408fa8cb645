//! Requests over HTTP. For tools; needs the grant `http`, which names the hosts.
//!
//! ```no_run
//! # fn example(context: &pawl_plugin::Context) -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//!
//! let receipt: Value = http::post("https://api.example.com/refunds")
//!     .header("idempotency-key", &context.idempotency_key)
//!     .json(&json!({ "order": "A-1001" }))
//!     .send()?
//!     .success()?
//!     .json()?;
//! # Ok(()) }
//! ```
//!
//! ## What a failure says about what happened
//! Nothing was done at the other end when the connection could not be made, the host was not
//! granted, the request was malformed, or the status was 300 to 499 (but 408). Any other failure of
//! a request that changes something (by its method: not `GET`, `HEAD`, `OPTIONS` or `TRACE`) is
//! [ambiguous](Failure::ambiguous): the answer was cut off, is too long or cannot be read, or the
//! status was 408 or 500 to 599. An `at-most-once` tool that returns it asks a person.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::tool::wasi::http::outgoing_handler::handle;
use crate::bindings::tool::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use crate::bindings::tool::wasi::io::streams::StreamError;
use crate::{Failure, FailureKind, json};

/// How many bytes of a response are read unless [`Request::body_max_bytes`] says otherwise.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// What one write or read moves at most; a stream need not take more at once.
const CHUNK_BYTES: usize = 4096;

/// Asks for what is at `url`.
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// Sends something to `url`.
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// A request with any method.
pub fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Ok(Vec::new()),
        body_max_bytes: BODY_MAX_BYTES,
        timeout: None,
    }
}

/// A request that is being put together.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Result<Vec<u8>, Failure>,
    body_max_bytes: usize,
    timeout: Option<Duration>,
}

/// What came back, with whatever status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether what was asked for changes something.
    changes: bool,
}

/// A request as failures name it.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    url: &'a str,
}

impl Sent<'_> {
    fn fail(self, kind: FailureKind, reason: &str) -> Failure {
        Failure::new(kind, format!("{} {}: {reason}", self.method, self.url))
    }

    /// A failure after the request was sent, or a part of it.
    fn fail_open(self, kind: FailureKind, reason: &str) -> Failure {
        open(self.fail(kind, reason), changes(self.method))
    }

    fn cut_off(self) -> Failure {
        self.fail_open(FailureKind::Transient, "the connection ended early")
    }
}

/// HTTP's own rule: a method that is safe changes nothing, whatever comes of it.
fn changes(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

fn open(failure: Failure, changes: bool) -> Failure {
    if changes { failure.ambiguous() } else { failure }
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(body.into());
        self
    }

    /// Sets the body to JSON, and its content type.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        self.body = json::write(value, "the request's body").map(String::into_bytes);
        self.header("content-type", "application/json")
    }

    /// How many bytes of the response are read at most; a longer one is a failure.
    pub fn body_max_bytes(mut self, bytes: usize) -> Self {
        self.body_max_bytes = bytes;
        self
    }

    /// How long the connection, the beginning of the response and each further piece of it are
    /// waited for; the host has a limit of its own, which this can only shorten.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request and waits for the whole response.
    ///
    /// Trouble on the way is a failure of kind `transient`, a host that was not granted one of
    /// kind `denied`. A response is a response, whatever its status: see [`Response::success`].
    pub fn send(self) -> Result<Response, Failure> {
        let Self { method, url, headers, body, body_max_bytes, timeout } = self;
        let body = body?;
        let sent = Sent { method: &method, url: &url };
        let wrong = |what: &str| sent.fail(FailureKind::InvalidInput, what);

        let fields = Fields::new();
        for (name, value) in &headers {
            let added = fields.append(name, value.as_bytes());
            added.map_err(|_| wrong(&format!("the header `{name}` cannot be set")))?;
        }
        // Without it the body is sent in chunks, which not every server takes.
        if !body.is_empty() {
            let length = body.len().to_string();
            fields
                .set("content-length", &[length.into_bytes()])
                .map_err(|_| wrong("the header `content-length` cannot be set"))?;
        }
        let (scheme, authority, path) =
            split(&url).ok_or_else(|| wrong("a URL begins with http:// or https:// and a host"))?;
        let request = OutgoingRequest::new(fields);
        request
            .set_method(&method_of(&method))
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(Some(&path)))
            .map_err(|()| wrong("the method or the URL is malformed"))?;

        let failed = |code: &ErrorCode| trouble(sent, code);
        let outgoing = request.body().map_err(|()| wrong("the request has no body to write"))?;
        let options = timeout.and_then(options);
        let response = handle(request, options).map_err(|code| failed(&code))?;
        // A host that refuses the connection also closes the body, and its own answer says more.
        let written = write_body(outgoing, &body);
        response.subscribe().block();
        let response = match response.get() {
            Some(Ok(Ok(response))) => response,
            Some(Ok(Err(code))) => return Err(failed(&code)),
            Some(Err(())) | None => return Err(sent.cut_off()),
        };
        written.map_err(|()| sent.cut_off())?;
        read_response(&response, body_max_bytes, sent)
    }
}

impl Response {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The response if its status is 200 to 299; otherwise a failure, by who can act: `transient`
    /// for 408, 429 and 500 to 599 (with `retry-after`, if it is there), `denied` for 401 and 403,
    /// `permanent` for the rest. The beginning of the body stands in its details. After 408 and 500
    /// to 599 it is [ambiguous](Failure::ambiguous), unless the method changes nothing.
    pub fn success(self) -> Result<Self, Failure> {
        let kind = match self.status {
            200..=299 => return Ok(self),
            401 | 403 => FailureKind::Denied,
            408 | 429 | 500..=599 => FailureKind::Transient,
            _ => FailureKind::Permanent,
        };
        let beginning = String::from_utf8_lossy(&self.body[..self.body.len().min(CHUNK_BYTES)]);
        let details = serde_json::json!({ "status": self.status, "body": beginning });
        let mut failure =
            Failure::new(kind, format!("the answer was status {}", self.status)).details(details);
        failure.retry_after =
            self.header("retry-after").and_then(|value| value.parse().ok()).map(Duration::from_secs);
        // The other end, or something on the way to it, gave up on what it may have begun.
        let is_open = matches!(self.status, 408 | 500..=599);
        Err(open(failure, is_open && self.changes))
    }

    /// The body as a type. Where it does not fit, the request has been answered nevertheless.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let body = String::from_utf8_lossy(&self.body);
        json::read(&body, FailureKind::Permanent, "the response's body is not what was expected")
            .map_err(|failure| open(failure, self.changes))
    }
}

/// Without options, the host's own times hold.
fn options(timeout: Duration) -> Option<RequestOptions> {
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    options.set_connect_timeout(Some(nanoseconds)).ok()?;
    options.set_first_byte_timeout(Some(nanoseconds)).ok()?;
    options.set_between_bytes_timeout(Some(nanoseconds)).ok()?;
    Some(options)
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// Scheme, authority, path with query. A fragment is not sent.
fn split(url: &str) -> Option<(Scheme, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return None;
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((scheme, authority, path))
}

fn write_body(outgoing: OutgoingBody, body: &[u8]) -> Result<(), ()> {
    let stream = outgoing.write()?;
    for chunk in body.chunks(CHUNK_BYTES) {
        stream.blocking_write_and_flush(chunk).map_err(|_| ())?;
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|_| ())
}

fn read_response(response: &IncomingResponse, max: usize, sent: Sent<'_>) -> Result<Response, Failure> {
    let status = response.status();
    let headers = response.headers().entries();
    let incoming = response.consume().map_err(|()| sent.cut_off())?;
    let body = read_body(&incoming, max).map_err(|error| match error {
        ReadError::CutOff => sent.cut_off(),
        ReadError::TooLong => {
            sent.fail_open(FailureKind::Permanent, &format!("the response is longer than {max} bytes"))
        }
    })?;
    Ok(Response { status, headers, body, changes: changes(sent.method) })
}

enum ReadError {
    CutOff,
    TooLong,
}

fn read_body(incoming: &IncomingBody, max: usize) -> Result<Vec<u8>, ReadError> {
    let stream = incoming.stream().map_err(|()| ReadError::CutOff)?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES as u64) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(_)) => return Err(ReadError::CutOff),
        }
        if body.len() > max {
            return Err(ReadError::TooLong);
        }
    }
}

/// Who can act on what the host says: the operator where it was not allowed, the author where the
/// request is malformed; the rest passes. Only what is known to come before anything was sent is
/// definite.
fn trouble(sent: Sent<'_>, code: &ErrorCode) -> Failure {
    let (kind, is_definite) = match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => (FailureKind::Denied, true),
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestLengthRequired => (FailureKind::InvalidInput, true),
        ErrorCode::TlsCertificateError | ErrorCode::ConfigurationError => (FailureKind::Permanent, true),
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsAlertReceived(_) => (FailureKind::Transient, true),
        _ => (FailureKind::Transient, false),
    };
    let reason = match code {
        ErrorCode::HttpRequestDenied => {
            "this host was not granted; add it to `permissions.http` to allow it".to_owned()
        }
        ErrorCode::ConnectionRefused => "the connection was refused".to_owned(),
        ErrorCode::InternalError(Some(message)) => message.clone(),
        other => format!("{other:?}"),
    };
    if is_definite { sent.fail(kind, &reason) } else { sent.fail_open(kind, &reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_into_scheme_authority_and_path() {
        let parts = |url| {
            split(url).map(|(scheme, authority, path)| (format!("{scheme:?}"), authority.to_owned(), path))
        };
        let expect = |scheme: &str, authority: &str, path: &str| {
            Some((format!("Scheme::{scheme}"), authority.to_owned(), path.to_owned()))
        };
        assert_eq!(parts("http://a.test"), expect("Http", "a.test", "/"));
        assert_eq!(parts("https://a.test:8443/x?y=z#w"), expect("Https", "a.test:8443", "/x?y=z"));
        assert_eq!(parts("http://a.test?y"), expect("Http", "a.test", "/?y"));
        assert_eq!(parts("ftp://a.test"), None);
        assert_eq!(parts("http:///x"), None);
        assert_eq!(parts("a.test/x"), None);
    }

    fn of(method: &str) -> Sent<'_> {
        Sent { method, url: "http://a.test/pay" }
    }

    #[test]
    fn what_came_before_sending_is_definite_and_the_rest_is_not() {
        let cases = [
            (ErrorCode::ConnectionRefused, FailureKind::Transient, false),
            (ErrorCode::ConnectionTimeout, FailureKind::Transient, false),
            (ErrorCode::ConnectionLimitReached, FailureKind::Transient, false),
            (ErrorCode::HttpRequestDenied, FailureKind::Denied, false),
            (ErrorCode::HttpRequestUriInvalid, FailureKind::InvalidInput, false),
            (ErrorCode::ConnectionTerminated, FailureKind::Transient, true),
            (ErrorCode::ConnectionReadTimeout, FailureKind::Transient, true),
            (ErrorCode::HttpResponseTimeout, FailureKind::Transient, true),
            (ErrorCode::HttpResponseIncomplete, FailureKind::Transient, true),
            (ErrorCode::HttpProtocolError, FailureKind::Transient, true),
            (ErrorCode::InternalError(None), FailureKind::Transient, true),
        ];
        for (code, kind, is_ambiguous) in cases {
            let failure = trouble(of("POST"), &code);
            assert_eq!((failure.kind, failure.is_ambiguous), (kind, is_ambiguous), "{code:?}");
            assert!(!trouble(of("GET"), &code).is_ambiguous, "{code:?}");
        }
        assert!(of("POST").cut_off().is_ambiguous && of("PURGE").cut_off().is_ambiguous);
        assert!(!of("HEAD").cut_off().is_ambiguous);
    }

    #[test]
    fn statuses_say_who_can_act_and_whether_it_happened() {
        let answer = |status, changes| Response { status, headers: vec![], body: b"x".to_vec(), changes };
        let cases = [
            (400, FailureKind::Permanent, false),
            (403, FailureKind::Denied, false),
            (408, FailureKind::Transient, true),
            (429, FailureKind::Transient, false),
            (500, FailureKind::Transient, true),
            (503, FailureKind::Transient, true),
        ];
        for (status, kind, is_ambiguous) in cases {
            let failure = answer(status, true).success().unwrap_err();
            assert_eq!((failure.kind, failure.is_ambiguous), (kind, is_ambiguous), "{status}");
            assert!(!answer(status, false).success().unwrap_err().is_ambiguous, "{status}");
        }
        assert!(answer(200, true).success().is_ok());
        assert!(answer(200, true).json::<u32>().unwrap_err().is_ambiguous);
        assert!(!answer(200, false).json::<u32>().unwrap_err().is_ambiguous);
    }
}
