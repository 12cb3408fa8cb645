//! What made a value one that is not to be trusted.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::VisitId;

/// The most sources that are kept of a value; what comes beyond is told as "and others".
pub const TAINT_SOURCES_MAX: usize = 8;

/// What tainted a value: `model 'default' in step 'plan'`. A small set, since a run may ask
/// models thousands of times and each source is copied to all that it reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(BTreeSet<String>);

/// What stands for the sources that are not kept; it sorts behind all others.
const OTHERS: &str = "others";

impl Sources {
    /// One source.
    pub fn of(source: String) -> Self {
        Self(BTreeSet::from([source]))
    }

    /// What is said of inputs of which nothing is known, but that a step of another run gave them.
    pub(crate) fn of_a_parent() -> Self {
        Self::of("the run that started this one".to_owned())
    }

    /// Whether nothing tainted it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds others; gives whether there is anything new.
    pub fn add(&mut self, others: &Self) -> bool {
        let before = self.0.len();
        for source in &others.0 {
            if self.0.len() < TAINT_SOURCES_MAX || self.0.contains(source) {
                self.0.insert(source.clone());
            } else {
                self.0.insert(OTHERS.to_owned());
            }
        }
        self.0.len() > before
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> = self.0.iter().map(String::as_str).filter(|source| *source != OTHERS).collect();
        f.write_str(&named.join(", "))?;
        if self.0.contains(OTHERS) { f.write_str(" and others") } else { Ok(()) }
    }
}

/// Values that are tainted from here on, since an expression that made them used what was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tainted {
    /// What.
    pub what: Reached,
    /// By what.
    pub sources: Sources,
}

/// What a taint has reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// What a visit works on, and what it will give.
    Visit(VisitId),
    /// A variable of the run.
    Var(String),
    /// What the run gives.
    Outputs,
}
