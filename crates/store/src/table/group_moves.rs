//! `group_moves`: requests to move all who live under one law, and who confirmed them.

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `group_moves`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMove {
    /// Its id: random letters.
    pub group_id: String,
    /// The law.
    pub jurisdiction: String,
    /// Where to and how, JSON.
    pub wanted: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// Who asked.
    pub requested_by: String,
    /// Their account on the machine, if the system told it.
    pub requested_uid: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who confirmed it.
    pub confirmed_by: Option<String>,
    /// When all had been ordered, in milliseconds since the epoch.
    pub confirmed_ts: Option<i64>,
}

fn group(row: &Row) -> Result<GroupMove, StoreError> {
    Ok(GroupMove {
        group_id: row.text(0)?.to_owned(),
        jurisdiction: row.text(1)?.to_owned(),
        wanted: row.text(2)?.to_owned(),
        created_ts: row.int(3)?,
        requested_by: row.text(4)?.to_owned(),
        requested_uid: row.opt_int(5)?,
        reason: row.text(6)?.to_owned(),
        confirmed_by: row.opt_text(7)?.map(str::to_owned),
        confirmed_ts: row.opt_int(8)?,
    })
}

/// The request of an id.
pub async fn by_id(snapshot: &Snapshot, group_id: &str) -> Result<Option<GroupMove>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT group_id, jurisdiction, wanted, created_ts, requested_by, requested_uid, reason, confirmed_by, confirmed_ts FROM group_moves
             WHERE group_id = $1",
            &params![group_id],
        )
        .await?;
    row.as_ref().map(group).transpose()
}

/// The latest requests, the newest first.
pub async fn latest(snapshot: &Snapshot, limit: i64) -> Result<Vec<GroupMove>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT group_id, jurisdiction, wanted, created_ts, requested_by, requested_uid, reason, confirmed_by, confirmed_ts FROM group_moves
             ORDER BY created_ts DESC, group_id LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(group).collect()
}

/// Adds a request.
pub fn insert(batch: &mut Batch, group: GroupMove) {
    batch.push(
        "INSERT INTO group_moves (group_id, jurisdiction, wanted, created_ts, requested_by, requested_uid, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            group.group_id,
            group.jurisdiction,
            group.wanted,
            group.created_ts,
            group.requested_by,
            group.requested_uid,
            group.reason
        ],
    );
}

/// Notes who confirmed a request; a conflict if somebody has already.
pub fn confirm(batch: &mut Batch, group_id: &str, by: &str, now_ms: i64) {
    batch.guard(
        "group_moves.confirmed_by",
        "UPDATE group_moves SET confirmed_by = $2, confirmed_ts = $3 WHERE group_id = $1 AND confirmed_by IS NULL",
        params![group_id, by, now_ms],
    );
}
