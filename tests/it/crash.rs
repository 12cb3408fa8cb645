//! `refund` and `planner`, killed with SIGKILL at random moments.
//!
//! The tools report every call to a server outside of pawl before they answer;
//! what that server wrote down is the truth that the runs are checked against.
//! `PAWL_KILLS` sets how many kills each workflow survives (100 unless set),
//! `PAWL_SEED` repeats a failure.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_tests::{Call, Pawl, TALLY_HOST, TallyServer, workflow};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

/// Kills that each workflow survives, unless `PAWL_KILLS` says otherwise.
const KILLS: usize = 100;
/// Commands that a run may take until it is completed; far more than any needs.
const COMMANDS_MAX: usize = 60;
/// The `at-most-once` tool.
const REFUND: &str = "payments.refund";
/// Exit codes of the command line.
const COMPLETED: i32 = 0;
const WAITS: i32 = 3;

/// What a completed run must have done outside.
struct Scenario {
    workflow: &'static str,
    input: Value,
    /// Distinct calls of `pure` and `idempotent` tools: tool and arguments.
    lookups: &'static [(&'static str, &'static str)],
    /// Orders that are refunded, each exactly once.
    refunds: &'static [&'static str],
}

#[test]
fn refund_survives_sigkill_at_random_moments() -> Result<()> {
    torture(&Scenario {
        workflow: "refund.yaml",
        input: json!({ "ticket": "Order A-1002 never came, I want my money back.", "amount": 40 }),
        lookups: &[("orders.lookup", "A-1002")],
        refunds: &["A-1002"],
    })
}

#[test]
fn planner_survives_sigkill_at_random_moments() -> Result<()> {
    torture(&Scenario {
        workflow: "planner.yaml",
        input: json!({ "customer": "ann", "cool_down_ms": 20 }),
        lookups: &[
            ("orders.list", "ann"),
            ("orders.lookup", "A-1001"),
            ("orders.lookup", "A-1003"),
            ("orders.lookup", "A-1005"),
        ],
        refunds: &["A-1003", "A-1005"],
    })
}

fn torture(scenario: &Scenario) -> Result<()> {
    let seed = from_environment("PAWL_SEED").unwrap_or_else(rand::random);
    let kills = from_environment("PAWL_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap_or(KILLS));
    let mut rng = StdRng::seed_from_u64(seed);
    let template = Pawl::new()?;
    template.drop_in("orders_tally", "orders")?;
    template.drop_in("payments_tally", "payments")?;
    let server = TallyServer::start(template.folder())?;

    // Without a kill first: once to fill the cache of compiled code, once to see how long a command takes.
    let mut calm = Trial::new(scenario, &server, Pawl::like(&template)?)?;
    calm.drive(|_| None)?;
    calm.check()?;
    let template = calm.pawl;
    let mut warm = Trial::new(scenario, &server, Pawl::like(&template)?)?;
    warm.drive(|_| None)?;
    let longest = warm.longest;

    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        rounds += 1;
        let mut trial = Trial::new(scenario, &server, Pawl::like(&template)?)?;
        let outcome = trial
            .drive(|command| {
                // Some kills fall into the start of the process, most into its work.
                let doomed = command < COMMANDS_MAX / 2 && rng.random_bool(0.7);
                doomed.then(|| longest.mul_f64(rng.random_range(0.0..1.1)))
            })
            .and_then(|()| trial.check());
        outcome.with_context(|| format!("seed {seed}, round {rounds}, {}", trial.pawl.data().display()))?;
        killed += trial.killed;
    }
    ensure!(killed >= kills, "only {killed} kills");
    Ok(())
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One run of a scenario on a data folder of its own.
struct Trial<'a> {
    scenario: &'a Scenario,
    server: &'a TallyServer,
    pawl: Pawl,
    file: String,
    input: String,
    killed: usize,
    /// The longest that a command took which was not killed.
    longest: Duration,
}

impl<'a> Trial<'a> {
    fn new(scenario: &'a Scenario, server: &'a TallyServer, pawl: Pawl) -> Result<Self> {
        let text = std::fs::read_to_string(workflow(scenario.workflow))?;
        let file = pawl.folder().join(scenario.workflow);
        std::fs::write(&file, with_network(&text)?)?;
        let file = file.display().to_string();
        Ok(Self {
            scenario,
            server,
            pawl,
            file,
            input: scenario.input.to_string(),
            killed: 0,
            longest: Duration::ZERO,
        })
    }

    /// Starts the run, and goes on until it is completed. `doom` says for each
    /// command, by its number, after how long it is killed.
    fn drive(&mut self, mut doom: impl FnMut(usize) -> Option<Duration>) -> Result<()> {
        let mut promised: Option<String> = None;
        for number in 0..COMMANDS_MAX {
            let run = self.run_of_folder()?;
            if let Some(id) = &promised {
                ensure!(
                    run.as_ref().is_some_and(|run| run["id"] == id.as_str()),
                    "run {id} was accepted and is gone"
                );
            }
            let command = match &run {
                None => self.start_command(),
                Some(run) if run["status"] == "completed" => return Ok(()),
                Some(run) => {
                    let status = run["status"].as_str().unwrap_or_default();
                    ensure!(!["failed", "cancelled"].contains(&status), "the run {run}");
                    self.next_command(run)?
                }
            };
            let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            let printed = self.execute(&arguments, doom(number))?;
            promised = promised.or_else(|| accepted_run(&printed));
        }
        anyhow::bail!("not completed after {COMMANDS_MAX} commands")
    }

    fn start_command(&self) -> Vec<String> {
        let words = ["run", &self.file, "--input-json", &self.input, "--allow-http", TALLY_HOST];
        words.into_iter().chain(["--no-interactive"]).map(str::to_owned).collect()
    }

    fn run_of_folder(&self) -> Result<Option<Value>> {
        let outcome = self.pawl.run(&["runs", "--json"])?;
        let runs = rows(&outcome.json()?)?;
        ensure!(runs.len() <= 1, "one start made {} runs", runs.len());
        Ok(runs.into_iter().next())
    }

    /// What a person would do next: answer what is asked, else go on.
    fn next_command(&self, run: &Value) -> Result<Vec<String>> {
        let outcome = self.pawl.run(&["approvals", "--json"])?;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let Some(approval) = rows(&outcome.json()?)?.into_iter().next() else {
            return Ok(words(&["resume"]));
        };
        let id = approval["id"].as_str().context("an id")?;
        let unknown =
            approval["actions"].as_array().is_some_and(|actions| actions.contains(&json!("succeeded")));
        if !unknown {
            return Ok(words(&["approve", id, "--data", "note=ok"]));
        }
        // A person looks into the books: did the money move?
        let run = run["id"].as_str().context("an id")?;
        let order = approval["subject"]["order"].as_str().context("the order")?;
        let paid = self.refunds_of(run)?.iter().any(|call| call.arguments["order"] == order);
        if !paid {
            return Ok(words(&["answer", id, "retry"]));
        }
        let amount = &approval["subject"]["amount"];
        let output = json!({ "receipt": "R-found", "order": order, "amount": amount, "currency": "EUR" });
        let data = json!({ "output": output }).to_string();
        Ok(words(&["answer", id, "succeeded", "--data-json", &data]))
    }

    /// Runs a command to its end, or kills it.
    fn execute(&mut self, arguments: &[&str], doom: Option<Duration>) -> Result<String> {
        let begun = Instant::now();
        let mut child = self.pawl.spawn(arguments)?;
        if let Some(after) = doom {
            // The moment is the point: it is drawn, not awaited.
            sleep(after);
            if child.try_wait()?.is_none() {
                child.kill()?;
                self.killed += 1;
            }
        }
        let (code, printed) = finish(child)?;
        if doom.is_none() {
            self.longest = self.longest.max(begun.elapsed());
        }
        ensure!(
            doom.is_some() || [COMPLETED, WAITS].contains(&code),
            "pawl {arguments:?} ended with {code}: {printed}"
        );
        Ok(printed)
    }

    /// Compares the run with what the tool server saw.
    fn check(&self) -> Result<()> {
        let run = self.run_of_folder()?.context("the run")?;
        let id = run["id"].as_str().context("an id")?;
        let calls = self.calls_of(id)?;
        let mut keys: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.tool != REFUND) {
            let argument = call.arguments.as_object().and_then(|a| a.values().next()).and_then(Value::as_str);
            let what = (call.tool.clone(), argument.unwrap_or_default().to_owned());
            let seen = keys.entry(what).or_default();
            if !seen.contains(&call.key) {
                seen.push(call.key.clone());
            }
        }
        let expected: Vec<_> = self
            .scenario
            .lookups
            .iter()
            .map(|(tool, what)| ((*tool).to_owned(), (*what).to_owned()))
            .collect();
        ensure!(keys.keys().eq(expected.iter()), "outside saw {keys:?}");
        for (what, keys) in &keys {
            ensure!(keys.len() == 1, "{what:?} came under several keys: {keys:?}");
        }
        let mut refunded: Vec<String> = Vec::new();
        for call in self.refunds_of(id)? {
            refunded.push(call.arguments["order"].as_str().context("an order")?.to_owned());
        }
        refunded.sort();
        ensure!(refunded == self.scenario.refunds, "refunds that happened: {refunded:?}");
        let verify = self.pawl.run(&["verify"])?;
        ensure!(verify.code() == COMPLETED, "verify: {}{}", verify.stdout, verify.stderr);
        Ok(())
    }

    fn calls_of(&self, run: &str) -> Result<Vec<Call>> {
        let calls = self.server.calls()?;
        Ok(calls.into_iter().filter(|call| call.key.starts_with(run)).collect())
    }

    fn refunds_of(&self, run: &str) -> Result<Vec<Call>> {
        Ok(self.calls_of(run)?.into_iter().filter(|call| call.tool == REFUND).collect())
    }
}

/// The rows of a listing.
fn rows(document: &Value) -> Result<Vec<Value>> {
    let rows = document.as_array().or_else(|| document.as_object()?.values().find_map(Value::as_array));
    rows.cloned().with_context(|| format!("no list: {document}"))
}

fn finish(mut child: Child) -> Result<(i32, String)> {
    let mut printed = String::new();
    let mut stderr = child.stderr.take().context("stderr")?;
    let mut stdout = child.stdout.take().context("stdout")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    stderr.read_to_string(&mut printed)?;
    let rest = reader.join().map_err(|_| anyhow::anyhow!("the reader of stdout failed"))??;
    printed.push_str(&rest);
    Ok((child.wait()?.code().unwrap_or(-1), printed))
}

/// The id of a run that was shown to the user: from then on it must not be lost.
fn accepted_run(printed: &str) -> Option<String> {
    let line = printed.lines().find_map(|line| line.strip_prefix("run "))?;
    line.split_whitespace().next().filter(|id| id.len() == 36).map(str::to_owned)
}

/// The workflow as it stands, with the network that the counting tools need.
fn with_network(text: &str) -> Result<String> {
    let grant = format!("  http: ['{TALLY_HOST}']\n");
    let changed = if text.contains("\npermissions:\n") {
        text.replacen("\npermissions:\n", &format!("\npermissions:\n{grant}"), 1)
    } else {
        text.replacen("\nsteps:\n", &format!("\npermissions:\n{grant}steps:\n"), 1)
    };
    ensure!(changed.contains(&grant), "the workflow has no place for the grant");
    Ok(changed)
}
