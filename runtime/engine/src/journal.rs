//! Journals to and from the store: large values moved out and back in, folded into states.

use pawl_core::event::{Event, Payload};
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::{Digest, RunId, RunState};
use pawl_store::{Blob, Store};

use crate::EngineError;

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct RunHistory {
    /// Every event in order, large values in place.
    pub envelopes: Vec<Envelope>,
    /// The fold of them.
    pub state: RunState,
    /// Where the journal ends.
    pub head: Head,
}

/// Reads, checks and folds a run's journal.
pub(crate) async fn read(store: &dyn Store, run: RunId) -> Result<RunHistory, EngineError> {
    let mut head = Head::empty(run);
    let envelopes = read_on(store, run, &mut head).await?;
    if envelopes.is_empty() {
        return Err(EngineError::UnknownRun(run));
    }
    let mut state = RunState::new(run);
    for envelope in &envelopes {
        state.apply(envelope.time, &envelope.event);
    }
    Ok(RunHistory { envelopes, state, head })
}

/// Folds a run's journal, checked, without keeping its events: what goes on needs no more.
pub(crate) async fn fold(store: &dyn Store, run: RunId) -> Result<(RunState, Head), EngineError> {
    let (mut head, mut state) = (Head::empty(run), RunState::new(run));
    for bytes in store.journal(run, 1).await? {
        let mut envelope = journal::decode_next(run, &mut head, &bytes)?;
        bring_in(store, run, &mut envelope.event).await?;
        state.apply(envelope.time, &envelope.event);
    }
    if head.seq == 0 {
        return Err(EngineError::UnknownRun(run));
    }
    Ok((state, head))
}

/// Reads and checks what follows `head` in a run's journal, and moves the head on.
pub(crate) async fn read_on(
    store: &dyn Store,
    run: RunId,
    head: &mut Head,
) -> Result<Vec<Envelope>, EngineError> {
    let records = store.journal(run, head.seq + 1).await?;
    let mut envelopes = journal::decode(run, head, records.iter().map(Vec::as_slice))?;
    for envelope in &mut envelopes {
        bring_in(store, run, &mut envelope.event).await?;
    }
    Ok(envelopes)
}

/// The definition that a run went by at an event.
pub(crate) fn definition_at(envelopes: &[Envelope], seq: u64) -> Option<Digest> {
    let until = envelopes.iter().take_while(|envelope| envelope.seq <= seq);
    until.fold(None, |found, envelope| match &envelope.event {
        Event::RunStarted(started) => Some(started.definition),
        Event::DefinitionChanged(changed) => Some(changed.to),
        _ => found,
    })
}

/// Events as they are stored: values above the limit replaced by their digests.
pub(crate) fn move_out(mut events: Vec<Event>, inline_max_bytes: usize) -> (Vec<Event>, Vec<Blob>) {
    let mut blobs = Vec::new();
    for event in &mut events {
        if let Some(payload @ Payload::Inline(_)) = event.payload_mut()
            && let Some(blob) = large(payload, inline_max_bytes)
        {
            *payload = Payload::Blob(blob.digest);
            blobs.push(blob);
        }
    }
    (events, blobs)
}

fn large(payload: &Payload, inline_max_bytes: usize) -> Option<Blob> {
    let Payload::Inline(value) = payload else { return None };
    if !could_exceed(value, inline_max_bytes) {
        return None;
    }
    let text = value.to_string();
    (text.len() > inline_max_bytes).then(|| Blob::new(text.into_bytes()))
}

/// A cheap bound, so that small values are not printed to be measured.
fn could_exceed(value: &serde_json::Value, max: usize) -> bool {
    fn weigh(value: &serde_json::Value, left: usize) -> Option<usize> {
        // Escapes take at most six bytes for one, numbers at most 25.
        match value {
            serde_json::Value::String(text) => left.checked_sub(text.len() * 6 + 2),
            serde_json::Value::Array(items) => {
                items.iter().try_fold(left.checked_sub(2)?, |left, item| weigh(item, left.checked_sub(1)?))
            }
            serde_json::Value::Object(fields) => {
                fields.iter().try_fold(left.checked_sub(2)?, |left, (key, value)| {
                    weigh(value, left.checked_sub(key.len() * 6 + 4)?)
                })
            }
            _ => left.checked_sub(25),
        }
    }
    weigh(value, max).is_none()
}

pub(crate) async fn bring_in(store: &dyn Store, run: RunId, event: &mut Event) -> Result<(), EngineError> {
    let Some(payload) = event.payload_mut() else { return Ok(()) };
    let Payload::Blob(digest) = payload else { return Ok(()) };
    let bytes = fetch(store, run, digest, "a value").await?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| EngineError::Missing {
        run,
        what: format!("a value with digest {digest}, undamaged"),
    })?;
    *payload = value.into();
    Ok(())
}

/// Bytes that a run names by digest.
pub(crate) async fn fetch(
    store: &dyn Store,
    run: RunId,
    digest: &Digest,
    what: &str,
) -> Result<std::sync::Arc<[u8]>, EngineError> {
    let missing = |how: &str| EngineError::Missing { run, what: format!("{what} with digest {digest}{how}") };
    let bytes = store.blob(digest).await?.ok_or_else(|| missing(""))?;
    // The chain of the journal covers the digest, and the digest the bytes.
    if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(missing(", unaltered")) }
}
