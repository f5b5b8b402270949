//! `moves`: people who move from this cell to another.

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The guard of a move that is changed by somebody else at the same time.
pub const GUARD: &str = "moves.revision";

/// A row of `moves`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its name.
    pub move_id: String,
    /// Who moves.
    pub user_id: String,
    /// The cell to which they move.
    pub destination: String,
    /// What is done next.
    pub state: String,
    /// Grows with each change.
    pub revision: i64,
    /// Who wants it.
    pub made_by: String,
    /// Why, as the person reads it.
    pub reason: String,
    /// When it was announced, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When it may begin.
    pub begin_ts: i64,
    /// When the next step is to be done.
    pub due_ts: i64,
    /// How often in a row the step failed.
    pub attempts: i64,
    /// Why, the last time.
    pub error: Option<String>,
    /// What the steps have found and done, JSON.
    pub progress: String,
    /// Until when the old address passes requests on.
    pub until_ts: Option<i64>,
    /// When it was over, one way or the other.
    pub ended_ts: Option<i64>,
}

fn read(row: &Row) -> Result<Move, StoreError> {
    Ok(Move {
        move_id: row.text(0)?.to_owned(),
        user_id: row.text(1)?.to_owned(),
        destination: row.text(2)?.to_owned(),
        state: row.text(3)?.to_owned(),
        revision: row.int(4)?,
        made_by: row.text(5)?.to_owned(),
        reason: row.text(6)?.to_owned(),
        created_ts: row.int(7)?,
        begin_ts: row.int(8)?,
        due_ts: row.int(9)?,
        attempts: row.int(10)?,
        error: row.opt_text(11)?.map(str::to_owned),
        progress: row.text(12)?.to_owned(),
        until_ts: row.opt_int(13)?,
        ended_ts: row.opt_int(14)?,
    })
}

/// The move of a name.
pub async fn by_id(snapshot: &Snapshot, move_id: &str) -> Result<Option<Move>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE move_id = $1",
            &params![move_id],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Somebody's move that is not over.
pub async fn open_of(snapshot: &Snapshot, user_id: &str) -> Result<Option<Move>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE user_id = $1 AND ended_ts IS NULL",
            &params![user_id],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Somebody's last move away from here.
pub async fn last_of(snapshot: &Snapshot, user_id: &str) -> Result<Option<Move>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE user_id = $1
             ORDER BY CASE WHEN ended_ts IS NULL THEN 0 ELSE 1 END, created_ts DESC, ended_ts DESC, revision DESC LIMIT 1",
            &params![user_id],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// At most `limit` moves that are not over and whose next step is due, those first that have waited longest.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<Move>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE ended_ts IS NULL AND due_ts <= $1 ORDER BY due_ts, move_id LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// At most `limit` moves that were stopped, of which their new home is to be told by now.
pub async fn stopped(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<Move>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE state = 'stopped' AND due_ts <= $1 ORDER BY due_ts, move_id LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// At most `limit` moves, the newest first, that were announced before a time.
pub async fn page(snapshot: &Snapshot, before_ts: i64, limit: i64) -> Result<Vec<Move>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE created_ts < $1 ORDER BY created_ts DESC, move_id LIMIT $2",
            &params![before_ts, limit],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// How many moves there are by the cell to which they go and by state, with the earliest and the latest time of their announcements.
pub async fn counts(snapshot: &Snapshot) -> Result<Vec<(String, String, i64, i64, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT destination, state, COUNT(*), MIN(created_ts), MAX(created_ts) FROM moves GROUP BY destination, state
             ORDER BY destination, state",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)?, row.int(3)?, row.int(4)?)))
        .collect()
}

/// Moves in some states that are not over: for what has to be known before the first request is served.
pub async fn in_states(snapshot: &Snapshot, states: &[&str]) -> Result<Vec<Move>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves WHERE ended_ts IS NULL AND state IN TEXTS($1)",
            &[crate::value::text_list(states)],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// At most `limit` moves of which their people are still to be told, those first that were announced first.
pub async fn untold(snapshot: &Snapshot, limit: i64) -> Result<Vec<Move>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts, error,
             progress, until_ts, ended_ts FROM moves
             WHERE (state = 'announced' AND told IS NULL) OR (state = 'stopped' AND told = 'announced')
             ORDER BY created_ts, move_id LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Notes the state of a move of which its person was told.
pub fn set_told(batch: &mut Batch, move_id: &str, state: &str) {
    batch.push("UPDATE moves SET told = $2 WHERE move_id = $1", params![move_id, state]);
}

/// Adds a move; a conflict if the person has one that is not over.
pub fn insert(batch: &mut Batch, row: &Move) {
    batch.push(
        "INSERT INTO moves (move_id, user_id, destination, state, revision, made_by, reason, created_ts, begin_ts, due_ts, attempts,
         error, progress, until_ts, ended_ts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        params![
            row.move_id.as_str(),
            row.user_id.as_str(),
            row.destination.as_str(),
            row.state.as_str(),
            row.revision,
            row.made_by.as_str(),
            row.reason.as_str(),
            row.created_ts,
            row.begin_ts,
            row.due_ts,
            row.attempts,
            row.error.clone(),
            row.progress.as_str(),
            row.until_ts,
            row.ended_ts
        ],
    );
}

/// Writes a move that was read, if nobody else did since. The next revision is one higher.
pub fn update(batch: &mut Batch, row: &Move) {
    batch.guard(
        GUARD,
        "UPDATE moves SET state = $3, revision = $2 + 1, begin_ts = $4, due_ts = $5, attempts = $6, error = $7, progress = $8,
         until_ts = $9, ended_ts = $10 WHERE move_id = $1 AND revision = $2",
        params![
            row.move_id.as_str(),
            row.revision,
            row.state.as_str(),
            row.begin_ts,
            row.due_ts,
            row.attempts,
            row.error.clone(),
            row.progress.as_str(),
            row.until_ts,
            row.ended_ts
        ],
    );
}

/// Whether a move was over before a time.
pub async fn any_ended(snapshot: &Snapshot, before_ts: i64) -> Result<bool, StoreError> {
    let row = snapshot.query_opt("SELECT ended_ts FROM moves WHERE ended_ts < $1 LIMIT 1", &params![before_ts]).await?;
    Ok(row.is_some())
}

/// Removes the moves that were over before a time.
pub fn remove_ended(batch: &mut Batch, before_ts: i64) {
    batch.push("DELETE FROM moves WHERE ended_ts < $1", params![before_ts]);
}

/// Removes what is known of the moves of somebody whose home is here: those that are over, and one with which they were not let go yet.
pub fn remove_of(batch: &mut Batch, user_id: &str) {
    batch.push(
        "DELETE FROM moves WHERE user_id = $1 AND (ended_ts IS NOT NULL OR state IN ('announced', 'objected', 'copying'))",
        params![user_id],
    );
}
