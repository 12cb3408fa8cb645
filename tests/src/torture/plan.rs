//! What each run is, drawn from the seed and its number, and what must have come of it.

use pawl_core::RunId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

/// A workflow of `tests/torture`.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name, and that of its file.
    pub(super) name: &'static str,
    /// How many calls a run of it that completes makes, each with a key of its own, payments not counted.
    pub(super) looks: usize,
    /// How many payments it makes; of `approval`, where they are approved.
    pub(super) payments: usize,
    /// Its output `found`; of `approval` without the action.
    pub(super) found: fn() -> Value,
}

/// All of them.
pub(super) const KINDS: [Kind; 11] = [
    Kind { name: "calls", looks: 2, payments: 1, found: || json!(["A-1001", "A-1002", "A-1001"]) },
    Kind { name: "together", looks: 7, payments: 2, found: || json!(["A-1006", "approve", "A-1001"]) },
    Kind {
        name: "items",
        looks: 6,
        payments: 5,
        found: || json!(["A-1001", "A-1002", "permanent", "A-1003", "A-1004", "A-1005"]),
    },
    Kind { name: "timers", looks: 3, payments: 0, found: || json!(["A-1003", 3]) },
    Kind { name: "approval", looks: 1, payments: 1, found: || json!(["A-1003"]) },
    Kind { name: "saga", looks: 3, payments: 0, found: || json!(["A-1001", "A-1003"]) },
    Kind { name: "signal", looks: 2, payments: 0, found: || json!(["A-1005"]) },
    Kind { name: "subrun", looks: 0, payments: 0, found: || json!(["A-1001", "A-1006"]) },
    Kind { name: "slots", looks: 3, payments: 0, found: || json!([3]) },
    Kind { name: "ear", looks: 2, payments: 0, found: || json!(["A-1005"]) },
    Kind { name: "frail", looks: 2, payments: 1, found: || json!(["A-1001", "A-1002"]) },
];

/// The workflow that publishes an event.
pub(super) const SHOUT: &str = "shout";
/// The signal that a run of `frail` waits for in vain at first, so that it fails and is tried again.
pub(super) const NOD: &str = "nod";
/// Those that may be forked anywhere: what they have done is told by their journals alone.
const FORKABLE: [&str; 5] = ["calls", "items", "timers", "approval", "frail"];

/// The workflow that `subrun` starts, with its calls and payments.
pub(super) const PART: (&str, usize, usize) = ("part", 1, 1);

impl Kind {
    /// The workflow of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

/// A run as it is to be.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: &'static Kind,
    /// Whether its signals, `paid` and `delivered`, are sent as soon as it is there.
    pub(super) early: [bool; 2],
    /// Whether it fails in the end; of `saga` alone.
    pub(super) fails: bool,
    /// What is done with it on its way.
    pub(super) disturbed: Vec<Disturbance>,
}

/// What is done with a run in the midst of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    Cancel,
    /// It is resumed later.
    Suspend,
    /// Another run is made of it.
    Fork,
}

impl Plan {
    /// The plan for the run with this number.
    pub(super) fn of(seed: u64, n: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Each kind in turn, so that a small number of runs has all of them.
        let kind = &KINDS[usize::try_from(n % 11).unwrap_or_default()];
        let fails = kind.name == "saga" && rng.random_bool(0.5);
        let cancellable = ["saga", "timers", "slots", "subrun"].contains(&kind.name);
        let early = [rng.random_bool(0.5), rng.random_bool(0.5)];
        // A cancel in the midst of undoing stops it, and then nobody could say what was to be undone.
        let cancel = cancellable && !fails && rng.random_bool(0.3);
        // The signal of `frail` may not come before it has failed.
        let suspend = !cancel && kind.name != "frail" && rng.random_bool(0.25);
        let fork = FORKABLE.contains(&kind.name) && rng.random_bool(0.4);
        let all = [(cancel, Disturbance::Cancel), (suspend, Disturbance::Suspend), (fork, Disturbance::Fork)];
        let disturbed = all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect();
        Self { kind, early, fails, disturbed }
    }

    /// Its inputs.
    pub(super) fn inputs(&self, n: u64) -> Value {
        match self.kind.name {
            "saga" => json!({ "n": n, "fails": self.fails }),
            _ => json!({ "n": n }),
        }
    }
}

/// What a person answers: one in four refunds is rejected.
pub(super) fn action(rng: &mut StdRng, workflow: &str) -> &'static str {
    if workflow == "approval" && rng.random_bool(0.25) { "reject" } else { "approve" }
}

/// The receipt that `payments.refund` gives for a key: its FNV-1a hash.
pub fn receipt(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("R-{hash:016x}")
}

/// The run that a key belongs to.
pub(super) fn run_of(key: &str) -> Option<RunId> {
    key.split('/').next()?.parse().ok()
}
