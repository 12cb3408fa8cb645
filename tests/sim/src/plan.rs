//! What comes from outside, and when: drawn from the seed before anything runs.

use pawl_core::{Duration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

/// When every simulation begins: the first instant of 2026.
pub(crate) const BEGIN: Timestamp = Timestamp(1_767_225_600_000);
/// The workflows, in `tests/sim/workflows`.
pub(crate) const WORKFLOWS: [&str; 6] = ["pay", "agent", "items", "saga", "ask", "tree"];
/// The most runs that a simulation starts itself.
const RUNS_MAX: usize = 8;

/// Something that somebody does at an instant.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) at: Timestamp,
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
    Resume {
        number: usize,
    },
}

/// All turns, in the order in which they come.
pub(crate) fn draw(seed: u64) -> Vec<Turn> {
    let mut chance = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut turns = Vec::new();
    for number in 0..chance.random_range(2..=RUNS_MAX) {
        let start = chance.random_range(0..120_000);
        let workflow = chance.random_range(0..WORKFLOWS.len());
        let inputs = inputs(&mut chance, workflow, number);
        turns.push((start, Act::Start { number, workflow, inputs }));
        let signals = chance.random_range(0..3);
        turns.extend((0..signals).map(|nth| {
            let at = start + chance.random_range(0..3_600_000);
            (at, Act::Signal { number, key: format!("{number}/{nth}") })
        }));
        if chance.random_range(0..5) == 0 {
            turns.push((start + chance.random_range(0..900_000), Act::Cancel { number }));
        }
        if chance.random_range(0..4) == 0 {
            let suspended = start + chance.random_range(0..300_000);
            turns.push((suspended, Act::Suspend { number }));
            turns.push((suspended + chance.random_range(1..7_200_000), Act::Resume { number }));
        }
    }
    turns.sort_by_key(|(at, _)| *at);
    turns.into_iter().map(|(after, act)| Turn { at: BEGIN.after(Duration(after)), act }).collect()
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
