//! What people and other programs do: they start runs, answer what is asked, send signals, cancel.
//!
//! One thread looks at what there is and plans; others give the commands, several at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use pawl_core::RunId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::herd::{Herd, KILLED};
use super::ledger::{Command, Heard, Ledger, Order};
use super::plan::{self, Plan};
use super::state::Torture;
use super::{ALLOWED_HOST, PAYMENT, workflow};
use crate::TallyServer;

/// Runs that are under way at once.
pub(super) const OPEN_MAX: usize = 24;
/// Runs that are followed by whoever started them, at once.
const FOLLOWED_MAX: usize = 3;
/// Exit codes after which it is known that nothing was done.
const REFUSED: [i32; 2] = [1, 2];

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
    /// Signals and cancels by run and name.
    sent: BTreeMap<(RunId, &'static str), u64>,
    starts: BTreeMap<u64, u64>,
}

impl People {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed ^ 1),
            plans: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: BTreeMap::new(),
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
            seen.own += usize::from(run["parent"].is_null());
            if ["completed", "failed", "cancelled"].contains(&run["status"].as_str().unwrap_or_default()) {
                seen.ended += 1;
                continue;
            }
            seen.open += 1;
            asking |= run["waiting"]["for"] == "approval" || run["status"] != "waiting";
            self.attend(torture, run)?;
        }
        if asking {
            for approval in listing(&torture.herd, &["approvals"])? {
                self.answer(torture, &approval)?;
            }
        }
        self.start(torture, seen.open);
        Ok(seen)
    }

    /// Signals and cancels for a run.
    fn attend(&mut self, torture: &Torture, run: &Value) -> Result<()> {
        let id: RunId = run["id"].as_str().context("an id")?.parse()?;
        let plan = self.plans.get(&id);
        let mut wanted = Vec::new();
        if run["workflow"] == "signal" {
            for (at, name) in ["paid", "delivered"].into_iter().enumerate() {
                let waits = run["waiting"]["for"] == "signal" && run["waiting"]["name"] == name;
                if waits || plan.is_some_and(|plan| plan.early[at]) {
                    wanted.push(name);
                }
            }
        }
        if plan.is_some_and(|plan| plan.cancel) && self.rng.random_bool(0.5) {
            wanted.push("cancel");
        }
        for name in wanted {
            let order = match name {
                "cancel" => Order::Cancel { run: id },
                _ => Order::Signal { run: id, name: name.to_owned() },
            };
            let command = *self.sent.entry((id, name)).or_insert_with(|| torture.ledger.plan(order));
            // A second cancel would stop the undoing that the first one asked for.
            torture.queue.push(&torture.ledger, command, if name == "cancel" { 1 } else { u32::MAX });
        }
        Ok(())
    }

    /// Answers an approval; now and then two people do.
    fn answer(&mut self, torture: &Torture, approval: &Value) -> Result<()> {
        let id = approval["id"].as_str().context("an id")?.to_owned();
        if let Some(commands) = self.answers.get(&id) {
            for command in commands {
                torture.queue.push(&torture.ledger, *command, u32::MAX);
            }
            return Ok(());
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

/// Commands that are to be given, and those that are being given.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Queued>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queued {
    /// To be given.
    next: VecDeque<u64>,
    /// These, and those that are being given.
    all: BTreeSet<u64>,
    closed: bool,
}

impl Queue {
    fn inner(&self) -> MutexGuard<'_, Queued> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command in, unless it is here, something was heard of it, or it was tried often enough.
    fn push(&self, ledger: &Ledger, command: u64, tries_max: u32) {
        let mut inner = self.inner();
        let of_ledger = ledger.get(command);
        if of_ledger.heard == Heard::Nothing && of_ledger.tries < tries_max && inner.all.insert(command) {
            inner.next.push_back(command);
            self.changed.notify_one();
        }
    }

    /// The next command, as soon as there is one; nothing when the queue is closed.
    fn next(&self) -> Option<u64> {
        let waits = |inner: &mut Queued| inner.next.is_empty() && !inner.closed;
        let mut inner = self.changed.wait_while(self.inner(), waits).unwrap_or_else(PoisonError::into_inner);
        if inner.closed { None } else { inner.next.pop_front() }
    }

    fn done(&self, command: u64) {
        self.inner().all.remove(&command);
    }

    /// Lets those who wait for a command go.
    pub(super) fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_all();
    }

    /// How many there are, those that are being given counted.
    pub(super) fn len(&self) -> usize {
        self.inner().all.len()
    }

    /// How many are being given.
    pub(super) fn under_way(&self) -> usize {
        let inner = self.inner();
        inner.all.len() - inner.next.len()
    }
}

/// Gives the next command; false when there will be none any more. A run that was started may be followed on
/// a thread of `scope`.
pub(super) fn give_next<'scope>(
    torture: &'scope Torture,
    scope: &'scope std::thread::Scope<'scope, '_>,
    rng: &mut StdRng,
) -> Result<bool> {
    let Some(id) = torture.queue.next() else { return Ok(false) };
    let given = torture.ledger.give(id).and_then(|command| give(torture, scope, rng, &command));
    torture.queue.done(id);
    given.map(|()| true)
}

fn give<'scope>(
    torture: &'scope Torture,
    scope: &'scope std::thread::Scope<'scope, '_>,
    rng: &mut StdRng,
    command: &Command,
) -> Result<()> {
    let words = words(torture.seed, command);
    let mut process = torture.herd.start(&words.iter().map(String::as_str).collect::<Vec<_>>(), false)?;
    let mut said = Vec::new();
    while let Some(line) = process.line() {
        let Some(run) = accepted(command, &line) else {
            said.push(line);
            continue;
        };
        torture.hear(command.id, &Heard::Accepted(run))?;
        if matches!(command.order, Order::Start { .. }) {
            // Some watch on, others do what people do with Ctrl-C; if it holds the folder, work is cut off.
            if rng.random_bool(0.5) && torture.followed.load(Ordering::SeqCst) < FOLLOWED_MAX {
                torture.followed.fetch_add(1, Ordering::SeqCst);
                scope.spawn(move || {
                    // How it ends is nothing to the run, which the checks look at.
                    let _ = process.end();
                    torture.followed.fetch_sub(1, Ordering::SeqCst);
                });
                return Ok(());
            }
            if torture.interrupts {
                torture.herd.interrupt(process.pid);
            }
        }
        process.end()?;
        return Ok(());
    }
    let (code, _) = process.end()?;
    if REFUSED.contains(&code) {
        torture.hear(command.id, &Heard::Refused(said.join("; ")))?;
    } else if code != KILLED {
        // The command says so where it does not know what became of it.
        torture.unsure.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// The line in which pawl says that a command is on disk.
fn accepted(command: &Command, line: &str) -> Option<RunId> {
    let word = |line: &str| line.split_whitespace().next().and_then(|id| id.parse::<RunId>().ok());
    match &command.order {
        Order::Start { .. } => word(line.strip_prefix("run ")?),
        Order::Answer { .. } => word(line.strip_prefix("answered '")?.split_once("' for run ")?.1),
        Order::Signal { .. } => {
            line.contains(" has the signal '").then(|| word(line.strip_prefix("run ")?))?
        }
        Order::Cancel { .. } => {
            let said = line.contains(" is cancelled") || line.contains(" undoes what it did");
            said.then(|| word(line.strip_prefix("run ")?))?
        }
    }
}

fn words(seed: u64, command: &Command) -> Vec<String> {
    let mark = command.mark();
    match &command.order {
        Order::Start { n, workflow: name } => {
            let file = workflow(name).display().to_string();
            let inputs = Plan::of(seed, *n).inputs(*n).to_string();
            let words =
                ["run", &file, "--input-json", &inputs, "--allow-http", ALLOWED_HOST, "--no-interactive"];
            words.map(str::to_owned).into()
        }
        Order::Answer { approval, action, data, .. } => {
            let data = data.to_string();
            let words = ["answer", approval, action, "--no-wait", "--comment", &mark, "--data-json", &data];
            words.map(str::to_owned).into()
        }
        Order::Signal { run, name } => {
            let (run, data) = (run.to_string(), json!({ "mark": mark }).to_string());
            ["signal", &run, name, "--no-wait", "--key", &mark, "--data-json", &data]
                .map(str::to_owned)
                .into()
        }
        Order::Cancel { run } => ["cancel", &run.to_string(), "--reason", &mark].map(str::to_owned).into(),
    }
}
