//! Readers: a few threads, each with a connection, each lending one snapshot at a time. One is there from the start; each of the others begins when
//! something waits that nobody is free for, so a server with little to do holds one connection's memory.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Connect;
use crate::{
    Row, StoreError, Value,
    engine::{Moment, Snapshot, View, dialect},
};

/// How long a snapshot may stand: for as long as it does, the write-ahead log cannot begin anew and grows.
const LIMIT: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 20_000;

thread_local! {
    /// The connection of a reader's thread; nothing on any other thread.
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// When the snapshot of one reader must end.
#[derive(Clone, Default)]
struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a limit on the machine's own time, which no test sets")]
    fn set(&self, limit: Duration) {
        *self.0.lock() = Some(Instant::now() + limit);
    }

    #[expect(clippy::disallowed_methods, reason = "a limit on the machine's own time, which no test sets")]
    fn is_over(&self) -> bool {
        self.0.lock().is_some_and(|end| Instant::now() >= end)
    }

    /// For what must be done after the end: taking the transaction back.
    fn lift(&self) {
        *self.0.lock() = None;
    }
}

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Tasks {
    waiting: VecDeque<Task>,
    /// Readers there are, and those of them that wait for a task.
    readers: usize,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    tasks: Mutex<Tasks>,
    arrived: Condvar,
}

/// The pool.
pub(super) struct Readers {
    queue: Arc<Queue>,
    path: PathBuf,
    connect: Connect,
    /// Readers at most.
    most: usize,
}

impl Readers {
    pub(super) fn start(path: &Path, most: usize, connect: Connect) -> Result<Self, StoreError> {
        let readers = Self { queue: Arc::default(), path: path.to_owned(), connect, most };
        let first = open(path, connect)?;
        readers.queue.tasks.lock().readers = 1;
        let queue = Arc::clone(&readers.queue);
        spawn(move || run(&queue, first))?;
        Ok(readers)
    }

    /// One more. If it cannot be had, what waits is read by those who are there.
    fn begin(&self) {
        let (queue, path, connect) = (Arc::clone(&self.queue), self.path.clone(), self.connect);
        let begun = spawn(move || match open(&path, connect) {
            Ok(reader) => run(&queue, reader),
            Err(error) => {
                queue.tasks.lock().readers -= 1;
                tracing::warn!(%error, "one more connection for reading could not be opened");
            }
        });
        if let Err(error) = begun {
            self.queue.tasks.lock().readers -= 1;
            tracing::warn!(%error, "one more reader could not be started");
        }
    }

    pub(super) async fn read<T, E, F, Fut>(&self, begun: Moment, reader: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Snapshot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
    {
        let (answer, wait) = oneshot::channel();
        let task: Task = Box::new(move || {
            let _nobody_waits = answer.send(read_here(begun, reader));
        });
        let begins = {
            let mut tasks = self.queue.tasks.lock();
            if tasks.closed {
                return Err(StoreError::Closed.into());
            }
            tasks.waiting.push_back(task);
            let begins = tasks.waiting.len() > tasks.idle && tasks.readers < self.most;
            tasks.readers += usize::from(begins);
            begins
        };
        if begins {
            self.begin();
        } else {
            self.queue.arrived.notify_one();
        }
        wait.await.map_err(|_| E::from(StoreError::Closed))?
    }

    pub(super) fn close(&self) {
        self.queue.tasks.lock().closed = true;
        self.queue.arrived.notify_all();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection that reads, and the clock that ends its reads.
fn open(path: &Path, connect: Connect) -> Result<(Connection, Deadline), StoreError> {
    let mut connection = connect(path)?;
    // Each reader has a cache of its own, whose pages SQLite drops when somebody has written; the system's is behind all of them.
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1000")?;
    let deadline = Deadline::default();
    let watched = deadline.clone();
    connection.progress_handler(STEPS, Some(move || watched.is_over()))?;
    Ok((connection, deadline))
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let begun = thread::Builder::new().name("store-reader".to_owned()).spawn(work);
    begun.map(drop).map_err(|source| StoreError::File { what: "cannot start a reader's thread".to_owned(), source })
}

fn run(queue: &Queue, (connection, deadline): (Connection, Deadline)) {
    CONNECTION.set(Some(connection));
    loop {
        let task = {
            let mut tasks = queue.tasks.lock();
            loop {
                if let Some(task) = tasks.waiting.pop_front() {
                    break task;
                }
                if tasks.closed {
                    return;
                }
                tasks.idle += 1;
                queue.arrived.wait(&mut tasks);
                tasks.idle -= 1;
            }
        };
        deadline.set(LIMIT);
        // A reader's panic is its caller's 500, and must not cost the pool a thread.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
        if outcome.is_err() {
            tracing::error!("a read panicked");
        }
        deadline.lift();
        end();
    }
}

fn read_here<T, E, F, Fut>(begun: Moment, reader: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: FnOnce(Snapshot) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    plain("BEGIN")?;
    futures::executor::block_on(reader(Snapshot { view: View::Sqlite, begun }))
}

/// Ends the transaction of the read, however that went.
fn end() {
    if let Err(error) = on_connection(|connection| {
        if !connection.is_autocommit() {
            connection.prepare_cached("ROLLBACK")?.execute([])?;
        }
        Ok(())
    }) {
        tracing::error!(%error, "a snapshot could not be ended");
    }
}

fn plain(sql: &str) -> Result<(), StoreError> {
    on_connection(|connection| {
        connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    })
}

fn on_connection<T>(task: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    CONNECTION.with_borrow(|connection| match connection {
        Some(connection) => task(connection),
        None => Err(StoreError::Database("a snapshot was used outside its read".to_owned())),
    })
}

/// Runs a query on this thread's connection.
pub(in crate::engine) fn query_here(sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    on_connection(|connection| {
        let mut statement = connection.prepare_cached(&dialect::sqlite_once(sql))?;
        super::bind(&mut statement, params, 0)?;
        let columns = statement.column_count();
        let mut answer = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(or_too_long)? {
            answer.push(super::row(row, columns)?);
        }
        Ok(answer)
    })
}

fn or_too_long(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => StoreError::TooLong("10 seconds"),
        _ => error.into(),
    }
}

/// Whether SQLite understands `sql`.
pub(in crate::engine) fn prepare_here(sql: &str) -> Result<(), StoreError> {
    on_connection(|connection| {
        connection.prepare(&dialect::sqlite(sql))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_takes_too_long_is_ended_and_the_reader_lives_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = super::super::connect(&folder.path().join("test.db")).unwrap();
        let deadline = Deadline::default();
        let watched = deadline.clone();
        connection.progress_handler(STEPS, Some(move || watched.is_over())).unwrap();
        CONNECTION.set(Some(connection));
        deadline.set(Duration::from_millis(50));
        let begun = crate::engine::Moments::default().now();
        let endless =
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT COUNT(*) FROM numbers";
        let refused: Result<(), StoreError> = read_here(begun, |snapshot| async move {
            snapshot.query(endless, &[]).await?;
            Ok(())
        });
        let text = refused.err().unwrap().to_string();
        assert!(text.contains("took longer"), "{text}");
        deadline.lift();
        end();
        deadline.set(LIMIT);
        let one = read_here(begun, |snapshot| async move { snapshot.query_one("SELECT 1", &[]).await?.int(0) });
        assert_eq!(one.unwrap(), 1);
    }
}
