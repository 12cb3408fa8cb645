//! What comes from outside, and when: drawn from the seed before anything runs.

use pawl_core::event::Actor;
use pawl_core::{Duration, Timestamp};
use pawl_engine::{Retention, RetentionSetting};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::people::named;

/// When every simulation begins: the first instant of 2026.
pub(crate) const BEGIN: Timestamp = Timestamp(1_767_225_600_000);
/// The workflows, in `tests/sim/workflows`.
pub(crate) const WORKFLOWS: [&str; 9] =
    ["pay", "agent", "items", "saga", "ask", "tree", "brood", "frail", "council"];
/// Those of them that any seed may draw.
const DRAWN: usize = 8;
/// The workflow of which seeds from [`COUNCILS_FROM`] on have runs.
const COUNCIL: usize = 8;
/// From this seed on, several people must agree in some runs. The seeds before are what they were when they found what
/// was wrong.
pub const COUNCILS_FROM: u64 = 2_000;
/// The most such runs.
const COUNCILS_MAX: usize = 3;
/// The most runs that a simulation starts itself.
const RUNS_MAX: usize = 8;
const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;

/// Something that somebody does at an instant.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) at: Timestamp,
    /// Its number: of whoever does it, and of the event that is published.
    pub(crate) nth: u64,
    pub(crate) act: Act,
}

/// What somebody does. Runs are named by the number of their start.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Starts a run of a workflow, by its place in [`WORKFLOWS`].
    Start {
        number: usize,
        workflow: usize,
        inputs: Value,
    },
    /// Sends the signal `go`, with a key.
    Signal {
        number: usize,
        key: String,
    },
    Cancel {
        number: usize,
    },
    Suspend {
        number: usize,
    },
    /// Starts it anew.
    Rerun {
        number: usize,
    },
    /// Makes another of it, of the events up to a place.
    Fork {
        number: usize,
        place: u64,
    },
    /// Publishes an event.
    Publish {
        topic: String,
    },
    /// Removes what is not to be kept.
    Prune(Retention),
}

impl Turn {
    /// Whoever does it.
    pub(crate) fn by(&self) -> Actor {
        named(format!("user:{}", self.nth))
    }
}

impl Act {
    /// The run that it is about.
    pub(crate) const fn number(&self) -> Option<usize> {
        match self {
            Self::Signal { number, .. }
            | Self::Cancel { number }
            | Self::Suspend { number }
            | Self::Rerun { number }
            | Self::Fork { number, .. } => Some(*number),
            Self::Start { .. } | Self::Publish { .. } | Self::Prune(_) => None,
        }
    }

    /// Whether there is another run afterwards each time that it is done.
    pub(crate) const fn makes_a_run(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Rerun { .. } | Self::Fork { .. })
    }
}

/// How the processes of a simulation are set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) retention: Option<RetentionSetting>,
    pub(crate) inline_max_bytes: usize,
}

impl Settings {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed ^ 0x5e77);
        let every = Duration(chance.random_range(1..12) * HOUR_MS);
        let retention = retention(&mut chance);
        Self {
            retention: (chance.random_range(0..3) == 0).then_some(RetentionSetting { retention, every }),
            // Where it is small, most values are blobs.
            inline_max_bytes: if chance.random_range(0..2) == 0 { 24 } else { 64 * 1024 },
        }
    }
}

fn retention(chance: &mut StdRng) -> Retention {
    let older_than = chance.random_range(0..4 * HOUR_MS);
    let keep = chance.random_range(0..4);
    match chance.random_range(0..3) {
        0 => Retention { older_than: Some(Duration(older_than)), keep: None },
        1 => Retention { older_than: None, keep: Some(keep) },
        _ => Retention { older_than: Some(Duration(older_than)), keep: Some(keep) },
    }
}

/// All turns, in the order in which they come.
pub(crate) fn draw(seed: u64) -> Vec<Turn> {
    let mut chance = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut turns = Vec::new();
    for number in 0..chance.random_range(2..=RUNS_MAX) {
        of_run(&mut chance, number, &mut turns);
    }
    if seed >= COUNCILS_FROM {
        let mut chance = StdRng::seed_from_u64(seed ^ 0xc0c1);
        for number in (RUNS_MAX..).take(chance.random_range(1..=COUNCILS_MAX)) {
            let start = chance.random_range(0..120 * SECOND_MS);
            let inputs = json!({ "title": format!("A-{number}") });
            turns.push((start, Act::Start { number, workflow: COUNCIL, inputs }));
            beside(&mut chance, number, start, &mut turns);
        }
    }
    for _ in 0..chance.random_range(0..4) {
        let topic = ["trees/out", "trees/far/out"][chance.random_range(0..2)].to_owned();
        turns.push((chance.random_range(0..HOUR_MS), Act::Publish { topic }));
    }
    if chance.random_range(0..3) == 0 {
        turns.push((chance.random_range(0..2 * HOUR_MS), Act::Prune(retention(&mut chance))));
    }
    turns.sort_by_key(|(at, _)| *at);
    let turns = (0..).zip(turns);
    turns.map(|(nth, (after, act))| Turn { at: BEGIN.after(Duration(after)), nth, act }).collect()
}

/// What is done with one run.
fn of_run(chance: &mut StdRng, number: usize, turns: &mut Vec<(u64, Act)>) {
    let start = chance.random_range(0..120 * SECOND_MS);
    let workflow = chance.random_range(0..DRAWN);
    let inputs = inputs(chance, workflow, number);
    turns.push((start, Act::Start { number, workflow, inputs }));
    beside(chance, number, start, turns);
}

/// What is done with a run that was started, beside what it asks for.
fn beside(chance: &mut StdRng, number: usize, start: u64, turns: &mut Vec<(u64, Act)>) {
    let signals = chance.random_range(0..3);
    turns.extend((0..signals).map(|nth| {
        let at = start + chance.random_range(0..HOUR_MS);
        (at, Act::Signal { number, key: format!("{number}/{nth}") })
    }));
    let mut now_and_then = |of: u64, within: u64, act| {
        let at = start + chance.random_range(0..within);
        turns.extend((chance.random_range(0..of) == 0).then_some((at, act)));
    };
    now_and_then(5, 900 * SECOND_MS, Act::Cancel { number });
    now_and_then(4, 300 * SECOND_MS, Act::Suspend { number });
    now_and_then(12, HOUR_MS, Act::Rerun { number });
    for place in 0..3 {
        now_and_then(8, 600 * SECOND_MS, Act::Fork { number, place });
    }
}

fn inputs(chance: &mut StdRng, workflow: usize, number: usize) -> Value {
    let order = format!("A-{number}");
    match WORKFLOWS[workflow] {
        "pay" => json!({ "order": order }),
        "agent" => {
            let steps: Vec<Value> = (0..chance.random_range(1..7)).map(|_| step(chance, 2)).collect();
            let customer = ["ann", "ben"][chance.random_range(0..2)];
            json!({ "steps": steps, "customer": customer })
        }
        "items" => {
            json!({ "items": (0..chance.random_range(0..7)).map(|n| format!("{order}/{n}")).collect::<Vec<_>>() })
        }
        "saga" => json!({ "order": order, "fails": chance.random_range(0..2) == 0 }),
        "ask" => json!({ "title": order }),
        "frail" => json!({ "order": order, "fails": chance.random_range(0..3) == 0 }),
        "brood" => {
            let orders = (0..chance.random_range(0..4)).map(|n| format!("{order}/{n}")).collect::<Vec<_>>();
            json!({ "orders": orders, "fails": chance.random_range(0..4) == 0 })
        }
        _ => {
            let orders = (0..chance.random_range(0..4)).map(|n| format!("{order}/{n}")).collect::<Vec<_>>();
            json!({ "orders": orders, "listens": chance.random_range(0..2) == 0 })
        }
    }
}

/// One thing that an agent does; what other agents do within it, at most so deep.
fn step(chance: &mut StdRng, depth: u32) -> Value {
    let say = |n: u32| json!({ "tool": "echo.say", "with": { "text": n.to_string() } });
    let pay = |n: u32| json!({ "tool": "payments.refund", "with": { "order": n.to_string(), "amount": 1 } });
    let n = chance.random_range(0..1_000);
    match chance.random_range(0..10) {
        0 | 1 => json!({ "tool": say(n) }),
        2 => json!({ "tool": pay(n) }),
        3 => json!({ "all": [say(n), pay(n), say(n + 1)] }),
        4 => json!({ "ask": n.to_string() }),
        5 => json!({ "sleep": n * 100 }),
        6 => json!({ "signal": ["go", 600_000] }),
        7 => json!({ "put": ["last", n] }),
        8 => json!({ "get": "last" }),
        _ if depth > 0 => {
            let steps: Vec<Value> = (0..chance.random_range(1..4)).map(|_| step(chance, depth - 1)).collect();
            json!({ "agent": ["helper", { "steps": steps }] })
        }
        _ => json!({ "log": n.to_string() }),
    }
}
