//! What people did with runs in crash torture, and what was published: each check of that finds what it is there
//! to find.

use pawl_core::event::{Actor, Asker, Awaited, Event, Origin};
use pawl_core::plugin::PluginPins;
use pawl_core::travel::{Ancestor, RunForked, RunResumed, RunRetried, RunSuspended};
use pawl_core::{Duration, Failure, FailureKind, RunId, VisitId};
use pawl_tests::torture::{Command, Evidence, Heard, Order, receipt};
use serde_json::{Value, json};

use crate::forged::{
    OTHER, RUN, answer, approval_events, ask, attempt, book, call, command, completed, decide, finds, found,
    honest, key, of_events, person, start, started, step,
};

const THIRD: RunId = RunId::from_bytes([3; 16]);

fn by(command: u64) -> Actor {
    Actor { via: format!("cli/t{command}"), ..person() }
}

fn suspended(command: u64) -> Event {
    Event::RunSuspended(Box::new(RunSuspended { by: by(command), reason: None }))
}

fn resumed(command: u64) -> Event {
    Event::RunResumed(Box::new(RunResumed { by: by(command), moved: Duration(0) }))
}

fn retried(command: u64) -> Event {
    let (visit, by, moved) = (VisitId(3), by(command), Duration(0));
    Event::RunRetried(Box::new(RunRetried { visit, again: false, by, moved }))
}

/// A run that was suspended and resumed on its way, as `t2` and `t3` wanted.
fn stopped() -> Evidence {
    let mut events = approval_events();
    events.splice(8..8, [suspended(2), resumed(3)]);
    let mut evidence = of_events(events);
    evidence.calls[1].at += 20;
    evidence.commands.push(command(2, Order::Suspend { run: RUN }, Heard::Accepted(RUN)));
    evidence.commands.push(command(3, Order::Resume { run: RUN }, Heard::Accepted(RUN)));
    evidence
}

/// Without the event at a place.
fn without(evidence: &Evidence, at: usize) -> Evidence {
    let mut events: Vec<Event> = evidence.books[&RUN].envelopes.iter().map(|at| at.event.clone()).collect();
    events.remove(at);
    let mut evidence = evidence.clone();
    evidence.books.insert(RUN, book(RUN, events));
    evidence
}

#[test]
fn runs_that_were_suspended_and_resumed() {
    assert_eq!(found(&stopped()), [""; 0]);
    finds(&without(&stopped(), 8), "commands", "command 2 was acknowledged and is missing: Suspend");
    finds(&without(&stopped(), 9), "travel", "begins a step, and it is suspended since event 9");
    let mut unasked = stopped();
    unasked.commands.truncate(2);
    finds(&unasked, "commands", "nobody asked for what was done through 'cli/t2' (run-suspended)");
    finds(&unasked, "commands", "nobody asked for what was done through 'cli/t3' (run-resumed)");
    // Whoever resumes a run that another has resumed before is told the same.
    let mut evidence = stopped();
    evidence.commands.push(command(4, Order::Resume { run: RUN }, Heard::Accepted(RUN)));
    assert_eq!(found(&evidence), [""; 0]);
    evidence.commands.last_mut().unwrap().heard_at = Some(99);
    finds(&evidence, "commands", "command 4 was acknowledged and is missing: Resume");
    // What was under way when it was suspended was its last step: whoever resumes it is told how it ended.
    let mut events = approval_events();
    events.insert(10, suspended(2));
    let mut over = stopped();
    over.books.insert(RUN, book(RUN, events));
    over.calls[1].at -= 20;
    assert_eq!(found(&over), [""; 0]);
    over.commands.last_mut().unwrap().heard_at = Some(125);
    finds(&over, "commands", "command 3 was acknowledged and is missing: Resume");
    let mut twice = stopped();
    let mut events: Vec<Event> = twice.books[&RUN].envelopes.iter().map(|at| at.event.clone()).collect();
    events.splice(10..10, [suspended(2), resumed(3)]);
    twice.books.insert(RUN, book(RUN, events));
    finds(&twice, "commands", "command 2 was carried out 2 times");
}

/// A run of `frail` that failed while its payment was under way, was tried again, and completed.
fn frail() -> Evidence {
    let failure = Failure::new(FailureKind::Timeout, "nobody nodded");
    let outputs = json!({ "n": 4, "found": ["A-1001", "A-1002"], "receipts": [receipt(&key(RUN, 2))] });
    let mut evidence = of_events(vec![
        started("frail", json!({ "n": 4 }), None),
        step(1, "found"),
        attempt(1, ("orders", "lookup")),
        completed(1),
        step(2, "paid"),
        attempt(2, ("payments", "refund")),
        completed(2),
        step(3, "nod"),
        Event::StepFailed { visit: VisitId(3), failure: failure.clone() },
        Event::RunFailed { failure, step: None },
        retried(1),
        step(4, "last"),
        attempt(4, ("orders", "lookup")),
        completed(4),
        Event::RunCompleted { outputs: outputs.into() },
    ]);
    evidence.commands =
        vec![start(0, 4, Heard::Accepted(RUN)), command(1, Order::Retry { run: RUN }, Heard::Accepted(RUN))];
    evidence.calls = vec![
        call("orders.lookup", &key(RUN, 1), 35),
        call("payments.refund", &key(RUN, 2), 65),
        call("orders.lookup", &key(RUN, 4), 135),
    ];
    evidence
}

#[test]
fn runs_that_were_retried() {
    assert_eq!(found(&frail()), [""; 0]);
    let never = without(&frail(), 10);
    finds(&never, "commands", "command 1 was acknowledged and is missing: Retry");
    finds(&never, "travel", "it was retried 0 times; 1 times that was asked, 1 times told");
    finds(&never, "ended", "nobody nodded before it had failed");
    let mut unasked = frail();
    unasked.commands.truncate(1);
    finds(&unasked, "commands", "nobody asked for what was done through 'cli/t1' (run-retried)");
    finds(&unasked, "travel", "it was retried 1 times; 0 times that was asked");
}

/// What [`honest`] has, and a fork of that run behind its look, which is answered and pays by itself.
fn forked() -> Evidence {
    let mut events = approval_events();
    events.truncate(4);
    let Event::RunStarted(started) = &mut events[0] else { panic!("a start") };
    started.ancestor = Some(Ancestor::Forked { run: RUN, seq: 4 });
    let outputs = json!({ "n": 4, "found": ["A-1003", "approve"], "receipts": [receipt(&key(OTHER, 3))] });
    events.extend([
        Event::RunForked(Box::new(RunForked {
            by: by(2),
            moved: Duration(0),
            agents: PluginPins::new(),
            rehearsal: None,
            trace: None,
        })),
        step(2, "ask"),
        ask(2, 8, Asker::Step),
        decide(8, "approve", "t3"),
        completed(2),
        step(3, "pay"),
        attempt(3, ("payments", "refund")),
        completed(3),
        Event::RunCompleted { outputs: outputs.into() },
    ]);
    let mut evidence = honest();
    evidence.books.insert(OTHER, book(OTHER, events));
    evidence.commands.push(command(2, Order::Fork { run: RUN, seq: 4 }, Heard::Accepted(OTHER)));
    evidence.commands.push(Command { heard: Heard::Accepted(OTHER), ..answer(3, 8, "approve") });
    evidence.calls.push(call("payments.refund", &key(OTHER, 3), 115));
    evidence
}

fn fork_with(forge: impl FnOnce(&mut Vec<Event>)) -> Evidence {
    let mut evidence = forked();
    let mut events: Vec<Event> = evidence.books[&OTHER].envelopes.iter().map(|at| at.event.clone()).collect();
    forge(&mut events);
    evidence.books.insert(OTHER, book(OTHER, events));
    evidence
}

fn ancestor(events: &mut [Event], ancestor: Option<Ancestor>) {
    let Event::RunStarted(started) = &mut events[0] else { panic!("a start") };
    started.ancestor = ancestor;
}

#[test]
fn runs_that_were_forked() {
    assert_eq!(found(&forked()), [""; 0]);
    let nothing = fork_with(|events| drop(events.remove(4)));
    finds(&nothing, "commands", "command 2 was acknowledged and is missing: Fork");
    let of = |run, seq| Some(Ancestor::Forked { run, seq });
    finds(&fork_with(|events| ancestor(events, None)), "travel", "does not say of which run");
    finds(&fork_with(|events| ancestor(events, of(RUN, 5))), "travel", "and was forked at event 5");
    finds(&fork_with(|events| ancestor(events, of(RUN, 5))), "travel", "nobody forked run");
    finds(&fork_with(|events| ancestor(events, of(THIRD, 4))), "travel", "which is not there");
    let other = fork_with(|events| events[2] = suspended(2));
    finds(&other, "travel", "its events are not those of run");
    let mut unasked = forked();
    unasked.commands.remove(2);
    finds(&unasked, "commands", "nobody asked for what was done through 'cli/t2' (run-forked)");
    let mut again = forked();
    again.calls.push(call("orders.lookup", &key(OTHER, 1), 35));
    // What the other run had looked up is looked up again.
    finds(&again, "ended", "(1, 1) calls and payments reached outside, not (0, 1)");
    finds(&again, "once", "does not know of it");
    // Behind the payment it has the receipt of the other run, and pays nothing.
    let mut late = forked();
    let mut events = approval_events();
    ancestor(&mut events, of(RUN, 11));
    events.insert(
        11,
        Event::RunForked(Box::new(RunForked {
            by: by(2),
            moved: Duration(0),
            agents: PluginPins::new(),
            rehearsal: None,
            trace: None,
        })),
    );
    late.books.insert(OTHER, book(OTHER, events));
    late.commands.truncate(2);
    late.commands.push(command(2, Order::Fork { run: RUN, seq: 11 }, Heard::Accepted(OTHER)));
    late.calls.truncate(2);
    assert_eq!(found(&late), [""; 0]);
    late.calls.push(call("payments.refund", &key(OTHER, 3), 115));
    finds(&late, "ended", "its receipts are");
}

/// A run of `ear` that has heard an event which a run of `shout` published.
fn told() -> Evidence {
    let topic = || "ears/4/out".to_owned();
    let (data, from) = (json!({ "mark": "t1" }), Origin { run: OTHER, seq: 3 });
    let hear =
        Event::TopicHeard { visit: VisitId(2), topic: topic(), data: data.clone().into(), from, trace: None };
    let outputs = json!({ "n": 4, "found": ["A-1005"], "receipts": [], "heard": "t1" });
    let mut evidence = of_events(vec![
        started("ear", json!({ "n": 4 }), None),
        step(1, "first"),
        attempt(1, ("orders", "lookup")),
        completed(1),
        step(2, "hear"),
        Event::ListenStarted { visit: VisitId(2), awaited: Awaited::Topic("ears/4/*".into()), until: None },
        hear,
        completed(2),
        step(3, "second"),
        attempt(3, ("orders", "lookup")),
        completed(3),
        Event::RunCompleted { outputs: outputs.into() },
    ]);
    let shout = vec![
        started("shout", json!({ "topic": topic(), "mark": "t1" }), None),
        step(1, "told"),
        Event::Emitted { visit: VisitId(1), topic: topic(), data: data.into() },
        completed(1),
        Event::RunCompleted { outputs: json!({}).into() },
    ];
    evidence.books.insert(OTHER, book(OTHER, shout));
    let publish = Order::Publish { run: RUN, topic: topic() };
    evidence.commands = vec![start(0, 4, Heard::Accepted(RUN)), command(1, publish, Heard::Accepted(OTHER))];
    evidence.calls = vec![call("orders.lookup", &key(RUN, 1), 35), call("orders.lookup", &key(RUN, 3), 105)];
    evidence
}

fn told_with(run: RunId, forge: impl FnOnce(&mut Vec<Event>)) -> Evidence {
    let mut evidence = told();
    let mut events: Vec<Event> = evidence.books[&run].envelopes.iter().map(|at| at.event.clone()).collect();
    forge(&mut events);
    evidence.books.insert(run, book(run, events));
    evidence
}

fn ends(outputs: Value) -> Event {
    Event::RunCompleted { outputs: outputs.into() }
}

#[test]
fn events_that_were_published() {
    assert_eq!(found(&told()), [""; 0]);
    let mut lost = told();
    lost.books.remove(&OTHER);
    finds(&lost, "commands", "command 1 was acknowledged and is missing: Publish");
    finds(&lost, "topics", "did not tell");
    let mut unasked = told();
    unasked.commands.truncate(1);
    finds(&unasked, "commands", "nobody published an event with the mark 't1'");
    finds(&unasked, "topics", "which nobody published for it");
    let mut refused = told();
    refused.books.remove(&OTHER);
    refused.commands[1].heard = Heard::Refused("no".into());
    finds(&refused, "commands", "start 1 was refused: no");
    let twice = told_with(RUN, |events| events.insert(7, events[6].clone()));
    finds(&twice, "topics", "it heard event 3 of run");
    let other = told_with(OTHER, |events| events.swap(1, 2));
    finds(&other, "topics", "what event 3 of run");
    let outputs = json!({ "n": 4, "found": ["A-1005"], "receipts": [], "heard": "t9" });
    let another = told_with(RUN, |events| *events.last_mut().unwrap() = ends(outputs));
    finds(&another, "topics", "it heard Some(\"t9\"), which nobody published for it");
    finds(&told_with(OTHER, |events| drop(events.remove(2))), "topics", "it published 0 events");
    finds(&told_with(OTHER, |events| events.insert(3, events[2].clone())), "topics", "it published 2 events");
    let failure = Failure::new(FailureKind::Permanent, "no");
    let fails = told_with(OTHER, |events| {
        *events.last_mut().unwrap() = Event::RunFailed { failure, step: None };
    });
    finds(&fails, "ended", "it was to complete, and is failed");
}
