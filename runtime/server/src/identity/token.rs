//! API tokens: `pawl_ID_SECRET`.
//!
//! The secret is 256 random bits. What is kept is its SHA-256: of a secret that cannot be guessed, a slow hash would
//! protect nothing more, and would cost each request its time.

use std::collections::BTreeSet;

use pawl_core::{Digest, Namespace, Timestamp};
use pawl_store::{Batch, RecordChange, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::random::{random_bytes, same};
use super::rows::{all, decode};
use super::{IdentityError, Maker, Role, Verb, find_namespace};

/// The kind of the records.
const KIND: &str = "token";
/// What every token begins with, so that one that lies around is recognized.
const PREFIX: &str = "pawl_";
/// How many tokens a store holds, the revoked ones among them.
pub const TOKENS_MAX: usize = 10_000;
/// How long the name of a token's holder may be, in bytes.
pub const TOKEN_NAME_MAX_BYTES: usize = 100;
/// How many groups a token may have.
pub const TOKEN_GROUPS_MAX: usize = 100;
/// How long a token may be good for, in milliseconds: ten years.
pub const TOKEN_EXPIRES_MAX_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// What a token is to be.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose it is: `ann` acts as `user:ann`.
    pub name: String,
    /// What it may.
    pub roles: BTreeSet<Role>,
    /// Only these of all that its roles may.
    #[serde(default)]
    pub verbs: Option<BTreeSet<Verb>>,
    /// Its groups, `group:finance`.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The namespace that it is bound to. An admin's without one is for all of them; any other is bound to `default`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Namespace>,
    /// For how long it is good, in milliseconds; for ever, where nothing is said.
    #[serde(default)]
    pub expires_ms: Option<u64>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// What it may.
    pub roles: BTreeSet<Role>,
    /// Only these of all that its roles may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbs: Option<BTreeSet<Verb>>,
    /// Its groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The namespace that it is bound to; nothing of an admin for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// SHA-256 of its secret.
    pub hash: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is good no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Who made it; nothing of one that is older than this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Maker>,
    /// Who took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Maker>,
}

impl Token {
    /// `{id, name, roles, verbs, groups, namespace, created_at, expires_at, revoked_at, made_by, revoked_by}`: never the
    /// hash.
    pub fn shape(&self, id: &str) -> Value {
        json!({
            "id": id,
            "name": self.name,
            "roles": self.roles,
            "verbs": self.verbs,
            "groups": self.groups,
            "namespace": self.namespace,
            "created_at": self.created_at.to_string(),
            "expires_at": self.expires_at.map(|at| at.to_string()),
            "revoked_at": self.revoked_at.map(|at| at.to_string()),
            "made_by": self.made_by,
            "revoked_by": self.revoked_by,
        })
    }
}

/// A token that was made, with its secret, which is shown this once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenSecret {
    /// Its id.
    pub id: String,
    /// All of it.
    pub secret: String,
    /// The rest.
    pub token: Token,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// It does not look like one.
    Malformed,
    /// There is none with this id and secret.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl TokenRefusal {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Malformed => {
                "the token is not one that pawl has made; it begins with pawl_ and is used as it was shown"
            }
            Self::Unknown => "there is no such token; `pawl token create` makes one",
            Self::Expired => "the token has expired; ask for another one",
            Self::Revoked => "the token was revoked; ask for another one",
        }
    }
}

/// The id and the secret of a token as it is written.
fn split(text: &str) -> Option<(&str, [u8; 32])> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_id = id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    hex::decode_to_slice(secret, &mut bytes).ok()?;
    is_id.then_some((id, bytes))
}

/// Whether a text is meant to be a token of pawl's own.
pub(crate) fn is_own(text: &str) -> bool {
    text.starts_with(PREFIX)
}

fn checked(new: &NewToken) -> Result<(), IdentityError> {
    let plain = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let wrong = |text: String| Err(IdentityError::Invalid(text));
    if !plain(&new.name) || new.name.len() > TOKEN_NAME_MAX_BYTES || new.name.contains(':') {
        return wrong(format!(
            "'{}' names nobody; write a name without spaces and colons, at most {TOKEN_NAME_MAX_BYTES} bytes",
            new.name.escape_debug()
        ));
    }
    if new.roles.is_empty() {
        return wrong("a token needs a role: viewer, operator, approver or admin".to_owned());
    }
    if new.groups.len() > TOKEN_GROUPS_MAX {
        return wrong(format!("a token has at most token_groups_max ({TOKEN_GROUPS_MAX}) groups"));
    }
    let is_group = |group: &&String| group.strip_prefix("group:").is_some_and(plain) && group.len() <= 200;
    if let Some(group) = new.groups.iter().find(|group| !is_group(group)) {
        return wrong(format!("'{}' names no group; write group:finance", group.escape_debug()));
    }
    if new.expires_ms.is_some_and(|ms| ms == 0 || ms > TOKEN_EXPIRES_MAX_MS) {
        return wrong("a token is good for at least a millisecond and at most ten years".to_owned());
    }
    Ok(())
}

/// Makes a token.
pub(crate) async fn create(
    store: &dyn Store,
    new: NewToken,
    by: Maker,
    now: Timestamp,
) -> Result<TokenSecret, IdentityError> {
    checked(&new)?;
    // Only who has everything may be for all namespaces.
    let bound = new.namespace.or_else(|| (!new.roles.contains(&Role::Admin)).then(Namespace::default));
    if let Some(namespace) = &bound {
        find_namespace(store, namespace).await?;
    }
    if all::<Value>(store, KIND).await?.len() >= TOKENS_MAX {
        return Err(IdentityError::Invalid(format!(
            "there are tokens_max ({TOKENS_MAX}) tokens; `pawl token revoke --forget` makes room"
        )));
    }
    let (id, secret) = (hex::encode(random_bytes::<8>()?), random_bytes::<32>()?);
    let token = Token {
        name: new.name,
        roles: new.roles,
        verbs: new.verbs,
        groups: new.groups,
        namespace: bound,
        hash: Digest::of(&secret),
        created_at: now,
        expires_at: new.expires_ms.map(|ms| Timestamp(now.0.saturating_add(ms))),
        revoked_at: None,
        made_by: Some(by.clone()),
        revoked_by: None,
    };
    write(store, RecordChange::new(KIND, &*id, json!(token))).await?;
    let roles = json!(token.roles);
    tracing::info!(token = %id, of = %token.name, %roles, by = %by.name, via = %by.via, "a token was made");
    let secret = format!("{PREFIX}{id}_{}", hex::encode(secret));
    Ok(TokenSecret { id, secret, token })
}

async fn write(store: &dyn Store, change: RecordChange) -> Result<(), StoreError> {
    store.commit(&Batch { records: vec![change], ..Batch::default() }).await
}

/// All tokens, by id; of one namespace, where it is named.
pub(crate) async fn list(
    store: &dyn Store,
    of: Option<&Namespace>,
) -> Result<Vec<(String, Token)>, IdentityError> {
    let mut tokens = all::<Token>(store, KIND).await?;
    tokens.retain(|(_, token)| of.is_none_or(|of| token.namespace.as_ref() == Some(of)));
    Ok(tokens)
}

/// Takes a token back, from the next request on; `forget` leaves no trace of it. Refused as unknown where it is bound
/// to another namespace.
pub(crate) async fn revoke(
    store: &dyn Store,
    id: &str,
    (of, forget): (Option<&Namespace>, bool),
    by: Maker,
    now: Timestamp,
) -> Result<Token, IdentityError> {
    let unknown = || IdentityError::Unknown { what: KIND, name: id.chars().take(100).collect() };
    // A record's key is bounded; nothing that is no id is looked for.
    if id.len() != 16 {
        return Err(unknown());
    }
    let before = store.record(KIND, id).await?.ok_or_else(unknown)?;
    let mut token: Token = match decode(KIND, id, before.clone()) {
        Ok(token) => token,
        Err(error) if of.is_some() => return Err(error),
        // What does not read is good for nothing, and goes.
        Err(error) => {
            write(store, RecordChange::put(KIND, id, Value::Null)).await?;
            return Err(error);
        }
    };
    if of.is_some() && token.namespace.as_ref() != of {
        return Err(unknown());
    }
    if token.revoked_at.is_none() {
        (token.revoked_at, token.revoked_by) = (Some(now), Some(by.clone()));
    }
    let value = if forget { Value::Null } else { json!(token) };
    write(store, RecordChange::put(KIND, id, value).instead_of(before)).await?;
    let (of, made_by) = (&token.name, token.made_by.as_ref().map(|by| by.name.as_str()));
    tracing::info!(token = %id, %of, made_by, forget, by = %by.name, via = %by.via, "a token was taken back");
    Ok(token)
}

/// The token that a text is.
pub(crate) async fn check(
    store: &dyn Store,
    text: &str,
    now: Timestamp,
) -> Result<Result<(String, Token), TokenRefusal>, IdentityError> {
    let Some((id, secret)) = split(text) else { return Ok(Err(TokenRefusal::Malformed)) };
    let Some(value) = store.record(KIND, id).await? else { return Ok(Err(TokenRefusal::Unknown)) };
    let token: Token = decode(KIND, id, value)?;
    if !same(token.hash.as_bytes(), Digest::of(&secret).as_bytes()) {
        return Ok(Err(TokenRefusal::Unknown));
    }
    // Only who has the secret hears more.
    if token.revoked_at.is_some() {
        return Ok(Err(TokenRefusal::Revoked));
    }
    if token.expires_at.is_some_and(|at| at <= now) {
        return Ok(Err(TokenRefusal::Expired));
    }
    Ok(Ok((id.to_owned(), token)))
}

#[cfg(test)]
mod tests {
    use pawl_store::memory::MemoryStore;

    use super::*;

    fn root() -> Maker {
        Maker { name: "user:root".into(), via: "cli".into() }
    }

    fn new(name: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            roles: BTreeSet::from([Role::Viewer]),
            verbs: None,
            groups: BTreeSet::new(),
            namespace: None,
            expires_ms: None,
        }
    }

    #[tokio::test]
    async fn a_token_is_taken_until_it_expires_or_is_revoked() {
        let store = MemoryStore::new();
        let now = Timestamp(1_000);
        let made =
            create(&store, NewToken { expires_ms: Some(500), ..new("ann") }, root(), now).await.unwrap();
        let at = async |text: &str, ms| check(&store, text, Timestamp(ms)).await.unwrap().map(|(id, _)| id);
        assert_eq!(at(&made.secret, 1_499).await, Ok(made.id.clone()));
        assert_eq!(at(&made.secret, 1_500).await, Err(TokenRefusal::Expired));
        let mut other = made.secret.clone();
        other.replace_range(other.len() - 1.., if other.ends_with('0') { "1" } else { "0" });
        assert_eq!(at(&other, 1_001).await, Err(TokenRefusal::Unknown));
        for text in
            ["", "pawl_", "pawl_x_y", &made.secret[..50], "Bearer x", &made.secret.replace("pawl_", "")]
        {
            assert_eq!(at(text, 1_001).await, Err(TokenRefusal::Malformed), "{text}");
        }
        revoke(&store, &made.id, (None, false), root(), Timestamp(1_200)).await.unwrap();
        assert_eq!(at(&made.secret, 1_201).await, Err(TokenRefusal::Revoked));
        revoke(&store, &made.id, (None, true), root(), Timestamp(1_300)).await.unwrap();
        assert_eq!(at(&made.secret, 1_301).await, Err(TokenRefusal::Unknown));
    }

    #[tokio::test]
    async fn a_token_says_who_made_it_and_who_took_it_back_first() {
        let store = MemoryStore::new();
        let eve = Maker { name: "user:eve".into(), via: "http token 7".into() };
        let made = create(&store, new("ann"), eve.clone(), Timestamp(1)).await.unwrap();
        for (by, at) in [(root(), 5), (eve.clone(), 6)] {
            revoke(&store, &made.id, (None, false), by, Timestamp(at)).await.unwrap();
        }
        let (_, kept) = list(&store, None).await.unwrap().remove(0);
        assert_eq!((kept.made_by, kept.revoked_by), (Some(eve), Some(root())));
        assert_eq!(kept.revoked_at, Some(Timestamp(5)));
        // One that was made before this was kept is still a token.
        let mut old = json!(made.token);
        old.as_object_mut().unwrap().remove("made_by");
        let old: Token = decode(KIND, "old", old).unwrap();
        assert_eq!((old.made_by.clone(), old.shape("old")["made_by"].clone()), (None, Value::Null));
    }

    #[tokio::test]
    async fn no_secret_is_kept() {
        let store = MemoryStore::new();
        let made = create(&store, new("ann"), root(), Timestamp(1)).await.unwrap();
        let kept = store.record(KIND, &made.id).await.unwrap().unwrap().to_string();
        let secret = made.secret.rsplit('_').next().unwrap();
        assert!(
            !kept.contains(secret) && kept.contains(&Digest::of(&hex::decode(secret).unwrap()).to_string())
        );
        assert!(!made.token.shape(&made.id).to_string().contains("hash"));
    }

    #[tokio::test]
    async fn what_no_token_can_be_is_refused() {
        let store = MemoryStore::new();
        let group = |name: &str| BTreeSet::from([name.to_owned()]);
        let many = (0..=TOKEN_GROUPS_MAX).map(|n| format!("group:g{n}")).collect();
        let cases = [
            (new(""), "names nobody"),
            (new("a b"), "names nobody"),
            (new("user:ann"), "names nobody"),
            (new(&"x".repeat(TOKEN_NAME_MAX_BYTES + 1)), "names nobody"),
            (NewToken { roles: BTreeSet::new(), ..new("a") }, "needs a role"),
            (NewToken { groups: group("finance"), ..new("a") }, "names no group"),
            (NewToken { groups: many, ..new("a") }, "token_groups_max"),
            (NewToken { expires_ms: Some(0), ..new("a") }, "at least a millisecond"),
            (NewToken { expires_ms: Some(TOKEN_EXPIRES_MAX_MS + 1), ..new("a") }, "ten years"),
            (NewToken { namespace: Some("nowhere".parse().unwrap()), ..new("a") }, "there is no namespace"),
        ];
        for (new, says) in cases {
            let error = create(&store, new, root(), Timestamp(1)).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn no_more_tokens_are_made_than_there_may_be() {
        let store = MemoryStore::new();
        let row = |number| RecordChange::put(KIND, format!("{number:016x}"), json!({}));
        let records = (1..TOKENS_MAX).map(row).collect();
        store.commit(&Batch { records, ..Batch::default() }).await.unwrap();
        assert!(create(&store, new("ann"), root(), Timestamp(1)).await.is_ok());
        let error = create(&store, new("ann"), root(), Timestamp(1)).await.unwrap_err().to_string();
        assert!(error.contains("tokens_max (10000)"), "{error}");
    }

    #[tokio::test]
    async fn only_an_admin_is_for_all_namespaces() {
        let store = MemoryStore::new();
        let made = create(&store, new("ann"), root(), Timestamp(1)).await.unwrap();
        assert_eq!(made.token.namespace, Some(Namespace::default()));
        let admin = NewToken { roles: BTreeSet::from([Role::Admin]), ..new("root") };
        assert_eq!(create(&store, admin, root(), Timestamp(1)).await.unwrap().token.namespace, None);
    }
}
