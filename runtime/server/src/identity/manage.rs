//! What the command line asks about tokens and namespaces: on the store itself, or through the process that has it.

use pawl_core::event::Actor;
use pawl_core::{Namespace, Timestamp};
use pawl_store::Store;
use serde::{Deserialize, Serialize};

use super::{
    IdentityError, NamespaceLimits, NamespaceRecord, NewToken, Token, TokenSecret, namespace, token,
};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityRequest {
    /// Make a token.
    CreateToken(NewToken),
    /// All tokens.
    Tokens,
    /// Take a token back.
    RevokeToken {
        /// Which.
        id: String,
        /// Whether no trace of it is kept.
        forget: bool,
    },
    /// Make a namespace, or set how much it may.
    SetNamespace {
        /// Which.
        name: Namespace,
        /// How much.
        limits: NamespaceLimits,
    },
    /// All namespaces.
    Namespaces,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityReply {
    /// The token was made; its secret is here and nowhere else.
    Created(Box<TokenSecret>),
    /// By id.
    Tokens(Vec<(String, Token)>),
    /// It is good no more.
    Revoked(Box<Token>),
    /// As it is now.
    Namespace(NamespaceRecord),
    /// By name.
    Namespaces(Vec<(String, NamespaceRecord)>),
}

/// Does what an operator asks, who owns the store.
pub async fn manage(
    store: &dyn Store,
    request: IdentityRequest,
    by: &Actor,
    now: Timestamp,
) -> Result<IdentityReply, IdentityError> {
    Ok(match request {
        IdentityRequest::CreateToken(new) => {
            IdentityReply::Created(Box::new(token::create(store, new, by.into(), now).await?))
        }
        IdentityRequest::Tokens => IdentityReply::Tokens(token::list(store, None).await?),
        IdentityRequest::RevokeToken { id, forget } => {
            let which = (None, forget);
            IdentityReply::Revoked(Box::new(token::revoke(store, &id, which, by.into(), now).await?))
        }
        IdentityRequest::SetNamespace { name, limits } => {
            IdentityReply::Namespace(namespace::set(store, &name, limits, &by.into(), now).await?)
        }
        IdentityRequest::Namespaces => IdentityReply::Namespaces(namespace::list(store).await?),
    })
}
