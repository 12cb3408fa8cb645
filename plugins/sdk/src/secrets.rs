//! Secrets that a tool may send and never sees. For tools; needs the grant `secrets`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//!
//! let key = secrets::get("stripe")?;
//! let charge: Value = http::get("https://api.stripe.com/v1/charges/ch_1")
//!     .header("authorization", &format!("Bearer {key}"))
//!     .send()?
//!     .success()?
//!     .json()?;
//! # Ok(()) }
//! ```

use crate::Failure;
use crate::bindings::secrets;

/// A placeholder for a secret, to be put into the value of a header field of a request.
///
/// The host puts the secret in its place, where the request goes to a host that the operator names for it. A request
/// that has the placeholder anywhere else, or goes anywhere else, is denied. It is of no use beyond this attempt.
pub fn get(name: &str) -> Result<String, Failure> {
    Ok(secrets::get(name)?)
}
