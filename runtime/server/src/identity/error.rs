//! Why tokens and namespaces are not as asked.

use pawl_store::StoreError;

/// Why tokens and namespaces are not as asked.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// There is none.
    #[error("there is no {what} {name}")]
    Unknown {
        /// `token`, `namespace`.
        what: &'static str,
        /// Its id or name.
        name: String,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness, and no secret can be made without; try again")]
    Randomness,
    /// A record is not as pawl writes it.
    #[error("the record of {what} {name} does not read: {reason}; revoke or set it anew")]
    Damaged {
        /// `token`, `namespace`.
        what: &'static str,
        /// Its id or name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
