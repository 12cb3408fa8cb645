//! Registries that answer what was prepared: what no well-meaning one does, and what the one of
//! `tests/registry.sh` cannot do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pawl_core::Digest;
use pawl_core::oci::Reference;
use pawl_core::operator::{KeyPlace, Login, Registry};
use pawl_registry::{Package, Registries, RegistryError};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "canary-4711";
const MAX_BYTES: u64 = 1_000_000;

/// A server that gives each request the next of its answers.
struct Server {
    host: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: impl FnOnce(&str) -> Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&requests), answers(&host));
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { host, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn tag(&self) -> Reference {
        format!("oci://{}/team/a:1", self.host).parse().unwrap()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut piece).await.unwrap() {
            0 => return text,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body)
}

/// The manifest of a plugin that is nothing but this component.
fn manifest(component: &[u8]) -> Vec<u8> {
    let config = json!({
        "mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": format!("sha256:{}", Digest::of(b"{}")),
    });
    let layer = json!({
        "mediaType": "application/wasm", "size": component.len(),
        "digest": format!("sha256:{}", Digest::of(component)),
    });
    json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string().into_bytes()
}

fn anybody() -> Registries {
    Registries::default()
}

/// Registries that ask ann for her password.
fn ann(folder: &tempfile::TempDir, host: &str) -> Registries {
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let password = KeyPlace::File("password".to_owned());
    let login = Some(Login { username: "ann".to_owned(), password });
    let known = BTreeMap::from([(host.to_owned(), Registry { insecure: None, login })]);
    Registries::new(known, folder.path().to_owned(), None)
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_is_refused() {
    let component = b"component".to_vec();
    let good = manifest(&component);
    let altered = Server::start(|_| vec![ok(&good), ok(b"tnenopmoc")]).await;
    let refused = anybody().pull(&altered.tag(), MAX_BYTES).await.unwrap_err();
    assert!(
        matches!(&refused, RegistryError::OtherBytes { expected, .. } if *expected == Digest::of(&component))
    );
    let other = Server::start(|_| vec![ok(&good)]).await;
    let asked = other.tag().at(Digest::of(b"another manifest"));
    let refused = anybody().pull(&asked, MAX_BYTES).await.unwrap_err();
    assert!(
        matches!(&refused, RegistryError::OtherBytes { found, .. } if *found == Digest::of(&good)),
        "{refused}"
    );
    let cut = Server::start(|_| vec![ok(&good), ok(b"compon")]).await;
    assert!(anybody().pull(&cut.tag(), MAX_BYTES).await.is_err());
}

#[tokio::test]
async fn no_more_is_read_than_was_asked_for() {
    let component = b"component".to_vec();
    let good = manifest(&component);
    let long = Server::start(|_| vec![ok(&vec![b' '; 100_000])]).await;
    let refused = anybody().resolve(&long.tag()).await.unwrap_err();
    assert!(matches!(refused, RegistryError::TooLarge { max_bytes: 65_536, .. }), "{refused}");
    let long = Server::start(|_| vec![ok(&good), ok(&vec![b' '; 100_000])]).await;
    let refused = anybody().pull(&long.tag(), MAX_BYTES).await.unwrap_err();
    assert!(matches!(refused, RegistryError::TooLarge { .. }), "{refused}");
    // What would be too large is not asked for at all.
    let large = Server::start(|_| vec![ok(&good)]).await;
    let refused = anybody().pull(&large.tag(), 8).await.unwrap_err();
    assert!(refused.to_string().contains("component_max_bytes is 8"), "{refused}");
    assert_eq!(large.requests().len(), 1);
}

#[tokio::test]
async fn a_token_is_asked_for_where_the_registry_says_and_the_password_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let component = b"component".to_vec();
    let auth = Server::start(|_| vec![ok(b"{\"token\":\"t0ken\"}")]).await;
    let realm = format!("http://{}/token", auth.host);
    let challenge = format!(
        "www-authenticate: Bearer realm=\"{realm}\",service=\"r\",scope=\"repository:team/a:pull\"\r\n"
    );
    let good = manifest(&component);
    let server =
        Server::start(|_| vec![answer("401 Unauthorized", &challenge, b""), ok(&good), ok(&component)]).await;
    let pulled = ann(&folder, &server.host).pull(&server.tag(), MAX_BYTES).await.unwrap();
    assert_eq!(pulled, Package { component, manifest: None, signature: None });
    let asked = auth.requests().concat();
    assert!(asked.starts_with("GET /token?service=r&scope=repository%3Ateam%2Fa%3Apull "), "{asked}");
    assert!(asked.contains("authorization: Basic YW5uOmNhbmFyeS00NzEx"), "{asked}");
    let seen = server.requests();
    assert!(!seen[0].contains("authorization") && !seen.concat().contains("Basic"), "{seen:?}");
    assert!(seen[1..].iter().all(|request| request.contains("authorization: Bearer t0ken")), "{seen:?}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let words = json!({ "errors": [{ "code": "DENIED", "message": format!("not {PASSWORD}") }] }).to_string();
    let basic = "www-authenticate: Basic realm=\"r\"\r\n";
    let no = |headers: &str| answer("401 Unauthorized", headers, words.as_bytes());
    let server = Server::start(|_| vec![no(basic), no(basic)]).await;
    let refused = ann(&folder, &server.host).resolve(&server.tag()).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Unauthorized { .. }), "{refused}");
    assert!(refused.to_string().contains("not [password]"), "{refused}");
    // Nobody is asked twice for what nobody has.
    let server = Server::start(|_| vec![no(basic)]).await;
    let refused = anybody().resolve(&server.tag()).await.unwrap_err();
    assert!(refused.to_string().contains("name `username` and `password`"), "{refused}");
    let nowhere = no("www-authenticate: Bearer realm=\"file:///etc/passwd\"\r\n");
    let server = Server::start(|_| vec![nowhere]).await;
    let refused = ann(&folder, &server.host).resolve(&server.tag()).await.unwrap_err();
    assert!(refused.to_string().contains("no address"), "{refused}");
}

#[tokio::test]
async fn whoever_a_blob_is_fetched_from_gets_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let component = b"component".to_vec();
    let store = Server::start(|_| vec![ok(&component)]).await;
    let (good, basic) = (manifest(&component), "www-authenticate: Basic realm=\"r\"\r\n");
    let there =
        answer("307 Temporary Redirect", &format!("location: http://{}/b?sig=1\r\n", store.host), b"");
    let server = Server::start(|_| vec![answer("401 Unauthorized", basic, b""), ok(&good), there]).await;
    let pulled = ann(&folder, &server.host).pull(&server.tag(), MAX_BYTES).await.unwrap();
    assert_eq!(pulled.component, component);
    assert!(server.requests()[2].contains("authorization: Basic"), "{:?}", server.requests());
    let asked = store.requests().concat();
    assert!(asked.starts_with("GET /b?sig=1 ") && !asked.to_lowercase().contains("authorization"), "{asked}");
    // In a circle there is an end.
    let circle = answer("307 Temporary Redirect", "location: /again\r\n", b"");
    let server = Server::start(|_| [vec![ok(&good)], vec![circle; 4]].concat()).await;
    let refused = anybody().pull(&server.tag(), MAX_BYTES).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Refused { .. }), "{refused}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn an_upload_goes_to_no_other_host() {
    let elsewhere = answer("202 Accepted", "location: http://127.0.0.1:9/upload\r\n", b"");
    let server = Server::start(|_| vec![answer("404 Not Found", "", b""), elsewhere]).await;
    let package = Package { component: b"c".to_vec(), manifest: None, signature: None };
    let refused = anybody().push(&server.tag(), &package).await.unwrap_err();
    assert!(refused.to_string().contains("another host"), "{refused}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn without_tls_only_loopback_hosts_are_asked_and_those_that_pawl_yaml_names() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let first = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut piece = [0; 16];
        let count = stream.read(&mut piece).await.unwrap();
        piece[..count].to_vec()
    });
    let known = BTreeMap::from([(host.clone(), Registry { insecure: Some(false), login: None })]);
    let registries = Registries::new(known, std::path::PathBuf::new(), None);
    let tag: Reference = format!("oci://{host}/team/a:1").parse().unwrap();
    let refused = registries.resolve(&tag).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Unreachable { .. }), "{refused}");
    // A handshake, and not a word of what was asked for.
    assert_eq!(first.await.unwrap()[0], 22);
}
