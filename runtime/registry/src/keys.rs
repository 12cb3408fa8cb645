//! Private keys: made, read from their files, and shown nowhere.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use pawl_core::PublicKey;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::{ExposeSecret as _, SecretString};

use crate::SignatureError;

/// What a private key begins with, as a text: nobody takes it for a public one.
const SCHEME: &str = "ed25519-private:";
/// The longest file with a private key, in bytes.
const KEY_FILE_MAX_BYTES: u64 = 4 << 10;
/// Who else than its owner may do anything with the file.
const OTHERS: u32 = 0o077;

/// A private key. Its `Debug` shows nothing of it.
pub struct SecretKey(Ed25519KeyPair);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

impl SecretKey {
    /// Makes a key and writes it to a new file that only its owner can read. A file that is there stays as it is:
    /// a key that is overwritten is lost for ever.
    pub fn create(path: &Path) -> Result<Self, SignatureError> {
        let wrong = |reason: String| SignatureError::Key { path: path.display().to_string(), reason };
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| wrong("the system gives no randomness".to_owned()))?;
        let key = Self::from_seed(&seed).ok_or_else(|| wrong("it cannot be made".to_owned()))?;
        let text = SecretString::from(format!("{SCHEME}{}\n", hex::encode(seed)));
        let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = written.and_then(|mut file| {
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| wrong(error.to_string()))?;
        Ok(key)
    }

    /// Reads a key from a file that only its owner can read.
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let wrong = |reason: String| SignatureError::Key { path: path.display().to_string(), reason };
        let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if !about.is_file() || about.len() > KEY_FILE_MAX_BYTES {
            return Err(wrong(format!("it is no file of at most {KEY_FILE_MAX_BYTES} bytes")));
        }
        if about.mode() & OTHERS != 0 {
            return Err(wrong(
                "others can read it: `chmod 600` it, or make another if they may have".to_owned(),
            ));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let text = SecretString::from(text);
        let mut seed = [0; 32];
        let digits = text.expose_secret().trim().strip_prefix(SCHEME);
        let read = digits.and_then(|digits| hex::decode_to_slice(digits, &mut seed).ok());
        let key = read.and_then(|()| Self::from_seed(&seed));
        key.ok_or_else(|| wrong("it does not hold a private key and nothing else".to_owned()))
    }

    fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        // It has 32 bytes for every key of this kind.
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::from_bytes(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_for_its_owner_and_shown_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.key");
        let key = SecretKey::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let digits = text.trim().strip_prefix(SCHEME).unwrap().to_owned();
        assert!(!format!("{key:?}").contains(&digits));
        assert_eq!(SecretKey::read(&path).unwrap().public(), key.public());
        let again = SecretKey::create(&path).unwrap_err().to_string();
        assert!(again.contains("exists"), "{again}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is still the first");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let open = SecretKey::read(&path).unwrap_err().to_string();
        assert!(open.contains("others can read it"), "{open}");
        assert!(!open.contains(&digits));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let long = "x".repeat(usize::try_from(KEY_FILE_MAX_BYTES).unwrap() + 1);
        for text in ["", "canary", "ed25519-private:canary", "ed25519-private:00", &long] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let refused = SecretKey::read(&path).unwrap_err().to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
        assert!(SecretKey::read(folder.path()).is_err());
        assert!(SecretKey::read(&folder.path().join("none")).is_err());
    }
}
