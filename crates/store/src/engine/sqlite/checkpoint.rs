//! Moves what the write-ahead log holds into the database file, so that neither writers nor readers have to.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// How long nobody must have written before the log is emptied.
const QUIET: Duration = Duration::from_secs(2);
/// A log of this many bytes is moved, as far as readers let it.
const MOVE_BYTES: u64 = 4 * 1024 * 1024;
/// A log of this many bytes is moved and begun anew, even if the writer waits for it.
const RESTART_BYTES: u64 = 128 * 1024 * 1024;

#[derive(Default)]
struct Wishes {
    closing: bool,
    /// Who waits until the log is empty.
    emptied: Vec<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Shared {
    wishes: Mutex<Wishes>,
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

    /// Empties the log, so that nothing that was deleted is left in it.
    pub(super) async fn empty(&self) -> Result<(), StoreError> {
        let (done, wait) = oneshot::channel();
        self.shared.wishes.lock().emptied.push(done);
        self.shared.changed.notify_all();
        wait.await.map_err(|_| {
            StoreError::Database(
                "the write-ahead log could not be emptied: a read still needs it; try again".to_owned(),
            )
        })
    }

    pub(super) fn close(&self) {
        self.shared.wishes.lock().closing = true;
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
        let (closing, emptied) = {
            let mut wishes = shared.wishes.lock();
            if !wishes.closing && wishes.emptied.is_empty() {
                shared.changed.wait_for(&mut wishes, PAUSE);
            }
            (wishes.closing, std::mem::take(&mut wishes.emptied))
        };
        let file = std::fs::metadata(log).ok();
        let bytes = file.as_ref().map_or(0, std::fs::Metadata::len);
        let quiet = file.and_then(|file| file.modified().ok()?.elapsed().ok()).is_some_and(|age| age > QUIET);
        let mode = match bytes {
            _ if closing || !emptied.is_empty() => "PRAGMA wal_checkpoint(TRUNCATE)",
            // Nobody writes: the log's bytes are given back.
            1.. if quiet => "PRAGMA wal_checkpoint(TRUNCATE)",
            RESTART_BYTES.. => "PRAGMA wal_checkpoint(RESTART)",
            // Once moved, the log is written again from its beginning: its size says nothing new until it grows.
            MOVE_BYTES.. if bytes != moved => "PRAGMA wal_checkpoint(PASSIVE)",
            _ => continue,
        };
        // The first column says whether somebody was in the way.
        match connection.query_row(mode, [], |row| row.get::<_, i64>(0)) {
            Ok(busy) => {
                moved = bytes;
                if busy == 0 {
                    for done in emptied {
                        let _nobody_waits = done.send(());
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database; it will be tried again");
            }
        }
        if closing {
            return;
        }
    }
}
