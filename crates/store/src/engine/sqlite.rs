//! SQLite: one writer thread with group commit, a few readers, checkpoints from a connection of their own.
//!
//! Whatever waits when the writer comes round goes into one transaction and shares one fsync; each batch has a savepoint, so that a guard
//! that fails fails alone. Batches of low priority go only when nobody else waits, one at a time.

mod checkpoint;
mod pace;
mod readers;
mod writer;

use std::{
    fs::{File, TryLockError},
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, config::DbConfig, types::ValueRef};
use smallvec::SmallVec;

use super::{Moment, Snapshot};
use crate::{Batch, Committed, Row, StoreError, Value, migrate};

pub(super) use readers::{prepare_here, query_here};

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 512;

/// SQLite in one file.
pub(super) struct Sqlite {
    writer: writer::Writer,
    readers: readers::Readers,
    checkpoints: checkpoint::Checkpoints,
    /// Held for as long as the database is open: there is never a second writer.
    _lock: File,
}

impl Sqlite {
    pub(super) fn open(path: &Path, readers: usize) -> Result<Self, StoreError> {
        let lock = lock(&path.with_extension("lock"))?;
        private(path)?;
        let mut connection = connect(path)?;
        migrate::sqlite(&mut connection)?;
        let turns = Arc::default();
        let writer = writer::Writer::start(connection, Arc::clone(&turns))?;
        let checkpoints = checkpoint::Checkpoints::start(connect(path)?, &wal(path), turns)?;
        let readers = readers::Readers::start(path, readers.max(1))?;
        Ok(Self { writer, readers, checkpoints, _lock: lock })
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.writer.write(batch).await
    }

    pub(super) async fn read<T, E, F, Fut>(&self, begun: Moment, reader: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Snapshot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
    {
        self.readers.read(begun, reader).await
    }

    pub(super) async fn empty_log(&self) -> Result<(), StoreError> {
        self.checkpoints.empty().await
    }

    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.checkpoints.close();
        self.readers.close();
    }
}

/// Makes the file if it is missing, for this account only. SQLite gives its log the permissions of the database.
fn private(path: &Path) -> Result<(), StoreError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(path);
    let what = || format!("cannot open the database {}", path.display());
    opened.map(drop).map_err(|source| StoreError::File { what: what(), source })
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file =
        file.map_err(|source| StoreError::File { what: format!("cannot open the lock {}", path.display()), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(format!(
            "another process holds {}: a server is running on this data already; stop it, or choose another data folder",
            path.display()
        ))),
        Err(TryLockError::Error(source)) => {
            Err(StoreError::File { what: format!("cannot lock {}", path.display()), source })
        }
    }
}

/// A connection with the settings that all of them share.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)
        .map_err(|error| StoreError::Database(format!("cannot open {}: {error}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it, a statement is planned anew whenever a value is bound to it: more than half of what a `/sync` cost.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 10000;
         PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -6000;",
    )?;
    Ok(connection)
}

/// Binds `params` in order; `base` is the number of the batch's first position.
fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value], base: i64) -> rusqlite::Result<()> {
    for (index, value) in params.iter().enumerate() {
        let index = index + 1;
        match value {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null)?,
            Value::Int(value) => statement.raw_bind_parameter(index, value)?,
            Value::Text(value) => statement.raw_bind_parameter(index, value)?,
            Value::Blob(value) => statement.raw_bind_parameter(index, value.as_ref())?,
            Value::Position(offset) => statement.raw_bind_parameter(index, base + i64::from(*offset))?,
        }
    }
    Ok(())
}

/// A row, copied out of the statement.
fn row(row: &rusqlite::Row<'_>, columns: usize) -> Result<Row, StoreError> {
    let mut values = SmallVec::with_capacity(columns);
    for column in 0..columns {
        values.push(match row.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Value::from(value),
            ValueRef::Real(_) => return Err(StoreError::Corrupt(format!("column {column} holds a fraction"))),
        });
    }
    Ok(Row { columns: values })
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connect(&folder.path().join("test.db")).unwrap();
        migrate::sqlite(&mut connection).unwrap();
        let sql = "SELECT event_num FROM events WHERE room_num = ?1 AND position > ?2 ORDER BY position DESC LIMIT 1";
        let mut statement = connection.prepare(sql).unwrap();
        for value in 0..10 {
            bind(&mut statement, &[Value::Int(value), Value::Int(100 * value)], 0).unwrap();
            assert!(statement.raw_query().next().unwrap().is_none());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
