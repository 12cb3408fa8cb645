//! Who asks.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pawl_core::event::Actor;

use crate::app::App;

/// Who asks. Without identity, which is for loopback alone, it is the operator.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let actor =
            Actor { name: "user:operator".into(), groups: Vec::new(), operator: true, via: "http".into() };
        Ok(Self { actor })
    }
}
