//! What a link holds, and its signature.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pawl_core::{ApprovalId, Digest, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::identity::{Maker, random_bytes};

/// How long a link may be good for, in milliseconds: 30 days.
pub const LINK_EXPIRES_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The length of the key of links, in bytes.
pub const LINK_KEY_BYTES: usize = 32;
/// How long a link may be, in bytes.
const LINK_MAX_BYTES: usize = 8 << 10;

/// What a link holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Of this link alone: by it, it is used once.
    pub(super) id: String,
    pub(super) approval: ApprovalId,
    /// What is asked, as it was when the link was made.
    pub(super) digest: Digest,
    /// Who answers: `user:ann`.
    #[serde(rename = "for")]
    pub(super) user: String,
    /// The groups that they answer for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) groups: BTreeSet<String>,
    pub(super) expires: Timestamp,
    /// Who made it, who could have used it; nothing of one that was made before this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made_by: Option<Maker>,
}

/// Why the key of links cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use {path}, the key of links: {reason}; remove it, and a new one is made: links that were sent are void then"
)]
pub struct LinkKeyError {
    path: PathBuf,
    reason: String,
}

/// What links are signed with.
#[derive(Debug, Clone)]
pub(crate) struct LinkKey(hmac::Key);

impl LinkKey {
    /// The key in a file of its own that only its owner reads; a new one where there is none. Without a file, one for
    /// this process.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, LinkKeyError> {
        let Some(path) = path else {
            return Self::fresh()
                .map(|bytes| Self::of(&bytes))
                .map_err(|reason| wrong(Path::new("-"), reason));
        };
        match std::fs::read(path) {
            Ok(bytes) if bytes.len() == LINK_KEY_BYTES => Ok(Self::of(&bytes)),
            Ok(bytes) => Err(wrong(path, format!("it has {} bytes and not {LINK_KEY_BYTES}", bytes.len()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes = Self::fresh().map_err(|reason| wrong(path, reason))?;
                write_new(path, &bytes).map_err(|error| wrong(path, error.to_string()))?;
                Ok(Self::of(&bytes))
            }
            Err(error) => Err(wrong(path, error.to_string())),
        }
    }

    fn fresh() -> Result<[u8; LINK_KEY_BYTES], String> {
        random_bytes().map_err(|error| error.to_string())
    }

    fn of(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A link's last part: what it holds, and the signature.
    pub(super) fn sign(&self, ticket: &Ticket) -> String {
        let held = URL_SAFE_NO_PAD.encode(serde_json::to_vec(ticket).unwrap_or_default());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, held.as_bytes()));
        format!("{held}.{signature}")
    }

    /// What a link holds, if it was made here.
    pub(super) fn open(&self, text: &str) -> Option<Ticket> {
        if text.len() > LINK_MAX_BYTES {
            return None;
        }
        let (held, signature) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time.
        hmac::verify(&self.0, held.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(held).ok()?).ok()
    }

    /// What the form of a link's page sends back, so that only that page can.
    pub(super) fn form_token(&self, link: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, format!("form\0{link}").as_bytes()))
    }

    /// Whether it is that.
    pub(super) fn is_form_token(&self, link: &str, token: &str) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(token) else { return false };
        hmac::verify(&self.0, format!("form\0{link}").as_bytes(), &token).is_ok()
    }
}

fn wrong(path: &Path, reason: String) -> LinkKeyError {
    LinkKeyError { path: path.to_owned(), reason }
}

/// Under another name first: a key that is half written is none.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unready = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unready)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unready, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            id: "1".into(),
            approval: ApprovalId::from_bits(7),
            digest: Digest::of(b"question"),
            user: "user:ann".into(),
            groups: BTreeSet::new(),
            expires: Timestamp(9),
            made_by: None,
        }
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let key = LinkKey::of(&[7; LINK_KEY_BYTES]);
        let link = key.sign(&ticket());
        assert_eq!(key.open(&link), Some(ticket()));
        for at in 0..link.len() {
            let mut other = link.clone();
            let now = if &link[at..=at] == "A" { "B" } else { "A" };
            other.replace_range(at..=at, now);
            // The last bits of the last letter of base64 may say nothing; then it is refused as malformed.
            assert_ne!(key.open(&other), Some(ticket()), "{at}");
        }
        let other = LinkKey::of(&[8; LINK_KEY_BYTES]).sign(&Ticket { user: "user:eve".into(), ..ticket() });
        assert_eq!(key.open(&other), None);
        for text in ["", ".", "a.b", &link[..link.len() - 1], &"x".repeat(LINK_MAX_BYTES + 1)] {
            assert_eq!(key.open(text), None);
        }
    }

    #[test]
    fn a_form_token_is_of_one_link() {
        let key = LinkKey::of(&[7; LINK_KEY_BYTES]);
        let token = key.form_token("one");
        assert!(key.is_form_token("one", &token));
        assert!(
            !key.is_form_token("two", &token)
                && !key.is_form_token("one", "")
                && !key.is_form_token("one", "é")
        );
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link.key");
        let link = LinkKey::load(Some(&path)).unwrap().sign(&ticket());
        assert_eq!(LinkKey::load(Some(&path)).unwrap().open(&link), Some(ticket()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert!(LinkKey::load(Some(&path)).unwrap_err().to_string().contains("5 bytes"));
    }
}
