//! Who goes first, on time that passes only here.

use pawl_core::event::{Candidate, Event, Work};
use pawl_core::journal::{self, Head};
use pawl_core::route::{Cost, Preference};
use pawl_core::{Digest, Duration, Failure, FailureKind, RunId, RunState, Timestamp, VisitId};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, RunCommit, Store as _};

use super::Tracker;
use super::circuit::{CIRCUIT_COOL_DOWN_MS, CIRCUIT_FAILURES, CIRCUIT_WINDOW_MS, Circuit};
use super::health::{
    HEALTH_HALF_LIFE_MS, HEALTH_WINDOW_MS, Health, OBSERVATIONS_MAX, OBSERVED_PLUGINS_MAX, Observation,
    PluginKey,
};
use super::history::{HEALTH_ROWS_MAX, HEALTH_RUNS_MAX, recent};
use super::rank::{rank, reason};

const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn run() -> RunId {
    RunId::from_bytes([1; 16])
}

fn key(name: &str) -> PluginKey {
    (name.to_owned(), Digest::of(name.as_bytes()))
}

/// An attempt that ended so long before [`NOW`].
fn seen(name: &str, number: u32, ago_ms: u64, took_ms: Option<u64>) -> Observation {
    Observation {
        plugin: key(name),
        attempt: (run(), VisitId(number), 1),
        at: Timestamp(NOW.0 - ago_ms),
        went_well: took_ms.is_some(),
        took: took_ms.map(Duration),
    }
}

fn health(all: impl IntoIterator<Item = Observation>) -> Health {
    let mut health = Health::default();
    all.into_iter().for_each(|seen| health.observe(seen));
    health
}

fn later(ms: u64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

#[test]
fn what_was_seen_last_weighs_most() {
    let health = health([
        seen("mended", 1, HEALTH_HALF_LIFE_MS * 3, None),
        seen("mended", 2, 0, Some(100)),
        seen("broken", 3, HEALTH_HALF_LIFE_MS * 3, Some(100)),
        seen("broken", 4, 0, None),
        seen("slower", 5, HEALTH_HALF_LIFE_MS, Some(100)),
        seen("slower", 6, 0, Some(400)),
    ]);
    let at = |name: &str| health.condition(&key(name), NOW);
    // 2 of 2.125, and 1.125 of 2.125.
    assert_eq!((at("mended").health_permille, at("broken").health_permille), (941, 529));
    assert_eq!(at("slower").latency_ms, Some(300), "(100 / 2 + 400) / 1.5");
    assert_eq!((at("new").health_permille, at("new").latency_ms), (1_000, None));
}

#[test]
fn what_is_older_than_the_window_says_nothing() {
    let health = health([seen("a", 1, 0, None), seen("b", 2, 0, Some(7))]);
    let at = |ms| (health.condition(&key("a"), later(ms)), health.condition(&key("b"), later(ms)));
    assert!(at(HEALTH_WINDOW_MS).0.health_permille < 1_000 && at(HEALTH_WINDOW_MS).1.latency_ms.is_some());
    assert_eq!(at(HEALTH_WINDOW_MS + 1).0.health_permille, 1_000);
    assert_eq!(at(HEALTH_WINDOW_MS + 1).1.latency_ms, None);
}

#[test]
fn failures_in_a_row_leave_a_plugin_out_until_it_gets_one_try() {
    let row = |count: u32| (0..count).map(move |number| seen("a", number, u64::from(count - number), None));
    let most = u32::try_from(CIRCUIT_FAILURES).unwrap();
    let circuit = |health: &Health, ms| health.condition(&key("a"), later(ms)).circuit;
    assert_eq!(circuit(&health(row(most - 1)), 0), Circuit::Closed);
    let mut left_out = health(row(most));
    let until = Timestamp(NOW.0 - 1 + CIRCUIT_COOL_DOWN_MS);
    assert_eq!(circuit(&left_out, 0), Circuit::Open(until));
    assert_eq!(circuit(&left_out, CIRCUIT_COOL_DOWN_MS - 2), Circuit::Open(until));
    assert_eq!(circuit(&left_out, CIRCUIT_COOL_DOWN_MS - 1), Circuit::HalfOpen);
    // One try: others keep out until it is known, or nothing is heard of it.
    left_out.tries(key("a"), later(CIRCUIT_COOL_DOWN_MS));
    let again = later(2 * CIRCUIT_COOL_DOWN_MS);
    assert_eq!(circuit(&left_out, CIRCUIT_COOL_DOWN_MS + 1), Circuit::Open(again));
    assert_eq!(circuit(&left_out, 2 * CIRCUIT_COOL_DOWN_MS), Circuit::HalfOpen);
    let mut fails = seen("a", 90, 0, None);
    fails.at = later(CIRCUIT_COOL_DOWN_MS + 5);
    left_out.observe(fails);
    assert_eq!(
        circuit(&left_out, CIRCUIT_COOL_DOWN_MS + 6),
        Circuit::Open(later(2 * CIRCUIT_COOL_DOWN_MS + 5))
    );
    let mut works = seen("a", 91, 0, Some(1));
    works.at = later(3 * CIRCUIT_COOL_DOWN_MS);
    left_out.observe(works);
    assert_eq!(circuit(&left_out, 3 * CIRCUIT_COOL_DOWN_MS), Circuit::Closed);
}

#[test]
fn failures_that_are_far_apart_leave_nothing_out() {
    let last = u64::try_from(CIRCUIT_FAILURES - 1).unwrap();
    for (apart, left_out) in [(CIRCUIT_WINDOW_MS, true), (CIRCUIT_WINDOW_MS + 1, false)] {
        let mut all = vec![seen("a", 0, apart, None)];
        all.extend((1..=last).map(|number| seen("a", u32::try_from(number).unwrap(), 0, None)));
        let circuit = health(all).condition(&key("a"), NOW).circuit;
        assert_eq!(circuit != Circuit::Closed, left_out, "{apart}");
    }
}

#[test]
fn no_more_is_remembered_than_the_limits_allow() {
    let count = u32::try_from(OBSERVATIONS_MAX).unwrap();
    let mut health = health(
        (0..=count).map(|number| seen("a", number, u64::from(count - number), (number > 0).then_some(1))),
    );
    assert_eq!(health.condition(&key("a"), NOW).health_permille, 1_000, "the first, which failed, made way");
    for number in 0..OBSERVED_PLUGINS_MAX {
        health.observe(Observation { at: later(1), ..seen(&format!("p{number}"), 1, 0, None) });
    }
    assert_eq!(health.condition(&key("a"), later(1)).latency_ms, None);
    assert!(health.condition(&key("p0"), later(1)).health_permille < 1_000);
}

fn candidate(
    name: &str,
    priority: u32,
    cost: Option<u64>,
    latency_ms: Option<u64>,
    health_permille: u32,
) -> Candidate {
    let cost = cost.map(Cost);
    Candidate { name: name.into(), tool: None, priority, cost, latency_ms, health_permille, left_out: None }
}

#[test]
fn priority_goes_before_what_is_preferred_and_names_come_last() {
    let all = [
        candidate("a", 0, Some(2_000), Some(900), 1_000),
        candidate("b", 0, None, None, 500),
        candidate("c", 0, Some(1_000), Some(100), 900),
        candidate("d", 5, None, Some(5_000), 100),
    ];
    let cases: [(&[Preference], &str, &str); 5] = [
        (&[], "dabc", "its priority is 5, that of a 0"),
        (&[Preference::Cost], "dcab", ""),
        (&[Preference::Latency], "dbca", ""),
        (&[Preference::Health], "dacb", ""),
        (&[Preference::Cost, Preference::Health], "dcab", ""),
    ];
    for (prefer, order, why) in cases {
        let mut ranked = all.to_vec();
        rank(&mut ranked, prefer);
        let names: String = ranked.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!(names, order, "{prefer:?}");
        assert!(reason(&ranked, prefer).starts_with(why));
    }
}

#[test]
fn the_reason_is_told_in_words() {
    let (a, b) = (candidate("a", 0, Some(2_000), Some(90), 941), candidate("b", 0, Some(10_000), None, 500));
    let cases: [(&[&Candidate], &[Preference], &str); 5] = [
        (&[&a], &[], "it is the only one"),
        (&[&a, &b], &[], "it is as good as b, and first by name"),
        (&[&a, &b], &[Preference::Cost], "its cost is 0.002, that of b is 0.01"),
        (&[&b, &a], &[Preference::Latency], "its latency is not known yet, that of a 90 ms"),
        (&[&a, &b], &[Preference::Health], "its health is 94.1 %, that of b 50.0 %"),
    ];
    for (all, prefer, words) in cases {
        let all: Vec<_> = all.iter().map(|candidate| (*candidate).clone()).collect();
        assert_eq!(reason(&all, prefer), words);
    }
}

#[test]
fn attempts_are_seen_from_their_events() {
    let mut tracker = Tracker::new(run());
    let work = |name: &str| {
        let (agent, component) = key(name);
        Some(Box::new(Work::Agent { agent, component, input: serde_json::json!({}).into(), memory: None }))
    };
    let visit = VisitId(1);
    let begins = |attempt, work| Event::AttemptStarted { visit, attempt, work, deadline: None };
    let fails = |attempt, kind| {
        let failure = Failure::new(kind, "no");
        Event::AttemptFailed { visit, attempt, failure, retry_at: None }
    };
    assert_eq!(tracker.take(NOW, &begins(1, work("a"))), None);
    let first = tracker.take(later(5), &fails(1, FailureKind::Transient)).unwrap();
    assert_eq!((first.plugin, first.went_well, first.attempt), (key("a"), false, (run(), visit, 1)));
    // The same work again; what it was asked was wrong, which says nothing of the plugin.
    assert_eq!(tracker.take(later(6), &begins(2, None)), None);
    for kind in
        [FailureKind::InvalidInput, FailureKind::Permanent, FailureKind::Denied, FailureKind::Rejected]
    {
        assert_eq!(tracker.take(later(7), &fails(2, kind)), None);
    }
    tracker.take(later(8), &begins(3, work("b")));
    let output = serde_json::json!(1).into();
    let last = tracker.take(later(20), &Event::StepCompleted { visit, output }).unwrap();
    assert_eq!((last.plugin, last.went_well, last.took), (key("b"), true, Some(Duration(12))));
    // Who waited for a person was not slow.
    tracker.take(later(30), &begins(4, work("c")));
    tracker.take(later(31), &Event::OutcomeUnknown { visit, call: Some(1), reason: String::new() });
    let output = serde_json::json!(1).into();
    assert_eq!(tracker.take(later(99), &Event::StepCompleted { visit, output }).unwrap().took, None);
}

/// A run in which the plugin of a name fails; its header says that its journal is so long.
async fn failing(store: &MemoryStore, number: u8, name: &str, length: Option<u64>) {
    let mut bytes = [0; 16];
    bytes[5] = number;
    let run = RunId::from_bytes(bytes);
    let (agent, component) = key(name);
    let work =
        Some(Box::new(Work::Agent { agent, component, input: serde_json::json!({}).into(), memory: None }));
    let (visit, failure) = (VisitId(1), Failure::new(FailureKind::Timeout, "slow"));
    let events = [
        Event::AttemptStarted { visit, attempt: 1, work, deadline: None },
        Event::AttemptFailed { visit, attempt: 1, failure, retry_at: None },
    ];
    let mut head = Head::empty(run);
    let encoded = journal::encode(&mut head, NOW, &events);
    let mut header = RunState::new(run).header(head);
    header.head.seq = length.unwrap_or(head.seq);
    let commit = RunCommit { header: Some(header), ..RunCommit::new(run, 0, encoded) };
    store.commit(&Batch { runs: vec![commit], ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn only_the_newest_runs_are_read() {
    let store = MemoryStore::new();
    let most = u8::try_from(HEALTH_RUNS_MAX).unwrap();
    failing(&store, 0, "oldest", None).await;
    failing(&store, 1, "old", None).await;
    for number in 2..=most {
        failing(&store, number, "newest", None).await;
    }
    let known = async || {
        let mut health = Health::default();
        recent(&store, NOW, &mut health).await.unwrap();
        ["oldest", "old", "newest"].map(|name| health.condition(&key(name), NOW).health_permille < 1_000)
    };
    assert_eq!(known().await, [false, true, true]);
    // One that is too long is left out, and what is older is read.
    let rows = u64::try_from(HEALTH_ROWS_MAX).unwrap();
    failing(&store, most + 1, "huge", Some(rows + 1)).await;
    let mut health = Health::default();
    recent(&store, NOW, &mut health).await.unwrap();
    assert_eq!(health.condition(&key("huge"), NOW).health_permille, 1_000);
    assert!(health.condition(&key("newest"), NOW).health_permille < 1_000);
}
