//! Each check of crash torture finds what it is there to find: evidence that is as it should be, and the same forged.

use std::sync::Arc;

use pawl_core::call::{CallRequest, Question};
use pawl_core::event::{
    Actor, ApprovalDecided, ApprovalOpened, Asker, Because, Cancelled, Event, Overflow, Parent, RunStarted,
    SignalReceived, SlotRequested, Work,
};
use pawl_core::journal::{Head, decode, encode};
use pawl_core::plugin::{EffectClass, Permissions, WorkflowPins};
use pawl_core::view::{RunHeader, Status};
use pawl_core::{
    ApprovalId, Digest, Failure, FailureKind, FrameId, RunId, RunState, StepId, Timestamp, VisitId,
};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, RunCommit, Store as _};
use pawl_tests::torture::{Book, Command, Evidence, Heard, Moment, Order, check, receipt};
use pawl_tests::{Call, TimedCall};
use serde_json::{Value, json};

pub(crate) const RUN: RunId = RunId::from_bytes([1; 16]);
pub(crate) const OTHER: RunId = RunId::from_bytes([2; 16]);

pub(crate) fn person() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "cli".into() }
}

pub(crate) fn started(workflow: &str, inputs: Value, parent: Option<Parent>) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        folder: None,
        workflow: workflow.into(),
        version: "1.0.0".into(),
        definition: Digest::of(b"definition"),
        inputs: inputs.into(),
        plugins: Arc::default(),
        allowed: Permissions::default(),
        by: person(),
        seed: Digest::of(b"seed"),
        workflows: WorkflowPins::default(),
        parent,
        priority: None,
        allowance: pawl_core::budget::Amounts::default(),
        prices: pawl_core::budget::Prices::new(),
        ancestor: None,
        trace: None,
        policy: pawl_core::guard::Policy::default(),
        namespace: pawl_core::Namespace::default(),
    }))
}

pub(crate) fn step(visit: u32, name: &str) -> Event {
    let because = if visit == 1 { Because::First } else { Because::Next };
    Event::StepStarted { visit: VisitId(visit), step: StepId::new(name), because, frame: FrameId::ROOT }
}

pub(crate) fn attempt(visit: u32, (plugin, tool): (&str, &str)) -> Event {
    let work = Work::Tool {
        plugin: plugin.into(),
        tool: tool.into(),
        component: Digest::of(b"component"),
        effect: EffectClass::Idempotent,
        arguments: json!({}).into(),
    };
    Event::AttemptStarted { visit: VisitId(visit), attempt: 1, work: Some(Box::new(work)), deadline: None }
}

pub(crate) fn completed(visit: u32) -> Event {
    Event::StepCompleted { visit: VisitId(visit), output: json!({}).into() }
}

pub(crate) fn ask(visit: u32, id: u128, asker: Asker) -> Event {
    let question = Question {
        title: "Well?".into(),
        to: Vec::new(),
        actions: vec!["approve".into(), "retry".into()],
        form: None,
        subject: None,
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    };
    let (approval, digest) = (ApprovalId::from_bits(id), Digest::of(b"question"));
    Event::ApprovalOpened(Box::new(ApprovalOpened {
        visit: VisitId(visit),
        approval,
        asker,
        question,
        digest,
        due: None,
        excluded: Vec::new(),
    }))
}

pub(crate) fn decide(id: u128, action: &str, mark: &str) -> Event {
    Event::ApprovalDecided(Box::new(ApprovalDecided {
        approval: ApprovalId::from_bits(id),
        action: action.into(),
        data: json!({}).into(),
        by: person(),
        comment: Some(mark.into()),
        executes: None,
        instead_of: None,
    }))
}

/// A run as a store would hold it; each event is decided 10 ms after the one before.
pub(crate) fn book(run: RunId, events: Vec<Event>) -> Book {
    let (mut head, mut records) = (Head::empty(run), Vec::new());
    for (at, event) in (1_u64..).zip(events) {
        records.extend(encode(&mut head, Timestamp(at * 10), &[event]));
    }
    let envelopes = decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice)).expect("a journal");
    let mut state = RunState::new(run);
    for envelope in &envelopes {
        state.apply(envelope.time, &envelope.event);
    }
    let open = state.approvals().filter(|(_, approval)| approval.open);
    let approvals = open.filter_map(|(id, _)| state.open_approval(id)).collect();
    Book { run, envelopes, header: state.header(head), approvals, tickets: state.tickets().collect() }
}

pub(crate) fn call(tool: &str, key: &str, at: u64) -> TimedCall {
    let call = Call { tool: tool.into(), key: key.into(), arguments: json!({}) };
    TimedCall { call, at, answered: Some(at + 2) }
}

pub(crate) fn command(id: u64, order: Order, heard: Heard) -> Command {
    let heard_at = (heard != Heard::Nothing).then_some(500);
    Command { id, order, tries: 1, heard, heard_at }
}

pub(crate) fn start(id: u64, n: u64, heard: Heard) -> Command {
    command(id, Order::Start { n, workflow: "approval".into() }, heard)
}

pub(crate) fn answer(id: u64, approval: u128, action: &str) -> Command {
    let (approval, action) = (ApprovalId::from_bits(approval).to_string(), action.to_owned());
    let order = Order::Answer { run: RUN, approval, action, data: json!({}) };
    command(id, order, Heard::Accepted(RUN))
}

/// The events of a run of `approval`: looked up, approved, paid.
pub(crate) fn approval_events() -> Vec<Event> {
    let outputs = json!({ "n": 4, "found": ["A-1003", "approve"], "receipts": [receipt(&key(RUN, 3))] });
    vec![
        started("approval", json!({ "n": 4 }), None),
        step(1, "order"),
        attempt(1, ("orders", "lookup")),
        completed(1),
        step(2, "ask"),
        ask(2, 7, Asker::Step),
        decide(7, "approve", "t1"),
        completed(2),
        step(3, "pay"),
        attempt(3, ("payments", "refund")),
        completed(3),
        Event::RunCompleted { outputs: outputs.into() },
    ]
}

pub(crate) fn key(run: RunId, visit: u32) -> String {
    RunState::new(run).step_key(VisitId(visit))
}

pub(crate) fn of_events(events: Vec<Event>) -> Evidence {
    let accepted = Heard::Accepted(RUN);
    Evidence {
        commands: vec![start(0, 4, accepted), answer(1, 7, "approve")],
        calls: vec![call("orders.lookup", &key(RUN, 1), 35), call("payments.refund", &key(RUN, 3), 105)],
        books: [(RUN, book(RUN, events))].into(),
        ..Evidence::default()
    }
}

/// Evidence that is as it should be.
pub(crate) fn honest() -> Evidence {
    of_events(approval_events())
}

pub(crate) fn found(evidence: &Evidence) -> Vec<String> {
    check(evidence, Moment::End).iter().map(ToString::to_string).collect()
}

/// The forged evidence is found out by this check, with these words.
pub(crate) fn finds(evidence: &Evidence, check: &str, words: &str) {
    let found = found(evidence);
    let of_check = format!("[{check}]");
    assert!(
        found.iter().any(|one| one.starts_with(&of_check) && one.contains(words)),
        "{check}, {words}: {found:#?}"
    );
}

pub(crate) fn forged(forge: impl FnOnce(&mut Evidence), check: &str, words: &str) {
    let mut evidence = honest();
    forge(&mut evidence);
    finds(&evidence, check, words);
}

pub(crate) fn mine(evidence: &mut Evidence) -> &mut Book {
    evidence.books.get_mut(&RUN).expect("the run")
}

fn header(evidence: &mut Evidence) -> &mut RunHeader {
    &mut mine(evidence).header
}

#[test]
fn what_is_as_it_should_be_is_not_complained_about() {
    assert_eq!(found(&honest()), [""; 0]);
}

#[test]
fn listings_that_journals_do_not_give() {
    forged(|e| header(e).status = Status::Failed, "whole", "the header shows 'failed'");
    forged(|e| header(e).version = "2.0.0".into(), "whole", "the header is not what the journal gives");
    forged(|e| header(e).head.seq += 1, "whole", "events that the journal does not have");
    forged(|e| header(e).head = Head { seq: 3, hash: Digest::of(b"x") }, "whole", "event 3 is not the one");
    let open = book(RUN, approval_events()[..6].to_vec());
    forged(|e| mine(e).approvals = open.approvals.clone(), "whole", "is listed and not open");
    let mut waiting = of_events(approval_events()[..6].to_vec());
    mine(&mut waiting).approvals.clear();
    finds(&waiting, "whole", "is open and not listed");
    forged(|e| e.verified.push((RUN, "event 3 is damaged".into())), "whole", "pawl verify: event 3");
    let tickets = slot_run(RUN, "k", false).tickets;
    forged(|e| mine(e).tickets = tickets.clone(), "whole", "slots are listed as");
    forged(|e| e.lost_tickets.clone_from(&tickets), "whole", "a run that is not there");
}

#[tokio::test]
async fn a_broken_chain() {
    let (events, mut head) = (approval_events(), Head::empty(RUN));
    let mut records = encode(&mut head, Timestamp(10), &events[..2]);
    // The third event follows from another second one.
    let mut other = Head { seq: 2, hash: Digest::of(b"another") };
    records.extend(encode(&mut other, Timestamp(20), &events[2..3]));
    let header = book(RUN, events[..2].to_vec()).header;
    let store = MemoryStore::new();
    let commit = RunCommit { header: Some(header), ..RunCommit::new(RUN, 0, records) };
    store.commit(&Batch { runs: vec![commit], ..Batch::default() }).await.unwrap();
    let evidence = Evidence::read(&store, Vec::new(), Vec::new()).await.unwrap();
    finds(&evidence, "whole", "does not follow from the one before");
}

#[test]
fn commands_that_were_acknowledged_and_are_missing() {
    forged(|e| e.books.clear(), "commands", "command 0 was acknowledged and is missing");
    let mut events = approval_events();
    events[6] = decide(7, "approve", "t9");
    let evidence = of_events(events);
    finds(&evidence, "commands", "command 1 was acknowledged and is missing");
    finds(&evidence, "commands", "nobody answered approval");
    let mut events = approval_events();
    events[6] = decide(7, "reject", "t1");
    finds(&of_events(events), "commands", "command 1 was acknowledged and is missing");
    let signal = Order::Signal { run: RUN, name: "paid".into() };
    let heard = Heard::Accepted(RUN);
    let of = |order: &Order| command(2, order.clone(), heard.clone());
    forged(|e| e.commands.push(of(&signal)), "commands", "command 2 was acknowledged and is missing");
    let cancel = Order::Cancel { run: RUN };
    forged(|e| e.commands.push(of(&cancel)), "commands", "command 2 was acknowledged and is missing");
}

#[test]
fn commands_that_were_carried_out_twice_or_by_themselves() {
    let again = book(OTHER, approval_events());
    forged(|e| drop(e.books.insert(OTHER, again.clone())), "commands", "command 0 was carried out 2 times");
    forged(|e| drop(e.commands.remove(0)), "commands", "nobody started a run with n = 4");
    forged(|e| drop(e.commands.remove(1)), "commands", "nobody answered approval");
    forged(
        |e| e.commands[1].heard = Heard::Refused("no".into()),
        "commands",
        "was refused (no) and was carried out",
    );
    forged(|e| e.commands.push(start(2, 13, Heard::Refused("no".into()))), "commands", "start 2 was refused");
    let mut events = approval_events();
    events.insert(7, decide(7, "approve", "t1"));
    finds(&of_events(events), "commands", "was decided 2 times");
    let signal = |number| {
        Event::SignalReceived(Box::new(SignalReceived {
            number,
            name: "paid".into(),
            data: json!({ "mark": "t2" }).into(),
            by: person(),
            key: Some("t2".into()),
            trace: None,
        }))
    };
    let mut events = approval_events();
    events.splice(1..1, [signal(1), signal(2)]);
    let mut evidence = of_events(events);
    finds(&evidence, "commands", "nobody sent the signal 'paid'");
    let order = Order::Signal { run: RUN, name: "paid".into() };
    evidence.commands.push(command(2, order, Heard::Accepted(RUN)));
    finds(&evidence, "commands", "command 2 was carried out 2 times");
}

#[test]
fn runs_that_no_step_started() {
    let parent = Some(Parent { run: RUN, visit: VisitId(1) });
    let child = book(OTHER, vec![started("part", json!({ "order": "A-1001" }), parent)]);
    forged(|e| drop(e.books.insert(OTHER, child.clone())), "commands", "no step started it");
    let child_started = Event::ChildStarted {
        visit: VisitId(1),
        child: OTHER,
        workflow: "part".into(),
        inputs: json!({}).into(),
        policy: None,
        allowance: pawl_core::budget::Amounts::default(),
    };
    let mut events = approval_events();
    events.insert(2, child_started.clone());
    let mut evidence = of_events(events.clone());
    finds(&evidence, "commands", "started it, and it is not there");
    evidence.books.insert(OTHER, child);
    assert!(!found(&evidence).iter().any(|one| one.contains("started it")), "{:?}", found(&evidence));
    events.insert(2, child_started);
    finds(&of_events(events), "commands", "started it");
}

#[test]
fn calls_that_were_made_again_or_are_unknown() {
    let (look, pay) = (key(RUN, 1), key(RUN, 3));
    // Before its result is recorded a call may be made again, after a crash.
    let mut evidence = honest();
    evidence.calls.push(call("orders.lookup", &look, 40));
    assert_eq!(found(&evidence), [""; 0]);
    forged(|e| e.calls.push(call("orders.lookup", &look, 41)), "once", "was made again at 41");
    forged(|e| drop(e.calls.remove(0)), "once", "which nobody outside saw");
    forged(
        |e| e.calls.push(call("payments.refund", &pay, 106)),
        "once",
        "was made 2 times, and people allowed 1",
    );
    forged(|e| e.calls.push(call("orders.lookup", &key(OTHER, 1), 5)), "once", "for a run that is not there");
    forged(|e| e.calls.push(call("orders.lookup", &key(RUN, 9), 5)), "once", "does not know of it");
    let mut events = approval_events();
    events.insert(4, completed(1));
    finds(&of_events(events), "once", "has its second result");
}

#[test]
fn an_agents_call_that_was_made_again() {
    let request = CallRequest::Tool { name: "orders.lookup".into(), arguments: json!({}) };
    let agent = Work::Agent {
        agent: "script".into(),
        component: Digest::of(b"component"),
        input: json!({}).into(),
        memory: None,
    };
    let mut events = approval_events();
    events.truncate(2);
    events.extend([
        Event::AttemptStarted { visit: VisitId(1), attempt: 1, work: Some(Box::new(agent)), deadline: None },
        Event::CallCompleted {
            visit: VisitId(1),
            call: 1,
            digest: request.digest(),
            request: Some(request),
            response: Ok(json!({}).into()),
        },
    ]);
    let mut evidence = of_events(events);
    evidence.calls = vec![call("orders.lookup", &RunState::new(RUN).call_key(VisitId(1), 1, 1), 41)];
    finds(&evidence, "once", "was made again at 41");
    evidence.calls.clear();
    finds(&evidence, "once", "which nobody outside saw");
}

#[test]
fn a_payment_may_be_made_again_where_a_person_says_so() {
    let mut events = approval_events();
    events.splice(
        10..10,
        [
            Event::OutcomeUnknown { visit: VisitId(3), call: None, reason: "killed".into() },
            ask(3, 8, Asker::UnknownStep),
            decide(8, "retry", "t2"),
            Event::AttemptStarted { visit: VisitId(3), attempt: 2, work: None, deadline: None },
        ],
    );
    let mut evidence = of_events(events);
    evidence.commands.push(answer(2, 8, "retry"));
    evidence.calls.push(call("payments.refund", &key(RUN, 3), 141));
    assert_eq!(found(&evidence), [""; 0]);
    evidence.calls.push(call("payments.refund", &key(RUN, 3), 142));
    finds(&evidence, "once", "was made 3 times, and people allowed 2");
}

/// A run that has its slot at 30 ms, and gives it back at 50 ms if it ends.
fn slot_run(run: RunId, slot: &str, ends: bool) -> Book {
    let wanted = SlotRequested {
        visit: None,
        key: slot.into(),
        limit: 1,
        overflow: Overflow::Queue,
        priority: 50,
        until: None,
    };
    let mut events = vec![
        started("slots", json!({ "n": 8 }), None),
        Event::SlotRequested(Box::new(wanted)),
        Event::SlotTaken { visit: None },
        step(1, "each"),
    ];
    let outputs = json!({ "n": 8, "found": [3], "receipts": [] });
    events.extend(ends.then(|| Event::RunCompleted { outputs: outputs.into() }));
    book(run, events)
}

#[test]
fn slots_over_their_limit() {
    let mut evidence = honest();
    evidence.books.insert(OTHER, slot_run(OTHER, "k", true));
    let of_slots =
        |evidence: &Evidence| found(evidence).iter().filter(|one| one.starts_with("[slots]")).count();
    assert_eq!(of_slots(&evidence), 0);
    let third = RunId::from_bytes([3; 16]);
    evidence.books.insert(third, slot_run(third, "another", true));
    assert_eq!(of_slots(&evidence), 0);
    evidence.books.insert(third, slot_run(third, "k", true));
    finds(&evidence, "slots", "'k' had 2 at once at 30, and may have 1");

    let mut evidence = honest();
    for at in [10, 11, 13] {
        evidence.calls.push(call("orders.list", &key(RUN, 1), at));
    }
    // The first has its answer at 12.
    assert_eq!(of_slots(&evidence), 0);
    evidence.calls.push(call("orders.list", &key(RUN, 1), 12));
    evidence.calls.push(call("orders.list", &key(RUN, 1), 12));
    finds(&evidence, "slots", "'calls of orders.list outside' had 3 at once");
}

#[test]
fn runs_that_did_not_end_as_they_should() {
    let events = approval_events();
    let with_outputs = |outputs: Value| {
        let mut events = events.clone();
        *events.last_mut().unwrap() = Event::RunCompleted { outputs: outputs.into() };
        of_events(events)
    };
    finds(&of_events(events[..11].to_vec()), "ended", "it has not ended");
    finds(
        &with_outputs(json!({ "n": 4, "found": ["A-1003", "reject"], "receipts": [] })),
        "ended",
        "its outputs are",
    );
    let right = json!(["A-1003", "approve"]);
    finds(&with_outputs(json!({ "n": 5, "found": right, "receipts": [] })), "ended", "its outputs are");
    finds(&with_outputs(json!({ "n": 4, "found": right, "receipts": ["R-1"] })), "ended", "its receipts are");
    let failure = Failure::new(FailureKind::Permanent, "no");
    let mut failed = events[..11].to_vec();
    failed.push(Event::RunFailed { failure, step: None });
    finds(&of_events(failed), "ended", "it was to complete, and is failed");
    let mut cancelled = events[..11].to_vec();
    cancelled.push(Event::RunCancelled { by: person(), reason: Some("t2".into()) });
    finds(&of_events(cancelled), "ended", "nobody asked for that");
    let cancel = command(2, Order::Cancel { run: RUN }, Heard::Accepted(RUN));
    forged(|e| e.commands.push(cancel.clone()), "ended", "it was to be cancelled, and is completed");
    forged(
        |e| e.calls.push(call("orders.lookup", &key(RUN, 9), 5)),
        "ended",
        "calls and payments reached outside",
    );
}

#[test]
fn a_saga_that_did_not_undo_what_it_did() {
    let failure = Failure::new(FailureKind::Permanent, "no car");
    let by = Cancelled { by: person(), reason: Some("t1".into()) };
    let undo = |cancelled| {
        vec![
            started("saga", json!({ "n": 5, "fails": true }), None),
            step(1, "flight"),
            completed(1),
            Event::UndoKept { visit: VisitId(1), uses: Vec::new() },
            Event::UndoStarted { failure: failure.clone(), step: None, cancelled },
        ]
    };
    let mut events = undo(None);
    events.push(Event::RunFailed { failure: failure.clone(), step: None });
    finds(&of_events(events), "ended", "calls and payments reached outside");
    let mut events = undo(Some(by.clone()));
    events.push(Event::RunCancelled { by: by.by, reason: by.reason });
    let mut evidence = of_events(events);
    evidence.commands =
        vec![start(0, 5, Heard::Accepted(RUN)), command(1, Order::Cancel { run: RUN }, Heard::Nothing)];
    evidence.calls.clear();
    finds(&evidence, "ended", "1 steps were to be undone, and 0 were");
}

#[test]
fn what_is_left_over() {
    forged(|e| e.outgoing = 1, "ended", "1 events were not told");
    forged(|e| e.due = Some(Timestamp(1)), "ended", "something is due");
    let mut evidence = honest();
    evidence.books.insert(OTHER, slot_run(OTHER, "k", false));
    finds(&evidence, "ended", "a slot of 'k' is left over");
}
