//! What people and other programs do: they start runs, answer what is asked, send signals, cancel.
//!
//! One thread looks at what there is and plans; others give the commands, several at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use pawl_core::RunId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::PAYMENT;
use super::herd::Herd;
use super::ledger::{Command, Heard, Order};
use super::plan::{self, Disturbance, NOD, Plan};
use super::state::Torture;
use crate::TallyServer;

/// Runs that are under way at once.
pub(super) const OPEN_MAX: usize = 24;

/// A run is forked at one of its first events: at this one at most, unless pawl knows a better one.
const FORKS_WITHIN: u64 = 16;

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Runs that have not ended.
    pub(super) open: usize,
    /// Those that have.
    pub(super) ended: usize,
    /// Those that no step started.
    pub(super) own: usize,
}

/// Whoever plans.
#[derive(Debug)]
pub(super) struct People {
    rng: StdRng,
    /// The plans of runs that are known to have been accepted.
    plans: BTreeMap<RunId, Plan>,
    /// Approvals with the commands that answer them.
    answers: BTreeMap<String, Vec<u64>>,
    /// Signals, cancels and other commands by run and name, the last of each.
    sent: BTreeMap<(RunId, &'static str), u64>,
    /// Runs of `frail` that were tried again.
    retried: BTreeSet<RunId>,
    starts: BTreeMap<u64, u64>,
}

impl People {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed ^ 1),
            plans: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: BTreeMap::new(),
            retried: BTreeSet::new(),
            starts: BTreeMap::new(),
        }
    }

    /// Looks at what there is, and gives work to those who give commands.
    pub(super) fn look(&mut self, torture: &Torture) -> Result<Seen> {
        let runs = listing(&torture.herd, &["runs", "--limit", "10000"])?;
        let mut seen = Seen::default();
        let accepted: BTreeMap<RunId, u64> = torture.accepted();
        for (run, n) in accepted {
            self.plans.entry(run).or_insert_with(|| Plan::of(torture.seed, n));
        }
        let mut asking = false;
        for run in &runs {
            seen.own += usize::from(run["parent"].is_null() && run["workflow"] != plan::SHOUT);
            let status = run["status"].as_str().unwrap_or_default();
            let is_retried = status == "failed" && run["workflow"] == "frail";
            if ["completed", "failed", "cancelled"].contains(&status) && !is_retried {
                seen.ended += 1;
                continue;
            }
            seen.open += 1;
            asking |= run["waiting"]["for"] == "approval" || run["status"] != "waiting";
            self.attend(torture, run)?;
        }
        // Runs that were made of others are none of those that are wanted.
        let forks = self.sent.iter().filter(|((_, name), _)| *name == "fork");
        let made =
            forks.filter(|(_, command)| !matches!(torture.ledger.get(**command).heard, Heard::Refused(_)));
        seen.own = seen.own.saturating_sub(made.count());
        if asking {
            for approval in listing(&torture.herd, &["approvals"])? {
                self.answer(torture, &approval)?;
            }
        }
        self.start(torture, seen.open);
        Ok(seen)
    }

    /// What is done about a run that is not over, or is to be tried again.
    fn attend(&mut self, torture: &Torture, run: &Value) -> Result<()> {
        let id: RunId = run["id"].as_str().context("an id")?.parse()?;
        let waits_for = |what: &str| run["waiting"]["for"] == what;
        match run["workflow"].as_str().unwrap_or_default() {
            "signal" => {
                for (at, name) in ["paid", "delivered"].into_iter().enumerate() {
                    let is_early = self.plans.get(&id).is_some_and(|plan| plan.early[at]);
                    if is_early || (waits_for("signal") && run["waiting"]["name"] == name) {
                        let order = Order::Signal { run: id, name: name.to_owned() };
                        self.want(torture, (id, name), order, u32::MAX, false);
                    }
                }
            }
            "frail" => self.nurse(torture, id, run["status"] == "failed"),
            "ear" if waits_for("topic") => {
                let topic = run["waiting"]["pattern"].as_str().unwrap_or_default().replace('*', "out");
                // A start is not given again; where one was cut off, another event is published.
                self.want(torture, (id, "publish"), Order::Publish { run: id, topic }, 1, true);
            }
            _ => {}
        }
        if run["status"] == "suspended" {
            self.want(torture, (id, "resume"), Order::Resume { run: id }, u32::MAX, false);
        }
        self.disturb(torture, id);
        Ok(())
    }

    /// What is done with a run in the midst of it, as it is planned.
    fn disturb(&mut self, torture: &Torture, id: RunId) {
        let Some(plan) = self.plans.get(&id) else { return };
        for disturbance in plan.disturbed.clone() {
            if !self.rng.random_bool(0.4) {
                continue;
            }
            match disturbance {
                // A second one would stop the undoing that the first one asked for.
                Disturbance::Cancel => {
                    self.want(torture, (id, "cancel"), Order::Cancel { run: id }, 1, false);
                }
                Disturbance::Suspend => {
                    self.want(torture, (id, "suspend"), Order::Suspend { run: id }, 1, false);
                }
                Disturbance::Fork => self.fork(torture, id),
            }
        }
    }

    /// Forks a run somewhere, and where that is no place, at one that pawl names.
    fn fork(&mut self, torture: &Torture, id: RunId) {
        let before = self.sent.get(&(id, "fork")).map(|command| torture.ledger.get(*command).heard);
        let (seq, again) = match &before {
            Some(Heard::Refused(why)) => (near(why), true),
            _ => (self.rng.random_range(1..FORKS_WITHIN), false),
        };
        self.want(torture, (id, "fork"), Order::Fork { run: id, seq }, 1, again);
    }

    /// A run of `frail` is tried again whenever it has failed, and nodded to when that was done once.
    fn nurse(&mut self, torture: &Torture, id: RunId, has_failed: bool) {
        let retry = self.sent.get(&(id, "retry")).map(|command| torture.ledger.get(*command));
        if retry.is_some_and(|retry| retry.is_accepted()) {
            self.retried.insert(id);
        }
        if has_failed {
            self.want(torture, (id, "retry"), Order::Retry { run: id }, 1, true);
        } else if self.retried.contains(&id) {
            let order = Order::Signal { run: id, name: NOD.to_owned() };
            let sent = self.sent.get(&(id, NOD)).map(|command| torture.ledger.get(*command).heard);
            // It may have failed again before that came.
            let again = matches!(sent, Some(Heard::Refused(_)));
            self.want(torture, (id, NOD), order, u32::MAX, again);
        }
    }

    /// Has a command given, at most so often; where `again`, another one when nothing more comes of the last.
    fn want(
        &mut self,
        torture: &Torture,
        key: (RunId, &'static str),
        order: Order,
        tries_max: u32,
        again: bool,
    ) {
        let is_over = |command: u64| {
            let Command { tries, heard, .. } = torture.ledger.get(command);
            let is_given = torture.queue.has(command) || (heard == Heard::Nothing && tries < tries_max);
            // What an event is published for hears it once it is accepted, or else there is something wrong.
            !is_given && (key.1 != "publish" || !matches!(heard, Heard::Accepted(_)))
        };
        let known = self.sent.get(&key).copied().filter(|command| !(again && is_over(*command)));
        let command = known.unwrap_or_else(|| torture.ledger.plan(order));
        self.sent.insert(key, command);
        torture.queue.push(&torture.ledger, command, tries_max);
    }

    /// Answers an approval; now and then two people do.
    fn answer(&mut self, torture: &Torture, approval: &Value) -> Result<()> {
        let id = approval["id"].as_str().context("an id")?.to_owned();
        if let Some(commands) = self.answers.get(&id) {
            let mut open = false;
            for command in commands {
                torture.queue.push(&torture.ledger, *command, u32::MAX);
                open |= !matches!(torture.ledger.get(*command).heard, Heard::Refused(_));
            }
            // A run that had failed when they came goes on, and asks again.
            if open {
                return Ok(());
            }
        }
        let run: RunId = approval["run"].as_str().context("a run")?.parse()?;
        let workflow = approval["workflow"].as_str().unwrap_or_default();
        let unknown = approval["actions"].as_array().is_some_and(|all| all.contains(&json!("succeeded")));
        let (action, data) = if unknown {
            look_it_up(&torture.server, run, &approval["subject"])
        } else {
            (plan::action(&mut self.rng, workflow), json!({}))
        };
        let order = Order::Answer { run, approval: id.clone(), action: action.to_owned(), data };
        let people = if self.rng.random_bool(0.1) { 2 } else { 1 };
        let commands: Vec<u64> = (0..people).map(|_| torture.ledger.plan(order.clone())).collect();
        for command in &commands {
            torture.queue.push(&torture.ledger, *command, u32::MAX);
        }
        self.answers.insert(id, commands);
        Ok(())
    }

    /// Starts as many runs as the kills leave work for: the last ones only when the last kills are near.
    fn start(&mut self, torture: &Torture, open: usize) {
        let mut room = OPEN_MAX.saturating_sub(open + torture.queue.len());
        while room > 0 && self.starts.len() < torture.runs_allowed() {
            let n = u64::try_from(self.starts.len()).unwrap_or(u64::MAX);
            let workflow = Plan::of(torture.seed, n).kind.name.to_owned();
            let command = torture.ledger.plan(Order::Start { n, workflow });
            self.starts.insert(n, command);
            torture.queue.push(&torture.ledger, command, 1);
            room -= 1;
        }
    }

    /// How many runs were started, or are about to be.
    pub(super) fn started(&self) -> usize {
        self.starts.len()
    }
}

/// The event that pawl names when a run cannot be forked at another; the first one, where it names none.
fn near(why: &str) -> u64 {
    let named = ["it can be: ", "the numbers 1 to "].iter().find_map(|before| why.split_once(before));
    let number = named.map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// A person looks into the books: did the money move?
fn look_it_up(server: &TallyServer, run: RunId, subject: &Value) -> (&'static str, Value) {
    let key = server.timed().into_iter().map(|timed| timed.call).find(|call| {
        call.tool == PAYMENT
            && plan::run_of(&call.key) == Some(run)
            && call.arguments["order"] == subject["order"]
    });
    let Some(call) = key else { return ("retry", json!({})) };
    let output = json!({
        "receipt": plan::receipt(&call.key),
        "order": subject["order"],
        "amount": subject["amount"],
        "currency": "EUR",
    });
    ("succeeded", json!({ "output": output }))
}

/// The rows of a listing.
fn listing(herd: &Herd, arguments: &[&str]) -> Result<Vec<Value>> {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (code, text) = herd.start(&arguments, true)?.end()?;
    let document: Value =
        serde_json::from_str(&text).with_context(|| format!("{arguments:?} ended with {code}"))?;
    document.as_array().cloned().with_context(|| format!("{arguments:?} gave {document}"))
}
