//! Readers: a few connections, each lending one snapshot at a time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Connection, Connector};
use crate::StoreError;

/// Sent before a lease's first statement, without waiting. A snapshot may not stand longer than its limit: it would hold back the removal of
/// old rows in the whole database.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 10000;
                     SET LOCAL idle_in_transaction_session_timeout = 10000";

/// Connections that wait for work.
type Idle = Mutex<Vec<Connection>>;

/// The pool.
pub(super) struct Readers {
    connector: Arc<Connector>,
    free: Arc<Semaphore>,
    idle: Arc<Idle>,
}

impl Readers {
    pub(super) fn new(connector: Arc<Connector>, count: usize) -> Self {
        Self { connector, free: Arc::new(Semaphore::new(count)), idle: Arc::default() }
    }

    /// A connection on which a transaction has begun.
    pub(super) async fn lease(&self) -> Result<Lease, StoreError> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let connection = loop {
            let waiting = self.idle.lock().pop();
            match waiting {
                Some(connection) if connection.is_closed() => {}
                Some(connection) => break connection,
                None => break self.connector.connect().await?,
            }
        };
        connection.send(BEGIN);
        Ok(Lease {
            connection: Some(connection),
            ended: AtomicBool::new(false),
            idle: Arc::clone(&self.idle),
            _permit: permit,
        })
    }

    pub(super) fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

/// A connection that is lent with its transaction. When the last holder lets go, the transaction ends and the connection goes back.
pub(in crate::engine) struct Lease {
    connection: Option<Connection>,
    ended: AtomicBool,
    idle: Arc<Idle>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn connection(&self) -> Result<&Connection, StoreError> {
        match &self.connection {
            Some(connection) if !self.ended.load(Ordering::Acquire) => Ok(connection),
            _ => Err(StoreError::Database("a snapshot was used outside its read".to_owned())),
        }
    }

    /// The read is over: whoever kept the snapshot gets an error from now on.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|connection| !connection.is_closed()) {
            connection.send("ROLLBACK");
            self.idle.lock().push(connection);
        }
    }
}
