//! What the checks compare: the lists kept outside, and everything that the store holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use pawl_core::event::{Event, RunStarted};
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{RunId, RunState, Ticket, Timestamp};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{ApprovalFilter, Page, RunFilter, Store, StoreError};

use super::ledger::Command;
use crate::TimedCall;

/// Rows of a page.
const PAGE_ROWS: usize = 1_000;
/// The pause between two tries to open a store that a dying process still holds.
const RETRY: Duration = Duration::from_millis(20);
/// How often it is tried.
const TRIES_MAX: u32 = 500;

/// A run as the store holds it.
#[derive(Debug, Clone)]
pub struct Book {
    /// Its id.
    pub run: RunId,
    /// Its journal, numbered and chained as it should be.
    pub envelopes: Vec<Envelope>,
    /// What listings show.
    pub header: RunHeader,
    /// Its open approvals as they are listed.
    pub approvals: Vec<OpenApproval>,
    /// The slots that it holds or waits for as they are listed.
    pub tickets: Vec<Ticket>,
}

impl Book {
    /// How many of its first events are those of the run that it was forked from.
    pub(super) fn copied(&self) -> usize {
        let own = self.envelopes.iter().rposition(|envelope| matches!(envelope.event, Event::RunForked(_)));
        own.unwrap_or(0)
    }

    /// The events that it has of its own.
    pub(super) fn own(&self) -> impl Iterator<Item = &Envelope> {
        self.envelopes.iter().skip(self.copied())
    }

    /// How it was started; of a fork, how the other was.
    pub(super) fn started(&self) -> Option<&RunStarted> {
        match &self.envelopes.first()?.event {
            Event::RunStarted(started) => Some(started),
            _ => None,
        }
    }

    /// The fold of its journal up to an event.
    pub(super) fn state(&self, up_to: u64) -> RunState {
        let mut state = RunState::new(self.run);
        for envelope in self.envelopes.iter().take_while(|envelope| envelope.seq <= up_to) {
            state.apply(envelope.time, &envelope.event);
        }
        state
    }
}

/// Everything there is to compare.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The program's own list.
    pub commands: Vec<Command>,
    /// The tool server's list.
    pub calls: Vec<TimedCall>,
    /// The store's runs.
    pub books: BTreeMap<RunId, Book>,
    /// Runs whose journals cannot be read, and why.
    pub unreadable: Vec<(RunId, String)>,
    /// What `pawl verify` says of runs.
    pub verified: Vec<(RunId, String)>,
    /// Events that others were still to be told of.
    pub outgoing: usize,
    /// Something that was still due.
    pub due: Option<Timestamp>,
    /// Slots of the list whose runs are not there.
    pub lost_tickets: Vec<Ticket>,
}

impl Evidence {
    /// The outside lists beside what the store holds.
    pub async fn read(store: &dyn Store, commands: Vec<Command>, calls: Vec<TimedCall>) -> Result<Self> {
        let mut evidence = Self { commands, calls, ..Self::default() };
        let mut page = Page { after: None, limit: PAGE_ROWS };
        loop {
            let found = store.runs(&RunFilter::default(), &page).await?;
            for header in found.runs {
                evidence.add(store, header).await?;
            }
            let Some(after) = found.next else { break };
            page.after = Some(after);
        }
        let mut after = None;
        loop {
            let tickets = store.tickets(after, PAGE_ROWS).await?;
            let Some(last) = tickets.last() else { break };
            after = Some((last.run, last.visit));
            for ticket in tickets {
                match evidence.books.get_mut(&ticket.run) {
                    Some(book) => book.tickets.push(ticket),
                    None => evidence.lost_tickets.push(ticket),
                }
            }
        }
        evidence.outgoing = store.outgoing(None, PAGE_ROWS).await?.len();
        evidence.due = store.next_due().await?;
        Ok(evidence)
    }

    async fn add(&mut self, store: &dyn Store, header: RunHeader) -> Result<()> {
        let run = header.id;
        let records = store.journal(run, 1).await?;
        let envelopes = match journal::decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice)) {
            Ok(envelopes) => envelopes,
            Err(error) => {
                self.unreadable.push((run, error.to_string()));
                return Ok(());
            }
        };
        let of_run = ApprovalFilter::of_run(Some(run));
        let approvals = store.approvals(&of_run, &Page { after: None, limit: PAGE_ROWS }).await?.approvals;
        self.books.insert(run, Book { run, envelopes, header, approvals, tickets: Vec::new() });
        Ok(())
    }
}

/// Opens the store of this engine in a folder.
pub(crate) fn open_once(engine: &str, folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
    match engine {
        "lmdb" => Ok(Arc::new(LmdbStore::open(folder, LmdbOptions::default())?)),
        "sled" => Ok(Arc::new(SledStore::open(folder, SledOptions::default())?)),
        other => Err(StoreError::Engine(format!("there is no store '{other}'; there are lmdb and sled"))),
    }
}

/// Opens the store of this engine in a folder whose process was killed.
pub(super) async fn open(engine: &str, folder: &Path) -> Result<Arc<dyn Store>> {
    for _ in 0..TRIES_MAX {
        match open_once(engine, folder) {
            // The system takes a moment to end a killed process.
            Err(StoreError::InUse { .. }) => tokio::time::sleep(RETRY).await,
            outcome => return Ok(outcome?),
        }
    }
    bail!("the folder {} is in use", folder.display())
}
