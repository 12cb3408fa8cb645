//! Tokens of an issuer (OIDC, JWT): checked here with the algorithms that are worth it, and no others.
//!
//! The algorithm is the key's, and one of those that are allowed; what the token says of itself only has to agree.
//! `none`, and any that uses a public key as a secret, is not among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl_core::{Namespace, Timestamp};
use serde_json::{Map, Value};

use super::jwks::{Jwks, KeySource, KeyTimes};
use super::{Role, TOKEN_GROUPS_MAX, TOKEN_NAME_MAX_BYTES};

/// How long a token may be, in bytes.
pub const JWT_MAX_BYTES: usize = 16 << 10;
/// How far the issuer's clock may be from this one, in milliseconds.
pub const JWT_LEEWAY_MS: u64 = 60_000;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA with SHA-256, keys of 2,048 bits and more.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name as it stands in tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Whose tokens are taken, and what their claims mean.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must have in it.
    pub audience: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// How its tokens may be signed.
    pub algorithms: BTreeSet<Algorithm>,
    /// The claim that says who it is.
    pub name_claim: String,
    /// The claim that says what roles they have.
    pub roles_claim: String,
    /// The claim that says what groups they are in.
    pub groups_claim: String,
    /// The claim that says whose runs they see.
    pub namespace_claim: String,
    /// What the issuer calls our roles, beside their own names.
    pub roles: BTreeMap<String, Role>,
}

/// Who somebody is, as their issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) namespace: Option<Namespace>,
}

/// Why a token of an issuer is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JwtRefusal {
    Malformed(&'static str),
    Algorithm(String),
    UnknownKey,
    Forged,
    Expired,
    NotYet,
    Issuer,
    Audience,
    Claim(String),
    Keys(String),
}

impl fmt::Display for JwtRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the token does not read: {why}"),
            Self::Algorithm(name) => {
                write!(f, "the token is signed with '{}', which is not allowed here", name.escape_debug())
            }
            Self::UnknownKey => f.write_str("the token is signed with a key that its issuer does not have"),
            Self::Forged => f.write_str("the token's signature is wrong"),
            Self::Expired => f.write_str("the token has expired; sign in again"),
            Self::NotYet => f.write_str("the token is not good yet; look at the clocks of both machines"),
            Self::Issuer => f.write_str("the token is of another issuer than `identity` in pawl.yaml names"),
            Self::Audience => f.write_str("the token was made for somebody else: its `aud` is not ours"),
            Self::Claim(text) => f.write_str(text),
            Self::Keys(why) => write!(f, "the issuer's keys cannot be had: {why}"),
        }
    }
}

/// Whose tokens are taken, with its keys.
#[derive(Debug)]
pub(crate) struct Issuer {
    config: IssuerConfig,
    keys: Jwks,
}

impl Issuer {
    pub(crate) fn new(config: IssuerConfig) -> Self {
        Self::within(config, KeyTimes::default())
    }

    fn within(config: IssuerConfig, times: KeyTimes) -> Self {
        let keys = Jwks::within(config.keys.clone(), times);
        Self { config, keys }
    }

    /// Who has this token.
    pub(crate) async fn check(&self, token: &str, now: Timestamp) -> Result<Claimed, JwtRefusal> {
        if token.len() > JWT_MAX_BYTES {
            return Err(JwtRefusal::Malformed("it is too long"));
        }
        let mut parts = token.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtRefusal::Malformed("it has not three parts"));
        };
        let header = object(head)?;
        let named = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::named(named).filter(|found| self.config.algorithms.contains(found));
        let algorithm = algorithm.ok_or_else(|| JwtRefusal::Algorithm(named.chars().take(20).collect()))?;
        if header.contains_key("crit") {
            return Err(JwtRefusal::Malformed("it asks for extensions that are not known here"));
        }
        let kid = header.get("kid").and_then(Value::as_str);
        let key = self.keys.key(algorithm, kid, now).await;
        let key = key.map_err(|error| JwtRefusal::Keys(error.to_string()))?;
        let key = key.ok_or(JwtRefusal::UnknownKey)?;
        let signature = decoded(signature)?;
        let signed = &token[..head.len() + 1 + claims.len()];
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(JwtRefusal::Forged);
        }
        self.claimed(&object(claims)?, now)
    }

    /// What the claims say, once it is proven whose they are.
    fn claimed(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Claimed, JwtRefusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&self.config.issuer) {
            return Err(JwtRefusal::Issuer);
        }
        let is_ours = |value: &Value| value.as_str() == Some(&self.config.audience);
        if !claims
            .get("aud")
            .is_some_and(|aud| is_ours(aud) || aud.as_array().is_some_and(|all| all.iter().any(is_ours)))
        {
            return Err(JwtRefusal::Audience);
        }
        let until = instant(claims, "exp")?.ok_or(JwtRefusal::Malformed("it has no `exp`"))?;
        if until.saturating_add(JWT_LEEWAY_MS) <= now.0 {
            return Err(JwtRefusal::Expired);
        }
        if instant(claims, "nbf")?.is_some_and(|from| from > now.0.saturating_add(JWT_LEEWAY_MS)) {
            return Err(JwtRefusal::NotYet);
        }
        let name = find(claims, &self.config.name_claim).and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || name.len() > TOKEN_NAME_MAX_BYTES || name.chars().any(char::is_control) {
            let claim = &self.config.name_claim;
            return Err(JwtRefusal::Claim(format!("the token's claim '{claim}' does not say who it is")));
        }
        let roles = texts(find(claims, &self.config.roles_claim)).into_iter();
        let roles =
            roles.filter_map(|text| self.config.roles.get(text).copied().or_else(|| text.parse().ok()));
        let groups = texts(find(claims, &self.config.groups_claim)).into_iter();
        let groups: BTreeSet<_> = groups.map(|text| format!("group:{text}")).take(TOKEN_GROUPS_MAX).collect();
        let namespace = match find(claims, &self.config.namespace_claim) {
            None | Some(Value::Null) => None,
            Some(value) => {
                Some(value.as_str().unwrap_or_default().parse::<Namespace>().map_err(|error| {
                    let claim = &self.config.namespace_claim;
                    JwtRefusal::Claim(format!("the token's claim '{claim}': {error}"))
                })?)
            }
        };
        Ok(Claimed { name: name.to_owned(), roles: roles.collect(), groups, namespace })
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, JwtRefusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtRefusal::Malformed("a part of it is not base64url"))
}

fn object(part: &str) -> Result<Map<String, Value>, JwtRefusal> {
    match serde_json::from_slice(&decoded(part)?) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(JwtRefusal::Malformed("a part of it is not a JSON object")),
    }
}

/// A claim in seconds, as milliseconds.
fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, JwtRefusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_u64().or_else(|| {
        let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
        std::time::Duration::try_from_secs_f64(seconds).ok().map(|seconds| seconds.as_secs())
    });
    let seconds = seconds.ok_or(JwtRefusal::Malformed("an instant in it is no number"))?;
    Ok(Some(seconds.saturating_mul(1_000)))
}

/// A claim by its name, or by a path with dots where none has that name.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

/// The texts of a list, or of one text with spaces between.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
