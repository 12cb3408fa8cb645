//! A journal folded commit by commit, into the rows that the engine wrote with each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use pawl_core::event::Event;
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::letter::is_told;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{ApprovalId, RunId, RunState, Timestamp};
use pawl_store::StoreError;
use pawl_store::maintain::{Maintain, Projections, Table, TableRow, event_key, journal_row};

use crate::driver::subscriptions;
use crate::journal::bring_in;
use crate::{EngineError, driver};

/// A run as its journal has it up to some commit.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) state: RunState,
    pub(super) head: Head,
    shown: Option<Status>,
    header: Option<RunHeader>,
    open: BTreeSet<ApprovalId>,
    places: BTreeMap<ApprovalId, Timestamp>,
    /// Events that others must be told of, or were.
    pub(super) told: BTreeMap<u64, Told>,
    /// Whether it failed once and went on.
    pub(super) was_retried: bool,
}

/// What others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// A run is to be started.
    Start(RunId),
    /// A run is to be cancelled.
    Cancel(RunId),
    /// The run is over.
    End,
    /// Something happened that others may wait for.
    Emit,
}

impl Folded {
    pub(super) fn new(run: RunId) -> Self {
        Self {
            state: RunState::new(run),
            head: Head::empty(run),
            shown: None,
            header: None,
            open: BTreeSet::new(),
            places: BTreeMap::new(),
            told: BTreeMap::new(),
            was_retried: false,
        }
    }

    /// Takes in the events of one commit, values in place, as the driver did when it wrote them.
    pub(super) fn commit(&mut self, envelopes: &[Envelope], head: Head) {
        let mut upgraded = false;
        for Envelope { seq, time, event, .. } in envelopes {
            upgraded |= matches!(event, Event::DefinitionChanged(_));
            self.state.apply(*time, event);
            if let Some(told) = told(event).filter(|_| is_told(event, self.state.parent().is_some())) {
                self.told.insert(*seq, told);
            }
            if let Event::RunForked(_) = event {
                // The other run told what comes before.
                self.told.clear();
            }
            self.was_retried |= matches!(event, Event::RunRetried(_));
        }
        self.head = head;
        let status = self.state.status();
        // A run that goes on running shows nothing new.
        if upgraded || status != Status::Running || self.shown != Some(Status::Running) {
            self.header = Some(self.state.header(head));
        }
        self.shown = Some(status);
        let open = self.state.approvals().filter(|(_, approval)| approval.open);
        self.open = open.map(|(id, _)| id.clone()).collect();
        for id in &self.open {
            if let Some(approval) = self.state.open_approval(id) {
                self.places.insert(id.clone(), approval.created_at);
            }
        }
    }

    /// What follows from it; nothing for a journal without an event.
    pub(super) fn projections(&self, outgoing: Vec<u64>) -> Option<Projections> {
        Some(Projections {
            header: self.header.clone()?,
            approvals: self.open.iter().filter_map(|id| self.state.open_approval(id)).collect(),
            approval_places: self.places.clone().into_iter().collect(),
            subscriptions: subscriptions(&self.state).into_iter().collect(),
            tickets: driver::tickets(&self.state).into_values().collect(),
            outgoing,
        })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other events stay inside their run")]
fn told(event: &Event) -> Option<Told> {
    match event {
        Event::ChildStarted { child, .. } => Some(Told::Start(*child)),
        Event::ChildCancelled { child, .. } => Some(Told::Cancel(*child)),
        Event::Emitted { .. } => Some(Told::Emit),
        Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. } => Some(Told::End),
        _ => None,
    }
}

/// The rows of a run's journal, page by page.
#[derive(Debug)]
pub(super) struct Records<'s> {
    store: &'s dyn Maintain,
    run: RunId,
    after: Option<Vec<u8>>,
    page: std::vec::IntoIter<TableRow>,
}

impl<'s> Records<'s> {
    pub(super) fn new(store: &'s dyn Maintain, run: RunId) -> Self {
        Self { store, run, after: None, page: Vec::new().into_iter() }
    }

    pub(super) async fn next(&mut self) -> Result<Option<TableRow>, StoreError> {
        if let Some(row) = self.page.next() {
            return Ok(Some(row));
        }
        let (first, last) = (event_key(self.run, 0), event_key(self.run, u64::MAX));
        let from = self.after.as_deref().map_or(Bound::Included(&first[..]), Bound::Excluded);
        let page = self.store.rows(Table::Journal, from, Bound::Included(&last)).await?;
        if let Some(row) = page.last() {
            self.after = Some(row.key.clone());
        }
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// The events of a row that follows `head`, checked, values in place; moves the head on.
pub(super) async fn read_row(
    store: &dyn Maintain,
    row: &TableRow,
    head: &mut Head,
) -> Result<Vec<Envelope>, EngineError> {
    let (run, first, records) = journal_row(row)?;
    if first != head.seq + 1 {
        return Err(journal::JournalError::Gap { run, expected: head.seq + 1, found: first }.into());
    }
    let mut envelopes = journal::decode(run, head, records.iter().map(Vec::as_slice))?;
    for envelope in &mut envelopes {
        bring_in(store, run, &mut envelope.event).await?;
    }
    Ok(envelopes)
}

/// Reads, checks and folds a whole journal.
pub(super) async fn fold(store: &dyn Maintain, run: RunId) -> Result<Folded, EngineError> {
    let (mut records, mut folded) = (Records::new(store, run), Folded::new(run));
    while let Some(row) = records.next().await? {
        let mut head = folded.head;
        let envelopes = read_row(store, &row, &mut head).await?;
        folded.commit(&envelopes, head);
    }
    Ok(folded)
}
