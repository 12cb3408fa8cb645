//! What stands beside a component that somebody has signed: who, and that it is this one.
//!
//! A signature is over the component, its `plugin.toml`, and the plugin's name and version, each with its length,
//! after words that no other use of the key begins with. A component and a manifest that were signed apart cannot
//! be put together.

use std::path::{Path, PathBuf};

use pawl_core::{Digest, PublicKey};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::{SecretKey, SignatureError};

/// The longest file with a signature, in bytes.
pub const SIGNATURE_MAX_BYTES: usize = 16 << 10;
/// What every message begins with.
const DOMAIN: &[u8] = b"pawl plugin signature, format 1\n";
/// The format that this pawl writes and reads.
const FORMAT: u32 = 1;

/// Where the signature of a component is: `triage.wasm.sig` beside `triage.wasm`.
pub fn signature_place(component: &Path) -> PathBuf {
    component.with_added_extension("sig")
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The component.
    pub component: Digest,
    /// Its `plugin.toml`.
    pub manifest: Digest,
    /// The plugin's name, as the manifest has it.
    pub name: String,
    /// Its version, as the manifest has it.
    pub version: String,
}

/// A signature as its file holds it: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    #[serde(rename = "pawl_signature")]
    format: u32,
    name: String,
    version: String,
    component: Digest,
    manifest: Digest,
    key: String,
    /// As hexadecimal digits.
    #[serde(rename = "signature")]
    digits: String,
}

impl Signed {
    fn message(&self) -> Vec<u8> {
        let parts: [&[u8]; 4] = [
            self.component.as_bytes(),
            self.manifest.as_bytes(),
            self.name.as_bytes(),
            self.version.as_bytes(),
        ];
        let mut message = DOMAIN.to_vec();
        for part in parts {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        message
    }
}

impl Signature {
    /// Signs a plugin.
    pub fn new(signed: Signed, key: &SecretKey) -> Self {
        let digits = hex::encode(key.sign(&signed.message()));
        let Signed { component, manifest, name, version } = signed;
        let key = key.public().to_string();
        Self { format: FORMAT, name, version, component, manifest, key, digits }
    }

    /// Reads a signature's file.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        if text.len() > SIGNATURE_MAX_BYTES {
            let reason = format!("it has more than signature_max_bytes ({SIGNATURE_MAX_BYTES})");
            return Err(SignatureError::Unreadable(reason));
        }
        let read: Self =
            serde_json::from_str(text).map_err(|error| SignatureError::Unreadable(error.to_string()))?;
        if read.format != FORMAT {
            let reason = format!("it has the format {}, and this pawl reads {FORMAT}", read.format);
            return Err(SignatureError::Unreadable(reason));
        }
        Ok(read)
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// The plugin's name, as its signer knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plugin's version, as its signer knows it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether somebody with this signature's key has signed these bytes; gives the key. Whether it is trusted is
    /// another question.
    pub fn check(&self, component: &Digest, manifest: Option<&str>) -> Result<PublicKey, SignatureError> {
        if self.component != *component {
            return Err(SignatureError::Altered { found: *component, signed: self.component });
        }
        if manifest.map(|text| Digest::of(text.as_bytes())) != Some(self.manifest) {
            return Err(SignatureError::ManifestAltered);
        }
        let unreadable = |what: &str| SignatureError::Unreadable(format!("its {what} is none"));
        let key: PublicKey = self.key.parse().map_err(|_| unreadable("key"))?;
        let signature = hex::decode(&self.digits).map_err(|_| unreadable("signature"))?;
        let signed = Signed {
            component: self.component,
            manifest: self.manifest,
            name: self.name.clone(),
            version: self.version.clone(),
        };
        let verified = UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(&signed.message(), &signature);
        verified.map(|()| key).map_err(|_| SignatureError::Wrong(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "name = \"a\"";

    fn key() -> SecretKey {
        SecretKey::create(&tempfile::tempdir().unwrap().path().join("k")).unwrap()
    }

    fn signed(key: &SecretKey) -> Signature {
        let signed = Signed {
            component: Digest::of(b"wasm"),
            manifest: Digest::of(MANIFEST.as_bytes()),
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
        };
        Signature::new(signed, key)
    }

    #[test]
    fn a_signature_holds_for_what_was_signed() {
        let key = key();
        let signature = signed(&key);
        let read = Signature::parse(&signature.to_text()).unwrap();
        assert_eq!(read, signature);
        assert_eq!(read.check(&Digest::of(b"wasm"), Some(MANIFEST)).unwrap(), key.public());
        let altered = read.check(&Digest::of(b"masw"), Some(MANIFEST));
        assert!(matches!(altered, Err(SignatureError::Altered { .. })), "{altered:?}");
        for manifest in [None, Some(""), Some("name = \"b\"")] {
            let altered = read.check(&Digest::of(b"wasm"), manifest);
            assert!(matches!(altered, Err(SignatureError::ManifestAltered)), "{altered:?}");
        }
    }

    #[test]
    fn nothing_of_a_signature_can_be_changed() {
        let signature = signed(&key());
        let other = key();
        let twice = format!("{}{}", signature.digits, signature.digits);
        let changed = [
            Signature { name: "b".to_owned(), ..signature.clone() },
            Signature { version: "2.0.0".to_owned(), ..signature.clone() },
            // A character that goes from one text to the other is another message.
            Signature { name: "a1".to_owned(), version: ".0.0".to_owned(), ..signature.clone() },
            Signature { key: other.public().to_string(), ..signature.clone() },
            Signature { digits: signature.digits.replace('a', "b").replace('0', "1"), ..signature.clone() },
            Signature { digits: String::new(), ..signature.clone() },
            Signature { digits: twice, ..signature.clone() },
        ];
        for changed in changed {
            let refused = changed.check(&Digest::of(b"wasm"), Some(MANIFEST));
            assert!(matches!(refused, Err(SignatureError::Wrong(_))), "{changed:?}: {refused:?}");
        }
        for unreadable in [
            Signature { key: "ed25519:00".to_owned(), ..signature.clone() },
            Signature { digits: "no".to_owned(), ..signature.clone() },
        ] {
            let refused = unreadable.check(&Digest::of(b"wasm"), Some(MANIFEST));
            assert!(matches!(refused, Err(SignatureError::Unreadable(_))), "{refused:?}");
        }
    }

    #[test]
    fn what_is_no_signature_says_why() {
        let text = signed(&key()).to_text();
        let long = format!("{text}{}", " ".repeat(SIGNATURE_MAX_BYTES));
        let newer = text.replace("\"pawl_signature\": 1", "\"pawl_signature\": 2");
        let deep = "[".repeat(10_000);
        for (text, part) in [
            ("", "EOF"),
            (deep.as_str(), "line 1"),
            (long.as_str(), "signature_max_bytes (16384)"),
            (newer.as_str(), "the format 2"),
        ] {
            let refused = Signature::parse(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
