//! One document from an address: bounded, not followed elsewhere.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri, header};
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::KeysError;

/// Gets a document of at most so many bytes.
pub(super) async fn fetch(url: &str, max_bytes: usize) -> Result<Bytes, KeysError> {
    let failed = |why: String| KeysError(format!("{url}: {why}"));
    let uri: Uri = url.parse().map_err(|_| failed("it is no address".to_owned()))?;
    let authority = uri.authority().ok_or_else(|| failed("it is no address".to_owned()))?.clone();
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let tls = uri.scheme_str() == Some("https");
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_plain = uri.scheme_str() == Some("http") && is_local;
    if !(tls || is_plain) {
        return Err(failed("keys are fetched over https, or over http from this machine alone".to_owned()));
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = Request::get(path)
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("pawl/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(told(&error)))?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| failed(told(&error)))?;
    let answer = if tls {
        let name = ServerName::try_from(host).map_err(|error| failed(told(&error)))?;
        let config = tls_config().map_err(|error| failed(told(&error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        exchange(stream.map_err(|error| failed(told(&error)))?, request, max_bytes).await
    } else {
        exchange(stream, request, max_bytes).await
    };
    answer.map_err(failed)
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>, max_bytes: usize) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(Connection(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| told(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer was status {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), max_bytes).collect().await;
        Ok(body.map_err(|error| told(error.as_ref()))?.to_bytes())
    };
    // Both in this task, so that dropping it drops the connection.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => return answer,
        ended = &mut connection => ended.map_err(|error| told(&error))?,
    }
    exchange.await
}
