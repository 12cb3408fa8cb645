//! TLS: rustls with ring, as everywhere in pawl; certificates that are read anew when their files change.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on TLS, in milliseconds.
pub const TLS_HANDSHAKE_MAX_MS: u64 = 10_000;
/// How many clients may be about to agree at once; more wait to be accepted.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// How soon a change of the files is seen, in milliseconds.
pub const TLS_RELOAD_MS: u64 = 1_000;
/// The pause after a connection could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Where the certificate and its key are, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Whether they can be used.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.load().map(drop)
    }

    fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let named = |path: &Path, error: String| format!("cannot use {}: {error}", path.display());
        let certs = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| named(&self.cert, error.to_string()))?;
        if certs.is_empty() {
            return Err(named(&self.cert, "there is no certificate in it".to_owned()));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| named(&self.key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let config = builder.with_no_client_auth().with_single_cert(certs, key);
        let mut config = config.map_err(|error| named(&self.cert, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// When they were last changed; files that are gone count as unchanged.
    fn changed_at(&self) -> Option<(SystemTime, SystemTime)> {
        let at = |path: &Path| std::fs::metadata(path).and_then(|about| about.modified()).ok();
        Some((at(&self.cert)?, at(&self.key)?))
    }
}

/// Connections over TLS, as axum takes them. Clients agree beside each other: one that says nothing keeps nobody.
#[derive(Debug)]
pub(crate) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    accepting: tokio::task::JoinHandle<()>,
}

impl TlsListener {
    /// Begins to accept. The files must be right now; where they are not later, those before stay in use.
    pub(crate) fn begin(listener: TcpListener, files: &TlsFiles) -> Result<Self, String> {
        Self::within(listener, files, Duration::from_millis(TLS_HANDSHAKE_MAX_MS))
    }

    /// The same, where clients have so long to agree.
    fn within(listener: TcpListener, files: &TlsFiles, limit: Duration) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let config = files.load()?;
        let (send, ready) = mpsc::channel(TLS_HANDSHAKES_MAX);
        let accepting = tokio::spawn(accept(listener, (files.clone(), config), limit, send));
        Ok(Self { address, ready, accepting })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    (files, mut config): (TlsFiles, Arc<ServerConfig>),
    limit: Duration,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let turns = Arc::new(Semaphore::new(TLS_HANDSHAKES_MAX));
    let mut seen = files.changed_at();
    let mut looked = tokio::time::interval(Duration::from_millis(TLS_RELOAD_MS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = looked.tick() => {
                let now = files.changed_at();
                if now.is_some() && now != seen {
                    // Both files change one after the other: where they do not fit yet, it is tried again.
                    match files.load() {
                        Ok(new) => {
                            (config, seen) = (new, now);
                            tracing::info!("the certificate was read anew");
                        }
                        Err(error) => tracing::warn!(error, "the certificate has changed and cannot be used; the one before stays in use"),
                    }
                }
                continue;
            }
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let (acceptor, ready) = (TlsAcceptor::from(Arc::clone(&config)), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(limit, acceptor.accept(stream)).await {
                // Nobody takes it any more: the server ends.
                Ok(Ok(stream)) => drop(ready.send((stream, peer)).await),
                Ok(Err(error)) => tracing::debug!(%error, %peer, "a client did not agree on TLS"),
                Err(_) => tracing::debug!(%peer, "a client took too long to agree on TLS"),
            }
            drop(turn);
        });
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // It accepts as long as it lives.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testdata").join(name)
    }

    fn install(files: &TlsFiles, number: u32) {
        std::fs::copy(data(&format!("cert-{number}.pem")), &files.cert).unwrap();
        std::fs::copy(data(&format!("key-{number}.pem")), &files.key).unwrap();
    }

    /// Whether a client that trusts this certificate gets an answer.
    async fn answers(address: SocketAddr, number: u32) -> bool {
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_file_iter(data(&format!("cert-{number}.pem"))).unwrap() {
            roots.add(cert.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else {
            return false;
        };
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.to_ascii_lowercase().contains("strict-transport-security"), "{answer}");
        answer.starts_with("HTTP/1.1 200")
    }

    #[tokio::test]
    async fn a_certificate_that_changes_is_read_anew_and_a_client_that_says_nothing_keeps_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        install(&files, 1);
        let config = crate::ServerConfig { tls: Some(files.clone()), ..crate::ServerConfig::default() };
        let bench = crate::bench::Bench::with(config).await;
        let address: SocketAddr = bench.authority.parse().unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        assert!(answers(address, 1).await && !answers(address, 2).await);
        // Half of a change: the pair before stays in use.
        std::fs::copy(data("cert-2.pem"), &files.cert).unwrap();
        assert!(answers(address, 1).await);
        install(&files, 2);
        let changed = async {
            while !answers(address, 2).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), changed).await.unwrap();
        assert!(!answers(address, 1).await);
    }

    #[tokio::test]
    async fn a_client_that_does_not_agree_in_time_is_left() {
        let files = TlsFiles { cert: data("cert-1.pem"), key: data("key-1.pem") };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _listener = TlsListener::within(listener, &files, Duration::from_millis(50)).unwrap();
        let mut silent = Vec::new();
        // More than may agree at once: those behind are accepted when those before were left.
        for _ in 0..=TLS_HANDSHAKES_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
        }
    }

    #[tokio::test]
    async fn files_that_are_no_certificate_are_refused_before_anything_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        assert!(files.check().unwrap_err().contains("cert.pem"));
        std::fs::write(&files.cert, "no certificate").unwrap();
        assert!(files.check().unwrap_err().contains("no certificate in it"));
        install(&files, 1);
        std::fs::copy(data("key-2.pem"), &files.key).unwrap();
        assert!(files.check().is_err(), "another certificate's key");
    }
}
