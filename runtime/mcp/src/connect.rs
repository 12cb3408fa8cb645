//! A connection to a server, for one request.
//!
//! Redirects are not followed: they would carry what the operator keeps elsewhere to wherever they lead.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::Instrument as _;

/// The head of an answer, in bytes.
const HEAD_MAX_BYTES: usize = 64 << 10;
/// How long it may take to be connected, in milliseconds.
const CONNECT_MAX_MS: u64 = 10_000;

/// A server's address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    tls: bool,
    host: String,
    port: u16,
    /// What the `host` header says.
    pub(crate) authority: String,
    /// The path, with the query.
    pub(crate) path: String,
}

/// A request that was not answered. One that was not sent cannot have done anything.
#[derive(Debug, thiserror::Error)]
#[error("{authority} cannot be asked: {reason}")]
pub(crate) struct Broken {
    authority: String,
    reason: String,
    pub(crate) was_sent: bool,
}

impl Address {
    /// An address such as `http://127.0.0.1:8000/mcp`.
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
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        })
    }

    /// Sends a request; the body of the answer comes as it is read, and dropping it ends the connection.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Broken> {
        let connect = tokio::time::timeout(Duration::from_millis(CONNECT_MAX_MS), self.connect(request));
        connect.await.map_err(|error| self.broken(false, &error))??.await
    }

    /// Connects. What comes of the request is awaited apart: it may take long.
    async fn connect(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Pin<Box<dyn Future<Output = Result<Response<Incoming>, Broken>> + Send + '_>>, Broken> {
        let unsent = |error: &(dyn std::error::Error + 'static)| self.broken(false, error);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| unsent(&e))?;
        if !self.tls {
            return Ok(Box::pin(self.exchange(Connection(stream), request)));
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|error| unsent(&error))?;
        let config = tls_config().map_err(|error| unsent(&error))?;
        let stream =
            TlsConnector::from(config).connect(name, stream).await.map_err(|error| unsent(&error))?;
        Ok(Box::pin(self.exchange(Connection(stream), request)))
    }

    async fn exchange<S>(
        &self,
        stream: Connection<S>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let (mut sender, connection) =
            builder.handshake(stream).await.map_err(|error| self.broken(false, &error))?;
        // It ends when the answer's body has been read or dropped.
        let connecting = async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection broke: {error}");
            }
        };
        tokio::spawn(connecting.in_current_span());
        sender.send_request(request).await.map_err(|error| self.broken(true, &error))
    }

    pub(crate) fn broken(&self, was_sent: bool, error: &(dyn std::error::Error + 'static)) -> Broken {
        let reason = told(error);
        Broken { authority: self.authority.clone(), reason, was_sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = Address::parse("https://[::1]:8443/mcp?team=a").unwrap();
        assert_eq!((address.tls, address.port), (true, 8443));
        assert_eq!((address.host.as_str(), address.path.as_str()), ("::1", "/mcp?team=a"));
        let address = Address::parse("http://localhost").unwrap();
        assert_eq!((address.port, address.path.as_str()), (80, "/"));
        assert!(Address::parse("ftp://localhost").is_none() && Address::parse("nothing").is_none());
    }
}
