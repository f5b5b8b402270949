//! The one writer: takes whatever waits, applies it in one transaction, answers everybody after the fsync.
//!
//! Where one write comes after another and none waits, handing each to the writer's thread and its answer back costs more than the write. So while
//! the last ones came alone and the disk was quick, whoever writes does it where they are ([`Pace`]), unless they say that others come with it: one
//! task that writes several things at once would otherwise do it one after another.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    thread,
    time::Instant,
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::pace::Pace;
use crate::{
    Batch, Committed, StoreError, Value,
    batch::{Expect, Statement},
    engine::dialect,
};

/// Batches that share one transaction at most: bounds how long the first of them waits for the last.
const GROUP: usize = 256;
/// Statements of a batch that is written where it comes from.
const SHORT: usize = 48;

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

impl Lanes {
    /// What goes into the next transaction.
    fn next(&mut self) -> (Vec<Batch>, Vec<oneshot::Sender<Result<Committed, StoreError>>>) {
        let waiting = self.high.len().min(GROUP);
        let low = if waiting == 0 { self.low.pop_front() } else { None };
        self.high.drain(..waiting).chain(low).map(|request| (request.batch, request.answer)).unzip()
    }
}

struct Shared {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    /// Before the pen, since the log is begun anew in a turn of its own.
    turns: Arc<Mutex<()>>,
    pen: Mutex<Pen>,
    pace: Pace,
}

/// The connection that writes, and the position of the last row in the stream.
struct Pen {
    connection: Connection,
    /// Statements as SQLite spells them, each found by where its text lies in the program.
    spelled: HashMap<(usize, usize), Box<str>>,
    head: i64,
}

impl Pen {
    /// Runs a statement; gives how many rows it changed. `base` is the number of the batch's first position.
    fn execute(&mut self, sql: &'static str, params: &[Value], base: i64) -> Result<usize, StoreError> {
        let spelled = self.spelled.entry((sql.as_ptr().addr(), sql.len()));
        let spelled = spelled.or_insert_with(|| dialect::sqlite(sql).into());
        // What was bound does not stay in memory: it is cleared where the statement goes back.
        let mut statement = self.connection.prepare_cached(spelled)?;
        super::bind(&mut statement, params, base)?;
        Ok(statement.raw_execute()?)
    }

    fn plain(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.execute(sql, &[], 0).map(drop)
    }
}

impl Shared {
    /// Writes a batch where it comes from, if nobody else writes or waits and the disk is quick; else gives it back.
    fn write_here(&self, batch: Batch) -> Result<Result<Committed, StoreError>, Batch> {
        if batch.low_priority || batch.in_company || batch.statements.len() > SHORT || !self.pace.is_calm() {
            return Err(batch);
        }
        let Some(turn) = self.turns.try_lock() else { return Err(batch) };
        let Some(mut pen) = self.pen.try_lock() else { return Err(batch) };
        {
            let lanes = self.lanes.lock();
            if lanes.closing || !lanes.high.is_empty() {
                return Err(batch);
            }
        }
        let result = self.commit(&mut pen, std::slice::from_ref(&batch)).pop();
        drop(pen);
        MutexGuard::unlock_fair(turn);
        Ok(result.unwrap_or(Err(StoreError::Closed)))
    }

    /// Commits a group. Gives what became of each batch.
    #[expect(clippy::disallowed_methods, reason = "how quick the machine's own disk is, which no test sets")]
    fn commit(&self, pen: &mut Pen, batches: &[Batch]) -> Results {
        let began = Instant::now();
        let mut results = Results::with_capacity(batches.len());
        match apply_group(pen, batches, &mut results) {
            Ok(head) => pen.head = head,
            Err(error) => {
                let _no_transaction_left = pen.connection.execute_batch("ROLLBACK");
                tracing::error!(%error, batches = batches.len(), "a group of writes failed");
                results.clear();
                results.extend(batches.iter().map(|_| Err(error.for_another())));
            }
        }
        self.pace.note(batches.len(), began.elapsed());
        results
    }
}

type Results = SmallVec<[Result<Committed, StoreError>; 1]>;

/// The handle of the writer.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn start(connection: Connection, turns: Arc<Mutex<()>>) -> Result<Self, StoreError> {
        let head = read_head(&connection)?;
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            arrived: Condvar::new(),
            turns,
            pen: Mutex::new(Pen { connection, spelled: HashMap::new(), head }),
            pace: Pace::default(),
        });
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&theirs))
            .map_err(|source| StoreError::File { what: "cannot start the writer's thread".to_owned(), source })?;
        Ok(Self { shared })
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Committed, StoreError> {
        let batch = match self.shared.write_here(batch) {
            Ok(done) => return done,
            Err(batch) => batch,
        };
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

fn run(shared: &Shared) {
    while waits(shared) {
        let turn = shared.turns.lock();
        let mut pen = shared.pen.lock();
        let (batches, answers) = shared.lanes.lock().next();
        let results = if batches.is_empty() { Results::new() } else { shared.commit(&mut pen, &batches) };
        drop(pen);
        // Whoever waits for a turn has the next one, however many writes wait.
        MutexGuard::unlock_fair(turn);
        for (answer, result) in answers.into_iter().zip(results) {
            let _nobody_waits = answer.send(result);
        }
    }
    // Who writes where they are is done, too.
    drop(shared.pen.lock());
    for done in shared.lanes.lock().closed.drain(..) {
        let _nobody_waits = done.send(());
    }
}

/// Waits until there is something to write; false at the end.
fn waits(shared: &Shared) -> bool {
    let mut lanes = shared.lanes.lock();
    while lanes.high.is_empty() && lanes.low.is_empty() {
        if lanes.closing {
            return false;
        }
        shared.arrived.wait(&mut lanes);
    }
    true
}

/// Applies a group in one transaction. Nearly always every batch can be applied, so that is tried first; only where a guard failed are the
/// savepoints paid for that let it fail alone.
fn apply_group(pen: &mut Pen, batches: &[Batch], results: &mut Results) -> Result<i64, StoreError> {
    pen.plain("BEGIN IMMEDIATE")?;
    let mut next = pen.head;
    for batch in batches {
        match apply(pen, batch, next + 1) {
            Ok(()) => results.push(Ok(committed(batch, &mut next))),
            Err(error @ (StoreError::Database(_) | StoreError::Full(_))) if fatal(&pen.connection) => {
                return Err(error);
            }
            Err(error) => {
                pen.plain("ROLLBACK")?;
                results.clear();
                if let [_] = batches {
                    results.push(Err(error));
                    return Ok(pen.head);
                }
                return apply_each(pen, batches, results);
            }
        }
    }
    finish(pen, next)
}

/// The same with a savepoint for each batch.
fn apply_each(pen: &mut Pen, batches: &[Batch], results: &mut Results) -> Result<i64, StoreError> {
    pen.plain("BEGIN IMMEDIATE")?;
    let mut next = pen.head;
    for batch in batches {
        pen.plain("SAVEPOINT batch")?;
        match apply(pen, batch, next + 1) {
            Ok(()) => results.push(Ok(committed(batch, &mut next))),
            // A full disk or a broken file is everybody's failure, not that of one batch.
            Err(error @ (StoreError::Database(_) | StoreError::Full(_))) if fatal(&pen.connection) => {
                return Err(error);
            }
            Err(error) => {
                pen.plain("ROLLBACK TO batch")?;
                results.push(Err(error));
            }
        }
        pen.plain("RELEASE batch")?;
    }
    finish(pen, next)
}

/// The positions of a batch that was applied: they come after `next`, which moves on.
fn committed(batch: &Batch, next: &mut i64) -> Committed {
    let committed = Committed { base: *next + 1, count: batch.positions };
    *next += batch.advance();
    committed
}

fn finish(pen: &mut Pen, next: i64) -> Result<i64, StoreError> {
    if next != pen.head {
        pen.execute("UPDATE stream_head SET position = $1 WHERE id = 1", &[next.into()], 0)?;
    }
    pen.plain("COMMIT")?;
    Ok(next)
}

/// Whether SQLite has given up the transaction by itself.
fn fatal(connection: &Connection) -> bool {
    connection.is_autocommit()
}

fn apply(pen: &mut Pen, batch: &Batch, base: i64) -> Result<(), StoreError> {
    for Statement { sql, params, expect } in &batch.statements {
        let changed = pen.execute(sql, params, base)?;
        if let Expect::OneRow(guard) = expect
            && changed != 1
        {
            return Err(StoreError::Conflict(guard));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
