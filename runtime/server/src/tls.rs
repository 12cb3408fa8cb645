//! TLS: rustls with ring, as everywhere in pawl; certificates that are read anew when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on TLS, in milliseconds.
pub const TLS_HANDSHAKE_MAX_MS: u64 = 10_000;
/// How many clients may be about to agree at once; more wait to be accepted.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// How often it is looked whether the files have changed at most, in milliseconds: when somebody connects.
pub const TLS_RELOAD_MS: u64 = 1_000;

/// Where the certificate and its key are, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Whether they can be read and fit each other; else why not.
    pub fn check(&self) -> Result<(), String> {
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

/// The certificate that is used now. Clients agree beside each other: one that says nothing keeps nobody.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    config: Arc<ServerConfig>,
    /// The files as they were read.
    seen: Option<(SystemTime, SystemTime)>,
    looked: Instant,
    limit: Duration,
    turns: Arc<Semaphore>,
}

impl Certificates {
    /// Reads them. The files must be right now; where they are not later, those before stay in use.
    pub(crate) fn begin(files: &TlsFiles) -> Result<Self, String> {
        Self::within(files, Duration::from_millis(TLS_HANDSHAKE_MAX_MS))
    }

    /// The same, where clients have so long to agree.
    fn within(files: &TlsFiles, limit: Duration) -> Result<Self, String> {
        let (seen, looked) = (files.changed_at(), Instant::now());
        let turns = Arc::new(Semaphore::new(TLS_HANDSHAKES_MAX));
        Ok(Self { files: files.clone(), config: files.load()?, seen, looked, limit, turns })
    }

    /// What is needed to agree with a client; waits for its turn.
    pub(crate) async fn handshake(&mut self) -> Handshake {
        // It is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        if self.looked.elapsed() >= Duration::from_millis(TLS_RELOAD_MS) {
            self.look();
        }
        Handshake { acceptor: TlsAcceptor::from(Arc::clone(&self.config)), limit: self.limit, turn }
    }

    /// Reads the files anew where they have changed.
    fn look(&mut self) {
        self.looked = Instant::now();
        let now = self.files.changed_at();
        if now.is_none() || now == self.seen {
            return;
        }
        // Both files change one after the other: where they do not fit yet, it is tried again.
        match self.files.load() {
            Ok(new) => {
                (self.config, self.seen) = (new, now);
                tracing::info!("the certificate was read anew");
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "the certificate has changed and cannot be used; the one before stays in use"
                );
            }
        }
    }
}

/// What is needed to agree with one client.
pub(crate) struct Handshake {
    acceptor: TlsAcceptor,
    limit: Duration,
    /// Given back when they have agreed, or have not.
    turn: Option<OwnedSemaphorePermit>,
}

impl Handshake {
    /// The connection once both have agreed; nothing where they do not in time.
    pub(crate) async fn agree(self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let _turn = self.turn;
        match tokio::time::timeout(self.limit, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client did not agree on TLS");
                None
            }
            Err(_) => {
                tracing::debug!("a client took too long to agree on TLS");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream as ClientStream;

    use crate::ServerConfig as Config;
    use crate::bench::Bench;

    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testdata").join(name)
    }

    fn install(files: &TlsFiles, number: u32) {
        std::fs::copy(data(&format!("cert-{number}.pem")), &files.cert).unwrap();
        std::fs::copy(data(&format!("key-{number}.pem")), &files.key).unwrap();
    }

    /// A client that trusts this certificate, where it is the server's.
    async fn connected(address: SocketAddr, number: u32) -> Option<ClientStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_file_iter(data(&format!("cert-{number}.pem"))).unwrap() {
            roots.add(cert.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
    }

    /// Whether a client that trusts this certificate gets an answer.
    async fn answers(address: SocketAddr, number: u32) -> bool {
        let Some(mut stream) = connected(address, number).await else { return false };
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
        let bench = Bench::with(Config { tls: Some(files.clone()), ..Config::default() }).await;
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
        let certificates = Certificates::within(&files, Duration::from_millis(50)).unwrap();
        let bench = Bench::new().await;
        let accepting = crate::listen::accept(listener, Some(certificates), bench.app.clone());
        let accepting = tokio::spawn(accepting);
        let mut silent = Vec::new();
        // More than may agree at once: those behind are accepted when those before were left.
        for _ in 0..=TLS_HANDSHAKES_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
        }
        accepting.abort();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_takes_nothing_over_tls_is_cut_off_as_without() {
        let tls = Some(TlsFiles { cert: data("cert-1.pem"), key: data("key-1.pem") });
        let limits = crate::ServerLimits { stall_max_ms: 200, ..crate::ServerLimits::default() };
        let bench = Bench::with(Config { limits, tls, ..Config::default() }).await;
        let mut stream = connected(bench.authority.parse().unwrap(), 1).await.unwrap();
        assert_eq!(bench.app.places.connections_open(), 1);
        // Far more than what the system keeps of a connection, and nobody reads it.
        let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", bench.authority);
        stream.write_all(request.repeat(200).as_bytes()).await.unwrap();
        let cut = async {
            while bench.app.places.connections_open() != 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), cut).await.expect("it is cut off");
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
