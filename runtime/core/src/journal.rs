//! The envelope: how events are encoded, numbered and chained.
//!
//! `MessagePack` with named fields, so that a field can be added without a
//! version of its own (`docs/decisions/0002-journal-encoding.md`). Each
//! envelope holds the SHA-256 of the bytes of the one before; the first holds
//! that of the run's id. The bytes that were written are never rewritten:
//! older formats are brought up to date when they are read, in `upcast`.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::{Digest, RunId, Timestamp};

/// The format that this version writes.
pub const FORMAT_VERSION: u16 = 1;

/// One event with its place in a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The format it was written in.
    #[serde(rename = "v")]
    pub version: u16,
    /// Dense from 1.
    pub seq: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// SHA-256 of the bytes of the envelope before.
    pub prev: Digest,
    /// The fact.
    pub event: Event,
}

/// Where a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The seq of the last event; 0 when there is none.
    pub seq: u64,
    /// SHA-256 of its bytes.
    pub hash: Digest,
}

impl Head {
    /// The head of a journal that has no event yet.
    pub fn empty(run: RunId) -> Self {
        Self { seq: 0, hash: Digest::of(run.as_bytes()) }
    }
}

/// Why a journal cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The bytes are not an envelope.
    #[error("event {seq} of run {run} is damaged: {reason}; restore the data folder from a backup")]
    Damaged {
        /// Whose journal.
        run: RunId,
        /// The event that should stand there.
        seq: u64,
        /// What the decoder said.
        reason: String,
    },
    /// Written by a later pawl.
    #[error(
        "event {seq} of run {run} has journal format {found}, and this pawl reads up to {FORMAT_VERSION}; \
         use the newer pawl that wrote it"
    )]
    Newer {
        /// Whose journal.
        run: RunId,
        /// The event.
        seq: u64,
        /// Its format.
        found: u16,
    },
    /// An event is missing, doubled or out of order.
    #[error("event {found} of run {run} stands where event {expected} belongs; the journal was altered")]
    Gap {
        /// Whose journal.
        run: RunId,
        /// The seq that belongs there.
        expected: u64,
        /// The seq that stands there.
        found: u64,
    },
    /// The hash chain is broken.
    #[error("event {seq} of run {run} does not follow from the one before; the journal was altered")]
    Chain {
        /// Whose journal.
        run: RunId,
        /// The event whose `prev` differs.
        seq: u64,
    },
}

/// An event's bytes as the store keeps them.
pub type EncodedEvent = Vec<u8>;

/// Numbers, chains and encodes the events of one commit, in order; moves the head on.
pub fn encode(head: &mut Head, time: Timestamp, events: &[Event]) -> Vec<EncodedEvent> {
    events
        .iter()
        .map(|event| {
            let bytes = encode_one(*head, time, event);
            *head = Head { seq: head.seq + 1, hash: Digest::of(&bytes) };
            bytes
        })
        .collect()
}

#[derive(Serialize)]
struct EnvelopeRef<'a> {
    v: u16,
    seq: u64,
    time: Timestamp,
    prev: Digest,
    event: &'a Event,
}

fn encode_one(head: Head, time: Timestamp, event: &Event) -> EncodedEvent {
    let envelope = EnvelopeRef { v: FORMAT_VERSION, seq: head.seq + 1, time, prev: head.hash, event };
    let mut bytes = Vec::with_capacity(256);
    #[expect(clippy::expect_used, reason = "writing to memory fails for no event: all keys are text")]
    rmp_serde::encode::write_named(&mut bytes, &envelope).expect("an event is encodable");
    bytes
}

/// Reads a journal, or the tail of one that follows `head`; checks numbering
/// and chain and moves the head on.
pub fn decode<'a>(
    run: RunId,
    head: &mut Head,
    records: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Envelope>, JournalError> {
    records.into_iter().map(|bytes| decode_next(run, head, bytes)).collect()
}

/// Reads the event that follows `head`; checks its number and the chain and moves the head on.
pub fn decode_next(run: RunId, head: &mut Head, bytes: &[u8]) -> Result<Envelope, JournalError> {
    let expected = head.seq + 1;
    let envelope = decode_one(run, expected, bytes)?;
    if envelope.seq != expected {
        return Err(JournalError::Gap { run, expected, found: envelope.seq });
    }
    if envelope.prev != head.hash {
        return Err(JournalError::Chain { run, seq: expected });
    }
    *head = Head { seq: expected, hash: Digest::of(bytes) };
    Ok(envelope)
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u16,
}

fn decode_one(run: RunId, seq: u64, bytes: &[u8]) -> Result<Envelope, JournalError> {
    let damaged =
        |error: rmp_serde::decode::Error| JournalError::Damaged { run, seq, reason: error.to_string() };
    match rmp_serde::from_slice(bytes) {
        Ok(envelope @ Envelope { version: FORMAT_VERSION, .. }) => Ok(envelope),
        // The version is asked only of what does not read as the current format.
        outcome => match rmp_serde::from_slice::<VersionOnly>(bytes).map_err(damaged)?.v {
            found if found > FORMAT_VERSION => Err(JournalError::Newer { run, seq, found }),
            _ => outcome.map(upcast).map_err(damaged),
        },
    }
}

/// Brings an envelope of an older format up to date. There is none yet: format 1 is the first.
const fn upcast(envelope: Envelope) -> Envelope {
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VisitId;
    use serde_json::json;

    fn sample() -> (RunId, Vec<EncodedEvent>) {
        let run = RunId::from_bytes([7; 16]);
        let events = [
            Event::StepCompleted { visit: VisitId(1), output: json!({"a": [1, 2.5, null]}).into() },
            Event::RunCompleted { outputs: json!({"n": u64::MAX, "m": i64::MIN}).into() },
        ];
        let mut head = Head::empty(run);
        let records = encode(&mut head, Timestamp(5), &events);
        assert_eq!(head.seq, 2);
        (run, records)
    }

    fn read(run: RunId, records: &[EncodedEvent]) -> Result<Vec<Envelope>, JournalError> {
        decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice))
    }

    #[test]
    fn what_was_written_is_read() {
        let (run, records) = sample();
        let envelopes = read(run, &records).unwrap();
        assert_eq!(envelopes.len(), 2);
        let outputs = json!({"n": u64::MAX, "m": i64::MIN}).into();
        assert_eq!(envelopes[1].event, Event::RunCompleted { outputs });
    }

    #[test]
    fn an_altered_journal_is_recognized() {
        let (run, records) = sample();
        let other = RunId::from_bytes([8; 16]);
        assert_eq!(read(other, &records), Err(JournalError::Chain { run: other, seq: 1 }));
        assert_eq!(read(run, &records[1..]), Err(JournalError::Gap { run, expected: 1, found: 2 }));
        let mut altered = records.clone();
        let place = altered[0].iter().position(|byte| *byte == b'a').unwrap();
        altered[0][place] = b'b';
        assert!(read(run, &altered).is_err());
        let mut torn = records;
        torn[1].truncate(20);
        assert!(matches!(read(run, &torn), Err(JournalError::Damaged { seq: 2, .. })));
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        #[derive(Serialize)]
        struct Future {
            v: u16,
            novelty: bool,
        }
        let run = RunId::from_bytes([7; 16]);
        let bytes = rmp_serde::to_vec_named(&Future { v: 9, novelty: true }).unwrap();
        assert_eq!(read(run, &[bytes]), Err(JournalError::Newer { run, seq: 1, found: 9 }));
    }
}
