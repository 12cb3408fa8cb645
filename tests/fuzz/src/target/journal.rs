//! Records of a journal as they lie in a store: each behind its length, as in `tests/journals`.
//!
//! The chain would stop a changed record at once. Here each is given the place that it says it has,
//! so that what reads and applies events meets everything that can be decoded.

use pawl_core::journal::{Envelope, Head, JournalError, decode, encode};
use pawl_core::{Digest, RunId, RunState, effects};

/// The most records of one case.
const RECORDS_MAX: usize = 200;

pub(super) fn check(bytes: &[u8]) {
    let run = RunId::from_bytes([7; 16]);
    let records = records(bytes);
    // As they are: the chain holds, or an error says where not.
    let mut head = Head::empty(run);
    if let Err(error) = decode(run, &mut head, records.iter().copied()) {
        assert!(!error.to_string().is_empty());
    }
    let mut state = RunState::new(run);
    let mut is_folded = false;
    for record in records {
        let Ok(said) = rmp_serde::from_slice::<Envelope>(record) else { continue };
        let Some(envelope) = in_its_place(run, &said, record) else { continue };
        again(run, &envelope);
        // A state begins with the start of its run; what stands before it is damage that `decode` tells.
        is_folded |= envelope.event.name() == "run-started";
        if is_folded {
            state.apply(envelope.time, &envelope.event);
        }
    }
    if is_folded {
        let head = Head { seq: 1, hash: Digest::of(bytes) };
        let _ = state.header(head);
        let _ = effects(&state);
        for (id, _) in state.approvals() {
            let _ = state.open_approval(id);
        }
    }
}

fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while records.len() < RECORDS_MAX
        && let Some((length, rest)) = bytes.split_first_chunk()
    {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
        let (record, rest) = rest.split_at(length);
        records.push(record);
        bytes = rest;
    }
    records
}

/// The record where its own seq and chain say that it stands.
fn in_its_place(run: RunId, said: &Envelope, record: &[u8]) -> Option<Envelope> {
    let mut head = Head { seq: said.seq.checked_sub(1)?, hash: said.prev };
    match decode(run, &mut head, [record]) {
        Ok(mut envelopes) => {
            assert_eq!(head, Head { seq: said.seq, hash: Digest::of(record) });
            envelopes.pop()
        }
        Err(JournalError::Newer { .. } | JournalError::Damaged { .. }) => None,
        Err(error) => panic!("its own place was refused: {error}"),
    }
}

/// What was read is written as something that reads the same.
fn again(run: RunId, envelope: &Envelope) {
    let mut head = Head { seq: envelope.seq - 1, hash: envelope.prev };
    let records = encode(&mut head, envelope.time, std::slice::from_ref(&envelope.event));
    let mut head = Head { seq: envelope.seq - 1, hash: envelope.prev };
    let read = decode(run, &mut head, records.iter().map(Vec::as_slice));
    let read = read.unwrap_or_else(|error| panic!("what was written is not read: {error}"));
    // Compared as bytes: a number that is none is not equal to itself.
    let mut head = Head { seq: envelope.seq - 1, hash: envelope.prev };
    assert_eq!(records, encode(&mut head, read[0].time, std::slice::from_ref(&read[0].event)));
}
