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

/// A part of a run's journal.
#[derive(Debug, Clone)]
pub struct JournalPart {
    /// Its events in order, large values in place.
    pub envelopes: Vec<Envelope>,
    /// The seq of the event behind them, where there is one.
    pub next: Option<u64>,
}

/// Reads at most `limit` events from `from_seq` on, and no more than that takes. Each is checked to follow from the one
/// before it; what is before the first is not looked at.
pub(crate) async fn part(
    store: &dyn Store,
    run: RunId,
    from_seq: u64,
    limit: usize,
) -> Result<JournalPart, EngineError> {
    // One before the first, from which it follows, and one behind the last, which says that there is more.
    let before = from_seq.max(1) - 1;
    let wanted = limit.saturating_add(1 + usize::from(before > 0));
    let records = store.journal_part(run, before.max(1), wanted).await?;
    let (mut head, records) = match records.split_first() {
        None if before == 0 => return Err(EngineError::UnknownRun(run)),
        Some((first, rest)) if before > 0 => (Head { seq: before, hash: Digest::of(first) }, rest),
        _ => (Head::empty(run), &records[..]),
    };
    let next = records.get(limit).map(|_| before + 1 + limit as u64);
    let mut envelopes = journal::decode(run, &mut head, records.iter().take(limit).map(Vec::as_slice))?;
    for envelope in &mut envelopes {
        bring_in(store, run, &mut envelope.event).await?;
    }
    Ok(JournalPart { envelopes, next })
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

#[cfg(test)]
mod tests {
    use pawl_core::journal::{EncodedEvent, JournalError};
    use pawl_core::{Timestamp, VisitId};
    use pawl_store::memory::MemoryStore;
    use pawl_store::{Batch, RunCommit};

    use super::*;

    fn encoded(head: &mut Head, count: u32) -> Vec<EncodedEvent> {
        let event = |at| Event::StepCompleted { visit: VisitId(at), output: serde_json::json!(at).into() };
        journal::encode(head, Timestamp(1), &(0..count).map(event).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_part_is_checked_to_follow_from_the_event_before_it_and_nothing_before_that_is_read() {
        let (run, store) = (RunId::from_bytes([1; 16]), MemoryStore::new());
        let mut head = Head::empty(run);
        let mut events = encoded(&mut head, 3);
        // From here on it follows from another event than the third.
        head.hash = Digest::of(b"another");
        events.extend(encoded(&mut head, 3));
        // And what stands first is no event at all.
        events[0] = b"damaged".to_vec();
        let runs = vec![RunCommit::new(run, 0, events)];
        store.commit(&Batch { runs, ..Batch::default() }).await.unwrap();
        let read = async |from, limit| part(&store, run, from, limit).await;
        for (from, limit, seqs, next) in [
            (3, 1, vec![3], Some(4)),
            (5, 1, vec![5], Some(6)),
            (5, 2, vec![5, 6], None),
            (6, 9, vec![6], None),
            (7, 9, vec![], None),
            (99, 9, vec![], None),
        ] {
            let part = read(from, limit).await.unwrap();
            let found: Vec<u64> = part.envelopes.iter().map(|envelope| envelope.seq).collect();
            assert_eq!((found, part.next), (seqs, next), "{limit} from {from}");
        }
        let at = |error: EngineError| match error {
            EngineError::Journal(JournalError::Chain { seq, .. } | JournalError::Damaged { seq, .. }) => seq,
            other => panic!("{other}"),
        };
        assert_eq!(at(read(3, 2).await.unwrap_err()), 4);
        assert_eq!(at(read(4, 1).await.unwrap_err()), 4);
        assert_eq!(at(read(1, 1).await.unwrap_err()), 1);
        let other = RunId::from_bytes([2; 16]);
        assert!(matches!(part(&store, other, 1, 1).await, Err(EngineError::UnknownRun(run)) if run == other));
    }
}
