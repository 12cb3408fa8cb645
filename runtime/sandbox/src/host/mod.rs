//! One file a host capability: what a guest can import, and what is behind it.

pub(crate) mod agents;
pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod grants;
pub(crate) mod http;
pub(crate) mod human;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod models;
pub(crate) mod progress;
pub(crate) mod random;
pub(crate) mod secrets;
pub(crate) mod signals;
pub(crate) mod timers;
pub(crate) mod tools;
pub(crate) mod wasi;

use pawl_core::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::host as own;
use crate::bindings::host::types;
use crate::bindings::tool_host;
use crate::json;
use crate::limits::Limits;
use crate::state::HostState;
use crate::words::cut_message;

impl types::Host for HostState {}

/// Links everything there is. Whether a plugin may use it is decided before it is entered.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    type Me = HasSelf<HostState>;
    own::types::add_to_linker::<_, Me>(linker, |state| state)?;
    own::log::add_to_linker::<_, Me>(linker, |state| state)?;
    own::clock::add_to_linker::<_, Me>(linker, |state| state)?;
    own::random::add_to_linker::<_, Me>(linker, |state| state)?;
    own::grants::add_to_linker::<_, Me>(linker, |state| state)?;
    own::tools::add_to_linker::<_, Me>(linker, |state| state)?;
    own::human::add_to_linker::<_, Me>(linker, |state| state)?;
    own::memory::add_to_linker::<_, Me>(linker, |state| state)?;
    own::timers::add_to_linker::<_, Me>(linker, |state| state)?;
    own::models::add_to_linker::<_, Me>(linker, |state| state)?;
    own::agents::add_to_linker::<_, Me>(linker, |state| state)?;
    own::signals::add_to_linker::<_, Me>(linker, |state| state)?;
    tool_host::secrets::add_to_linker::<_, Me>(linker, |state| state)?;
    wasi::link(linker)?;
    http::link(linker)
}

/// A failure as the guest sees it. Kinds that only pawl knows become the nearest of the guest's.
pub(crate) fn to_guest(failure: Failure) -> types::Failure {
    let kind = match failure.kind {
        FailureKind::InvalidInput => types::FailureKind::InvalidInput,
        FailureKind::Transient | FailureKind::Timeout => types::FailureKind::Transient,
        FailureKind::Denied => types::FailureKind::Denied,
        FailureKind::Permanent
        | FailureKind::Trap
        | FailureKind::Limit
        | FailureKind::InvalidOutput
        | FailureKind::Diverged
        | FailureKind::Rejected
        | FailureKind::Budget
        | FailureKind::Cancelled => types::FailureKind::Permanent,
    };
    types::Failure {
        kind,
        message: failure.message,
        details: failure.details.map(|details| details.to_string()),
        retry_after_ms: failure.retry_after_ms,
    }
}

/// A failure that the guest gives. Details that are not JSON are kept as text. It is cut to its
/// limits rather than refused: what went wrong is worth more than how it was told.
pub(crate) fn from_guest(failure: types::Failure, limits: &Limits) -> Failure {
    let kind = match failure.kind {
        types::FailureKind::InvalidInput => FailureKind::InvalidInput,
        types::FailureKind::Transient => FailureKind::Transient,
        types::FailureKind::Permanent => FailureKind::Permanent,
        types::FailureKind::Denied => FailureKind::Denied,
    };
    let had_details = failure.details.is_some();
    let mut message = cut_message(failure.message);
    let details = failure.details.filter(|text| text.len() as u64 <= limits.payload_max_bytes);
    if had_details && details.is_none() {
        message.push_str(" (its details were dropped: they are larger than payload_max_bytes)");
    }
    Failure {
        kind,
        message,
        // The journal does not tell `null` from nothing.
        details: details
            .map(|text| json::read(&text).unwrap_or(text.into()))
            .filter(|details: &serde_json::Value| !details.is_null()),
        retry_after_ms: failure.retry_after_ms,
    }
}
