//! The one thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::prepared::Prepared;
use super::sweep::Sweep;
use super::{Engine, WriteError, WriteRows, write};
use crate::StoreError;

/// How much one transaction takes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many commits may wait for the committer.
    pub(crate) queue_max_commits: usize,
    /// How many runs' commits share one transaction at most.
    pub(crate) group_max_appends: usize,
    /// How many bytes a transaction writes before it takes no further commit.
    pub(crate) group_max_bytes: usize,
}

/// Up to how many batches a durable transaction had in it, one number for each of [`CommitStats::sizes`].
pub const TRANSACTION_SIZES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// What the committer did since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitStats {
    /// Batches that were acknowledged.
    pub commits: u64,
    /// Durable transactions that they took.
    pub transactions: u64,
    /// How many transactions had so many batches in them, each counted in the first of [`TRANSACTION_SIZES`] that it
    /// does not exceed.
    pub sizes: [u64; TRANSACTION_SIZES.len()],
}

/// [`CommitStats`] as they are counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    transactions: AtomicU64,
    sizes: [AtomicU64; TRANSACTION_SIZES.len()],
}

impl Counters {
    fn count(&self, batches: u64) {
        self.commits.fetch_add(batches, Ordering::Relaxed);
        self.transactions.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = TRANSACTION_SIZES.iter().position(|size| batches <= *size) {
            self.sizes[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn stats(&self) -> CommitStats {
        CommitStats {
            commits: self.commits.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
            sizes: std::array::from_fn(|place| self.sizes[place].load(Ordering::Relaxed)),
        }
    }
}

/// A batch that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) batch: Prepared,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Starts the thread. It ends when the queue is closed and empty.
pub(super) fn start<E: Engine>(
    engine: Arc<E>,
    limits: Limits,
    queue: mpsc::Receiver<Submission>,
    counters: Arc<Counters>,
    sweep: Arc<Sweep>,
) -> Result<JoinHandle<()>, StoreError> {
    let committer = Committer { engine, limits, queue, counters, sweep };
    let spawned = std::thread::Builder::new().name("pawl-committer".into()).spawn(move || committer.run());
    spawned.map_err(|error| StoreError::Engine(format!("cannot start the committer: {error}")))
}

struct Committer<E> {
    engine: Arc<E>,
    limits: Limits,
    queue: mpsc::Receiver<Submission>,
    counters: Arc<Counters>,
    sweep: Arc<Sweep>,
}

/// What one transaction took in: who was refused, and how large it became.
#[derive(Debug, Default)]
struct Group {
    members: Vec<Submission>,
    /// One for each member that was written or refused.
    outcomes: Vec<Result<(), StoreError>>,
    appends: usize,
    bytes: usize,
}

/// What an engine is to write durably, all or nothing.
#[derive(Debug)]
pub struct Transaction<'c> {
    group: &'c mut Group,
    /// Where further members come from, if any may join.
    queue: Option<&'c mut mpsc::Receiver<Submission>>,
    limits: Limits,
    sweep: &'c Sweep,
}

impl Transaction<'_> {
    /// Writes the members of the group, and whatever else is waiting, to the rows of a transaction that was
    /// just begun. An engine that had to give one up calls this again with the next.
    pub fn fill<W: WriteRows>(&mut self, rows: &mut W) -> Result<(), WriteError<W::Fault>> {
        let group = &mut *self.group;
        (group.appends, group.bytes) = (0, 0);
        group.outcomes.clear();
        loop {
            while let Some(member) = group.members.get(group.outcomes.len()) {
                group.appends += member.batch.appends();
                match write::batch(rows, &member.batch, self.sweep) {
                    Ok(bytes) => {
                        group.bytes += bytes;
                        group.outcomes.push(Ok(()));
                    }
                    Err(WriteError::Refused(error)) => group.outcomes.push(Err(error)),
                    Err(error) => return Err(error),
                }
            }
            let room =
                group.appends < self.limits.group_max_appends && group.bytes < self.limits.group_max_bytes;
            let Some(queue) = self.queue.as_mut().filter(|_| room) else { return Ok(()) };
            match queue.try_recv() {
                Ok(next) => group.members.push(next),
                Err(_) => return Ok(()),
            }
        }
    }

    /// How many bytes it wrote.
    pub const fn bytes(&self) -> usize {
        self.group.bytes
    }
}

impl<E: Engine> Committer<E> {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = Group { members: vec![first], ..Group::default() };
            match self.transact(&mut group, true) {
                Ok(()) => self.acknowledge(group),
                Err(error) => self.one_by_one(group, error),
            }
        }
    }

    /// Writes the members of a group, and, where it may, whatever else is
    /// waiting, in one durable transaction.
    fn transact(&mut self, group: &mut Group, join: bool) -> Result<(), StoreError> {
        let queue = join.then_some(&mut self.queue);
        self.engine.write(&mut Transaction { group, queue, limits: self.limits, sweep: &self.sweep })
    }

    /// After a failed transaction, which left nothing behind: each member gets
    /// one of its own, so that one that cannot be written does not fail others.
    fn one_by_one(&mut self, group: Group, error: StoreError) {
        let mut members = group.members;
        tracing::warn!(%error, commits = members.len(), "a transaction failed");
        if members.len() == 1 {
            if let Some(member) = members.pop() {
                let _ = member.reply.send(Err(error));
            }
            return;
        }
        for member in members {
            let mut alone = Group { members: vec![member], ..Group::default() };
            match self.transact(&mut alone, false) {
                Ok(()) => self.acknowledge(alone),
                Err(error) => self.one_by_one(alone, error),
            }
        }
    }

    /// Tells everyone. Who does not listen any more has given up waiting, not the commit.
    fn acknowledge(&self, group: Group) {
        let written = group.outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        if written > 0 {
            self.counters.count(written as u64);
        }
        for (member, outcome) in group.members.into_iter().zip(group.outcomes) {
            let _ = member.reply.send(outcome);
        }
    }
}
