//! Everything that follows from journals, made anew.
//!
//! It is worked out into a store of its own beside the old one, run by run, and then both are gone through in the
//! order of their keys, so that neither has to be in memory. What differs is written and told.
//!
//! One thing does not follow from journals: whether everyone has heard of an event with a topic. Its mark stays
//! where it names such an event. Marks of what runs tell each other are added where they must be there (a child that
//! was not started, an end that its parent does not know of): delivering one twice changes nothing.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;

use pawl_core::RunId;
use pawl_core::view::RunHeader;
use pawl_store::StoreError;
use pawl_store::maintain::{
    Changes, Maintain, RowChange, Scratch, Table, TableRow, Walk, event_key, row_name, rows_of_run,
    run_of_row,
};

use super::fold::{Folded, Told, fold};
use crate::EngineError;

/// How many differences a report names; the rest is counted.
pub const DIFFERENCES_MAX: usize = 1_000;
/// Runs that are asked for at once.
const PAGE_RUNS: usize = 1_000;

/// The tables that follow from journals.
const DERIVED: [Table; 8] = [
    Table::Runs,
    Table::Statuses,
    Table::Due,
    Table::Approvals,
    Table::ApprovalRuns,
    Table::Outgoing,
    Table::Subscriptions,
    Table::Tickets,
];

/// What a rebuild came to.
#[derive(Debug, Clone, Default)]
pub struct Rebuilt {
    /// Runs whose journal was read.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Rows that the tables have now, of these runs.
    pub rows: u64,
    /// How many rows were not as they are now.
    pub different: u64,
    /// Which, the first [`DIFFERENCES_MAX`].
    pub differences: Vec<RowDifference>,
    /// Runs whose journal does not read, with why: their rows are as they were.
    pub unreadable: Vec<(RunId, String)>,
}

/// A row that was not what the journals give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowDifference {
    /// Its table.
    pub table: &'static str,
    /// The run that it is about, where that can be told.
    pub run: Option<RunId>,
    /// Which row.
    pub row: String,
    /// `missing`, `altered` or `stray`.
    pub was: &'static str,
}

/// Makes everything that follows from journals anew, on a store that no engine uses. `folder` is where it is
/// worked out. `told` hears how many runs were read.
pub async fn rebuild(
    store: &dyn Maintain,
    folder: &Path,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Rebuilt, EngineError> {
    let scratch = Scratch::new(folder)?;
    let anew = scratch.store()?;
    let mut rebuilt = Rebuilt::default();
    read_all(store, anew, &mut rebuilt, told).await?;
    mark_letters(anew, &rebuilt).await?;
    for table in DERIVED {
        replace(table, store, anew, &mut rebuilt).await?;
    }
    Ok(rebuilt)
}

/// What follows from each journal, into the new store.
async fn read_all(
    store: &dyn Maintain,
    anew: &dyn Maintain,
    rebuilt: &mut Rebuilt,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), EngineError> {
    let upkeep = store.upkeep().ok_or(StoreError::Closed)?;
    let (mut after, mut changes) = (None, Changes::new(anew));
    loop {
        let runs = upkeep.journals(after, PAGE_RUNS).await?;
        for run in &runs {
            match fold(store, *run).await {
                Ok(folded) => {
                    rebuilt.runs += 1;
                    rebuilt.events += folded.head.seq;
                    write_run(store, &folded, &mut changes).await?;
                }
                // A record that does not read is damage of this run.
                Err(EngineError::Store(error)) if !matches!(error, StoreError::Damaged(_)) => {
                    return Err(error.into());
                }
                Err(error) => rebuilt.unreadable.push((*run, error.to_string())),
            }
            told(rebuilt.runs);
        }
        match runs.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    Ok(changes.flush().await?)
}

async fn write_run(
    store: &dyn Maintain,
    folded: &Folded,
    changes: &mut Changes<'_>,
) -> Result<(), EngineError> {
    let run = folded.state.id();
    let outgoing = marked(store, run).await?.into_iter().filter(|seq| folded.told.contains_key(seq));
    let Some(projections) = folded.projections(outgoing.collect()) else { return Ok(()) };
    for (table, TableRow { key, value }) in rows_of_run(&projections)? {
        changes.add(RowChange { table, key, value: Some(value) }).await?;
    }
    for note in Note::of(folded) {
        // The new store has no memories; their table holds what the next pass needs.
        let change = RowChange { table: Table::Memories, key: note.key(run), value: Some(note.value()) };
        changes.add(change).await?;
    }
    Ok(())
}

/// The events of a run that are marked as outgoing.
async fn marked(store: &dyn Maintain, run: RunId) -> Result<Vec<u64>, EngineError> {
    let (mut seqs, mut from) = (Vec::new(), event_key(run, 0));
    let to = event_key(run, u64::MAX);
    loop {
        let rows = store.rows(Table::Outgoing, Bound::Excluded(&from), Bound::Included(&to)).await?;
        let Some(last) = rows.last() else { return Ok(seqs) };
        from.clone_from(&last.key);
        let seq = |row: &TableRow| row.key.get(16..)?.try_into().ok().map(u64::from_be_bytes);
        seqs.extend(rows.iter().filter_map(seq));
    }
}

/// What a run's letters rest on beside its own header: seqs, and the other run.
#[derive(Debug, Clone, Copy)]
enum Note {
    /// A step waits for a run that it started.
    Waits(u64, RunId),
    /// A run was to be cancelled.
    Cancels(u64, RunId),
    /// It is over, by this event.
    Ended(u64),
    /// It was over once and went on.
    Retried,
}

impl Note {
    fn of(folded: &Folded) -> Vec<Self> {
        let waited: BTreeSet<RunId> = folded.state.children().map(|(_, child)| child).collect();
        let is_over = folded.state.status().is_final();
        let mut notes: Vec<Self> = folded.was_retried.then_some(Self::Retried).into_iter().collect();
        for (seq, told) in &folded.told {
            notes.extend(match told {
                Told::Start(child) if waited.contains(child) => Some(Self::Waits(*seq, *child)),
                Told::Cancel(child) => Some(Self::Cancels(*seq, *child)),
                Told::Start(_) | Told::End | Told::Emit => None,
            });
        }
        let ends = folded.told.iter().rev().find(|(_, told)| **told == Told::End);
        notes.extend(ends.filter(|_| is_over).map(|(seq, _)| Self::Ended(*seq)));
        notes
    }

    fn key(self, run: RunId) -> Vec<u8> {
        let (kind, seq) = match self {
            Self::Retried => (b'r', 0),
            Self::Ended(_) => (b'e', 0),
            Self::Waits(seq, _) => (b'w', seq),
            Self::Cancels(seq, _) => (b'c', seq),
        };
        [&[kind][..], run.as_bytes(), &seq.to_be_bytes()].concat()
    }

    fn value(self) -> Vec<u8> {
        match self {
            Self::Waits(_, child) | Self::Cancels(_, child) => child.as_bytes().to_vec(),
            Self::Ended(seq) => seq.to_be_bytes().to_vec(),
            Self::Retried => Vec::new(),
        }
    }

    fn read(row: &TableRow) -> Option<(RunId, Self)> {
        let (kind, rest) = row.key.split_first()?;
        let (run, seq) = rest.split_at_checked(16)?;
        let run = RunId::from_bytes(run.try_into().ok()?);
        let seq = u64::from_be_bytes(seq.try_into().ok()?);
        let other = || row.value[..].try_into().ok().map(RunId::from_bytes);
        let note = match kind {
            b'w' => Self::Waits(seq, other()?),
            b'c' => Self::Cancels(seq, other()?),
            b'e' => Self::Ended(row.value[..].try_into().ok().map(u64::from_be_bytes)?),
            b'r' => Self::Retried,
            _ => return None,
        };
        Some((run, note))
    }
}

/// Marks what must still be told, now that all headers are known.
async fn mark_letters(anew: &dyn Maintain, rebuilt: &Rebuilt) -> Result<(), EngineError> {
    let unreadable: BTreeSet<RunId> = rebuilt.unreadable.iter().map(|(run, _)| *run).collect();
    let (mut walk, mut changes) = (Walk::new(anew, Table::Memories), Changes::new(anew));
    while let Some(row) = walk.next().await? {
        let Some((run, note)) = Note::read(&row) else { continue };
        let (Note::Waits(_, child) | Note::Cancels(_, child)) = note else { continue };
        if unreadable.contains(&child) {
            continue;
        }
        let header = anew.run(child).await?;
        let mark = match (note, header) {
            (Note::Waits(seq, _), None) => Some(event_key(run, seq)),
            (Note::Waits(..), Some(header)) if is_child(&header, run) && header.status.is_final() => {
                let note = anew.row(Table::Memories, &Note::Ended(0).key(child)).await?;
                let seq = note.and_then(|seq| seq[..].try_into().ok()).map(u64::from_be_bytes);
                seq.map(|seq| event_key(child, seq))
            }
            (Note::Cancels(seq, _), Some(header)) if is_child(&header, run) && !header.status.is_final() => {
                // One that was over had refused it, and a person lets it go on.
                let retried = anew.row(Table::Memories, &Note::Retried.key(child)).await?;
                retried.is_none().then(|| event_key(run, seq))
            }
            _ => None,
        };
        if let Some(key) = mark {
            changes.add(RowChange { table: Table::Outgoing, key, value: Some(Vec::new()) }).await?;
        }
    }
    Ok(changes.flush().await?)
}

fn is_child(header: &RunHeader, of: RunId) -> bool {
    header.parent == Some(of)
}

/// Makes a table of the store what it is in the new one.
async fn replace(
    table: Table,
    store: &dyn Maintain,
    anew: &dyn Maintain,
    rebuilt: &mut Rebuilt,
) -> Result<(), EngineError> {
    let unreadable: BTreeSet<RunId> = rebuilt.unreadable.iter().map(|(run, _)| *run).collect();
    let (mut before, mut after) = (Walk::new(store, table), Walk::new(anew, table));
    let mut changes = Changes::new(store);
    let (mut is, mut shall) = (before.next().await?, after.next().await?);
    loop {
        let order = match (&is, &shall) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(is), Some(shall)) => is.key.cmp(&shall.key),
        };
        let stray = if order.is_gt() { None } else { is.take() };
        let wanted = if order.is_lt() { None } else { shall.take() };
        if stray.is_some() {
            is = before.next().await?;
        }
        if wanted.is_some() {
            shall = after.next().await?;
            rebuilt.rows += 1;
        }
        let was = match (&stray, &wanted) {
            (Some(stray), None) if run_of_row(table, stray).is_some_and(|run| unreadable.contains(&run)) => {
                continue;
            }
            (Some(_), None) => "stray",
            (None, _) => "missing",
            (Some(is), Some(shall)) if is.value != shall.value => "altered",
            (Some(_), Some(_)) => continue,
        };
        let Some(row) = wanted.clone().or(stray) else { continue };
        rebuilt.note(table, &row, was);
        changes.add(RowChange { table, key: row.key, value: wanted.map(|row| row.value) }).await?;
    }
    Ok(changes.flush().await?)
}

impl Rebuilt {
    fn note(&mut self, table: Table, row: &TableRow, was: &'static str) {
        self.different += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            let (run, name) = (run_of_row(table, row), row_name(table, row));
            self.differences.push(RowDifference { table: table.name(), run, row: name, was });
        }
    }
}
