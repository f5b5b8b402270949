//! Moves what the write-ahead log holds into the database file, so that neither writers nor readers have to.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// How often the log is looked at where nobody writes.
const PAUSE: Duration = Duration::from_millis(500);
/// How often while it is written to.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// How long nobody must have written before the log is emptied.
const QUIET: Duration = Duration::from_secs(2);
/// A log of this many bytes is moved, as far as readers let it.
const MOVE_BYTES: u64 = 4 * 1024 * 1024;
/// A log with this many bytes in use is begun anew: what is written over bytes that are there costs the disk less than half of what it costs where
/// the file grows, since only the bytes have to be made durable and not the file's new length.
const RESTART_BYTES: u64 = 32 * 1024 * 1024;
/// How long the writer may wait for readers of such a log; it is tried again a little later.
const GENTLE: Duration = Duration::from_millis(5);
/// With this many bytes in use it is begun anew even if the writer has to wait longer.
const INSIST_BYTES: u64 = 256 * 1024 * 1024;
/// How long the writer may wait then.
const INSISTENT: Duration = Duration::from_secs(10);
/// What a page takes in the log.
const FRAME_BYTES: u64 = 24 + 4096;

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
    /// `turns` is held by whoever writes to the log: the engine's own locks know no order, and a busy writer would always be there first.
    pub(super) fn start(connection: Connection, log: &Path, turns: Arc<Mutex<()>>) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let log = log.to_owned();
        thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&theirs, &Mover { connection, turns }, &log))
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

fn run(shared: &Shared, mover: &Mover, log: &Path) {
    let (mut moved, mut last) = (Seen::default(), Seen::default());
    let mut pause = PAUSE;
    loop {
        let (closing, emptied) = {
            let mut wishes = shared.wishes.lock();
            if !wishes.closing && wishes.emptied.is_empty() {
                shared.changed.wait_for(&mut wishes, pause);
            }
            (wishes.closing, std::mem::take(&mut wishes.emptied))
        };
        let seen = Seen::now(log);
        pause = if seen.written == last.written { PAUSE } else { SHORT_PAUSE };
        last = seen;
        let done = if closing || !emptied.is_empty() {
            mover.in_turn("TRUNCATE", INSISTENT)
        } else if seen.bytes > 0 && seen.is_quiet() {
            // Nobody writes: the log's bytes are given back.
            mover.in_turn("TRUNCATE", GENTLE)
        } else if seen.wants_moving(&moved) {
            mover.run("PASSIVE", GENTLE).and_then(|first| match first.frames * FRAME_BYTES {
                INSIST_BYTES.. => mover.in_turn("RESTART", INSISTENT),
                RESTART_BYTES.. => mover.in_turn("RESTART", GENTLE),
                _ => Ok(first),
            })
        } else {
            continue;
        };
        match done {
            Ok(done) => {
                moved = seen;
                if !done.busy {
                    for waits in emptied {
                        let _nobody_waits = waits.send(());
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

/// The log as it was at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    bytes: u64,
    written: Option<SystemTime>,
}

impl Seen {
    fn now(log: &Path) -> Self {
        let Ok(file) = std::fs::metadata(log) else { return Self::default() };
        Self { bytes: file.len(), written: file.modified().ok() }
    }

    fn is_quiet(&self) -> bool {
        self.written.and_then(|written| written.elapsed().ok()).is_some_and(|age| age > QUIET)
    }

    /// Whether there is enough to be moved. A log that is long already is written again from its beginning: its size says nothing then.
    fn wants_moving(&self, moved: &Self) -> bool {
        let grew = self.bytes >= MOVE_BYTES && self.bytes != moved.bytes;
        let rewritten = self.bytes >= RESTART_BYTES && self.written != moved.written;
        grew || rewritten
    }
}

/// What a checkpoint found.
struct Moved {
    /// Whether somebody was in the way.
    busy: bool,
    /// Pages in the log.
    frames: u64,
}

/// Who moves the log.
struct Mover {
    connection: Connection,
    turns: Arc<Mutex<()>>,
}

impl Mover {
    /// A checkpoint while nobody writes. Its patience is with readers.
    fn in_turn(&self, mode: &str, patience: Duration) -> rusqlite::Result<Moved> {
        let _turn = self.turns.lock();
        self.run(mode, patience)
    }

    fn run(&self, mode: &str, patience: Duration) -> rusqlite::Result<Moved> {
        self.connection.busy_timeout(patience)?;
        self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok(Moved { busy: row.get::<_, i64>(0)? != 0, frames: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0) })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{MOVE_BYTES, RESTART_BYTES, Seen};

    #[test]
    fn a_log_is_moved_when_it_has_grown_or_was_written_again() {
        let at = |bytes, seconds| Seen { bytes, written: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)) };
        let nothing = Seen::default();
        assert!(!at(MOVE_BYTES - 1, 1).wants_moving(&nothing));
        assert!(at(MOVE_BYTES, 1).wants_moving(&nothing));
        assert!(!at(MOVE_BYTES, 2).wants_moving(&at(MOVE_BYTES, 1)), "it is written from its beginning");
        assert!(at(MOVE_BYTES + 1, 2).wants_moving(&at(MOVE_BYTES, 1)));
        assert!(at(RESTART_BYTES, 2).wants_moving(&at(RESTART_BYTES, 1)), "its size says nothing any more");
        assert!(!at(RESTART_BYTES, 2).wants_moving(&at(RESTART_BYTES, 2)), "nobody wrote");
    }
}
