//! One request to a registry: sent, answered, bounded in size and time.
//!
//! Each has a connection of its own. Nothing is followed and nothing is repeated here, so that no header goes
//! anywhere that the caller has not chosen.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::RegistryError;

/// How long one request may take from the connection to the last byte, in milliseconds.
pub const REGISTRY_REQUEST_MAX_MS: u64 = 120_000;
/// The head of an answer, in bytes.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) tls: bool,
    /// Host and port, as they are written.
    pub(crate) authority: String,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: http::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Server {
    /// An address from the outside, and the path on it.
    pub(crate) fn of(uri: &Uri) -> Option<(Self, String)> {
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        Some((Self { tls, authority: authority.as_str().to_owned() }, path))
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let (host, _) = self.host_and_port();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Of an IPv6 address the brackets belong to the text, not to the name.
    fn host_and_port(&self) -> (&str, u16) {
        let usual = if self.tls { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (self.authority.as_str(), usual),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }

    /// Sends a request whose path is set, and takes an answer of at most so many bytes.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        answer_max_bytes: usize,
    ) -> Result<Answer, RegistryError> {
        self.send_within(request, answer_max_bytes, REGISTRY_REQUEST_MAX_MS).await
    }

    async fn send_within(
        &self,
        request: Request<Full<Bytes>>,
        answer_max_bytes: usize,
        max_ms: u64,
    ) -> Result<Answer, RegistryError> {
        let limit = Duration::from_millis(max_ms);
        let answer = tokio::time::timeout(limit, self.exchange(request, answer_max_bytes)).await;
        answer.unwrap_or_else(|_| {
            let reason = format!("it takes longer than registry_request_max_ms ({max_ms})");
            Err(RegistryError::Unreachable { host: self.authority.clone(), reason })
        })
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>, max: usize) -> Result<Answer, RegistryError> {
        let headers = request.headers_mut();
        let authority = self.authority.parse().map_err(|error| self.broken(&error))?;
        headers.insert(http::header::HOST, authority);
        let agent = http::HeaderValue::from_static(concat!("pawl/", env!("CARGO_PKG_VERSION")));
        headers.insert(http::header::USER_AGENT, agent);
        let (host, port) = self.host_and_port();
        let stream = TcpStream::connect((host, port)).await.map_err(|error| self.broken(&error))?;
        if !self.tls {
            return self.speak(Connection(stream), request, max).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| self.broken(&error))?;
        let config = tls_config().map_err(|error| self.broken(&error))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        self.speak(Connection(stream.map_err(|error| self.broken(&error))?), request, max).await
    }

    async fn speak<S>(
        &self,
        stream: Connection<S>,
        request: Request<Full<Bytes>>,
        max: usize,
    ) -> Result<Answer, RegistryError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let (mut sender, connection) =
            builder.handshake(stream).await.map_err(|error| self.broken(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, max).collect().await.map_err(|error| {
                match error.downcast::<LengthLimitError>() {
                    Ok(_) => RegistryError::TooLarge { host: self.authority.clone(), max_bytes: max as u64 },
                    Err(error) => self.broken(error.as_ref()),
                }
            })?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        // Both in this task, so that dropping it drops the connection.
        tokio::pin!(connection, exchange);
        tokio::select! {
            answer = &mut exchange => return answer,
            ended = &mut connection => if let Err(error) = ended {
                return Err(self.broken(&error));
            }
        }
        exchange.await
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> RegistryError {
        let reason = told(error);
        RegistryError::Unreachable { host: self.authority.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { tls: false, authority: listener.local_addr().unwrap().to_string() };
        let request = Request::get("/v2/").body(Full::new(Bytes::new())).unwrap();
        // It takes connections, and nobody answers on them.
        let refused = server.send_within(request, 1_000, 50).await.unwrap_err().to_string();
        assert!(refused.contains("registry_request_max_ms (50)"), "{refused}");
    }

    #[test]
    fn servers_are_taken_apart() {
        for (tls, authority, host, port, loopback) in [
            (true, "r.example.com", "r.example.com", 443, false),
            (false, "localhost:5000", "localhost", 5000, true),
            (false, "[::1]:5000", "::1", 5000, true),
            (true, "[::1]", "::1", 443, true),
            (false, "127.0.0.9", "127.0.0.9", 80, true),
            // A name that only looks like one of this machine.
            (false, "127.0.0.1.example.com", "127.0.0.1.example.com", 80, false),
        ] {
            let server = Server { tls, authority: authority.to_owned() };
            assert_eq!(
                (server.host_and_port(), server.is_loopback()),
                ((host, port), loopback),
                "{authority}"
            );
        }
        let (server, path) = Server::of(&"https://a:1/b?c=d".parse().unwrap()).unwrap();
        assert_eq!((server.tls, server.authority.as_str(), path.as_str()), (true, "a:1", "/b?c=d"));
        for other in ["/b", "ftp://a/b", "https://user:pass@a/b"] {
            assert!(Server::of(&other.parse().unwrap()).is_none(), "{other}");
        }
    }
}
