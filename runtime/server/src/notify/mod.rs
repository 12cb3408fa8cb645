//! Who is told of approvals: web hooks and tools that the operator names in `pawl.yaml`.
//!
//! Journals are authoritative: what is told is an event of a run, and its place there is the notification's id. How far
//! each was told is a record of the store, written behind each delivery. So whatever dies, everything is told at least
//! once, and nothing here keeps a run waiting. Each is told one thing after the other.

mod deliver;
mod feed;
mod hook;
mod links;
mod post;
mod sign;
mod telling;
mod tool;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pawl_core::operator::{Notify, NotifyWay};
use pawl_engine::Engine;

pub use deliver::{NOTIFY_BODY_MAX_BYTES, NOTIFY_PAUSE_MAX_MS, NOTIFY_REQUEST_MAX_MS, NOTIFY_TRIES_MAX};
pub use hook::NOTIFY_SECRET_MIN_BYTES;
pub use links::NOTIFY_LINKS_MAX;
pub use sign::signature;
use telling::Counts;
pub(crate) use telling::Telling;
pub use telling::{NOTIFY_METRICS, Notifier};

/// Whom to tell, and the folder that files of secrets are relative to.
#[derive(Debug, Clone, Default)]
pub struct Notifying {
    /// By the names that the operator gives them.
    pub told: BTreeMap<String, Notify>,
    /// The folder of the operator's file.
    pub folder: PathBuf,
}

/// Why nobody can be told as `pawl.yaml` says.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A secret cannot be used. It is not shown.
    #[error(
        "cannot sign what notify '{name}' of pawl.yaml is told: {reason}; put a secret there, and nothing else"
    )]
    Secret {
        /// Who was to be told.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Links would lead nowhere.
    #[error(
        "notify '{0}' of pawl.yaml has links, and nobody elsewhere could open them; say with `server.public_url` where this \
         server is reached, or take `links` out"
    )]
    Links(String),
}

/// One who is told.
#[derive(Debug, Clone)]
struct Target {
    name: String,
    notify: Notify,
    folder: PathBuf,
    counts: Arc<Counts>,
}

impl Target {
    /// Whether another says the same of the same one.
    fn is_same(&self, other: &Self) -> bool {
        self.notify == other.notify && self.folder == other.folder
    }
}

impl Notifying {
    fn each(&self) -> impl Iterator<Item = Target> {
        let target = |(name, notify): (&String, &Notify)| Target {
            name: name.clone(),
            notify: notify.clone(),
            folder: self.folder.clone(),
            counts: Arc::default(),
        };
        self.told.iter().map(target)
    }

    /// Refuses what could never be told.
    pub fn check(&self, public_url: Option<&str>) -> Result<(), NotifyError> {
        for target in self.each() {
            if let NotifyWay::Hook { secret, .. } = &target.notify.told {
                let read = hook::secret(secret, &target.folder);
                read.map_err(|reason| NotifyError::Secret { name: target.name.clone(), reason })?;
            }
            if target.notify.links.is_some() && public_url.is_none() {
                return Err(NotifyError::Links(target.name));
            }
        }
        Ok(())
    }

    /// Remembers from where on those are told who are new.
    pub(crate) async fn prepare(&self, engine: &Engine) {
        for target in self.each() {
            feed::begin(engine, &target).await;
        }
    }
}
