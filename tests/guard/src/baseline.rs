//! What was counted before, in `tests/guard/baseline.toml`.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::count::Counts;

/// By how much a count may be above the one that is recorded, in per cent.
const TOLERANCE_PERCENT: u64 = 20;

/// What was counted before.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// Instructions of one round, by scenario.
    instructions: Counts,
}

impl Baseline {
    pub(crate) fn of(counts: &Counts) -> Self {
        Self { instructions: counts.clone() }
    }

    pub(crate) fn read() -> Result<Self> {
        let path = path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} is needed", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} does not read", path.display()))
    }

    pub(crate) fn write(&self) -> Result<()> {
        let head = "# Instructions of one round of each scenario, in the build of the tests. Written by `guard record`.\n";
        std::fs::write(path(), format!("{head}{}", toml::to_string(self)?))?;
        Ok(())
    }

    /// Compares what is counted now, one row for each scenario on either side.
    pub(crate) fn compare(&self, now: &Counts) -> Report {
        let mut names: Vec<_> = self.instructions.keys().chain(now.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let row = |name: String| Row {
            recorded: self.instructions.get(&name).copied(),
            counted: now.get(&name).copied(),
            name,
        };
        Report { rows: names.into_iter().map(row).collect() }
    }
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "baseline.toml"].iter().collect()
}

/// What is counted now, beside what was recorded.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    recorded: Option<u64>,
    counted: Option<u64>,
}

impl Row {
    fn verdict(&self) -> &'static str {
        match (self.recorded, self.counted) {
            (Some(recorded), Some(counted)) if counted > above(recorded) => "GREW",
            (Some(recorded), Some(counted)) if above(counted) < recorded => "fell: record it",
            (Some(_), Some(_)) => "holds",
            (None, _) => "NOT RECORDED",
            (_, None) => "NOT COUNTED",
        }
    }

    fn holds(&self) -> bool {
        matches!((self.recorded, self.counted), (Some(recorded), Some(counted)) if counted <= above(recorded))
    }
}

/// The most that is held to be the same.
const fn above(count: u64) -> u64 {
    count.saturating_mul(100 + TOLERANCE_PERCENT) / 100
}

impl Report {
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {:>14} {:>14}", "a round of", "recorded", "counted")?;
        let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        for row in &self.rows {
            let (recorded, counted) = (shown(row.recorded), shown(row.counted));
            writeln!(f, "{:<12} {recorded:>14} {counted:>14}  {}", row.name, row.verdict())?;
        }
        if self.holds() {
            return write!(f, "nothing grew by more than {TOLERANCE_PERCENT} %");
        }
        write!(
            f,
            "something grew by more than {TOLERANCE_PERCENT} %: make it cheap again, or say in the commit why it \
             has to cost more and run `target/debug/guard record`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_by_more_than_the_tolerance_does_not_hold() {
        let counts = |count: u64| Counts::from([("steps".to_owned(), count)]);
        let baseline = Baseline::of(&counts(1_000));
        for (count, verdict, holds) in
            [(1_000, "holds", true), (1_200, "holds", true), (1_201, "GREW", false), (800, "fell", true)]
        {
            let report = baseline.compare(&counts(count));
            assert_eq!(report.holds(), holds, "{count}");
            assert!(report.to_string().contains(verdict), "{report}");
        }
    }

    #[test]
    fn a_scenario_that_is_on_one_side_only_does_not_hold() {
        let steps = Counts::from([("steps".to_owned(), 1)]);
        for (recorded, counted) in [(&steps, &Counts::new()), (&Counts::new(), &steps)] {
            assert!(!Baseline::of(recorded).compare(counted).holds());
        }
    }
}
