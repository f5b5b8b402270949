//! Readers: a few threads, each with a connection, each lending one snapshot at a time.

use std::{cell::RefCell, collections::VecDeque, future::Future, path::Path, sync::Arc, thread};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Row, StoreError, Value,
    engine::{Snapshot, View, dialect},
};

thread_local! {
    /// The connection of a reader's thread; nothing on any other thread.
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    arrived: Condvar,
}

/// The pool.
pub(super) struct Readers {
    queue: Arc<Queue>,
}

impl Readers {
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        for _ in 0..count {
            let connection = super::connect(path)?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            let theirs = Arc::clone(&queue);
            thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || run(&theirs, connection))
                .map_err(|source| StoreError::File { what: "cannot start a reader's thread".to_owned(), source })?;
        }
        Ok(Self { queue })
    }

    pub(super) async fn read<T, E, F, Fut>(&self, reader: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(Snapshot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
    {
        let (answer, wait) = oneshot::channel();
        let task: Task = Box::new(move || {
            let _nobody_waits = answer.send(read_here(reader));
        });
        {
            let mut tasks = self.queue.tasks.lock();
            if tasks.1 {
                return Err(StoreError::Closed.into());
            }
            tasks.0.push_back(task);
        }
        self.queue.arrived.notify_one();
        wait.await.map_err(|_| E::from(StoreError::Closed))?
    }

    pub(super) fn close(&self) {
        self.queue.tasks.lock().1 = true;
        self.queue.arrived.notify_all();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(queue: &Queue, connection: Connection) {
    CONNECTION.set(Some(connection));
    loop {
        let task = {
            let mut tasks = queue.tasks.lock();
            loop {
                if let Some(task) = tasks.0.pop_front() {
                    break task;
                }
                if tasks.1 {
                    return;
                }
                queue.arrived.wait(&mut tasks);
            }
        };
        // A reader's panic is its caller's 500, and must not cost the pool a thread.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
        if outcome.is_err() {
            let _no_transaction_left = plain("ROLLBACK");
            tracing::error!("a read panicked");
        }
    }
}

fn read_here<T, E, F, Fut>(reader: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: FnOnce(Snapshot) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    plain("BEGIN")?;
    let result = futures::executor::block_on(reader(Snapshot { view: View::Sqlite }));
    plain("COMMIT")?;
    result
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
        let mut statement = connection.prepare_cached(&dialect::sqlite(sql))?;
        super::bind(&mut statement, params, 0)?;
        let columns = statement.column_count();
        let mut answer = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            answer.push(super::row(row, columns)?);
        }
        Ok(answer)
    })
}

/// Whether SQLite understands `sql`.
pub(in crate::engine) fn prepare_here(sql: &str) -> Result<(), StoreError> {
    on_connection(|connection| {
        connection.prepare(&dialect::sqlite(sql))?;
        Ok(())
    })
}
