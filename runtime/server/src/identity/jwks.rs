//! The keys of an issuer, as JSON Web Keys: from a file, or fetched and fetched again when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl_core::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;
use tokio::sync::watch;

use super::fetch::fetch;
use super::jwt::Algorithm;

/// How long what an issuer's keys are fetched from may be, in bytes.
pub const JWKS_MAX_BYTES: usize = 256 << 10;
/// How long fetching them may take, in milliseconds.
pub const JWKS_REQUEST_MAX_MS: u64 = 10_000;
/// How long it takes at least from one fetching to the next, in milliseconds: tokens with unknown keys cost no more.
pub const JWKS_REFRESH_MIN_MS: u64 = 30_000;
/// How old keys are that are used without asking for them again, in milliseconds.
pub const JWKS_FRESH_MS: u64 = 600_000;
/// How old keys are that let anybody in, where they cannot be fetched again, in milliseconds.
pub const JWKS_AGE_MAX_MS: u64 = 3_600_000;
/// How far back the clock may have gone without keys being fetched again, in milliseconds.
const BACK_MAX_MS: u64 = 60_000;
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
    /// When those were asked for.
    came: Option<Timestamp>,
    /// When it was asked last, whether or not keys came.
    asked: Option<Timestamp>,
    /// Why none came then.
    failed: Option<KeysError>,
    /// Somebody asks right now: its sender goes when that has ended.
    asking: Option<watch::Receiver<()>>,
}

impl Known {
    /// The key that is meant, unless what is known is too old to let anybody in.
    fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        now: Timestamp,
        age_max_ms: u64,
    ) -> Option<Arc<Key>> {
        let is_good = is_within(self.came, now, age_max_ms);
        is_good.then(|| choose(&self.keys, algorithm, kid)).flatten()
    }

    /// What is answered where there is no key that can be used.
    fn why_not(&self, now: Timestamp, age_max_ms: u64) -> Result<Option<Arc<Key>>, KeysError> {
        match &self.failed {
            // They are known and right: the key is just not among them.
            None => Ok(None),
            Some(_) if is_within(self.came, now, age_max_ms) => Ok(None),
            Some(error) if self.came.is_none() => Err(error.clone()),
            Some(KeysError(why)) => Err(KeysError(format!(
                "{why}; those that were known are older than jwks_age_max_ms ({age_max_ms}), and let nobody in"
            ))),
        }
    }
}

/// Whether an instant is at most so long ago. A clock that went back makes nothing younger; requests at once look at it
/// one after the other, so a little is nothing.
fn is_within(at: Option<Timestamp>, now: Timestamp, most_ms: u64) -> bool {
    at.is_some_and(|at| at.since(now).0 <= BACK_MAX_MS && now.since(at).0 <= most_ms)
}

/// How long keys are used, and how often they are asked for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "units stand last, as everywhere")]
pub(super) struct KeyTimes {
    pub(super) refresh_min_ms: u64,
    pub(super) request_max_ms: u64,
    pub(super) fresh_ms: u64,
    pub(super) age_max_ms: u64,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            refresh_min_ms: JWKS_REFRESH_MIN_MS,
            request_max_ms: JWKS_REQUEST_MAX_MS,
            fresh_ms: JWKS_FRESH_MS,
            age_max_ms: JWKS_AGE_MAX_MS,
        }
    }
}

/// The keys of an issuer. The lock is held for a look, and never while something is awaited.
#[derive(Debug)]
pub(super) struct Jwks {
    source: KeySource,
    times: KeyTimes,
    known: Arc<Mutex<Known>>,
}

/// What a look comes to.
enum Looked {
    Done(Result<Option<Arc<Key>>, KeysError>),
    /// It is known once this has ended.
    Wait(watch::Receiver<()>),
}

impl Jwks {
    pub(super) fn within(source: KeySource, times: KeyTimes) -> Self {
        Self { source, times, known: Arc::default() }
    }

    /// The key with an id; where the token names none, the only one there is for its algorithm.
    ///
    /// One asks for the keys at a time. Whoever has a key that may still be used goes on with it meanwhile; only who
    /// has none waits.
    pub(super) async fn key(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Arc<Key>>, KeysError> {
        let mut asking = match self.look(algorithm, kid, now) {
            Looked::Done(found) => return found,
            Looked::Wait(asking) => asking,
        };
        // Nothing is ever sent: it ends with its sender.
        while asking.changed().await.is_ok() {}
        let known = lock(&self.known);
        let age_max_ms = self.times.age_max_ms;
        match known.find(algorithm, kid, now, age_max_ms) {
            Some(found) => Ok(Some(found)),
            None => known.why_not(now, age_max_ms),
        }
    }

    fn look(&self, algorithm: Algorithm, kid: Option<&str>, now: Timestamp) -> Looked {
        let KeyTimes { refresh_min_ms, fresh_ms, age_max_ms, .. } = self.times;
        let mut known = lock(&self.known);
        let found = known.find(algorithm, kid, now, age_max_ms);
        if found.is_some() && is_within(known.came, now, fresh_ms) {
            return Looked::Done(Ok(found));
        }
        // One whose sender is gone has ended, however it did.
        if let Some(asking) = known.asking.as_ref().filter(|asking| asking.has_changed().is_ok()) {
            return if found.is_some() { Looked::Done(Ok(found)) } else { Looked::Wait(asking.clone()) };
        }
        // Where it may always be asked, it may be twice in the same millisecond.
        if refresh_min_ms > 0 && is_within(known.asked, now, refresh_min_ms - 1) {
            let found = if found.is_some() { Ok(found) } else { known.why_not(now, age_max_ms) };
            return Looked::Done(found);
        }
        known.asked = Some(now);
        Looked::Wait(self.begin(&mut known, now))
    }

    /// Asks for the keys, in a task of its own: whoever waits for them may go away.
    fn begin(&self, known: &mut Known, now: Timestamp) -> watch::Receiver<()> {
        let (ended, asking) = watch::channel(());
        known.asking = Some(asking.clone());
        let (source, request_max_ms, shared) =
            (self.source.clone(), self.times.request_max_ms, Arc::clone(&self.known));
        tokio::spawn(async move {
            let loaded = load(&source, request_max_ms).await;
            let mut known = lock(&shared);
            known.asking = None;
            match loaded {
                Ok(keys) => {
                    // Of when they were asked for: they are no younger than that.
                    (known.keys, known.came, known.failed) = (keys, Some(now), None);
                }
                Err(error) => {
                    tracing::warn!(%error, "the issuer's keys could not be fetched");
                    known.failed = Some(error);
                }
            }
            drop(known);
            drop(ended);
        });
        asking
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn load(source: &KeySource, request_max_ms: u64) -> Result<Vec<Arc<Key>>, KeysError> {
    let bytes = match source {
        KeySource::Url(url) => {
            let limit = Duration::from_millis(request_max_ms);
            let fetched = tokio::time::timeout(limit, fetch(url, JWKS_MAX_BYTES)).await;
            fetched.unwrap_or_else(|_| {
                Err(KeysError(format!("{url} takes longer than jwks_request_max_ms ({request_max_ms})")))
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

/// How many keys there are that can be used, as they can be had now.
pub async fn keys_there(source: KeySource) -> Result<usize, KeysError> {
    load(&source, JWKS_REQUEST_MAX_MS).await.map(|keys| keys.len())
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
