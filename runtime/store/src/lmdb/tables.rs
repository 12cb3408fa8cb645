//! The tables of the store, and their rows within a transaction.

use std::borrow::Cow;
use std::ops::Bound;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, MdbError, PutFlags, RoTxn, RwTxn, WithoutTls};

use super::failure::from_heed;
use crate::StoreError;
use crate::embedded::{Row, Rows, Table, WriteError, WriteRows};

/// How many tables there are, for LMDB: all, and `meta` (`format`, `created_by`).
#[expect(clippy::cast_possible_truncation, reason = "there are a dozen")]
pub(super) const COUNT: u32 = Table::ALL.len() as u32 + 1;

type Rowset<'e> = Database<'e, Bytes, Bytes>;

/// All tables, each at its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables([Rowset<'static>; Table::ALL.len()]);

impl Tables {
    const fn of(&self, table: Table) -> Rowset<'static> {
        self.0[table as usize]
    }

    /// Makes the tables that are not there yet, all of them in a new store, with what `meta` says of it, durably.
    pub(super) fn create(env: &Env<WithoutTls>, meta: &[(&str, &[u8])]) -> Result<(), heed::Error> {
        Self::create_some(env, &Table::ALL, meta)
    }

    fn create_some(
        env: &Env<WithoutTls>,
        tables: &[Table],
        meta: &[(&str, &[u8])],
    ) -> Result<(), heed::Error> {
        env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            for table in tables {
                let _: Rowset<'_> = opener.create_database(txn, Some(table.name()))?;
            }
            let rows: Rowset<'_> = opener.create_database(txn, Some("meta"))?;
            for (key, value) in meta {
                rows.put(txn, key.as_bytes(), value)?;
            }
            Ok(CommitOrAbort::<(), ()>::Commit(()))
        })
        .map(|_| ())
    }

    /// The tables of a store; nothing when one is missing.
    pub(super) fn open(env: &Env<WithoutTls>) -> Result<Option<Self>, heed::Error> {
        let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
            let mut tables = [None; Table::ALL.len()];
            for (place, table) in tables.iter_mut().zip(Table::ALL) {
                *place = opener.open_database::<Bytes, Bytes>(txn, Some(table.name()))?;
            }
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
        })?;
        let present: Vec<_> = opened.commit().unwrap_or_default().into_iter().flatten().collect();
        Ok(present.try_into().ok().map(Self))
    }
}

fn borrowed<'a>((key, value): (&'a [u8], &'a [u8])) -> Row<'a> {
    (Cow::Borrowed(key), Cow::Borrowed(value))
}

/// The store as it is in one read transaction.
pub struct Reading<'t> {
    pub(super) txn: RoTxn<'t, WithoutTls>,
    pub(super) tables: Tables,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

impl Rows for Reading<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        Ok(self.tables.of(table).get(&self.txn, key).map_err(from_heed)?.map(Cow::Borrowed))
    }

    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, StoreError> {
        let row = self.tables.of(table).get_lower_than_or_equal_to(&self.txn, key).map_err(from_heed)?;
        Ok(row.map(borrowed))
    }

    fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
        let rows = self.tables.of(table).range(&self.txn, &(from, to)).map_err(from_heed)?;
        Ok(rows.map(|row| row.map(borrowed).map_err(from_heed)))
    }

    fn rev_range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
        let rows = self.tables.of(table).rev_range(&self.txn, &(from, to)).map_err(from_heed)?;
        Ok(rows.map(|row| row.map(borrowed).map_err(from_heed)))
    }
}

/// A write transaction.
pub(super) struct Writing<'t> {
    pub(super) txn: RwTxn<'t>,
    pub(super) tables: Tables,
}

impl WriteRows for Writing<'_> {
    type Fault = heed::Error;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, WriteError<heed::Error>> {
        let value = self.tables.of(table).get(&self.txn, key).map_err(WriteError::Engine)?;
        Ok(value.map(Cow::Borrowed))
    }

    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, WriteError<heed::Error>> {
        let row =
            self.tables.of(table).get_lower_than_or_equal_to(&self.txn, key).map_err(WriteError::Engine)?;
        Ok(row.map(borrowed))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), WriteError<heed::Error>> {
        self.tables.of(table).put(&mut self.txn, key, value).map_err(WriteError::Engine)
    }

    fn put_new(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<bool, WriteError<heed::Error>> {
        match self.tables.of(table).put_with_flags(&mut self.txn, PutFlags::NO_OVERWRITE, key, value) {
            Ok(()) => Ok(true),
            Err(heed::Error::Mdb(MdbError::KeyExist)) => Ok(false),
            Err(error) => Err(WriteError::Engine(error)),
        }
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), WriteError<heed::Error>> {
        self.tables.of(table).delete(&mut self.txn, key).map(|_| ()).map_err(WriteError::Engine)
    }
}

#[cfg(test)]
impl Tables {
    /// What a pawl of the first format made.
    pub(super) fn create_first_format(env: &Env<WithoutTls>) -> Result<(), heed::Error> {
        Self::create_some(env, &Table::ALL[..7], &[("format", &1_u32.to_be_bytes())])
    }
}
