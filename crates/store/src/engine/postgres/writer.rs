//! The one writer of this node: takes whatever waits, applies it in one transaction, answers everybody after the commit.
//!
//! A group is first tried as a whole, without savepoints. If anything in it fails, it is rolled back and applied again batch by batch, each
//! under a savepoint, so that what fails fails alone. Nothing is acknowledged before PostgreSQL confirmed the commit.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, task::Poll, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_postgres::{Statement as Prepared, error::SqlState};

use super::{
    connection::{Connection, Connector},
    failure,
    types::Parameter,
};
use crate::{
    Batch, Committed, StoreError,
    batch::{Expect, Statement},
};

/// Batches that share one transaction at most: bounds how long the first of them waits for the last.
const GROUP: usize = 256;
/// Pauses before a group is tried again after a deadlock, or after the connection broke before the commit.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// Takes the positions of a whole group and locks the head until the commit: nobody sees a later position before these.
const TAKE: &str = "UPDATE stream_head SET position = position + $1 WHERE id = 1 RETURNING position - $1";
const LOCK: &str = "SELECT position FROM stream_head WHERE id = 1 FOR UPDATE";
const LOOK: &str = "SELECT position FROM stream_head WHERE id = 1";
const SET: &str = "UPDATE stream_head SET position = $1 WHERE id = 1";

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
    arrived: Notify,
}

/// The handle of the writer's task.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn start(connector: Arc<Connector>, connection: Connection) -> Self {
        let shared = Arc::new(Shared::default());
        let task = Task { connector, connection: Some(connection) };
        tokio::spawn(run(Arc::clone(&shared), task));
        Self { shared }
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
        // The task may have ended already: then there is nothing left to finish.
        let _ended = wait.await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lanes.lock().closing = true;
        self.shared.arrived.notify_one();
    }
}

async fn run(shared: Arc<Shared>, mut task: Task) {
    loop {
        let group = {
            let mut lanes = shared.lanes.lock();
            let waiting = lanes.high.len().min(GROUP);
            let mut group: Vec<Request> = lanes.high.drain(..waiting).collect();
            if group.is_empty() {
                group.extend(lanes.low.pop_front());
            }
            if group.is_empty() && lanes.closing {
                for done in lanes.closed.drain(..) {
                    let _nobody_waits = done.send(());
                }
                return;
            }
            group
        };
        if group.is_empty() {
            shared.arrived.notified().await;
        } else {
            task.commit(group).await;
        }
    }
}

/// Why a whole group was not committed.
enum Failed {
    /// Certainly nothing was written, and it may go better next time.
    Again(StoreError),
    /// It must not be tried again: it would fail, or it may have been written.
    Final(StoreError),
}

/// Outcomes by batch.
type Outcomes = Vec<Result<Committed, StoreError>>;
/// The statements of each batch, prepared; or why one could not be.
type PreparedBatches = Vec<Result<Vec<Prepared>, StoreError>>;

struct Task {
    connector: Arc<Connector>,
    connection: Option<Connection>,
}

impl Task {
    /// Commits a group and answers its callers.
    async fn commit(&mut self, group: Vec<Request>) {
        let mut pauses = PAUSES.iter();
        let error = loop {
            match self.attempt(&group).await {
                Ok(outcomes) => {
                    for (request, outcome) in group.into_iter().zip(outcomes) {
                        let _nobody_waits = request.answer.send(outcome);
                    }
                    return;
                }
                Err(Failed::Again(error)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => break error,
                },
                Err(Failed::Final(error)) => break error,
            }
        };
        tracing::error!(%error, batches = group.len(), "a group of writes failed");
        for request in group {
            let _nobody_waits = request.answer.send(Err(error.for_another()));
        }
    }

    async fn attempt(&mut self, group: &[Request]) -> Result<Outcomes, Failed> {
        let connection = match self.connection.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.connector.connect().await.map_err(Failed::Again)?,
        };
        let result = attempt_on(&connection, group).await;
        if matches!(result, Err(Failed::Again(_))) && !connection.is_closed() {
            connection.send("ROLLBACK");
        }
        // After a commit of unknown outcome the connection is of no more use.
        if !matches!(result, Err(Failed::Final(_))) {
            self.connection = Some(connection);
        }
        result
    }
}

async fn attempt_on(connection: &Connection, group: &[Request]) -> Result<Outcomes, Failed> {
    let prepared = prepare(connection, group).await?;
    if prepared.iter().all(Result::is_ok)
        && let Some(outcomes) = together(connection, group, &prepared).await?
    {
        return Ok(outcomes);
    }
    one_by_one(connection, group, prepared).await
}

/// Whether an error ends the attempt of the whole group, and not that of one batch.
fn classify(connection: &Connection, error: tokio_postgres::Error) -> Result<StoreError, Failed> {
    let again = connection.is_closed()
        || error.is_closed()
        || error.code().is_some_and(|code| {
            [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
            ]
            .contains(code)
        });
    let error = failure(error);
    if again { Err(Failed::Again(error)) } else { Ok(error) }
}

/// Prepares what is new in a group, outside of any transaction.
async fn prepare(connection: &Connection, group: &[Request]) -> Result<PreparedBatches, Failed> {
    let mut batches = Vec::with_capacity(group.len());
    for request in group {
        let mut statements = Vec::with_capacity(request.batch.statements.len());
        let mut refused = None;
        for statement in &request.batch.statements {
            match connection.prepare(statement.sql).await {
                Ok(prepared) => statements.push(prepared),
                Err(error) => {
                    refused = Some(classify(connection, error)?);
                    break;
                }
            }
        }
        batches.push(refused.map_or(Ok(statements), Err));
    }
    Ok(batches)
}

/// The whole group without savepoints. `None`: something failed, nothing was written, and it must be found out what.
async fn together(
    connection: &Connection,
    group: &[Request],
    prepared: &PreparedBatches,
) -> Result<Option<Outcomes>, Failed> {
    let wanted: i64 = group.iter().map(|request| request.batch.advance()).sum();
    connection.send("BEGIN");
    let head =
        if wanted > 0 { number(connection, TAKE, &[wanted]).await? } else { number(connection, LOOK, &[]).await? };
    let mut outcomes = Vec::with_capacity(group.len());
    let mut pending = Vec::new();
    let mut next = head;
    for (request, prepared) in group.iter().zip(prepared) {
        let base = next + 1;
        next += request.batch.advance();
        if let Ok(prepared) = prepared {
            pending.extend(send(connection, &request.batch.statements, prepared, base).await);
        }
        outcomes.push(Ok(Committed { base, count: request.batch.positions }));
    }
    let mut whole = true;
    for one in pending {
        match one.await {
            Ok(()) => {}
            Err(Refused::Guard(_)) => whole = false,
            Err(Refused::Error(error)) => {
                classify(connection, error)?;
                whole = false;
            }
        }
        if !whole {
            break;
        }
    }
    if !whole {
        connection.send("ROLLBACK");
        return Ok(None);
    }
    end(connection).await?;
    Ok(Some(outcomes))
}

/// The group batch by batch, each under a savepoint.
async fn one_by_one(connection: &Connection, group: &[Request], prepared: PreparedBatches) -> Result<Outcomes, Failed> {
    connection.send("BEGIN");
    let head = number(connection, LOCK, &[]).await?;
    let mut next = head;
    let mut outcomes = Vec::with_capacity(group.len());
    for (request, prepared) in group.iter().zip(prepared) {
        let base = next + 1;
        let outcome = match prepared {
            Ok(prepared) => under_savepoint(connection, &request.batch.statements, &prepared, base).await?,
            Err(error) => Err(error),
        };
        outcomes.push(outcome.map(|()| {
            next += request.batch.advance();
            Committed { base, count: request.batch.positions }
        }));
    }
    if next != head {
        let statement = connection.prepare(SET).await;
        let statement = statement.map_err(|error| whole_group(connection, error))?;
        let set = connection.client().execute_raw(&statement, [next]).await;
        set.map_err(|error| whole_group(connection, error))?;
    }
    end(connection).await?;
    Ok(outcomes)
}

async fn under_savepoint(
    connection: &Connection,
    statements: &[Statement],
    prepared: &[Prepared],
    base: i64,
) -> Result<Result<(), StoreError>, Failed> {
    connection.send("SAVEPOINT batch");
    let pending = send(connection, statements, prepared, base).await;
    for one in pending {
        let refusal = match one.await {
            Ok(()) => continue,
            Err(Refused::Guard(guard)) => StoreError::Conflict(guard),
            Err(Refused::Error(error)) => classify(connection, error)?,
        };
        // Statements that are on their way still come before this.
        connection.send("ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch");
        return Ok(Err(refusal));
    }
    connection.send("RELEASE SAVEPOINT batch");
    Ok(Ok(()))
}

/// Commits. An error of which PostgreSQL did not say that it was a refusal leaves the outcome open: it must not be tried again.
async fn end(connection: &Connection) -> Result<(), Failed> {
    connection.client().batch_execute("COMMIT").await.map_err(|error| {
        let refused = error.as_db_error().is_some() && !connection.is_closed();
        match classify(connection, error) {
            Err(Failed::Again(error)) if refused => Failed::Again(error),
            Ok(error) if refused => Failed::Final(error),
            Ok(error) | Err(Failed::Again(error) | Failed::Final(error)) => Failed::Final(StoreError::Database(
                format!("the connection broke during the commit, which may have been made or not: {error}"),
            )),
        }
    })
}

/// The one number that a statement of this file gives.
async fn number(connection: &Connection, sql: &'static str, params: &[i64]) -> Result<i64, Failed> {
    let ask = async {
        let statement = connection.prepare(sql).await?;
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            params.iter().map(|param| param as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        connection.client().query_one(&statement, &params).await?.try_get(0)
    };
    ask.await.map_err(|error| whole_group(connection, error))
}

/// An error that no batch is to blame for.
fn whole_group(connection: &Connection, error: tokio_postgres::Error) -> Failed {
    match classify(connection, error) {
        Ok(error) => Failed::Final(error),
        Err(failed) => failed,
    }
}

/// Why a statement ends its batch.
enum Refused {
    Guard(&'static str),
    Error(tokio_postgres::Error),
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// Sends the statements of a batch one after the other without waiting for answers.
async fn send<'a>(
    connection: &'a Connection,
    statements: &'a [Statement],
    prepared: &'a [Prepared],
    base: i64,
) -> Vec<Pending<'a>> {
    let mut pending = Vec::with_capacity(statements.len());
    for (statement, prepared) in statements.iter().zip(prepared) {
        let mut one: Pending<'a> = Box::pin(execute(connection, statement, prepared, base));
        // The first poll sends; an answer that is there already is kept.
        let first = std::future::poll_fn(|context| Poll::Ready(one.as_mut().poll(context))).await;
        pending.push(match first {
            Poll::Pending => one,
            Poll::Ready(result) => Box::pin(std::future::ready(result)),
        });
    }
    pending
}

async fn execute(
    connection: &Connection,
    statement: &Statement,
    prepared: &Prepared,
    base: i64,
) -> Result<(), Refused> {
    let params: Vec<_> = statement.params.iter().map(|value| Parameter { value, base }).collect();
    let changed = connection.client().execute_raw(prepared, params).await.map_err(Refused::Error)?;
    match statement.expect {
        Expect::OneRow(guard) if changed != 1 => Err(Refused::Guard(guard)),
        _ => Ok(()),
    }
}
