//! The keys of an issuer, as JSON Web Keys: from a file, or fetched and fetched again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::fetch;
use super::jwt::Algorithm;

/// How long what an issuer's keys are fetched from may be, in bytes.
pub const JWKS_MAX_BYTES: usize = 256 << 10;
/// How long fetching them may take, in milliseconds.
pub const JWKS_REQUEST_MAX_MS: u64 = 10_000;
/// How long it takes at least from one fetching to the next, in milliseconds: tokens with unknown keys cost no more.
pub const JWKS_REFRESH_MIN_MS: u64 = 30_000;
/// How long keys are used that were not fetched again, in milliseconds.
const JWKS_AGE_MAX_MS: u64 = 600_000;
/// How many keys are used.
const KEYS_MAX: usize = 100;

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// At an address, `https`, or `http` on loopback.
    Url(String),
    /// In a file, which is read again when a token has a key that is not known.
    File(PathBuf),
}

/// Why keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(pub(super) String);

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    kid: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// A key that is for signatures with one of our algorithms; all others are passed over.
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                // As a point that is not compressed.
                Material::P256([&[4], &x[..], &y[..]].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        let key = Self { kid: text("kid").map(str::to_owned), material };
        text("alg").is_none_or(|alg| alg == key.algorithm().name()).then_some(key)
    }

    const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether it made this signature.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Material::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
        };
        verified.is_ok()
    }
}

/// What is known of an issuer's keys.
#[derive(Debug, Default)]
struct Known {
    keys: Vec<Arc<Key>>,
    /// When they were asked for last, whether or not they came.
    asked: Option<Instant>,
    /// When they came.
    came: Option<Instant>,
}

/// The keys of an issuer.
#[derive(Debug)]
pub(super) struct Jwks {
    source: KeySource,
    refresh_min: Duration,
    request_max_ms: u64,
    // One fetches, the others wait for what it gets.
    known: Mutex<Known>,
}

impl Jwks {
    pub(super) fn new(source: KeySource) -> Self {
        Self::within(source, JWKS_REFRESH_MIN_MS, JWKS_REQUEST_MAX_MS)
    }

    pub(super) fn within(source: KeySource, refresh_min_ms: u64, request_max_ms: u64) -> Self {
        let refresh_min = Duration::from_millis(refresh_min_ms);
        Self { source, refresh_min, request_max_ms, known: Mutex::default() }
    }

    /// The key with an id; where the token names none, the only one there is for its algorithm.
    pub(super) async fn key(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Option<Arc<Key>>, KeysError> {
        let mut known = self.known.lock().await;
        let is_old = known.came.is_none_or(|at| at.elapsed() > Duration::from_millis(JWKS_AGE_MAX_MS));
        let found = choose(&known.keys, algorithm, kid);
        if found.is_some() && !is_old {
            return Ok(found);
        }
        if known.asked.is_some_and(|at| at.elapsed() < self.refresh_min) {
            // What is known is used as long as no better can be had.
            return Ok(found);
        }
        known.asked = Some(Instant::now());
        match self.load().await {
            Ok(keys) => {
                known.keys = keys;
                known.came = Some(Instant::now());
                Ok(choose(&known.keys, algorithm, kid))
            }
            Err(error) if found.is_some() => {
                tracing::warn!(%error, "the issuer's keys could not be fetched again; those before are used");
                Ok(found)
            }
            Err(error) => Err(error),
        }
    }

    async fn load(&self) -> Result<Vec<Arc<Key>>, KeysError> {
        let bytes = match &self.source {
            KeySource::Url(url) => {
                let limit = Duration::from_millis(self.request_max_ms);
                let fetched = tokio::time::timeout(limit, fetch(url, JWKS_MAX_BYTES)).await;
                fetched.unwrap_or_else(|_| {
                    let max = self.request_max_ms;
                    Err(KeysError(format!("{url} takes longer than jwks_request_max_ms ({max})")))
                })?
            }
            KeySource::File(path) => {
                let unreadable =
                    |error: std::io::Error| KeysError(format!("cannot read {}: {error}", path.display()));
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
                let read = read.unwrap_or_else(|_| Err(std::io::Error::other("it was not waited for")));
                read.map_err(unreadable)?.into()
            }
        };
        read(&bytes)
    }
}

/// The keys of a JWKS document.
fn read(bytes: &[u8]) -> Result<Vec<Arc<Key>>, KeysError> {
    if bytes.len() > JWKS_MAX_BYTES {
        return Err(KeysError(format!("they are longer than jwks_max_bytes ({JWKS_MAX_BYTES})")));
    }
    let document: Value =
        serde_json::from_slice(bytes).map_err(|error| KeysError(format!("they are no JSON: {error}")))?;
    let keys = document.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| KeysError("there is no list `keys`".to_owned()))?;
    Ok(keys.iter().filter_map(Key::read).take(KEYS_MAX).map(Arc::new).collect())
}

fn choose(keys: &[Arc<Key>], algorithm: Algorithm, kid: Option<&str>) -> Option<Arc<Key>> {
    let mut fit = keys.iter().filter(|key| key.algorithm() == algorithm);
    if kid.is_some() {
        return fit.find(|key| key.kid.as_deref() == kid).cloned();
    }
    let only = fit.next()?;
    fit.next().is_none().then(|| Arc::clone(only))
}
