//! Moves what the write-ahead log holds into the database file, so that neither writers nor readers have to.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::StoreError;

/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// A log of this many bytes is moved, as far as readers let it.
const MOVE_BYTES: u64 = 4 * 1024 * 1024;
/// A log of this many bytes is moved and begun anew, even if the writer waits for it.
const RESTART_BYTES: u64 = 128 * 1024 * 1024;

#[derive(Default)]
struct Shared {
    closing: Mutex<bool>,
    changed: Condvar,
}

/// The handle of the thread that moves the log.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
}

impl Checkpoints {
    pub(super) fn start(connection: Connection, log: &Path) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let log = log.to_owned();
        thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&theirs, &connection, &log))
            .map_err(|source| StoreError::File { what: "cannot start the checkpoint's thread".to_owned(), source })?;
        Ok(Self { shared })
    }

    pub(super) fn close(&self) {
        *self.shared.closing.lock() = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(shared: &Shared, connection: &Connection, log: &PathBuf) {
    let mut moved = 0;
    loop {
        let closing = {
            let mut closing = shared.closing.lock();
            if !*closing {
                shared.changed.wait_for(&mut closing, PAUSE);
            }
            *closing
        };
        let bytes = std::fs::metadata(log).map_or(0, |file| file.len());
        let mode = match bytes {
            _ if closing => "PRAGMA wal_checkpoint(TRUNCATE)",
            RESTART_BYTES.. => "PRAGMA wal_checkpoint(RESTART)",
            // Once moved, the log is written again from its beginning: its size says nothing new until it grows.
            MOVE_BYTES.. if bytes != moved => "PRAGMA wal_checkpoint(PASSIVE)",
            _ => continue,
        };
        match connection.query_row(mode, [], |_| Ok(())) {
            Ok(()) => moved = bytes,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database; it will be tried again");
            }
        }
        if closing {
            return;
        }
    }
}
