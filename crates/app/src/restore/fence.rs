//! The fence: whether this cell serves anybody. A restored one does not before it has found out what it has missed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domicile_core::{
    clock::SECOND_MS,
    error::{ErrorKind, MatrixError},
};
use domicile_store::{
    Batch, Store,
    table::{fence, reserved_names},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::State;
use crate::{Error, Result};

/// When somebody who was turned away may come again, in milliseconds.
const AGAIN_MS: u64 = 10 * SECOND_MS.unsigned_abs();

/// The fence.
pub struct Fence {
    store: Store,
    is_up: AtomicBool,
    changed: Notify,
}

impl Fence {
    /// As the database has it.
    pub async fn open(store: Store) -> Result<Arc<Self>> {
        let state = store.read(|snapshot| async move { fence::read(&snapshot).await }).await?;
        Ok(Arc::new(Self { store, is_up: AtomicBool::new(state.is_some()), changed: Notify::new() }))
    }

    /// Whether nobody is served.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }

    /// What everybody is told meanwhile.
    pub fn told() -> MatrixError {
        let text = "This part of the service is being restored from a backup and lets nobody in yet. Nothing is to be done: try again in some minutes, and sign in again then. The status page says when it is over.";
        MatrixError { retry_after_ms: Some(AGAIN_MS), ..ErrorKind::Unavailable.with(text) }
    }

    /// How far the restoring is; nothing if the cell is open.
    pub async fn state(&self) -> Result<Option<State>> {
        if !self.is_up() {
            return Ok(None);
        }
        let text = self.store.read(|snapshot| async move { fence::read(&snapshot).await }).await?;
        text.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()
    }

    /// Notes how far it is.
    pub(super) async fn note(&self, state: &State) -> Result<()> {
        let mut batch = Batch::new();
        fence::set(&mut batch, &serde_json::to_string(state).map_err(Error::internal)?);
        self.store.write(batch).await?;
        Ok(())
    }

    /// Lets everybody in.
    pub(super) async fn lift(&self) -> Result<()> {
        let mut batch = Batch::new();
        fence::remove(&mut batch);
        reserved_names::forget(&mut batch);
        self.store.write(batch).await?;
        self.is_up.store(false, Ordering::SeqCst);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Waits until the cell is open. False if the server stops before.
    pub async fn opened(&self, stopping: &CancellationToken) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if !self.is_up() {
                return true;
            }
            tokio::select! {
                () = changed => {}
                () = stopping.cancelled() => return false,
            }
        }
    }
}
