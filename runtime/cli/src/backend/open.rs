//! Opens the data folder, or finds the process that holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::memory::MemoryStore;
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{Store, StoreError};

use super::{Api, Backend, Service, client};
use crate::fault::Fault;
use crate::place::{Place, StoreEngine};

/// How long a folder may stay in use by a process that does not listen: short commands end
/// within this time, and so does a process that hands over what others follow.
const IN_USE_MAX_MS: u64 = 5_000;
/// How long to wait between two tries.
const RETRY_MS: u64 = 25;

/// The server that is asked in place of the folder, where one is.
pub(crate) fn api(place: &Place) -> Result<Option<Api>, Fault> {
    place.server().map(|server| Api::new(server, place.token_file())).transpose()
}

/// Opens the store, or reaches the process that holds it.
pub(crate) async fn open(place: &Place) -> Result<Backend, Fault> {
    if let Some(api) = api(place)? {
        return Ok(Backend::Api(api));
    }
    if place.ephemeral {
        return in_memory(place).await;
    }
    place.create()?;
    let since = Instant::now();
    loop {
        let error = match open_store(place).await {
            Ok(store) => return direct(store, place).await,
            Err(error @ StoreError::InUse { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        let socket = place.socket();
        let why = match client::answers(&socket).await {
            Ok(()) => return Ok(Backend::Remote(socket, place.clone())),
            Err(fault) => fault,
        };
        if since.elapsed() > Duration::from_millis(IN_USE_MAX_MS) {
            return Err(in_use(&error, &why));
        }
        tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    }
}

/// An engine with a store in memory.
pub(crate) async fn in_memory(place: &Place) -> Result<Backend, Fault> {
    direct(Arc::new(MemoryStore::new()), place).await
}

async fn open_store(place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    let (folder, engine) = (place.store_folder().to_owned(), place.store.engine);
    let open = move || -> Result<Arc<dyn Store>, StoreError> {
        Ok(match engine {
            StoreEngine::Lmdb => Arc::new(LmdbStore::open(&folder, LmdbOptions::default())?),
            StoreEngine::Sled => Arc::new(SledStore::open(&folder, SledOptions::default())?),
        })
    };
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| StoreError::Engine(error.to_string()))?
}

async fn direct(store: Arc<dyn Store>, place: &Place) -> Result<Backend, Fault> {
    Ok(Backend::Direct(Service::open(store, place).await?))
}

/// The process that held the folder ended, and the one after it as well.
pub(super) fn gone(place: &Place) -> Fault {
    Fault::unusable(format!(
        "the process that held the data folder {} has ended",
        place.store_folder().display()
    ))
    .hint("try again")
}

fn in_use(error: &StoreError, why: &Fault) -> Fault {
    let StoreError::InUse { pid, .. } = error else { return Fault::unusable(error.to_string()) };
    let who = pid.map_or_else(|| "that process".to_owned(), |pid| format!("process {pid}"));
    let message = format!("{error}, and commands cannot go through it: {}", why.message);
    Fault::unusable(message)
        .hint(format!("wait until {who} has ended, or stop it with SIGTERM and try again"))
}
