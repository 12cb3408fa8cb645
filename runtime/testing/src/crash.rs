//! A test with a crash at every position of its journal in turn.

use std::collections::BTreeSet;

use pawl_core::Digest;
use serde_json::{Value, json};

use crate::TestingError;
use crate::compare::compare;
use crate::play::{Play, Played};
use crate::store::CrashPoint;

/// The most positions that one test is crashed at; of more, the seed chooses so many.
pub const CRASH_POSITIONS_MAX: usize = 1_000;

/// What came of crashes.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// At how many positions the process died, one a run.
    pub tried: usize,
    /// How many positions there are.
    pub positions: usize,
    /// Where the crash made a difference.
    pub differences: Vec<Difference>,
}

/// A crash that made a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `after event 7 (step-completed order)`.
    pub position: String,
    /// What was different, one text each.
    pub how: Vec<String>,
}

impl CrashReport {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        let differences = self.differences.iter();
        let differences = differences.map(|at| json!({ "position": at.position, "how": at.how }));
        json!({
            "tried": self.tried, "positions": self.positions,
            "differences": differences.collect::<Vec<_>>(),
        })
    }
}

/// Runs a test again and again, with a crash at another position each time, and compares each run with
/// the one that had none. Tells how many of how many were tried.
pub(crate) fn crash_at_every_event(
    play: &Play<'_>,
    calm: &Played,
    progress: &dyn Fn(usize, usize),
) -> Result<CrashReport, TestingError> {
    let all = points(calm);
    let positions = all.len();
    let chosen = choose(all, play.seed);
    let mut differences = Vec::new();
    for (number, point) in chosen.iter().enumerate() {
        progress(number, chosen.len());
        let how = compare(calm, &play.run(Some(*point))?);
        if !how.is_empty() {
            differences.push(Difference { position: position(calm, *point), how });
        }
    }
    Ok(CrashReport { tried: chosen.len(), positions, differences })
}

/// Behind every commit, and before every commit but the first: without that there is no run.
fn points(calm: &Played) -> Vec<CrashPoint> {
    let commits: BTreeSet<usize> = calm.written.iter().map(|written| written.commit).collect();
    let at = |commit: usize| {
        let before = (commit > 0).then_some(CrashPoint::BeforeCommit(commit));
        before.into_iter().chain([CrashPoint::AfterCommit(commit)])
    };
    commits.into_iter().flat_map(at).collect()
}

/// All positions, or as many as are allowed, drawn by the seed.
fn choose(mut points: Vec<CrashPoint>, seed: u64) -> Vec<CrashPoint> {
    if points.len() <= CRASH_POSITIONS_MAX {
        return points;
    }
    let rank = |number: usize| *Digest::of_parts(&[&seed.to_be_bytes(), &number.to_be_bytes()]).as_bytes();
    let mut ranked: Vec<(usize, CrashPoint)> = points.drain(..).enumerate().collect();
    ranked.sort_by_key(|(number, _)| rank(*number));
    ranked.truncate(CRASH_POSITIONS_MAX);
    ranked.sort_by_key(|(number, _)| *number);
    ranked.into_iter().map(|(_, point)| point).collect()
}

/// A position as people find it in the journal.
fn position(calm: &Played, point: CrashPoint) -> String {
    let (commit, before) = match point {
        CrashPoint::AfterSeq(seq) => return format!("after event {seq}"),
        CrashPoint::AfterCommit(commit) => (commit, false),
        CrashPoint::BeforeCommit(commit) => (commit, true),
    };
    let Some(written) = calm.written.iter().find(|written| written.commit == commit) else {
        return format!("at commit {commit}");
    };
    let seq = if before { written.first } else { written.last };
    if written.run != calm.header.id {
        let place = if before { "before event" } else { "after event" };
        return format!("{place} {seq} of run {}", written.run);
    }
    let line = calm.way.events.iter().find(|event| event.seq == seq);
    let name = line.map(|event| match &event.step {
        Some(step) => format!(" ({} {step})", event.name),
        None => format!(" ({})", event.name),
    });
    let name = name.unwrap_or_default();
    if before { format!("before event {seq}{name} was durable") } else { format!("after event {seq}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_positions_the_seed_chooses() {
        let points = || (0..CRASH_POSITIONS_MAX * 2).map(CrashPoint::AfterCommit).collect::<Vec<_>>();
        let chosen = choose(points(), 1);
        assert_eq!(chosen.len(), CRASH_POSITIONS_MAX);
        assert_eq!(chosen, choose(points(), 1));
        assert_ne!(chosen, choose(points(), 2));
        let few: Vec<_> = points().into_iter().take(CRASH_POSITIONS_MAX).collect();
        assert_eq!(choose(few.clone(), 3), few);
    }
}
