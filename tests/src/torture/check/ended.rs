//! Every accepted run ended as it should, with the right outputs, and nothing is left over.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::RunId;
use pawl_core::event::Event;
use pawl_core::travel::Ancestor;
use pawl_core::view::Status;
use serde_json::{Value, json};

use super::{Findings, Violation};
use crate::torture::PAYMENT;
use crate::torture::evidence::{Book, Evidence};
use crate::torture::facts::Facts;
use crate::torture::ledger::{Command, Order};
use crate::torture::plan::{Kind, PART, SHOUT, receipt, run_of};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::of("ended");
    let outside = Outside::of(evidence);
    for book in evidence.books.values() {
        if !book.header.status.is_final() {
            let (status, waiting) = (book.header.status.name(), &book.header.waiting);
            findings.add(book.run, format!("it has not ended: {status}, waits for {waiting:?}"));
        } else if let Err(what) = of_book(evidence, &outside, book) {
            findings.add(book.run, what);
        }
        for ticket in &book.tickets {
            findings.add(book.run, format!("a slot of '{}' is left over", ticket.key));
        }
    }
    if evidence.outgoing > 0 {
        findings.add(None, format!("{} events were not told to whom they concern", evidence.outgoing));
    }
    if let Some(due) = evidence.due {
        findings.add(None, format!("something is due at {due} although all has ended"));
    }
    findings.found
}

/// The tool server's list: distinct keys of each run.
struct Outside {
    looks: BTreeMap<RunId, BTreeSet<String>>,
    payments: BTreeMap<RunId, BTreeSet<String>>,
}

impl Outside {
    fn of(evidence: &Evidence) -> Self {
        let (mut looks, mut payments) = (BTreeMap::new(), BTreeMap::new());
        for call in &evidence.calls {
            let Some(run) = run_of(&call.call.key) else { continue };
            let keys: &mut BTreeMap<RunId, BTreeSet<String>> =
                if call.call.tool == PAYMENT { &mut payments } else { &mut looks };
            keys.entry(run).or_default().insert(call.call.key.clone());
        }
        Self { looks, payments }
    }

    fn counts(&self, run: RunId) -> (usize, usize) {
        let count = |keys: &BTreeMap<RunId, BTreeSet<String>>| keys.get(&run).map_or(0, BTreeSet::len);
        (count(&self.looks), count(&self.payments))
    }

    fn receipts(&self, run: RunId) -> BTreeSet<String> {
        self.payments.get(&run).into_iter().flatten().map(|key| receipt(key)).collect()
    }
}

fn of_book(evidence: &Evidence, outside: &Outside, book: &Book) -> Result<(), String> {
    let header = &book.header;
    let cancels: Vec<&Command> = evidence
        .commands
        .iter()
        .filter(|command| matches!(command.order, Order::Cancel { run } if run == book.run))
        .collect();
    if header.workflow == PART.0 {
        return part(outside, book);
    }
    if header.workflow == SHOUT {
        let is_done = header.status == Status::Completed;
        return is_done.then_some(()).ok_or(format!("it was to complete, and is {}", header.status.name()));
    }
    let Some(kind) = Kind::named(&header.workflow) else {
        return Err(format!("nobody knows the workflow '{}'", header.workflow));
    };
    if header.status == Status::Cancelled {
        return if cancels.is_empty() {
            Err("it was cancelled, and nobody asked for that".into())
        } else {
            undone(outside, book)
        };
    }
    if cancels.iter().any(|cancel| cancel.is_accepted()) {
        return Err(format!("it was to be cancelled, and is {}", header.status.name()));
    }
    let inputs = book.state(1).inputs().clone();
    if inputs["fails"] == true {
        return failed(outside, book);
    }
    completed(evidence, outside, book, kind, &inputs)
}

fn completed(
    evidence: &Evidence,
    outside: &Outside,
    book: &Book,
    kind: &Kind,
    inputs: &Value,
) -> Result<(), String> {
    let header = &book.header;
    let Some(outputs) = header.outputs.as_ref().filter(|_| header.status == Status::Completed) else {
        return Err(format!("it was to complete, and is {}: {:?}", header.status.name(), header.error));
    };
    let (mut found, mut payments) = ((kind.found)(), kind.payments);
    if kind.name == "approval" {
        let action = answer(evidence, book).ok_or("it completed without an answer")?;
        found.as_array_mut().into_iter().for_each(|found| found.push(action.clone().into()));
        payments = usize::from(action == "approve");
    }
    // What a fork has of another run is not done again.
    let copied = Facts::of(book).copied;
    let paid: BTreeSet<&str> = copied.iter().filter(|at| at.pays).map(|at| at.key.as_str()).collect();
    let looked: BTreeSet<&str> = copied.iter().filter(|at| !at.pays).map(|at| at.key.as_str()).collect();
    let mut receipts: BTreeSet<String> = match kind.name {
        "subrun" => children(book).flat_map(|child| outside.receipts(child)).collect(),
        _ => outside.receipts(book.run),
    };
    let own = receipts.len();
    receipts.extend(paid.iter().filter_map(|key| other_receipt(book, key)));
    if own + paid.len() != receipts.len() {
        return Err(format!(
            "{own} payments of its own and {} of the other run give {receipts:?}",
            paid.len()
        ));
    }
    let given: Vec<&str> =
        outputs["receipts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if outputs["n"] != inputs["n"] || outputs["found"] != found {
        return Err(format!("its outputs are {outputs}, not n {} and found {found}", inputs["n"]));
    }
    if given.len() != receipts.len() || given.iter().any(|receipt| !receipts.contains(*receipt)) {
        return Err(format!("its receipts are {given:?}, those outside {receipts:?}"));
    }
    let retried = book.envelopes.iter().any(|at| matches!(at.event, Event::RunRetried(_)));
    if kind.name == "frail" && !retried {
        return Err("it completed, and nobody nodded before it had failed".into());
    }
    if kind.name == "signal" && outputs["marks"] != marks(evidence, book.run) {
        return Err(format!("its marks are {}, sent were {}", outputs["marks"], marks(evidence, book.run)));
    }
    expect(outside, book.run, (kind.looks.saturating_sub(looked.len()), payments.saturating_sub(paid.len())))
}

/// The receipt that the run that this one was forked from had for a payment.
fn other_receipt(book: &Book, key: &str) -> Option<String> {
    let Some(Ancestor::Forked { run, .. }) = book.started()?.ancestor else { return None };
    let (_, rest) = key.split_once('/')?;
    Some(receipt(&format!("{run}/{rest}")))
}

/// How many calls reached outside under keys of their own.
fn expect(outside: &Outside, run: RunId, expected: (usize, usize)) -> Result<(), String> {
    let counts = outside.counts(run);
    if counts == expected {
        return Ok(());
    }
    Err(format!("{counts:?} calls and payments reached outside, not {expected:?}"))
}

fn part(outside: &Outside, book: &Book) -> Result<(), String> {
    match (book.header.status, &book.header.outputs) {
        // Its parent was.
        (Status::Cancelled, _) => Ok(()),
        (Status::Completed, Some(outputs)) => {
            let receipts = outside.receipts(book.run);
            if !outputs["receipt"].as_str().is_some_and(|receipt| receipts.contains(receipt)) {
                return Err(format!("its outputs are {outputs}, the receipts outside {receipts:?}"));
            }
            expect(outside, book.run, (PART.1, PART.2))
        }
        (status, outputs) => Err(format!("it is {} with {outputs:?}", status.name())),
    }
}

/// A saga that failed, as it was to.
fn failed(outside: &Outside, book: &Book) -> Result<(), String> {
    let error = book.header.error.as_ref().filter(|_| book.header.status == Status::Failed);
    if error.is_none_or(|error| error.message != "no car") {
        return Err(format!("it was to fail with 'no car', and is {}: {error:?}", book.header.status.name()));
    }
    expect(outside, book.run, (3, 3))?;
    undone(outside, book)
}

/// Whatever was completed and has an `undo` was undone, each once.
fn undone(outside: &Outside, book: &Book) -> Result<(), String> {
    let has_undo = book.header.workflow == "saga";
    let kept = book.envelopes.iter().filter(|event| matches!(event.event, Event::UndoKept { .. })).count();
    let (_, payments) = outside.counts(book.run);
    if has_undo && kept != payments {
        return Err(format!("{kept} steps were to be undone, and {payments} were"));
    }
    Ok(())
}

fn children(book: &Book) -> impl Iterator<Item = RunId> {
    book.envelopes.iter().filter_map(|envelope| match envelope.event {
        Event::ChildStarted { child, .. } => Some(child),
        _ => None,
    })
}

/// What a person chose for a step that asks.
fn answer(evidence: &Evidence, book: &Book) -> Option<String> {
    let decided = book.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::ApprovalDecided(decided) if ["approve", "reject"].contains(&&*decided.action) => Some(decided),
        _ => None,
    })?;
    let mark = decided.comment.as_deref()?;
    evidence.commands.iter().find(|command| command.mark() == mark).and_then(|command| match &command.order {
        Order::Answer { action, .. } => Some(action.clone()),
        _ => None,
    })
}

/// What the signals that were sent to a run bring, `paid` first.
fn marks(evidence: &Evidence, run: RunId) -> Value {
    let of = |wanted: &str| {
        let sent = evidence.commands.iter().find(|command| {
            matches!(&command.order, Order::Signal { run: to, name } if *to == run && name == wanted)
        });
        sent.map(Command::mark)
    };
    json!([of("paid"), of("delivered")])
}
