//! One connection with its prepared statements, and how to make another.

use std::{collections::HashMap, time::Duration};

use futures::{FutureExt, TryStreamExt};
use parking_lot::Mutex;
use tokio_postgres::{Client, Config, NoTls, Socket, Statement, config::SslMode, tls::MakeTlsConnect};

use super::{address::Address, failure, tls::Tls, types};
use crate::{Row, StoreError, Value, engine::dialect};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// What a session begins with. A write that was acknowledged is on disk, whatever the server's default says.
const WRITES: &str = "SET client_encoding = 'UTF8'; SELECT set_config('synchronous_commit', 'on', false)
                      WHERE current_setting('synchronous_commit') = 'off'";
/// What one begins with that only reads.
const READS: &str = "SET client_encoding = 'UTF8'; SET default_transaction_read_only = on";

/// Makes connections.
pub(crate) struct Connector {
    config: Config,
    tls: Option<Tls>,
    begins: &'static str,
}

impl Connector {
    pub(crate) fn new(url: &str) -> Result<Self, StoreError> {
        let Address { mut config, root_certificate } = Address::parse(url)?;
        let tls = root_certificate.as_deref().map(Tls::trusting).transpose()?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        config.application_name("domicile").connect_timeout(CONNECT);
        Ok(Self { config, tls, begins: WRITES })
    }

    /// Makes connections that only read.
    pub(crate) fn reading(url: &str) -> Result<Self, StoreError> {
        Ok(Self { begins: READS, ..Self::new(url)? })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, StoreError> {
        match &self.tls {
            None => self.connect_with(NoTls).await,
            Some(tls) => self.connect_with(tls.clone()).await,
        }
    }

    async fn connect_with<T>(&self, tls: T) -> Result<Connection, StoreError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let made = tokio::time::timeout(CONNECT, self.config.connect(tls)).await;
        let (client, driver) = made
            .map_err(|_| {
                StoreError::Database(format!(
                    "PostgreSQL does not answer: no connection within {} s",
                    CONNECT.as_secs()
                ))
            })?
            .map_err(failure)?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::warn!(%error, "a connection to PostgreSQL ended");
            }
        });
        client.batch_execute(self.begins).await.map_err(failure)?;
        Ok(Connection { client, statements: Mutex::default() })
    }
}

/// A connection.
pub(crate) struct Connection {
    client: Client,
    /// By the address of the statement's text, which lives as long as the program.
    statements: Mutex<HashMap<(usize, usize), Statement>>,
}

impl Connection {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Sends a statement without waiting for its end: what follows on this connection comes after it.
    pub(super) fn send(&self, sql: &str) {
        // The first poll sends. If the connection is gone, the next answer on it says so.
        let _sent = self.client.batch_execute(sql).now_or_never();
    }

    /// The prepared form of a statement.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let key = (sql.as_ptr().addr(), sql.len());
        if let Some(known) = self.statements.lock().get(&key) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&dialect::postgres(sql)).await?;
        self.statements.lock().insert(key, statement.clone());
        Ok(statement)
    }

    /// Runs statements without parameters.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(failure)
    }

    /// All rows that `sql` gives.
    pub(crate) async fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await.map_err(failure)?;
        let params: Vec<_> = params.iter().map(|value| types::Parameter { value, base: 0 }).collect();
        let answer = self.client.query_raw(&statement, params).await.map_err(failure)?;
        futures::pin_mut!(answer);
        let mut rows = Vec::new();
        while let Some(row) = answer.try_next().await.map_err(failure)? {
            rows.push(types::row(&row)?);
        }
        Ok(rows)
    }
}
