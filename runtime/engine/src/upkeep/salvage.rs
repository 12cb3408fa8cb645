//! What is whole of a damaged store, saved into a new one.
//!
//! Journals prove themselves by their chains, blobs by their digests; so does what stands in the file and is
//! reached by no tree. Of a journal that is damaged, the commits before the damage are kept, if the values that they
//! name are there. Memories, records and the list of changes are taken as they read. All else is made anew of the journals.

use std::collections::BTreeMap;
use std::path::Path;

use pawl_core::journal::{self, Head};
use pawl_core::view::RunHeader;
use pawl_core::{Digest, RunId};
use pawl_store::StoreError;
use pawl_store::maintain::{Changes, Maintain, RowChange, Table, Wreck, header_of_row, is_of, row_name};

use super::fold::{Folded, Records, read_row};
use super::rebuild::{Rebuilt, rebuild};
use super::references;
use crate::EngineError;

/// How many places of damage a report names; the rest is counted.
const DAMAGE_MAX: usize = 100;
/// Runs that are asked for at once.
const PAGE_RUNS: usize = 1_000;

/// What was saved of a store, and what was not.
#[derive(Debug, Clone, Default)]
pub struct Salvaged {
    /// Runs of which at least the first commit was saved.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Blobs.
    pub blobs: u64,
    /// Values of memories.
    pub memories: u64,
    /// Runs that lost something, in order.
    pub lost: Vec<LostRun>,
    /// What does not read in the store's files, the first hundred places.
    pub damage: Vec<String>,
    /// How many more there are.
    pub damage_more: u64,
}

/// What a run lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRun {
    /// The run.
    pub run: RunId,
    /// Events that were saved.
    pub kept: u64,
    /// Events that were lost, at least; its header said so.
    pub lost: Option<u64>,
    /// What is wrong.
    pub why: String,
}

/// Saves what is whole of a damaged store into a new one. `folder` is where what follows is worked out. `told` hears
/// what is under way.
pub async fn salvage(
    wreck: &Wreck,
    new: &dyn Maintain,
    folder: &Path,
    told: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Salvaged, EngineError> {
    let mut salvage = Salvage { wreck, new, saved: Salvaged::default(), broken: BTreeMap::new() };
    let missing = wreck.missing();
    let mut is_whole = missing.is_none();
    if let Some(what) = missing {
        salvage.damaged(what);
    }
    for table in
        [Table::Blobs, Table::Journal, Table::Memories, Table::Outgoing, Table::Changes, Table::Records]
    {
        is_whole &= salvage.table(table, told).await?;
    }
    if !is_whole {
        salvage.loose(told).await?;
    }
    salvage.journals(told).await?;
    salvage.headers().await?;
    let Rebuilt { unreadable, .. } = rebuild(new, folder, &mut |_| ()).await?;
    for (run, why) in unreadable {
        salvage.broken.entry(run).or_insert(Broken { kept: 0, lost: None, why });
    }
    let lost = salvage.broken.into_iter();
    salvage.saved.lost =
        lost.map(|(run, Broken { kept, lost, why })| LostRun { run, kept, lost, why }).collect();
    Ok(salvage.saved)
}

struct Salvage<'w> {
    wreck: &'w Wreck,
    new: &'w dyn Maintain,
    saved: Salvaged,
    broken: BTreeMap<RunId, Broken>,
}

/// A run that is not whole.
struct Broken {
    kept: u64,
    lost: Option<u64>,
    why: String,
}

impl Salvage<'_> {
    fn damaged(&mut self, what: String) {
        if self.saved.damage.len() < DAMAGE_MAX {
            self.saved.damage.push(what);
        } else {
            self.saved.damage_more += 1;
        }
    }

    /// Takes the rows of a table that prove themselves; says whether all did.
    async fn table(
        &mut self,
        table: Table,
        told: &mut (dyn FnMut(&str, u64) + Send),
    ) -> Result<bool, EngineError> {
        let (mut changes, mut is_whole, mut rows) = (Changes::new(self.new), true, 0);
        for row in self.wreck.rows(table) {
            match row {
                Ok(row) if is_of(table, &row) => {
                    rows += 1;
                    self.count(table);
                    changes.add(RowChange { table, key: row.key, value: Some(row.value) }).await?;
                    told(table.name(), rows);
                }
                Ok(row) => {
                    is_whole = false;
                    self.damaged(format!("{}: {} does not read", table.name(), row_name(table, &row)));
                }
                Err(what) => {
                    is_whole = false;
                    self.damaged(format!("{}: {what}", table.name()));
                }
            }
        }
        changes.flush().await?;
        Ok(is_whole)
    }

    const fn count(&mut self, table: Table) {
        match table {
            Table::Blobs => self.saved.blobs += 1,
            Table::Memories => self.saved.memories += 1,
            _ => {}
        }
    }

    /// Looks for journals and blobs in what no tree leads to.
    async fn loose(&mut self, told: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), EngineError> {
        let (mut changes, mut rows) = (Changes::new(self.new), 0);
        for row in self.wreck.loose_rows() {
            rows += 1;
            told("rows that no tree leads to", rows);
            let table = [Table::Blobs, Table::Journal].into_iter().find(|table| is_of(*table, &row));
            let Some(table) = table else { continue };
            if self.new.row(table, &row.key).await?.is_none() {
                self.count(table);
                // Older copies of the same row may follow.
                changes.add(RowChange { table, key: row.key, value: Some(row.value) }).await?;
                changes.flush().await?;
            }
        }
        Ok(())
    }

    /// Follows each journal from its first event, and cuts it where it does not go on.
    async fn journals(&mut self, told: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), EngineError> {
        let upkeep = self.new.upkeep().ok_or(StoreError::Closed)?;
        let mut after = None;
        loop {
            let runs = upkeep.journals(after, PAGE_RUNS).await?;
            let Some(last) = runs.last() else { return Ok(()) };
            after = Some(*last);
            for run in runs {
                let kept = self.journal(run).await?;
                self.saved.events += kept;
                self.saved.runs += u64::from(kept > 0);
                told("journals", self.saved.runs);
            }
        }
    }

    async fn journal(&mut self, run: RunId) -> Result<u64, EngineError> {
        let mut records = Records::new(self.new, run);
        let (mut folded, mut changes) = (Folded::new(run), Changes::new(self.new));
        let mut pinned = Vec::new();
        while let Some(row) = records.next().await? {
            let mut head = folded.head;
            let cut = self.broken.contains_key(&run);
            match if cut { None } else { Some(read_row(self.new, &row, &mut head).await) } {
                Some(Ok(envelopes)) => {
                    pinned.extend(envelopes.iter().flat_map(|envelope| references::pinned(&envelope.event)));
                    folded.commit(&envelopes, head);
                    continue;
                }
                Some(Err(EngineError::Store(error))) if !matches!(error, StoreError::Damaged(_)) => {
                    return Err(error.into());
                }
                Some(Err(error)) => {
                    let broken = Broken { kept: folded.head.seq, lost: None, why: plain(&error) };
                    self.broken.insert(run, broken);
                }
                None => {}
            }
            changes.add(RowChange { table: Table::Journal, key: row.key, value: None }).await?;
        }
        changes.flush().await?;
        if folded.head.seq > 0 && !self.broken.contains_key(&run) {
            self.check_pinned(run, folded.head.seq, &pinned).await?;
        }
        Ok(folded.head.seq)
    }

    async fn check_pinned(&mut self, run: RunId, kept: u64, pinned: &[Digest]) -> Result<(), EngineError> {
        for digest in pinned {
            if self.new.row(Table::Blobs, digest.as_bytes()).await?.is_none() {
                let why = format!("what it is made of is lost ({digest}): it reads, and cannot go on");
                self.broken.insert(run, Broken { kept, lost: Some(0), why });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Runs whose header says that there was more.
    async fn headers(&mut self) -> Result<(), EngineError> {
        for row in self.wreck.rows(Table::Runs) {
            let header = match row {
                Ok(row) => header_of_row(&row).map_err(|error| error.to_string()),
                Err(what) => Err(what),
            };
            let RunHeader { id: run, head, .. } = match header {
                Ok(header) => header,
                Err(what) => {
                    self.damaged(format!("runs: {what}"));
                    continue;
                }
            };
            let last = self.last(run).await?;
            if last == head || last.seq > head.seq {
                continue;
            }
            let why = if last.seq < head.seq {
                "the end of its journal is missing"
            } else {
                "its last event is not the one that its header was made of: one of the two was altered"
            };
            let broken = Broken { kept: last.seq, lost: None, why: why.to_owned() };
            self.broken.entry(run).or_insert(broken).lost = Some(head.seq - last.seq);
        }
        Ok(())
    }

    /// Where a journal ends that was saved.
    async fn last(&self, run: RunId) -> Result<Head, EngineError> {
        let (mut records, mut head) = (Records::new(self.new, run), Head::empty(run));
        while let Some(row) = records.next().await? {
            let (_, _, events) = pawl_store::maintain::journal_row(&row)?;
            journal::decode(run, &mut head, events.iter().map(Vec::as_slice))?;
        }
        Ok(head)
    }
}

/// An error without what to do, which is what is being done.
fn plain(error: &EngineError) -> String {
    let text = error.to_string();
    text.split_once("; restore").map_or(text.clone(), |(what, _)| what.to_owned())
}
