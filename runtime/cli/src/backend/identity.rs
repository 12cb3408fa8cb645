//! Tokens and namespaces, on the store that this process holds; and whose tokens the operator's file takes.

use pawl_core::event::Actor;
use pawl_core::operator::{Identity, JwksPlace};
use pawl_engine::{Clock as _, SystemClock};
use pawl_server::identity::{
    Algorithm, IdentityError, IdentityReply, IdentityRequest, IssuerConfig, KeySource, manage,
};
use pawl_store::Store;

use super::protocol::{Reply, Request};
use super::{Backend, operator, strange};
use crate::fault::Fault;
use crate::place::Place;

/// Does what is asked about tokens and namespaces.
pub(super) async fn handle(store: &dyn Store, request: IdentityRequest, by: &Actor) -> Result<Reply, Fault> {
    Ok(Reply::Identity(Box::new(manage(store, request, by, SystemClock.now()).await?)))
}

impl Backend {
    /// Makes, lists and takes back tokens; sets and lists namespaces.
    pub(crate) async fn identity(&self, request: IdentityRequest) -> Result<IdentityReply, Fault> {
        let by = crate::actor::operator();
        match self.call(Request::Identity { request, by }).await? {
            Reply::Identity(reply) => Ok(*reply),
            _ => Err(strange()),
        }
    }
}

/// Whose tokens the operator's file takes.
pub(crate) fn issuer(place: &Place) -> Result<Option<IssuerConfig>, Fault> {
    let (operator, folder) = operator::read(place)?;
    let Some(Identity { issuer, audience, jwks, algorithms, claims, roles }) = operator.identity else {
        return Ok(None);
    };
    let keys = match jwks {
        JwksPlace::Url(url) => KeySource::Url(url),
        JwksPlace::File(file) => KeySource::File(folder.join(file)),
    };
    let named = |name: &String| Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    let role = |(claim, role): (String, String)| Some((claim, role.parse().ok()?));
    Ok(Some(IssuerConfig {
        issuer,
        audience,
        keys,
        algorithms: algorithms.iter().filter_map(named).collect(),
        name_claim: claims.name,
        roles_claim: claims.roles,
        groups_claim: claims.groups,
        namespace_claim: claims.namespace.unwrap_or_default(),
        roles: roles.into_iter().filter_map(role).collect(),
    }))
}

impl From<IdentityError> for Fault {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        match error {
            IdentityError::Store(error) => error.into(),
            IdentityError::Unknown { what: "namespace", name } => {
                Self::usage(text).hint(format!("`pawl namespace set {name}` makes it"))
            }
            IdentityError::Unknown { .. } => {
                Self::usage(text).hint("`pawl token list` shows which there are")
            }
            IdentityError::Invalid(_) | IdentityError::Damaged { .. } | IdentityError::Randomness => {
                match text.rsplit_once("; ") {
                    Some((message, hint)) => Self::usage(message).hint(hint),
                    None => Self::usage(text),
                }
            }
        }
    }
}
