//! Why the operator's models cannot be used.

use pawl_core::diagnostic::Diagnostics;

/// Why the operator's models cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// A script cannot be read.
    #[error("cannot read {path}, the script of model '{model}': {reason}")]
    Unreadable {
        /// The model.
        model: String,
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A script has problems.
    #[error("{0}")]
    Script(Box<Diagnostics>),
    /// The address of a server cannot be used.
    #[error(
        "model '{model}': {url} is no address that can be asked; write it as in http://127.0.0.1:8000/v1"
    )]
    Address {
        /// The model.
        model: String,
        /// The address.
        url: String,
    },
}
