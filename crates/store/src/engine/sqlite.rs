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
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, types::ValueRef};
use smallvec::SmallVec;

use super::{Moment, Snapshot};
use crate::{Batch, Committed, Row, StoreError, Value, migrate};

pub(super) use readers::{prepare_here, query_here};

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 512;
/// How often, and how long after each time, it is tried again to take a lock that somebody holds.
const LOCK_TRIES: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// How a connection is made.
type Connect = fn(&Path) -> Result<Connection, StoreError>;

/// SQLite in one file.
pub(super) struct Sqlite {
    /// What writes; nothing where the file is only read.
    writing: Option<Writing>,
    readers: readers::Readers,
    /// The log that nobody may begin while a file is read of which nobody seems to have it open.
    no_log: Option<PathBuf>,
}

/// What changes a file.
struct Writing {
    writer: writer::Writer,
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
        let readers = readers::Readers::start(path, readers.max(1), connect)?;
        Ok(Self { writing: Some(Writing { writer, checkpoints, _lock: lock }), readers, no_log: None })
    }

    /// Opens a file to read it. Where it has a log, a server uses it or was killed, and the log is read along. Where there is none, the file is whole
    /// by itself; SQLite would make a log to read it.
    pub(super) fn open_reading(path: &Path, readers: usize) -> Result<Self, StoreError> {
        let what = || format!("cannot open the database {}", path.display());
        // Behind a link the log lies beside the file itself.
        let path = &path.canonicalize().map_err(|source| StoreError::File { what: what(), source })?;
        let log = wal(path);
        let no_log = (!log.exists()).then_some(log);
        let connect = if no_log.is_some() { connect_unused } else { connect_reading };
        migrate::is_done_sqlite(&connect(path)?)?;
        Ok(Self { writing: None, readers: readers::Readers::start(path, readers.max(1), connect)?, no_log })
    }

    fn writing(&self) -> Result<&Writing, StoreError> {
        self.writing.as_ref().ok_or(StoreError::Reading)
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.writing()?.writer.write(batch).await
    }

    pub(super) async fn read<T, E, F, Fut>(&self, begun: Moment, reader: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Snapshot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
    {
        let read = self.readers.read(begun, reader).await?;
        match &self.no_log {
            Some(log) if log.exists() => Err(StoreError::Locked(
                "a server has begun to use the file of the database while it was read: begin again".to_owned(),
            )
            .into()),
            _ => Ok(read),
        }
    }

    pub(super) async fn empty_log(&self) -> Result<(), StoreError> {
        self.writing()?.checkpoints.empty().await
    }

    pub(super) async fn close(&self) {
        if let Some(writing) = &self.writing {
            writing.writer.close().await;
            writing.checkpoints.close();
        }
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

/// Takes the lock. A server that has just been told to stop, or a program that it has started in that moment, may hold it a little longer.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file =
        file.map_err(|source| StoreError::File { what: format!("cannot open the lock {}", path.display()), source })?;
    let mut tried = file.try_lock();
    for _ in 0..LOCK_TRIES {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        tried = file.try_lock();
    }
    match tried {
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
    let connection = prepared(path, Connection::open(path))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 10000;
         PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -6000;",
    )?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn connect_reading(path: &Path) -> Result<Connection, StoreError> {
    reading(path, Connection::open_with_flags(path, READ_ONLY))
}

/// A connection that only reads a file that nobody uses: SQLite takes no lock and looks for no log.
fn connect_unused(path: &Path) -> Result<Connection, StoreError> {
    let address = format!("file:{}?immutable=1", percent_encoded(path));
    reading(path, Connection::open_with_flags(address, READ_ONLY | OpenFlags::SQLITE_OPEN_URI))
}

const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn reading(path: &Path, opened: rusqlite::Result<Connection>) -> Result<Connection, StoreError> {
    let connection = prepared(path, opened)?;
    connection.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON")?;
    Ok(connection)
}

/// A path as it stands in an address that SQLite understands.
fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write;
    path.as_os_str().as_encoded_bytes().iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn prepared(path: &Path, opened: rusqlite::Result<Connection>) -> Result<Connection, StoreError> {
    let connection =
        opened.map_err(|error| StoreError::Database(format!("cannot open {}: {error}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it, a statement is planned anew whenever a value is bound to it: more than half of what a `/sync` cost.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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
