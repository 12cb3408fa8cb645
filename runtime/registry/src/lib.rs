//! Where plugins come from: who signed them, what a lock holds of them, and the registries that they lie in.
//!
//! Nothing here knows of runs, and nothing here is trusted for where it came from: a component is what its digest
//! says. Signatures and manifests are texts that are bounded before they are read. Private keys and passwords are
//! read when they are used, and stand in no error and no `Debug`.

#![warn(missing_docs)]

mod cache;
mod challenge;
mod client;
mod error;
mod http;
mod keys;
mod lock;
mod login;
mod package;
mod signature;
mod trust;

pub use client::{REGISTRY_REDIRECTS_MAX, Registries};
pub use error::{LockError, RegistryError, SignatureError, UntrustedError};
pub use http::REGISTRY_REQUEST_MAX_MS;
pub use keys::SecretKey;
pub use lock::{LOCK_FILE, LOCK_MAX_BYTES, LOCK_PLUGINS_MAX, Lock, Locked, path_from};
pub use package::{Package, REGISTRY_LAYERS_MAX, REGISTRY_MANIFEST_MAX_BYTES};
pub use signature::{SIGNATURE_MAX_BYTES, Signature, Signed, signature_place};
pub use trust::TrustedKeys;
