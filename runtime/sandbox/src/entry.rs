//! Entering a guest: one store, one instance, one call, then both are gone.
//!
//! All three ways in (`describe`, a tool's call, an agent's run) go through here, so that none of
//! them lacks a guard. Dropping the future drops the guest wherever it is.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pawl_core::{Failure, FailureKind};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};

use crate::limits::HANDLES_MAX;
use crate::meter::Metered;
use crate::sandbox::Sandbox;
use crate::state::{HostState, Stop};

/// What one call may copy out of a guest at least, so that WASI streams work under small limits.
const COPY_MIN_BYTES: u64 = 2 << 20;
/// Where an attempt has no bound of its own: tokio has no later time.
const FOREVER: Duration = Duration::from_hours(100 * 365 * 24);

/// One way into a guest.
#[async_trait]
pub(crate) trait Entry: Sync {
    /// The instance.
    type Guest: Send + Sync;
    /// What its call gives.
    type Said: Send;

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<Self::Guest>;

    async fn call(&self, guest: &Self::Guest, store: &mut Store<HostState>) -> wasmtime::Result<Self::Said>;
}

impl Sandbox {
    /// Enters a guest, and gives back what it said and what is left of its state.
    pub(crate) async fn enter<E: Entry>(
        &self,
        entry: &E,
        mut state: HostState,
    ) -> (HostState, wasmtime::Result<E::Said>) {
        let wall = state.wall_max_ms();
        let mut line = None;
        loop {
            let mut freed = pin!(self.room().freed());
            if line.is_some() {
                freed.as_mut().enable();
            }
            let until = Instant::now() + wall.map_or(FOREVER, Duration::from_millis);
            let meter = Arc::clone(&state.meter);
            let hold = self.room().hold();
            let mut store = store(self.engine(), state);
            let tried = Metered::new(Arc::clone(&meter), entry.instantiate(&mut store));
            let guest = match timeout_at(until, tried).await {
                Err(_) => return (close(store), Err(too_long(wall))),
                Ok(Ok(guest)) => guest,
                Ok(Err(error)) => {
                    state = close(store);
                    if !error.is::<PoolConcurrencyLimitError>() || state.is_touched() {
                        return (state, Err(error));
                    }
                    if hold.is_alone {
                        return (state, Err(too_large(&error)));
                    }
                    // What was given back before the line was joined is tried for at once.
                    if line.is_some() {
                        hold.drop_quietly();
                        freed.await;
                    } else {
                        drop(hold);
                        line = Some(self.room().line().await);
                    }
                    state.renew();
                    continue;
                }
            };
            drop(line);
            let said = timeout_at(until, Metered::new(meter, entry.call(&guest, &mut store))).await;
            let state = close(store);
            drop(hold);
            return (state, said.unwrap_or_else(|_| Err(too_long(wall))));
        }
    }
}

fn too_long(wall_max_ms: Option<u64>) -> wasmtime::Error {
    Stop::limit("wall_time_max_ms", wall_max_ms.unwrap_or_default()).into()
}

/// With nobody else in the pool there is nothing to wait for.
fn too_large(error: &wasmtime::Error) -> wasmtime::Error {
    let message = format!(
        "the component needs more than the whole instance pool holds: {error}; \
         raise tools_max and agents_max, or build it of fewer core modules"
    );
    Stop::Aborted(Failure::new(FailureKind::Permanent, message)).into()
}

/// A store with all guards on.
fn store(engine: &Engine, state: HostState) -> Store<HostState> {
    let copy_max = state.limits.payload_max_bytes.saturating_mul(2).max(COPY_MIN_BYTES);
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(usize::try_from(copy_max).unwrap_or(usize::MAX));
    store.set_max_component_handles(HANDLES_MAX);
    store.epoch_deadline_callback(|store| on_tick(store.data()));
    store.set_epoch_deadline(1);
    store
}

/// Charges the guest for its time, and lets others run.
fn on_tick(state: &HostState) -> wasmtime::Result<UpdateDeadline> {
    state.meter.charge();
    let allowed = state.limits.guest_time_max_ms;
    if state.meter.spent().as_millis() >= u128::from(allowed) {
        return Err(Stop::limit("guest_time_max_ms", allowed).into());
    }
    if let Some(exceeded) = state.hooks.exceeded() {
        return Err(Stop::Limit(exceeded).into());
    }
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

/// Ends the instance and everything it held; what it left unfinished of its output becomes lines.
fn close(store: Store<HostState>) -> HostState {
    let mut state = store.into_data();
    state.table = ResourceTable::new();
    state
}
