//! What came of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Violations that are told in full.
const TOLD_MAX: usize = 20;

/// What came of power cuts.
#[derive(Debug, Default)]
pub struct Report {
    /// What was cut: a store, or `pawl` on it.
    pub of: String,
    /// Where all that was drawn came from.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Cuts.
    pub cuts: usize,
    /// Those while the store was being made.
    pub creating: usize,
    /// Those after which a part of what was written was missing.
    pub lossy: usize,
    /// Those after which a change of names was missing.
    pub nameless: usize,
    /// Sectors that were not what they were, of all cuts.
    pub sectors: usize,
    /// Writes and syncs in all records.
    pub acts: usize,
    /// What was acknowledged at the moments of the cuts, of all cuts: events, or commands.
    pub acknowledged: u64,
    /// Cuts after which runs were taken up again.
    pub resumed: usize,
    /// What must not be.
    pub violations: Vec<String>,
    /// Where the records lie, if there were violations.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, seed, cuts, creating, lossy, nameless, sectors, .. } = self;
        writeln!(f, "of          {of}, seed {seed}, {:.0} s", self.took.as_secs_f64())?;
        writeln!(f, "recorded    {} writes, syncs and changes of names", self.acts)?;
        writeln!(
            f,
            "cuts        {cuts}: {creating} while the store was made; {lossy} lost {sectors} sectors, \
             {nameless} lost names"
        )?;
        writeln!(
            f,
            "compared    {} acknowledgements, {} cuts taken up again",
            self.acknowledged, self.resumed
        )?;
        writeln!(f, "violations  {}", self.violations.len())?;
        for violation in self.violations.iter().take(TOLD_MAX) {
            writeln!(f, "  {violation}")?;
        }
        if let Some(kept) = &self.kept {
            writeln!(
                f,
                "the records lie in {}; `powercut --again {}` cuts there again",
                kept.display(),
                kept.display()
            )?;
        }
        Ok(())
    }
}
