//! Why a plugin is not what it should be.

use pawl_core::{Digest, PublicKey};

/// Why a signature, or a key, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file is no signature.
    #[error("its signature cannot be read: {0}; sign it again with `pawl plugin sign`")]
    Unreadable(String),
    /// The component is another one than was signed.
    #[error(
        "it is not what was signed: the component has sha256:{found}, and sha256:{signed} was signed; take the component that was signed, or have this one signed"
    )]
    Altered {
        /// What is there.
        found: Digest,
        /// What was signed.
        signed: Digest,
    },
    /// The manifest is another one than was signed.
    #[error(
        "its plugin.toml is not what was signed; take the one that was signed, or have the two signed with `pawl plugin sign`"
    )]
    ManifestAltered,
    /// The signature is not one of this key for this message.
    #[error(
        "its signature does not hold for the key {0} that it names; do not use it, and ask whoever gave it to you"
    )]
    Wrong(PublicKey),
    /// A private key cannot be used.
    #[error("the private key {path} cannot be used: {reason}; make one with `pawl plugin keygen FILE`")]
    Key {
        /// Its file.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// Why a plugin is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum UntrustedError {
    /// Nobody has signed it.
    #[error(
        "it is not signed, and pawl.yaml names `trusted_keys`; have it signed with `pawl plugin sign`, and put the file that ends in .sig beside it"
    )]
    Unsigned,
    /// Somebody else has signed it.
    #[error(
        "it is signed with {0}, which is not among the `trusted_keys` of pawl.yaml; add that key there if you trust its owner"
    )]
    Unknown(PublicKey),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// Why a lock does not let a plugin pass, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read as a lock.
    #[error("cannot read {file}, line {line}: {reason}; make it anew with `pawl lock`")]
    Unreadable {
        /// The file.
        file: String,
        /// From 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is none.
    #[error("there is no {0}, and --locked needs it; make it with `pawl lock`")]
    Missing(String),
    /// The plugin is not in it.
    #[error("plugin '{name}', {found}, is not in {file}; if it shall be used, run `pawl lock`")]
    NotLocked {
        /// The plugin.
        name: String,
        /// What was found: digest and origin.
        found: String,
        /// The lock.
        file: String,
    },
    /// The plugin is another one.
    #[error(
        "plugin '{name}' is not the one in {file}: {found} was found, and {locked} is locked; bring the locked one back, or run `pawl lock` if the new one shall be used"
    )]
    Differs {
        /// The plugin.
        name: String,
        /// What was found: digest and origin.
        found: String,
        /// What is locked: digest and origin.
        locked: String,
        /// The lock.
        file: String,
    },
    /// What a route chooses is not known when a lock is made.
    #[error(
        "'{file}' leaves it to routes who does {steps}, and what they choose is in no lock; name the plugins there, or go without --locked"
    )]
    Routed {
        /// The workflow.
        file: String,
        /// Its steps with routes.
        steps: String,
    },
}

/// Why a registry did not give or take a plugin.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be asked.
    #[error("the registry {host} cannot be asked: {reason}; what was fetched before is used without it")]
    Unreachable {
        /// The registry, or where it led to.
        host: String,
        /// Why not.
        reason: String,
    },
    /// It does not let whoever asks.
    #[error(
        "the registry {host} does not let you: {reason}; name `username` and `password` for it under `registries` in pawl.yaml"
    )]
    Unauthorized {
        /// The registry.
        host: String,
        /// What it said.
        reason: String,
    },
    /// It does not have it.
    #[error("{0} is not there; check the name, the tag and the digest")]
    Missing(String),
    /// It answers something else.
    #[error("the registry {host} answers what does not fit: {reason}; try again, or ask whoever runs it")]
    Refused {
        /// The registry.
        host: String,
        /// What it said.
        reason: String,
    },
    /// It sends more than was asked for.
    #[error(
        "the registry {host} sends more than the {max_bytes} bytes that were asked for; do not use it, and tell whoever runs it"
    )]
    TooLarge {
        /// The registry.
        host: String,
        /// How much it was.
        max_bytes: u64,
    },
    /// What came is not what its digest says.
    #[error(
        "what came for {reference} is not what its digest says: sha256:{expected} was asked for, and sha256:{found} came; do not use it, and tell whoever runs the registry"
    )]
    OtherBytes {
        /// What was asked for.
        reference: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// It is there and no plugin.
    #[error("{reference} is no plugin: {reason}; push one with `pawl plugin push`")]
    NoPlugin {
        /// What was asked for.
        reference: String,
        /// Why not.
        reason: String,
    },
    /// The password cannot be read.
    #[error("{place}, which `password` in pawl.yaml names, {reason}; put the password there")]
    Password {
        /// Where it should be.
        place: String,
        /// Why not.
        reason: String,
    },
}
