//! What the threads of one torture share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Error, Result};
use pawl_core::RunId;

use super::Options;
use super::check::Violation;
use super::herd::{Herd, Hit};
use super::ledger::{Heard, Ledger, Order};
use super::people::OPEN_MAX;
use super::queue::Queue;
use crate::TallyServer;

/// What was killed, and in the midst of what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kills {
    /// All that hit a process.
    pub all: usize,
    /// Those that hit the process which held the data folder.
    pub holders: usize,
    /// Those that hit every process at once.
    pub together: usize,
    /// Those that fell while calls were under way outside.
    pub amid_calls: usize,
    /// Those that fell while commands were given and not acknowledged.
    pub amid_commands: usize,
    /// Those that fell while neither was.
    pub idle: usize,
}

/// What the threads share.
#[derive(Debug)]
pub(super) struct Torture {
    pub(super) seed: u64,
    /// How many runs there are to be, and how many kills.
    pub(super) wanted: (usize, usize),
    /// Whether people press Ctrl-C now and then.
    pub(super) interrupts: bool,
    pub(super) herd: Herd,
    pub(super) server: TallyServer,
    pub(super) ledger: Ledger,
    pub(super) queue: Queue,
    /// Runs that are followed by whoever started them.
    pub(super) followed: AtomicUsize,
    /// Commands that ended without saying whether they were carried out.
    pub(super) unsure: AtomicUsize,
    /// Runs beyond those that were wanted, so that there is work for the kills that are left.
    pub(super) more: AtomicUsize,
    over: AtomicBool,
    acknowledged: AtomicUsize,
    kills: Mutex<Kills>,
    accepted: Mutex<BTreeMap<RunId, u64>>,
    found: Mutex<(usize, Vec<Violation>)>,
    /// Why the torture itself cannot go on.
    failed: Mutex<Option<Error>>,
}

impl Torture {
    pub(super) fn new(options: &Options, herd: Herd, server: TallyServer, ledger: Ledger) -> Self {
        Self {
            seed: options.seed,
            wanted: (options.runs, options.kills),
            interrupts: options.interrupts,
            herd,
            server,
            ledger,
            queue: Queue::default(),
            followed: AtomicUsize::new(0),
            unsure: AtomicUsize::new(0),
            more: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            kills: Mutex::default(),
            accepted: Mutex::default(),
            found: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Whether the threads are to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.queue.close();
    }

    /// Ends everything where one of the threads cannot go on.
    pub(super) fn or_fail(&self, outcome: Result<()>) {
        // When all is over, nothing can be started any more.
        if let Err(error) = outcome
            && !self.is_over()
        {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.end();
        }
    }

    /// Why it could not go on.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes in what was heard of a command.
    pub(super) fn hear(&self, command: u64, heard: &Heard) -> Result<()> {
        self.ledger.hear(command, heard)?;
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        if let (Heard::Accepted(run), Order::Start { n, .. }) = (heard, self.ledger.get(command).order) {
            self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(*run, n);
        }
        Ok(())
    }

    /// The runs that pawl has acknowledged.
    pub(super) fn accepted(&self) -> BTreeMap<RunId, u64> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grows whenever something was achieved.
    pub(super) fn progress(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst) + self.server.answered()
    }

    pub(super) fn kills(&self) -> Kills {
        *self.kills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a kill, with the calls and commands that were under way.
    pub(super) fn killed(&self, hit: Hit, together: bool, (calls, commands): (usize, usize)) {
        let mut kills = self.kills.lock().unwrap_or_else(PoisonError::into_inner);
        kills.all += 1;
        kills.holders += usize::from(hit == Hit::Holder);
        kills.together += usize::from(together);
        kills.amid_calls += usize::from(calls > 0);
        kills.amid_commands += usize::from(commands > 0);
        kills.idle += usize::from(calls + commands == 0);
    }

    /// Whether more kills are to come.
    pub(super) fn kills_on(&self) -> bool {
        self.kills().all < self.wanted.1
    }

    /// How many runs may have been started by now.
    pub(super) fn runs_allowed(&self) -> usize {
        let (runs, kills) = self.wanted;
        let more = self.more.load(Ordering::SeqCst);
        let near = match kills {
            0 => runs,
            _ => runs.min(OPEN_MAX / 2 + runs * self.kills().all / kills),
        };
        // Without kills as well a start can be cut off: whoever was asked for it is about to end.
        near + more
    }

    /// Takes in what an inspection has found.
    pub(super) fn inspected(&self, violations: Vec<Violation>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.0 += 1;
        found.1.extend(violations);
    }

    /// How many inspections there were, and what they have found.
    pub(super) fn found(&self) -> (usize, Vec<Violation>) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
