//! PostgreSQL: one connection that writes with group commit, a few that read.
//!
//! Whatever waits when the writer comes round goes into one transaction, which takes all of its positions at once by locking the head row;
//! so positions become visible in order, whichever node writes. Readers lend one `REPEATABLE READ` transaction at a time.

mod address;
mod connection;
mod readers;
mod tls;
mod types;
mod writer;

use std::{future::Future, sync::Arc};

use tokio_postgres::error::SqlState;

use super::{Moment, Snapshot};
use crate::{Batch, Committed, Row, StoreError, Value, engine::dialect, migrate};

pub(crate) use address::Address;
use connection::{Connection, Connector};
pub(crate) use connection::{Connection as PlainConnection, Connector as PlainConnector};
pub(super) use readers::Lease;

/// Held by whoever brings the schema up to date, so that two nodes that start together do it once.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7236837412)";

/// PostgreSQL behind a URL.
pub(super) struct Postgres {
    /// Nothing where the database is only read.
    writer: Option<writer::Writer>,
    readers: readers::Readers,
}

impl Postgres {
    pub(super) async fn open(url: &str, readers: usize) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(url)?);
        let connection = connector.connect().await?;
        migrate(&connection).await?;
        let writer = writer::Writer::start(Arc::clone(&connector), connection);
        Ok(Self { writer: Some(writer), readers: readers::Readers::new(connector, readers.max(1)) })
    }

    /// Opens a database to read it, with sessions that cannot write whatever the role may do.
    pub(super) async fn open_reading(url: &str, readers: usize) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::reading(url)?);
        let connection = connector.connect().await?;
        migrate::is_done(&applied(connection.client()).await.map_err(unreadable)?)?;
        Ok(Self { writer: None, readers: readers::Readers::new(connector, readers.max(1)) })
    }

    /// There is none of the database's own that this could empty.
    pub(super) fn empty_log(&self) -> Result<(), StoreError> {
        self.writer().map(drop)
    }

    fn writer(&self) -> Result<&writer::Writer, StoreError> {
        self.writer.as_ref().ok_or(StoreError::Reading)
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.writer()?.write(batch).await
    }

    pub(super) async fn read<T, E, F, Fut>(&self, begun: Moment, reader: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: FnOnce(Snapshot) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let lease = Arc::new(self.readers.lease().await?);
        let result = reader(Snapshot { view: super::View::Postgres(Arc::clone(&lease)), begun }).await;
        lease.end();
        result
    }

    pub(super) async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.readers.close();
    }
}

/// All rows that `sql` gives in the transaction of a lease.
pub(super) async fn query(lease: &Lease, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    lease.connection()?.query(sql, params).await
}

/// Whether `sql` can be prepared; what it takes and gives is not checked.
pub(super) async fn prepare(lease: &Lease, sql: &str) -> Result<(), StoreError> {
    let statement = lease.connection()?.client().prepare(&dialect::postgres(sql)).await.map_err(failure)?;
    for (index, kind) in statement.params().iter().enumerate() {
        if *kind == tokio_postgres::types::Type::INT4 {
            return Err(StoreError::Schema(format!(
                "PostgreSQL takes ${} for a 32-bit integer: write CAST(${} AS BIGINT)",
                index + 1,
                index + 1
            )));
        }
    }
    Ok(())
}

/// An error of PostgreSQL, without the values that its details may quote.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn failure(error: tokio_postgres::Error) -> StoreError {
    use std::error::Error as _;

    match error.as_db_error() {
        Some(refusal) if *refusal.code() == SqlState::UNIQUE_VIOLATION => {
            StoreError::Conflict("a row that must be new is there already")
        }
        Some(refusal) if *refusal.code() == SqlState::QUERY_CANCELED => StoreError::TooLong("10 seconds"),
        Some(refusal) if *refusal.code() == SqlState::DISK_FULL => StoreError::Full(refusal.message().to_owned()),
        Some(refusal) => StoreError::Database(format!("{} ({})", refusal.message(), refusal.code().code())),
        None => match error.source() {
            Some(source) => StoreError::Database(format!("{error}: {source}")),
            None => StoreError::Database(error.to_string()),
        },
    }
}

/// Why it cannot be seen what was done to a database.
fn unreadable(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(code) if *code == SqlState::UNDEFINED_TABLE => StoreError::Schema(migrate::FOREIGN.to_owned()),
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Schema(
            "the role may not read the tables of the database: GRANT pg_read_all_data TO it".to_owned(),
        ),
        _ => failure(error),
    }
}

/// What was done to the database.
async fn applied(client: &tokio_postgres::Client) -> Result<Vec<(i64, String)>, tokio_postgres::Error> {
    let rows = client.query("SELECT number, checksum FROM schema_migrations ORDER BY number", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Brings the schema up to date, in one transaction.
async fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let client = connection.client();
    let encoding = client.query_one("SHOW server_encoding", &[]).await.map_err(failure)?;
    let encoding: String = encoding.try_get(0).map_err(failure)?;
    if encoding != "UTF8" {
        return Err(StoreError::Schema(format!(
            "the PostgreSQL database is encoded in {encoding}; make one in UTF-8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    client.batch_execute("BEGIN").await.map_err(failure)?;
    match migrate_in_transaction(client).await {
        Ok(()) => client.batch_execute("COMMIT").await.map_err(failure),
        Err(error) => {
            // The connection is given up after an error; the transaction ends with it even if this fails.
            let _ended = client.batch_execute("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn migrate_in_transaction(client: &tokio_postgres::Client) -> Result<(), StoreError> {
    client.batch_execute(MIGRATION_LOCK).await.map_err(failure)?;
    client.batch_execute(&dialect::postgres_schema(migrate::APPLIED)).await.map_err(failure)?;
    let applied = applied(client).await.map_err(failure)?;
    for migration in migrate::plan(&applied)? {
        client.batch_execute(&dialect::postgres_schema(migration.sql)).await.map_err(failure)?;
        client
            .execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                &[&migration.number, &migration.name, &migration.checksum()],
            )
            .await
            .map_err(failure)?;
    }
    Ok(())
}
