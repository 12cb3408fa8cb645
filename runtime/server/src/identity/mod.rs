//! Who asks, and what they may: tokens, tokens of an issuer, roles, namespaces.
//!
//! The store is authoritative: a token that is revoked there is refused from the next request on. No secret is kept,
//! only what it is recognized by. There are no cookies: who asks stands in the header of each request, so that no
//! other page can ask in somebody's name.

mod error;
mod fetch;
mod jwks;
mod jwt;
mod maker;
mod manage;
mod namespace;
mod random;
mod role;
pub(crate) mod routes;
mod rows;
mod token;

pub use error::IdentityError;
pub use jwks::{
    JWKS_AGE_MAX_MS, JWKS_FRESH_MS, JWKS_MAX_BYTES, JWKS_REFRESH_MIN_MS, JWKS_REQUEST_MAX_MS, KeySource,
    KeysError, keys_there,
};
pub use jwt::{Algorithm, IssuerConfig, JWT_LEEWAY_MS, JWT_MAX_BYTES};
pub use maker::Maker;
pub use manage::{IdentityReply, IdentityRequest, manage};
pub use namespace::{NamespaceLimits, NamespaceRecord};
pub use role::{Role, Verb};
pub use token::{
    NewToken, TOKEN_EXPIRES_MAX_MS, TOKEN_GROUPS_MAX, TOKEN_NAME_MAX_BYTES, TOKENS_MAX, Token, TokenSecret,
};

pub(crate) use jwt::{Claimed, Issuer};
pub(crate) use namespace::{find as find_namespace, limits_of};
pub(crate) use random::random_bytes;
pub(crate) use token::{check as check_token, is_own as is_own_token};
