//! The keystore's one table, on either engine. It is no part of the store's schema: it has no history and no snapshots.

use std::{path::Path, sync::Arc};

use domicile_core::ids::UserNum;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};

use super::KeystorePlace;
use crate::{
    Row, StoreError, Value,
    engine::{
        postgres::{PlainConnection, PlainConnector},
        sqlite::connect_reading,
    },
    params,
};

/// A row: a person's key under a master key.
#[derive(Clone, Debug)]
pub(super) struct WrappedKey {
    pub(super) user_num: i64,
    pub(super) master: Vec<u8>,
    pub(super) wrapped: Vec<u8>,
}

/// The table.
pub(super) enum Rows {
    Sqlite(Arc<Mutex<Option<Connection>>>),
    Postgres { connector: Box<PlainConnector>, connection: tokio::sync::Mutex<Option<Box<PlainConnection>>> },
}

const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS user_keys (
    user_num INTEGER PRIMARY KEY, master BLOB NOT NULL, wrapped BLOB NOT NULL)";
/// The lock keeps two nodes that start together from making it twice.
const POSTGRES_TABLE: &str = "BEGIN; SELECT pg_advisory_xact_lock(7236837413); CREATE SCHEMA IF NOT EXISTS keystore;
    CREATE TABLE IF NOT EXISTS keystore.user_keys (user_num BIGINT PRIMARY KEY, master BYTEA NOT NULL, wrapped BYTEA NOT NULL);
    COMMIT";

impl Rows {
    pub(super) async fn open(place: KeystorePlace) -> Result<Self, StoreError> {
        match place {
            KeystorePlace::Sqlite { path } => {
                let connection = blocking(move || connect(&path)).await?;
                Ok(Self::Sqlite(Arc::new(Mutex::new(Some(connection)))))
            }
            KeystorePlace::Postgres { url } => {
                let connector = PlainConnector::new(&url)?;
                let connection = connector.connect().await?;
                connection.batch(POSTGRES_TABLE).await?;
                Ok(Self::Postgres {
                    connector: Box::new(connector),
                    connection: tokio::sync::Mutex::new(Some(Box::new(connection))),
                })
            }
        }
    }

    /// Opens a keystore that is there only to read it.
    pub(super) async fn open_reading(place: KeystorePlace) -> Result<Self, StoreError> {
        match place {
            KeystorePlace::Sqlite { path } => {
                let connection = blocking(move || connect_reading(&path)).await?;
                Ok(Self::Sqlite(Arc::new(Mutex::new(Some(connection)))))
            }
            KeystorePlace::Postgres { url } => Ok(Self::Postgres {
                connector: Box::new(PlainConnector::reading(&url)?),
                connection: tokio::sync::Mutex::default(),
            }),
        }
    }

    pub(super) async fn get(&self, user_num: i64) -> Result<Option<WrappedKey>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                on(connection, move |connection| {
                    let sql = "SELECT user_num, master, wrapped FROM user_keys WHERE user_num = ?1";
                    connection.prepare_cached(sql)?.query_row([user_num], from_sqlite).optional()
                })
                .await
            }
            Self::Postgres { .. } => {
                let sql = "SELECT user_num, master, wrapped FROM keystore.user_keys WHERE user_num = $1";
                self.ask(sql, params![user_num]).await?.first().map(from_postgres).transpose()
            }
        }
    }

    /// Rows in the order of their numbers.
    pub(super) async fn page(&self, after: i64, limit: usize) -> Result<Vec<WrappedKey>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match self {
            Self::Sqlite(connection) => on(connection, move |connection| {
                let sql =
                    "SELECT user_num, master, wrapped FROM user_keys WHERE user_num > ?1 ORDER BY user_num LIMIT ?2";
                connection.prepare_cached(sql)?.query_map([after, limit], from_sqlite)?.collect()
            })
            .await,
            Self::Postgres { .. } => {
                let sql = "SELECT user_num, master, wrapped FROM keystore.user_keys WHERE user_num > $1 ORDER BY user_num LIMIT $2";
                self.ask(sql, params![after, limit]).await?.iter().map(from_postgres).collect()
            }
        }
    }

    /// The numbers of those who have a key, after a number and in their order; the cell's own is not among them.
    pub(super) async fn owners(&self, after: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let (limit, cell) = (i64::try_from(limit).unwrap_or(i64::MAX), UserNum::NOBODY.0);
        match self {
            Self::Sqlite(connection) => on(connection, move |connection| {
                let sql =
                    "SELECT user_num FROM user_keys WHERE user_num > ?1 AND user_num <> ?3 ORDER BY user_num LIMIT ?2";
                connection.prepare_cached(sql)?.query_map([after, limit, cell], |row| row.get(0))?.collect()
            })
            .await,
            Self::Postgres { .. } => {
                let sql = "SELECT user_num FROM keystore.user_keys WHERE user_num > $1 AND user_num <> $3 ORDER BY user_num LIMIT $2";
                self.ask(sql, params![after, limit, cell]).await?.iter().map(|row| row.int(0)).collect()
            }
        }
    }

    /// Adds a key, unless there is one.
    pub(super) async fn insert(&self, key: WrappedKey) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                on(connection, move |connection| {
                    let sql =
                        "INSERT INTO user_keys (user_num, master, wrapped) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                    connection.prepare_cached(sql)?.execute((key.user_num, key.master, key.wrapped))
                })
                .await?;
            }
            Self::Postgres { .. } => {
                let sql = "INSERT INTO keystore.user_keys (user_num, master, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                self.ask(sql, params![key.user_num, key.master, key.wrapped]).await?;
            }
        }
        Ok(())
    }

    /// Replaces keys that are still wrapped as they were read: one that was destroyed meanwhile stays destroyed.
    pub(super) async fn replace(&self, keys: Vec<(WrappedKey, Vec<u8>)>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sqlite(connection) => {
                on(connection, move |connection| {
                    let transaction = connection.unchecked_transaction()?;
                    for (key, old) in keys {
                        let sql = "UPDATE user_keys SET master = ?2, wrapped = ?3 WHERE user_num = ?1 AND wrapped = ?4";
                        transaction.prepare_cached(sql)?.execute((key.user_num, key.master, key.wrapped, old))?;
                    }
                    transaction.commit()
                })
                .await
            }
            Self::Postgres { .. } => {
                for (key, old) in keys {
                    let sql =
                        "UPDATE keystore.user_keys SET master = $2, wrapped = $3 WHERE user_num = $1 AND wrapped = $4";
                    self.ask(sql, params![key.user_num, key.master, key.wrapped, old]).await?;
                }
                Ok(())
            }
        }
    }

    pub(super) async fn remove(&self, user_num: i64) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                on(connection, move |connection| {
                    connection.execute("DELETE FROM user_keys WHERE user_num = ?1", [user_num])
                })
                .await?;
            }
            Self::Postgres { .. } => {
                self.ask("DELETE FROM keystore.user_keys WHERE user_num = $1", params![user_num]).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(connection) => drop(connection.lock().take()),
            Self::Postgres { connection, .. } => drop(connection.lock().await.take()),
        }
    }

    /// Runs a statement on PostgreSQL, over a new connection if the last one broke.
    async fn ask(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let Self::Postgres { connector, connection } = self else { return Ok(Vec::new()) };
        let mut held = connection.lock().await;
        let open = match held.take().filter(|connection| !connection.is_closed()) {
            Some(open) => open,
            None => Box::new(connector.connect().await?),
        };
        let rows = open.query(sql, &params).await;
        *held = Some(open);
        rows
    }
}

fn from_postgres(row: &Row) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey { user_num: row.int(0)?, master: row.blob(1)?.to_vec(), wrapped: row.blob(2)?.to_vec() })
}

fn from_sqlite(row: &rusqlite::Row<'_>) -> rusqlite::Result<WrappedKey> {
    Ok(WrappedKey { user_num: row.get(0)?, master: row.get(1)?, wrapped: row.get(2)? })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|source| StoreError::File { what: format!("cannot open the keystore {}", path.display()), source })?;
    let connection = Connection::open(path)?;
    // No write-ahead log: a destroyed key must not live on in one.
    connection.execute_batch(
        "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 10000;
         PRAGMA temp_store = MEMORY;",
    )?;
    connection.execute_batch(SQLITE_TABLE)?;
    Ok(connection)
}

async fn on<T: Send + 'static>(
    connection: &Arc<Mutex<Option<Connection>>>,
    task: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = Arc::clone(connection);
    blocking(move || {
        let held = connection.lock();
        Ok(task(held.as_ref().ok_or(StoreError::Closed)?)?)
    })
    .await
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(task).await.map_err(|_| StoreError::Closed)?
}
