//! Whose plugins are used.

use std::collections::BTreeMap;

use pawl_core::{Digest, PublicKey};

use crate::{Signature, UntrustedError};

/// The keys that the operator trusts, by the names that the operator gives them. Without any, everybody's plugins
/// are used and no signature is looked at.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<PublicKey, String>);

impl TrustedKeys {
    /// Keys by their names.
    pub fn new(keys: impl IntoIterator<Item = (String, PublicKey)>) -> Self {
        Self(keys.into_iter().map(|(name, key)| (key, name)).collect())
    }

    /// Whether signatures are not looked at.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of a key that is trusted.
    pub fn name(&self, key: &PublicKey) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Refuses a plugin that none of the keys has signed, if there are keys.
    pub fn check(
        &self,
        component: &Digest,
        manifest: Option<&str>,
        signature: Option<&str>,
    ) -> Result<(), UntrustedError> {
        if self.is_empty() {
            return Ok(());
        }
        let signature = Signature::parse(signature.ok_or(UntrustedError::Unsigned)?)?;
        let key = signature.check(component, manifest)?;
        self.name(&key).map(|_| ()).ok_or(UntrustedError::Unknown(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SecretKey, Signed};

    #[test]
    fn only_what_a_trusted_key_has_signed_passes() {
        let folder = tempfile::tempdir().unwrap();
        let ours = SecretKey::create(&folder.path().join("ours")).unwrap();
        let theirs = SecretKey::create(&folder.path().join("theirs")).unwrap();
        let component = Digest::of(b"wasm");
        let sign = |key: &SecretKey| {
            let manifest = Digest::of(b"m");
            let signed = Signed { component, manifest, name: "a".to_owned(), version: "1.0.0".to_owned() };
            Signature::new(signed, key).to_text()
        };
        let check =
            |keys: &TrustedKeys, signature: Option<&str>| keys.check(&component, Some("m"), signature);
        let none = TrustedKeys::default();
        assert!(check(&none, None).is_ok() && check(&none, Some("nonsense")).is_ok());
        let keys = TrustedKeys::new([("release".to_owned(), ours.public())]);
        assert!(check(&keys, Some(&sign(&ours))).is_ok());
        assert!(matches!(check(&keys, None), Err(UntrustedError::Unsigned)));
        assert!(matches!(check(&keys, Some("nonsense")), Err(UntrustedError::Signature(_))));
        let other = check(&keys, Some(&sign(&theirs)));
        assert!(matches!(other, Err(UntrustedError::Unknown(key)) if key == theirs.public()));
        let altered = keys.check(&Digest::of(b"other"), Some("m"), Some(&sign(&ours)));
        assert!(matches!(altered, Err(UntrustedError::Signature(_))));
    }
}
