//! The one thread that writes.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::LmdbOptions;
use super::environment::{Environment, Opened};
use super::failure::{self, WriteError};
use super::prepared::Prepared;
use crate::StoreError;

/// A batch that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) batch: Prepared,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Starts the thread. It ends when the queue is closed and empty.
pub(super) fn start(
    environment: Arc<Environment>,
    options: LmdbOptions,
    queue: mpsc::Receiver<Submission>,
) -> Result<JoinHandle<()>, StoreError> {
    let committer = Committer { environment, options, queue };
    let spawned = std::thread::Builder::new().name("pawl-committer".into()).spawn(move || committer.run());
    spawned.map_err(|error| StoreError::Engine(format!("cannot start the committer: {error}")))
}

struct Committer {
    environment: Arc<Environment>,
    options: LmdbOptions,
    queue: mpsc::Receiver<Submission>,
}

/// What one transaction took in: who was refused, and how large it became.
#[derive(Default)]
struct Group {
    members: Vec<Submission>,
    /// One for each member that was written or refused.
    outcomes: Vec<Result<(), StoreError>>,
    appends: usize,
    bytes: usize,
}

impl Committer {
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
        let mut reopened = false;
        loop {
            let environment = Arc::clone(&self.environment);
            let outcome = environment.with(|opened| self.attempt(opened, group, join));
            match outcome {
                Ok(()) => return Ok(()),
                Err(WriteError::Engine(heed::Error::Mdb(heed::MdbError::MapFull)))
                    if environment.grow()? => {}
                Err(WriteError::Engine(heed::Error::Mdb(heed::MdbError::Panic))) if !reopened => {
                    environment.reopen()?;
                    reopened = true;
                }
                Err(WriteError::Engine(error)) => {
                    return Err(failure::from_write(error, environment.dir(), group.bytes));
                }
                Err(WriteError::Store(error) | WriteError::Refused(error)) => return Err(error),
            }
        }
    }

    fn attempt(&mut self, opened: &Opened, group: &mut Group, join: bool) -> Result<(), WriteError> {
        (group.appends, group.bytes) = (0, 0);
        group.outcomes.clear();
        let mut txn = opened.env.write_txn()?;
        loop {
            while let Some(member) = group.members.get(group.outcomes.len()) {
                group.appends += member.batch.appends();
                match opened.tables.write(&mut txn, &member.batch) {
                    Ok(bytes) => {
                        group.bytes += bytes;
                        group.outcomes.push(Ok(()));
                    }
                    Err(WriteError::Refused(error)) => group.outcomes.push(Err(error)),
                    Err(error) => return Err(error),
                }
            }
            let room =
                group.appends < self.options.group_max_appends && group.bytes < self.options.group_max_bytes;
            if !join || !room {
                break;
            }
            match self.queue.try_recv() {
                Ok(next) => group.members.push(next),
                Err(_) => break,
            }
        }
        // Durable from here on: LMDB syncs the pages, then writes the page that makes them count, synced as well.
        Ok(txn.commit()?)
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
            self.environment.count(written as u64);
        }
        for (member, outcome) in group.members.into_iter().zip(group.outcomes) {
            let _ = member.reply.send(outcome);
        }
    }
}
