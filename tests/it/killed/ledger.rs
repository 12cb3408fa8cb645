//! What a server has acknowledged, as those wrote it down who asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use serde_json::Value;

/// One thing that was acknowledged.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// A run was started with a key; the body of the request.
    Started { key: String, body: Value, run: String },
    /// The run's journal has exactly one event of this name with these words in it.
    Recorded { run: String, event: &'static str, words: String },
    /// The run came to its end.
    Completed { run: String },
    /// A version of a workflow is kept.
    Registered { workflow: String, version: String },
    /// A link was made, and is good for one answer.
    Linked { path: String },
    /// A link has answered.
    Used { path: String },
}

/// What was acknowledged, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    deeds: Mutex<Vec<Deed>>,
    /// The last version of each workflow of which it was acknowledged that it is active, by round and number.
    active: Mutex<BTreeMap<String, (usize, usize)>>,
    wrong: Mutex<Vec<String>>,
    count: AtomicUsize,
    /// The server was killed.
    pub(super) stop: AtomicBool,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(super) fn note(&self, deed: Deed) {
        locked(&self.deeds).push(deed);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn activated(&self, workflow: &str, round: usize, number: usize) {
        locked(&self.active).insert(workflow.to_owned(), (round, number));
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn complain(&self, what: String) {
        locked(&self.wrong).push(what);
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn is_well(&self) -> bool {
        locked(&self.wrong).is_empty()
    }

    /// A server that is killed breaks off; it refuses nothing that it should take.
    pub(super) fn nothing_went_wrong(&self) -> Result<()> {
        let wrong = locked(&self.wrong);
        ensure!(wrong.is_empty(), "{} answers were wrong: {:#?}", wrong.len(), wrong.first());
        Ok(())
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        locked(&self.deeds).clone()
    }

    pub(super) fn active(&self) -> BTreeMap<String, (usize, usize)> {
        locked(&self.active).clone()
    }
}
