//! The checks: pure functions from the evidence to what is wrong with it.

mod commands;
mod ended;
mod once;
mod slots;
mod topics;
mod travel;
mod whole;

use std::fmt;

use pawl_core::RunId;

use super::evidence::Evidence;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// The run, where it is about one.
    pub run: Option<RunId>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.run.map(|run| format!("run {run}: ")).unwrap_or_default();
        write!(f, "[{}] {run}{}", self.check, self.what)
    }
}

/// What the checks have found so far.
#[derive(Debug)]
struct Findings {
    check: &'static str,
    found: Vec<Violation>,
}

impl Findings {
    const fn of(check: &'static str) -> Self {
        Self { check, found: Vec::new() }
    }

    fn add(&mut self, run: impl Into<Option<RunId>>, what: impl Into<String>) {
        self.found.push(Violation { check: self.check, run: run.into(), what: what.into() });
    }
}

/// When the evidence was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Between a kill and the next process: runs are under way.
    Between,
    /// When everything is to be over.
    End,
}

/// All checks.
pub fn check(evidence: &Evidence, moment: Moment) -> Vec<Violation> {
    let mut found = whole::check(evidence);
    found.extend(commands::check(evidence, moment));
    found.extend(once::check(evidence));
    found.extend(slots::check(evidence));
    found.extend(travel::check(evidence, moment));
    found.extend(topics::check(evidence, moment));
    if moment == Moment::End {
        found.extend(ended::check(evidence));
    }
    found
}
