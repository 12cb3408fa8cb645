//! One request to the collector: sent, answered, bounded.

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Settings;

/// The most of a collector's answer that is read, in bytes.
pub const COLLECTOR_RESPONSE_MAX_BYTES: usize = 64 << 10;

/// A collector's address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    tls: bool,
    host: String,
    port: u16,
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// What the collector answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// For how many seconds it wants to be left alone.
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) body: Bytes,
}

impl Address {
    /// An address such as `http://127.0.0.1:4318`, with a path behind its own.
    pub(crate) fn parse(url: &str, path: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let own = uri.path();
        let path =
            if path.is_empty() { own.to_owned() } else { format!("{}{path}", own.trim_end_matches('/')) };
        (!host.is_empty() && !authority.as_str().contains('@')).then(|| Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path,
        })
    }
}

/// Posts JSON to the collector. An error is one of the way there, in words.
pub(crate) async fn post(settings: &Settings, body: Vec<u8>) -> Result<Answer, String> {
    let address = &settings.address;
    let mut request = Request::post(&address.path)
        .header(http::header::HOST, &address.authority)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::USER_AGENT, concat!("pawl/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| told(&error))?;
    request.headers_mut().extend(settings.headers.iter().cloned());
    let exchange = async {
        let connection = TcpStream::connect((address.host.as_str(), address.port));
        let connection = connection.await.map_err(|error| told(&error))?;
        if !address.tls {
            return send(Connection(connection), request).await;
        }
        let name = ServerName::try_from(address.host.clone()).map_err(|error| told(&error))?;
        let config = tls_config().map_err(|error| told(&error))?;
        let connection = TlsConnector::from(config).connect(name, connection).await;
        send(Connection(connection.map_err(|error| told(&error))?), request).await
    };
    let timeout_ms = settings.timeout.as_millis();
    let in_time = tokio::time::timeout(settings.timeout, exchange).await;
    in_time.unwrap_or_else(|_| Err(format!("no answer within {timeout_ms} ms")))
}

async fn send<S>(stream: Connection<S>, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(COLLECTOR_RESPONSE_MAX_BYTES);
    let (mut sender, connection) = builder.handshake(stream).await.map_err(|error| told(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(http::header::RETRY_AFTER);
        let retry_after_s = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // What is too long says nothing that is needed: the status does.
        let body = Limited::new(body, COLLECTOR_RESPONSE_MAX_BYTES).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Answer { status: head.status, retry_after_s, body })
    };
    // Both in this task, so that dropping it drops the connection.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => return answer,
        ended = &mut connection => if let Err(error) = ended {
            return Err(told(&error));
        }
    }
    exchange.await
}
