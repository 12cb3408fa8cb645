//! A step that says what is to be done, and not by whom.

use std::collections::BTreeMap;

use crate::expression::Template;
use crate::route::Preference;

/// Which of the plugins that there are does a step's work.
#[derive(Debug)]
pub struct Route {
    /// What it must be able to do.
    pub capability: String,
    /// The labels that it must have.
    pub labels: BTreeMap<String, Template>,
    /// What goes first among those of the same priority.
    pub prefer: Vec<Preference>,
    /// Whether another one is tried when the chosen one fails.
    pub failover: bool,
    /// What becomes of the step when there is none.
    pub otherwise: Otherwise,
}

/// What becomes of a step when there is no plugin for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// It fails.
    #[default]
    Fail,
    /// It waits until there is one.
    Wait,
}

impl Otherwise {
    /// All of them, by name, as the workflow language has them.
    pub const ALL: [(&'static str, Self); 2] = [("fail", Self::Fail), ("wait", Self::Wait)];
}
