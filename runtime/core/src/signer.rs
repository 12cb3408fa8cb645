//! Who signs plugins: a public key, as it stands in `pawl.yaml` and beside components.

use std::fmt;
use std::str::FromStr;

/// What a public key begins with, as a text.
const SCHEME: &str = "ed25519:";

/// A public key of Ed25519, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is `ed25519:` and 64 hexadecimal digits, as `pawl plugin keygen` prints it")]
pub struct InvalidPublicKey;

impl PublicKey {
    /// A key from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix(SCHEME).ok_or(InvalidPublicKey)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidPublicKey)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_written_alike() {
        let text = format!("ed25519:{}", "0f".repeat(32));
        assert_eq!(text.parse::<PublicKey>().unwrap().to_string(), text);
        for wrong in ["", "ed25519:", "0f", &text[..20], &text.replace("25519", "448"), &format!("{text}0f")]
        {
            assert_eq!(wrong.parse::<PublicKey>(), Err(InvalidPublicKey), "{wrong}");
        }
    }
}
