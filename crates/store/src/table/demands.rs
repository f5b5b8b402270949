//! `demands` and `demand_given`: what authorities demanded, and what they were given.

use bytes::Bytes;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `demands`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The number.
    pub demand_num: i64,
    /// The jurisdiction's code.
    pub code: String,
    /// The duty that it refers to, if it does: its whole name.
    pub duty: Option<String>,
    /// When it came.
    pub received_ts: i64,
    /// Until when it is to be answered.
    pub due_ts: Option<i64>,
    /// Where it stands.
    pub state: String,
    /// When it was answered.
    pub answered_ts: Option<i64>,
    /// Who demands what, and what was decided, sealed.
    pub sealed: Bytes,
}

fn demand(row: &Row) -> Result<Demand, StoreError> {
    Ok(Demand {
        demand_num: row.int(0)?,
        code: row.text(1)?.to_owned(),
        duty: row.opt_text(2)?.map(str::to_owned),
        received_ts: row.int(3)?,
        due_ts: row.opt_int(4)?,
        state: row.text(5)?.to_owned(),
        answered_ts: row.opt_int(6)?,
        sealed: row.blob(7)?,
    })
}

/// At most `limit` demands after a number.
pub async fn page(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<Demand>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT demand_num, code, duty, received_ts, due_ts, state, answered_ts, sealed FROM demands WHERE demand_num > $1
             ORDER BY demand_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(demand).collect()
}

/// The demand of a number.
pub async fn one(snapshot: &Snapshot, demand_num: i64) -> Result<Option<Demand>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT demand_num, code, duty, received_ts, due_ts, state, answered_ts, sealed FROM demands WHERE demand_num = $1",
            &params![demand_num],
        )
        .await?;
    row.as_ref().map(demand).transpose()
}

/// What counts are made of: code, duty, when it came, until when it is due, state.
pub type Counted = (String, Option<String>, i64, Option<i64>, String);

/// All demands without what is sealed.
pub async fn counted(snapshot: &Snapshot) -> Result<Vec<Counted>, StoreError> {
    let rows =
        snapshot.query("SELECT code, duty, received_ts, due_ts, state FROM demands ORDER BY demand_num", &[]).await?;
    rows.iter()
        .map(|row| {
            let duty = row.opt_text(1)?.map(str::to_owned);
            Ok((row.text(0)?.to_owned(), duty, row.int(2)?, row.opt_int(3)?, row.text(4)?.to_owned()))
        })
        .collect()
}

/// Adds a demand.
pub fn insert(batch: &mut Batch, demand: Demand) {
    batch.push(
        "INSERT INTO demands (demand_num, code, duty, received_ts, due_ts, state, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            demand.demand_num,
            demand.code,
            demand.duty,
            demand.received_ts,
            demand.due_ts,
            demand.state,
            demand.sealed
        ],
    );
}

/// Notes the answer to a demand; a conflict if it has one.
pub fn answer(batch: &mut Batch, demand_num: i64, state: &str, sealed: Bytes, now_ms: i64) {
    batch.guard(
        "demands.answered_ts",
        "UPDATE demands SET state = $2, sealed = $3, answered_ts = $4 WHERE demand_num = $1 AND answered_ts IS NULL",
        params![demand_num, state, sealed, now_ms],
    );
}

/// What was given on demands: number, class, bytes.
pub async fn given(snapshot: &Snapshot) -> Result<Vec<(i64, String, i64)>, StoreError> {
    let sql = "SELECT demand_num, class, bytes FROM demand_given ORDER BY demand_num, class";
    let rows = snapshot.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.to_owned(), row.int(2)?))).collect()
}

/// Notes that so many bytes of a class were given.
pub fn give(batch: &mut Batch, demand_num: i64, class: &str, bytes: i64) {
    batch.push(
        "INSERT INTO demand_given (demand_num, class, bytes) VALUES ($1, $2, $3)",
        params![demand_num, class, bytes],
    );
}
