//! The engines behind one face: a [`Store`] takes batches and lends snapshots.

mod changes;
pub mod dialect;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::{future::Future, path::PathBuf, sync::Arc};

use domicile_core::ids::Position;

use changes::Moments;
pub use changes::{Changes, Moment};

use crate::{Batch, Committed, Row, StoreError, Value, numbers::Numbers};

/// Where the database is.
#[derive(Clone, Debug)]
pub enum StoreOptions {
    /// SQLite in a file of its own.
    Sqlite {
        /// The database file. A lock file stands beside it.
        path: PathBuf,
        /// Threads that read.
        readers: usize,
    },
    /// PostgreSQL.
    Postgres {
        /// `postgres://user:password@host/database`
        url: String,
        /// Connections that read. One more writes.
        readers: usize,
    },
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

struct Inner {
    options: StoreOptions,
    engine: Engine,
    numbers: Numbers,
    moments: Moments,
}

/// The database of this cell. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the database, creates it where there is none, and brings its schema up to date.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let engine = match &options {
            StoreOptions::Sqlite { path, readers } => Engine::Sqlite(sqlite::Sqlite::open(path, *readers)?),
            StoreOptions::Postgres { url, readers } => Engine::Postgres(postgres::Postgres::open(url, *readers).await?),
        };
        Ok(Self::over(options, engine))
    }

    /// Opens a database that is there only to read it, beside a server that uses it or without one: nothing is made, changed or locked, and
    /// [`Self::write`] gives [`StoreError::Reading`]. The schema must be the one of this program.
    ///
    /// A SQLite file must not be taken into use while it is read without a server: reads that follow give [`StoreError::Locked`].
    pub async fn open_reading(options: StoreOptions) -> Result<Self, StoreError> {
        let engine = match &options {
            StoreOptions::Sqlite { path, readers } => Engine::Sqlite(sqlite::Sqlite::open_reading(path, *readers)?),
            StoreOptions::Postgres { url, readers } => {
                Engine::Postgres(postgres::Postgres::open_reading(url, *readers).await?)
            }
        };
        Ok(Self::over(options, engine))
    }

    fn over(options: StoreOptions, engine: Engine) -> Self {
        let (numbers, moments) = (Numbers::default(), Moments::default());
        Self { inner: Arc::new(Inner { options, engine, numbers, moments }) }
    }

    /// Applies a batch whole or not at all. When this returns, it is on disk.
    pub async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        if batch.has_nul() {
            return Err(StoreError::Nul);
        }
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.write(batch).await,
            Engine::Postgres(postgres) => postgres.write(batch).await,
        }
    }

    /// Lends one consistent snapshot to `reader`, for as long as it runs.
    ///
    /// On SQLite the whole of `reader` runs on a reader's thread, so one logical read costs one hop however many statements it has. It must
    /// therefore wait for nothing but the snapshot, and never call [`Store::read`] itself.
    pub async fn read<T, E, F, Fut>(&self, reader: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Snapshot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        let begun = self.inner.moments.now();
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.read(begun, reader).await,
            // In a box: whoever waits for SQLite would hold the room for everything that is read as well.
            Engine::Postgres(postgres) => Box::pin(postgres.read(begun, reader)).await,
        }
    }

    /// For a cache of what snapshots show: tells it what it must not keep.
    pub fn changes(&self) -> Changes {
        Changes::new(self.inner.moments.clone())
    }

    /// After an erasure: makes sure that what was deleted is in no log of the database's own any more. On PostgreSQL logs are the
    /// operator's, and what is sealed dies with its key.
    pub async fn empty_log(&self) -> Result<(), StoreError> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.empty_log().await,
            Engine::Postgres(postgres) => postgres.empty_log(),
        }
    }

    /// Where the database is.
    pub(crate) fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// Numbers for new rows.
    pub fn numbers(&self) -> &Numbers {
        &self.inner.numbers
    }

    /// Finishes what was handed over and closes the database. Later calls give [`StoreError::Closed`].
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }
}

/// One consistent view of the database.
#[derive(Clone)]
pub struct Snapshot {
    view: View,
    begun: Moment,
}

#[derive(Clone)]
enum View {
    /// The connection belongs to the thread.
    Sqlite,
    /// The connection is lent until the read ends.
    Postgres(Arc<postgres::Lease>),
}

impl Snapshot {
    /// A moment at which it had not begun yet.
    pub fn begun(&self) -> Moment {
        self.begun
    }

    /// All rows that `sql` gives.
    pub async fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        if params.iter().any(Value::has_nul) {
            return Err(StoreError::Nul);
        }
        match &self.view {
            View::Sqlite => sqlite::query_here(sql, params),
            View::Postgres(lease) => postgres::query(lease, sql, params).await,
        }
    }

    /// Whether the engine understands `sql`. For the test that prepares every statement on both engines.
    pub async fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        match &self.view {
            View::Sqlite => sqlite::prepare_here(sql),
            View::Postgres(lease) => postgres::prepare(lease, sql).await,
        }
    }

    /// The first row that `sql` gives, if there is one.
    pub async fn query_opt(&self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The one row that `sql` gives.
    pub async fn query_one(&self, sql: &'static str, params: &[Value]) -> Result<Row, StoreError> {
        self.query_opt(sql, params)
            .await?
            .ok_or_else(|| StoreError::Corrupt("a row that must be there is missing".to_owned()))
    }

    /// The last position that this view holds: everything up to it is here, nothing after it.
    pub async fn head(&self) -> Result<Position, StoreError> {
        self.query_one("SELECT position FROM stream_head WHERE id = 1", &[]).await?.num(0)
    }
}
