//! What came of a torture.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::check::Violation;
use super::evidence::Evidence;
use super::ledger::Order;
use super::state::{Kills, Torture};
use super::{Folder, Options, plan};

/// Violations that are told in full.
const TOLD_MAX: usize = 20;
/// Lines of the outside lists that are told of a run.
const LINES_MAX: usize = 30;

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Where all that was drawn came from.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Kills.
    pub kills: Kills,
    /// Runs by workflow and how they ended.
    pub runs: BTreeMap<(String, &'static str), usize>,
    /// Events in all journals.
    pub events: usize,
    /// Commands that were acknowledged, those that were given, and those of which nothing was ever heard.
    pub commands: (usize, usize, usize),
    /// Those that were acknowledged, by what they are.
    pub acknowledged: BTreeMap<&'static str, usize>,
    /// Calls that reached the tool server, and those that were cut off before their answer.
    pub calls: (usize, usize),
    /// Calls of at-most-once tools whose outcome people were asked about.
    pub asked: usize,
    /// How often the store was looked into between two processes.
    pub inspections: usize,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Where everything lies, if there were violations.
    pub kept: Option<PathBuf>,
    told: String,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        torture: &Torture,
        evidence: &Evidence,
        violations: Vec<Violation>,
        took: Duration,
        folder: Folder,
    ) -> Self {
        let mut runs = BTreeMap::<_, usize>::new();
        for book in evidence.books.values() {
            *runs.entry((book.header.workflow.clone(), book.header.status.name())).or_default() += 1;
        }
        let given: usize = evidence.commands.iter().filter(|command| command.tries > 0).count();
        let accepted = evidence.commands.iter().filter(|command| command.is_accepted()).count();
        let silent = |command: &&super::Command| command.tries > 0 && command.heard == super::Heard::Nothing;
        let unheard = evidence.commands.iter().filter(silent).count();
        let asked = |command: &&super::Command| matches!(&command.order, Order::Answer { action, .. } if ["retry", "succeeded"].contains(&&**action));
        let mut acknowledged = BTreeMap::<_, usize>::new();
        for command in evidence.commands.iter().filter(|command| command.is_accepted()) {
            *acknowledged.entry(command.order.name()).or_default() += 1;
        }
        let kept = (!violations.is_empty()).then(|| folder.keep());
        let told = violations.iter().take(TOLD_MAX).map(|violation| explain(violation, evidence)).collect();
        Self {
            seed: options.seed,
            took,
            kills: torture.kills(),
            runs,
            events: evidence.books.values().map(|book| book.envelopes.len()).sum(),
            commands: (accepted, given, unheard),
            acknowledged,
            calls: (evidence.calls.len(), torture.server.dropped()),
            asked: evidence.commands.iter().filter(asked).count(),
            inspections: torture.found().0,
            violations,
            kept,
            told,
        }
    }
}

/// A violation with what the outside lists say of its run.
fn explain(violation: &Violation, evidence: &Evidence) -> String {
    let mut text = format!("{violation}\n");
    let Some(run) = violation.run else { return text };
    let commands = evidence.commands.iter().filter(|command| command.run() == Some(run));
    let commands = commands.map(|command| {
        format!(
            "command {} ({} tries): {:?}, heard {:?}",
            command.id, command.tries, command.order, command.heard
        )
    });
    let calls = evidence.calls.iter().filter(|timed| plan::run_of(&timed.call.key) == Some(run));
    let calls = calls.map(|timed| {
        let end = timed.answered.map_or_else(|| "cut off".to_owned(), |at| format!("answered at {at}"));
        format!(
            "call {} of {} at {}, {end}: {}",
            timed.call.key, timed.call.tool, timed.at, timed.call.arguments
        )
    });
    for line in commands.chain(calls).take(LINES_MAX) {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "    {line}");
    }
    text
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kills { all, holders, together, amid_calls, amid_commands, idle } = self.kills;
        let (acknowledged, given, unheard) = self.commands;
        let (calls, dropped) = self.calls;
        writeln!(f, "seed        {}", self.seed)?;
        writeln!(f, "took        {} s", self.took.as_secs())?;
        writeln!(
            f,
            "kills       {all}: {holders} of the process that held the folder, {together} of all at once; \
             {amid_calls} amid calls, {amid_commands} amid commands, {idle} amid neither"
        )?;
        writeln!(f, "runs        {}", self.runs.values().sum::<usize>())?;
        for ((workflow, status), runs) in &self.runs {
            writeln!(f, "              {runs:>4} {workflow} {status}")?;
        }
        writeln!(f, "events      {}", self.events)?;
        writeln!(f, "commands    {acknowledged} acknowledged of {given}, {unheard} never heard of")?;
        for (name, count) in &self.acknowledged {
            writeln!(f, "              {count:>4} {name}")?;
        }
        writeln!(
            f,
            "calls       {calls} outside, {dropped} cut off; {} payments that people were asked about",
            self.asked
        )?;
        writeln!(f, "inspections {} between two processes, one at the end", self.inspections)?;
        writeln!(f, "violations  {}", self.violations.len())?;
        if let Some(kept) = &self.kept {
            writeln!(f, "\n{}", self.told)?;
            writeln!(
                f,
                "everything lies in {}: data (pawl --data … events RUN), calls.jsonl, commands.jsonl",
                kept.display()
            )?;
        }
        Ok(())
    }
}
