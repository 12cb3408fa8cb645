//! One request that tells a server something: sent, and its status taken. The address is in no error: it may hold a
//! key.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use pawl_wire::{Connection, tls_config, told};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The head of an answer, in bytes.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// Posts a body to an address, `https` or `http`; gives the answer's status. Nothing is followed and nothing is
/// repeated here, and of the answer nothing but its head is read.
pub(super) async fn post(
    url: &str,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
    max_ms: u64,
) -> Result<u16, String> {
    let exchange = tokio::time::timeout(Duration::from_millis(max_ms), exchange(url, headers, body));
    exchange.await.unwrap_or_else(|_| Err(format!("it takes longer than {max_ms} ms")))
}

async fn exchange(url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<u16, String> {
    let no_address = || "its url is no address".to_owned();
    let uri: Uri = url.parse().map_err(|_| no_address())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(no_address());
    };
    let tls = scheme == "https";
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !tls && !is_here {
        return Err("it is told over https, or over http on this machine alone".to_owned());
    }
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let agent = concat!("pawl/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::post(path).header("host", authority.as_str()).header("user-agent", agent);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| told(&error))?;
    if !tls {
        return speak(Connection(stream), request).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| told(&error))?;
    let config = tls_config().map_err(|error| told(&error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| told(&error))?;
    speak(Connection(stream), request).await
}

async fn speak<S>(stream: Connection<S>, request: Request<Full<Bytes>>) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_MAX_BYTES);
    let (mut sender, connection) = builder.handshake(stream).await.map_err(|error| told(&error))?;
    let answer = sender.send_request(request);
    // Both in this task, so that dropping it drops the connection.
    tokio::pin!(connection, answer);
    tokio::select! {
        answer = &mut answer => return answer.map(|answer| answer.status().as_u16()).map_err(|error| told(&error)),
        ended = &mut connection => if let Err(error) = ended {
            return Err(told(&error));
        }
    }
    answer.await.map(|answer| answer.status().as_u16()).map_err(|error| told(&error))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_in_the_clear_and_no_address_is_shown() {
        for url in ["http://desk.test/hunter2", "http://10.0.0.1/hunter2", "hunter2", "/hunter2"] {
            let why = post(url, &[], Vec::new(), 1_000).await.unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
        let why = post("http://127.0.0.1:1/hunter2", &[], Vec::new(), 5_000).await.unwrap_err();
        assert!(why.contains("refused") && !why.contains("hunter2"), "{why}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let why = post(&url, &[], Vec::new(), 50).await.unwrap_err();
        assert_eq!(why, "it takes longer than 50 ms");
    }
}
