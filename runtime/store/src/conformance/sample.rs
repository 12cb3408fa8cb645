//! Runs, events, headers and approvals to fill a store with. The store does
//! not know what an event means, so any bytes will do.

use pawl_core::journal::{EncodedEvent, Head};
use pawl_core::view::{OpenApproval, RunHeader, Status, Waiting};
use pawl_core::{ApprovalId, Digest, Failure, RunId, StepId, Timestamp};
use serde_json::json;

use crate::{Batch, RunCommit};

/// The run with a number; ids sort as the numbers do.
pub fn run(number: u64) -> RunId {
    let mut bytes = [0x01; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(bytes)
}

/// The event of a run with a seq: always the same bytes.
pub fn event(run: RunId, seq: u64, bytes: usize) -> EncodedEvent {
    let seed = Digest::of_parts(&[run.as_bytes(), &seq.to_be_bytes()]);
    seed.as_bytes().iter().copied().cycle().take(bytes).collect()
}

/// A header with every kind of value that JSON has.
pub fn header(run: RunId, status: Status) -> RunHeader {
    let outputs = json!({ "least": i64::MIN, "most": u64::MAX, "half": 0.5, "whole": 1.0, "text": "ü", "list": [null, true, -1, {}] });
    let failure =
        Failure { details: Some(outputs.clone()), ..Failure::new(pawl_core::FailureKind::Trap, "stopped") };
    let timer =
        Waiting::Timer { step: StepId::new("pay"), reason: "retry".into(), until: Timestamp(u64::MAX) };
    RunHeader {
        id: run,
        workflow: "refund".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b"definition"),
        status,
        waiting: (status == Status::Waiting).then_some(timer),
        outputs: (status == Status::Completed).then_some(outputs),
        error: (status == Status::Failed).then_some(failure),
        created_at: Timestamp(1),
        updated_at: Timestamp(2),
        wake_at: None,
        parent: None,
        namespace: pawl_core::Namespace::default(),
        seeks: false,
        head: Head::empty(run),
    }
}

/// The approval with a number.
pub fn approval(number: u64, run: RunId, created_at: u64) -> OpenApproval {
    OpenApproval {
        id: ApprovalId::from_bits(number.into()),
        run,
        namespace: pawl_core::Namespace::default(),
        workflow: "refund".into(),
        step: StepId::new("approve"),
        title: "Refund?".into(),
        to: vec!["group:finance".into()],
        actions: vec!["approve".into(), "reject".into()],
        form: Some(json!({ "type": "object", "maximum": u64::MAX })),
        subject: Some(json!({ "amount": -12.5 })),
        due: Some(Timestamp(9)),
        on_timeout: Some("reject".into()),
        digest: Digest::of(b"question"),
        created_at: Timestamp(created_at),
        terms: pawl_core::terms::Terms::default(),
        inbox: pawl_core::inbox::Inbox::default(),
    }
}

/// Appends `count` small events to a run, and nothing else.
pub fn append(run: RunId, expected_seq: u64, count: u64) -> RunCommit {
    RunCommit::new(run, expected_seq, (1..=count).map(|n| event(run, expected_seq + n, 40)).collect())
}

/// A batch without blobs.
pub fn batch(runs: impl IntoIterator<Item = RunCommit>) -> Batch {
    Batch { runs: runs.into_iter().collect(), ..Batch::default() }
}
