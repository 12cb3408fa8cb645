//! Who made or took back what lets others in.

use pawl_core::event::Actor;
use serde::{Deserialize, Serialize};

/// Who made or took back a token or a link, and through which door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// `user:ann`.
    pub name: String,
    /// `cli`, `http`, `http token ID`.
    pub via: String,
}

impl From<&Actor> for Maker {
    fn from(actor: &Actor) -> Self {
        Self { name: actor.name.clone(), via: actor.via.clone() }
    }
}
