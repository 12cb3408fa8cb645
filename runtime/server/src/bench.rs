//! A server on loopback for tests, and what talks to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl_core::event::Actor;
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Namespace, RunId};
use pawl_engine::{Engine, EngineConfig, StartOptions};
use pawl_store::memory::MemoryStore;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::app::App;
use crate::identity::{
    Algorithm, IdentityReply, IdentityRequest, IssuerConfig, KeySource, NamespaceLimits, NewToken, Role,
    TokenSecret, manage,
};
use crate::{Server, ServerConfig};

/// A run that asks somebody, and goes on when they have answered.
pub(crate) const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
steps:
  - id: ask
    human:
      title: Pay <b>5</b>?
      to: [user:ann, group:finance]
      actions: [approve, reject]
      form: { note: string }
      due: 48h
      on_timeout: reject
outputs: { by: '${{ steps.ask.output.by }}' }
";

/// A server that listens until it is dropped.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) app: App,
    pub(crate) authority: String,
    _end: oneshot::Sender<()>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) fn namespace(name: &str) -> Namespace {
    name.parse().unwrap()
}

pub(crate) fn new_token(name: &str, role: Role, of: Option<&str>) -> NewToken {
    NewToken {
        name: name.to_owned(),
        roles: BTreeSet::from([role]),
        verbs: None,
        groups: BTreeSet::new(),
        namespace: of.map(namespace),
        expires_ms: None,
    }
}

/// An issuer whose keys are in a file, and what it signs: claims beside those that every token has.
pub(crate) fn issuer() -> (IssuerConfig, impl Fn(Value) -> String, tempfile::TempDir) {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": b64(pair.public_key().as_ref()) });
    std::fs::write(&file, json!({ "keys": [key] }).to_string()).unwrap();
    let config = IssuerConfig {
        issuer: "https://login.example".into(),
        audience: "pawl".into(),
        keys: KeySource::File(file),
        algorithms: Algorithm::ALL.into_iter().collect(),
        name_claim: "sub".into(),
        roles_claim: "roles".into(),
        groups_claim: "groups".into(),
        namespace_claim: "tenant".into(),
        roles: BTreeMap::new(),
    };
    let sign = move |more: Value| {
        let mut claims = json!({
            "iss": "https://login.example", "aud": "pawl", "sub": "ann", "exp": 4_102_444_800_u64,
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = json!({ "alg": "EdDSA", "kid": "a" }).to_string();
        let signed = format!("{}.{}", b64(header.as_bytes()), b64(claims.to_string().as_bytes()));
        let signature = b64(pair.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    };
    (config, sign, folder)
}

/// Whoever owns the folder.
fn operator() -> Actor {
    Actor { name: "user:owner".into(), groups: Vec::new(), operator: true, via: "cli".into() }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let config = ServerConfig { token_requests_per_second_max: 1_000_000, ..ServerConfig::default() };
        Self::with(config).await
    }

    /// One that turns away who says nothing of themselves.
    pub(crate) async fn required() -> Self {
        let engine = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await.unwrap();
        let root = IdentityRequest::CreateToken(new_token("root", Role::Admin, None));
        manage(engine.store().as_ref(), root, &operator(), pawl_core::Timestamp(1)).await.unwrap();
        let identity = crate::IdentityMode::Required;
        Self::on(engine, ServerConfig { identity, ..ServerConfig::default() }).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        let engine = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await.unwrap();
        Self::on(engine, config).await
    }

    /// On an engine with these settings.
    pub(crate) async fn within(config: EngineConfig) -> Self {
        let engine = Engine::open(Arc::new(MemoryStore::new()), config).await.unwrap();
        // Plugins are compiled when they are asked for first, which takes a build without optimizations long.
        let limits = crate::ServerLimits { request_max_ms: 600_000, ..crate::ServerLimits::default() };
        Self::on(engine, ServerConfig { limits, ..ServerConfig::default() }).await
    }

    async fn on(engine: Engine, config: ServerConfig) -> Self {
        let config = ServerConfig { listen: ([127, 0, 0, 1], 0).into(), ..config };
        let server = Server::bind(engine.clone(), &config).await.unwrap();
        let (authority, app) = (server.address().to_string(), server.app.clone());
        let (end, ended) = oneshot::channel();
        tokio::spawn(server.serve(async move {
            let _ = ended.await;
        }));
        Self { engine, app, authority, _end: end }
    }

    pub(crate) async fn manage(&self, request: IdentityRequest) -> IdentityReply {
        let now = pawl_engine::Clock::now(&pawl_engine::SystemClock);
        manage(self.engine.store().as_ref(), request, &operator(), now).await.unwrap()
    }

    pub(crate) async fn set_namespace(&self, name: &str, limits: NamespaceLimits) {
        self.manage(IdentityRequest::SetNamespace { name: namespace(name), limits }).await;
    }

    pub(crate) async fn token(&self, new: NewToken) -> TokenSecret {
        let IdentityReply::Created(made) = self.manage(IdentityRequest::CreateToken(new)).await else {
            panic!("no token")
        };
        *made
    }

    /// A run of a namespace that waits for an answer.
    pub(crate) async fn asking(&self, of: &Namespace) -> (RunId, ApprovalId) {
        let workflow = self.engine.prepare_workflow("w.yaml", ASKS, Path::new(".")).await.unwrap();
        let options = StartOptions { namespace: of.clone(), ..StartOptions::default() };
        let run = self.engine.start(&workflow, json!({}), options).await.unwrap();
        let header = self.engine.settled(run).await.unwrap();
        assert_eq!(header.status, Status::Waiting);
        let Some(pawl_core::view::Waiting::Approval { approval, .. }) = header.waiting else {
            panic!("it does not ask")
        };
        (run, approval)
    }

    /// Sends a request, with `name: value` headers and a body, and reads the head of what comes.
    pub(crate) async fn begin(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (Answer, BufReader<TcpStream>) {
        let mut stream = TcpStream::connect(&self.authority).await.unwrap();
        let says = |name: &str| headers.iter().any(|(known, _)| *known == name);
        let mut lines = vec![format!("{line} HTTP/1.1"), "connection: close".to_owned()];
        if !says("host") {
            lines.push(format!("host: {}", self.authority));
        }
        if !body.is_empty() {
            lines.push(format!("content-length: {}", body.len()));
            if !says("content-type") {
                lines.push("content-type: application/json".to_owned());
            }
        }
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut first = String::new();
        stream.read_line(&mut first).await.unwrap();
        let status = first.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
        let mut answer = Answer { status, headers: Vec::new(), body: String::new() };
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            answer.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        (answer, stream)
    }

    /// The same, with all that comes.
    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (mut answer, mut stream) = self.begin(line, headers, body).await;
        stream.read_to_string(&mut answer.body).await.unwrap();
        answer
    }

    /// The same, as whoever has a token.
    pub(crate) async fn ask(&self, token: &TokenSecret, line: &str, body: &str) -> Answer {
        self.send(line, &[("authorization", &format!("Bearer {}", token.secret))], body).await
    }
}
