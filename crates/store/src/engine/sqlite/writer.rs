//! The one writer: takes whatever waits, applies it in one transaction, answers everybody after the fsync.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::{Connection, PrepFlags};
use tokio::sync::oneshot;

use crate::{
    Batch, Committed, StoreError, Value,
    batch::{Expect, Statement},
    engine::dialect,
};

/// Batches that share one transaction at most: bounds how long the first of them waits for the last.
const GROUP: usize = 256;

struct Request {
    batch: Batch,
    answer: oneshot::Sender<Result<Committed, StoreError>>,
}

#[derive(Default)]
struct Lanes {
    high: VecDeque<Request>,
    low: VecDeque<Request>,
    closing: bool,
    closed: Vec<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Shared {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
}

/// The writer's connection with its statements, each prepared once and found by where its text lies in the program.
struct Statements<'c> {
    connection: &'c Connection,
    prepared: HashMap<(usize, usize), rusqlite::Statement<'c>>,
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> Self {
        Self { connection, prepared: HashMap::new() }
    }

    /// Runs a statement; gives how many rows it changed. `base` is the number of the batch's first position.
    fn execute(&mut self, sql: &'static str, params: &[Value], base: i64) -> Result<usize, StoreError> {
        let statement = match self.prepared.entry((sql.as_ptr().addr(), sql.len())) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let spelled = dialect::sqlite(sql);
                entry.insert(self.connection.prepare_with_flags(&spelled, PrepFlags::SQLITE_PREPARE_PERSISTENT)?)
            }
        };
        super::bind(statement, params, base)?;
        let changed = statement.raw_execute();
        // What was written does not stay in memory.
        statement.clear_bindings();
        Ok(changed?)
    }
}

/// The handle of the writer's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn start(connection: Connection, turns: Arc<Mutex<()>>) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let head = read_head(&connection)?;
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&theirs, &connection, &turns, head))
            .map_err(|source| StoreError::File { what: "cannot start the writer's thread".to_owned(), source })?;
        Ok(Self { shared })
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        let (answer, wait) = oneshot::channel();
        {
            let mut lanes = self.shared.lanes.lock();
            if lanes.closing {
                return Err(StoreError::Closed);
            }
            let lane = if batch.low_priority { &mut lanes.low } else { &mut lanes.high };
            lane.push_back(Request { batch, answer });
        }
        self.shared.arrived.notify_one();
        wait.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn close(&self) {
        let (done, wait) = oneshot::channel();
        {
            let mut lanes = self.shared.lanes.lock();
            lanes.closing = true;
            lanes.closed.push(done);
        }
        self.shared.arrived.notify_one();
        // The thread may have ended already: then there is nothing left to finish.
        let _ended = wait.await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lanes.lock().closing = true;
        self.shared.arrived.notify_one();
    }
}

fn read_head(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT position FROM stream_head WHERE id = 1", [], |row| row.get(0))?)
}

fn run(shared: &Shared, connection: &Connection, turns: &Mutex<()>, mut head: i64) {
    let mut group: Vec<Request> = Vec::with_capacity(GROUP);
    let mut statements = Statements::new(connection);
    loop {
        {
            let mut lanes = shared.lanes.lock();
            loop {
                let waiting = lanes.high.len().min(GROUP);
                group.extend(lanes.high.drain(..waiting));
                if group.is_empty() {
                    group.extend(lanes.low.pop_front());
                }
                if !group.is_empty() {
                    break;
                }
                if lanes.closing {
                    for done in lanes.closed.drain(..) {
                        let _nobody_waits = done.send(());
                    }
                    return;
                }
                shared.arrived.wait(&mut lanes);
            }
        }
        let turn = turns.lock();
        head = commit(&mut statements, &mut group, head);
        // Whoever waits for a turn has the next one, however many writes wait.
        MutexGuard::unlock_fair(turn);
    }
}

/// Commits a group, answers its callers, and gives the new head.
fn commit(statements: &mut Statements<'_>, group: &mut Vec<Request>, head: i64) -> i64 {
    let mut results = Vec::with_capacity(group.len());
    match apply_group(statements, group, head, &mut results) {
        Ok(new_head) => {
            for (request, result) in group.drain(..).zip(results) {
                let _nobody_waits = request.answer.send(result);
            }
            new_head
        }
        Err(error) => {
            let _no_transaction_left = statements.connection.execute_batch("ROLLBACK");
            tracing::error!(%error, batches = group.len(), "a group of writes failed");
            let text = error.to_string();
            for request in group.drain(..) {
                let _nobody_waits = request.answer.send(Err(StoreError::Database(text.clone())));
            }
            head
        }
    }
}

/// Applies a group in one transaction. Nearly always every batch can be applied, so that is tried first; only where a guard failed are the
/// savepoints paid for that let it fail alone.
fn apply_group(
    statements: &mut Statements<'_>,
    group: &[Request],
    head: i64,
    results: &mut Vec<Result<Committed, StoreError>>,
) -> Result<i64, StoreError> {
    execute_plain(statements, "BEGIN IMMEDIATE")?;
    let mut next = head;
    for request in group {
        match apply(statements, &request.batch, next + 1) {
            Ok(()) => results.push(Ok(committed(&request.batch, &mut next))),
            Err(error @ StoreError::Database(_)) if fatal(statements.connection) => return Err(error),
            Err(error) => {
                execute_plain(statements, "ROLLBACK")?;
                results.clear();
                if let [_] = group {
                    results.push(Err(error));
                    return Ok(head);
                }
                return apply_each(statements, group, head, results);
            }
        }
    }
    finish(statements, head, next)
}

/// The same with a savepoint for each batch.
fn apply_each(
    statements: &mut Statements<'_>,
    group: &[Request],
    head: i64,
    results: &mut Vec<Result<Committed, StoreError>>,
) -> Result<i64, StoreError> {
    execute_plain(statements, "BEGIN IMMEDIATE")?;
    let mut next = head;
    for request in group {
        execute_plain(statements, "SAVEPOINT batch")?;
        match apply(statements, &request.batch, next + 1) {
            Ok(()) => results.push(Ok(committed(&request.batch, &mut next))),
            // A full disk or a broken file is everybody's failure, not that of one batch.
            Err(error @ StoreError::Database(_)) if fatal(statements.connection) => return Err(error),
            Err(error) => {
                execute_plain(statements, "ROLLBACK TO batch")?;
                results.push(Err(error));
            }
        }
        execute_plain(statements, "RELEASE batch")?;
    }
    finish(statements, head, next)
}

/// The positions of a batch that was applied: they come after `next`, which moves on.
fn committed(batch: &Batch, next: &mut i64) -> Committed {
    let committed = Committed { base: *next + 1, count: batch.positions };
    *next += batch.advance();
    committed
}

fn finish(statements: &mut Statements<'_>, head: i64, next: i64) -> Result<i64, StoreError> {
    if next != head {
        statements.execute("UPDATE stream_head SET position = $1 WHERE id = 1", &[next.into()], 0)?;
    }
    execute_plain(statements, "COMMIT")?;
    Ok(next)
}

/// Whether SQLite has given up the transaction by itself.
fn fatal(connection: &Connection) -> bool {
    connection.is_autocommit()
}

fn execute_plain(statements: &mut Statements<'_>, sql: &'static str) -> Result<(), StoreError> {
    statements.execute(sql, &[], 0).map(|_| ())
}

fn apply(statements: &mut Statements<'_>, batch: &Batch, base: i64) -> Result<(), StoreError> {
    for Statement { sql, params, expect } in &batch.statements {
        let changed = statements.execute(sql, params, base)?;
        if let Expect::OneRow(guard) = expect
            && changed != 1
        {
            return Err(StoreError::Conflict(guard));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{migrate, params};

    fn big(positions: u32, bytes: usize) -> Batch {
        let mut batch = Batch::new();
        for part in 0..positions {
            let position = batch.position();
            batch.push(
                "INSERT INTO to_device_messages (device_num, position, part, content) VALUES (1, $1, $2, $3)",
                vec![position, i64::from(part).into(), "x".repeat(bytes).into()],
            );
        }
        batch
    }

    #[tokio::test]
    async fn a_full_disk_costs_nothing_but_the_writes_that_did_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = super::super::connect(&folder.path().join("test.db")).unwrap();
        migrate::sqlite(&mut connection).unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 40), [], |_| Ok(())).unwrap();
        let look = super::super::connect(&folder.path().join("test.db")).unwrap();
        let rows = || -> (i64, i64) {
            look.query_row("SELECT COUNT(*), COALESCE(MAX(position), 0) FROM to_device_messages", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap()
        };
        let writer = Writer::start(connection, Arc::default()).unwrap();
        assert_eq!(writer.write(big(1, 10)).await.unwrap().last().0, 1);
        for _ in 0..3 {
            let small = big(1, 10);
            let (full, alone) = tokio::join!(writer.write(big(3, 200_000)), writer.write(big(1, 300_000)));
            assert!(matches!(full, Err(StoreError::Database(_))), "{full:?}");
            assert!(matches!(alone, Err(StoreError::Database(_))), "{alone:?}");
            let before = rows().1;
            assert_eq!(writer.write(small).await.unwrap().last().0, before + 1);
            assert_eq!(rows(), (before + 1, before + 1));
            assert_eq!(read_head(&look).unwrap(), before + 1);
        }
        // Room again: what did not fit goes in now.
        let mut batch = Batch::new();
        batch.push("DELETE FROM to_device_messages WHERE position > $1", params![1_i64]);
        writer.write(batch).await.unwrap();
        let head = read_head(&look).unwrap();
        assert_eq!(writer.write(big(2, 10_000)).await.unwrap().last().0, head + 2);
        writer.close().await;
        assert!(matches!(writer.write(big(1, 1)).await, Err(StoreError::Closed)));
    }
}
