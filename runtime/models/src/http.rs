//! One request to a server: sent, answered, bounded.
//!
//! Each has a connection of its own: a model takes longer to answer than a connection takes to be
//! made, and none is left over that a server has closed meanwhile. Redirects are not followed; they
//! would carry the key to wherever they lead.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use pawl_core::{Failure, FailureKind};
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stream::Stream;
use crate::unheard::unheard;

/// The most that a server may answer, in bytes.
pub const MODEL_RESPONSE_MAX_BYTES: usize = 8 << 20;
/// The head of an answer, in bytes.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// A server's address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// With TLS.
    tls: bool,
    host: String,
    port: u16,
    /// What the `host` header says.
    authority: String,
    /// What paths begin with.
    prefix: String,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

impl Address {
    /// An address such as `http://127.0.0.1:8000/v1`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        // Of an IPv6 address the brackets belong to the text, not to the name.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Posts JSON to a path below the address. An answer that comes piece by piece goes to `stream`, if there is one,
    /// and what that makes of it is the answer's body.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Vec<u8>,
        stream: Option<&mut Stream>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::post(format!("{}{path}", self.prefix))
            .header(http::header::HOST, &self.authority)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, concat!("pawl/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.broken(&error))?;
        request.headers_mut().extend(headers);
        if let Some(trace) = pawl_wire::trace::current() {
            trace.add_to(request.headers_mut());
        }
        let connection =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| self.broken(&e))?;
        if !self.tls {
            return self.send(Connection(connection), request, stream).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|error| self.broken(&error))?;
        let config = tls_config().map_err(|error| self.broken(&error))?;
        let connection = TlsConnector::from(config).connect(name, connection).await;
        let connection = connection.map_err(|error| self.broken(&error))?;
        self.send(Connection(connection), request, stream).await
    }

    async fn send<S>(
        &self,
        stream: Connection<S>,
        request: Request<Full<Bytes>>,
        pieces: Option<&mut Stream>,
    ) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let (mut sender, connection) =
            builder.handshake(stream).await.map_err(|error| self.broken(&error))?;
        let exchange = async {
            let response =
                sender.send_request(request).await.map_err(|error| unheard(self.broken(&error)))?;
            let (head, body) = response.into_parts();
            let body = self.read(&head, Limited::new(body, MODEL_RESPONSE_MAX_BYTES), pieces).await?;
            Ok(Answer { status: head.status, retry_after: retry_after(&head.headers), body })
        };
        // Both in this task, so that dropping it drops the connection.
        tokio::pin!(connection, exchange);
        tokio::select! {
            answer = &mut exchange => return answer,
            ended = &mut connection => if let Err(error) = ended {
                return Err(unheard(self.broken(&error)));
            }
        }
        exchange.await
    }

    /// Reads an answer's body, within its bound.
    async fn read(
        &self,
        head: &Parts,
        mut body: Limited<Incoming>,
        pieces: Option<&mut Stream>,
    ) -> Result<String, Failure> {
        let kind = head.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_stream = head.status == StatusCode::OK && kind.is_some_and(Stream::is_one);
        let mut pieces = pieces.filter(|_| is_stream);
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_) => Failure::new(
                    FailureKind::Permanent,
                    format!(
                        "{} answers with more than model_response_max_bytes ({MODEL_RESPONSE_MAX_BYTES})",
                        self.authority
                    ),
                ),
                Err(error) => unheard(self.broken(error.as_ref())),
            })?;
            match (frame.data_ref(), &mut pieces) {
                (Some(data), Some(pieces)) => pieces.hear(data)?,
                (Some(data), None) => whole.extend_from_slice(data),
                (None, _) => {}
            }
        }
        match pieces {
            Some(pieces) => Ok(pieces.end()?.to_string()),
            None => Ok(String::from_utf8_lossy(&whole).into_owned()),
        }
    }

    /// A connection that could not be made, or broke: the server may be back soon.
    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let message = format!("{} cannot be asked: {}", self.authority, told(error));
        Failure::new(FailureKind::Transient, message)
    }
}

/// How long the server wants to be left alone: milliseconds where it says them, else seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| text.parse().ok());
    if let Some(millis) = millis {
        return Some(Duration::from_millis(millis));
    }
    let text = text("retry-after")?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = Address::parse("https://[::1]:8443/a/v1/").unwrap();
        assert_eq!((address.tls, address.port), (true, 8443));
        assert_eq!((address.host.as_str(), address.prefix.as_str()), ("::1", "/a/v1"));
        let address = Address::parse("http://localhost").unwrap();
        assert_eq!((address.port, address.prefix.as_str()), (80, ""));
        assert!(Address::parse("ftp://localhost").is_none() && Address::parse("nothing").is_none());
    }

    #[test]
    fn a_server_says_in_three_ways_how_long_to_wait() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after-ms", "70"), Some(Duration::from_millis(70)));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = SystemTime::now() + Duration::from_secs(100);
        let later = wait("retry-after", &httpdate::fmt_http_date(later)).unwrap();
        assert!((90..=100).contains(&later.as_secs()), "{later:?}");
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
