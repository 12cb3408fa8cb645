//! Commands as they are given, and what pawl says to them.

use std::sync::atomic::Ordering;

use anyhow::Result;
use pawl_core::RunId;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;

use super::herd::KILLED;
use super::ledger::{Command, Heard, Order};
use super::plan::{self, Plan};
use super::state::Torture;
use super::{ALLOWED_HOST, workflow};

/// Runs that are followed by whoever started them, at once.
const FOLLOWED_MAX: usize = 3;
/// Exit codes after which it is known that nothing was done.
const REFUSED: [i32; 2] = [1, 2];

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
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut process = torture.herd.start_by(&command.mark(), &words, false)?;
    let mut said = Vec::new();
    while let Some(line) = process.line() {
        let Some(run) = accepted(command, &line) else {
            said.push(line);
            continue;
        };
        torture.hear(command.id, &Heard::Accepted(run))?;
        if drives(&command.order) {
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

/// Whether a command goes on with a run until that rests.
const fn drives(order: &Order) -> bool {
    match order {
        Order::Start { .. }
        | Order::Publish { .. }
        | Order::Resume { .. }
        | Order::Retry { .. }
        | Order::Fork { .. } => true,
        Order::Answer { .. } | Order::Signal { .. } | Order::Cancel { .. } | Order::Suspend { .. } => false,
    }
}

/// The line in which pawl says that a command is on disk.
fn accepted(command: &Command, line: &str) -> Option<RunId> {
    let word = |line: &str| line.split_whitespace().next().and_then(|id| id.parse::<RunId>().ok());
    match &command.order {
        Order::Start { .. }
        | Order::Publish { .. }
        | Order::Resume { .. }
        | Order::Retry { .. }
        | Order::Fork { .. } => word(line.strip_prefix("run ")?),
        Order::Suspend { .. } => line.contains(" is suspended").then(|| word(line.strip_prefix("run ")?))?,
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
        Order::Suspend { run } => ["suspend", &run.to_string(), "--reason", &mark].map(str::to_owned).into(),
        Order::Resume { run } => ["resume", &run.to_string(), "--no-interactive"].map(str::to_owned).into(),
        Order::Retry { run } => ["retry", &run.to_string(), "--no-interactive"].map(str::to_owned).into(),
        Order::Fork { run, seq } => {
            let (run, seq) = (run.to_string(), seq.to_string());
            ["fork", &run, "--at", &seq, "--no-interactive"].map(str::to_owned).into()
        }
        Order::Publish { topic, .. } => {
            let file = workflow(&format!("parts/{}", plan::SHOUT)).display().to_string();
            let inputs = json!({ "topic": topic, "mark": mark }).to_string();
            ["run", &file, "--input-json", &inputs, "--no-interactive"].map(str::to_owned).into()
        }
    }
}
