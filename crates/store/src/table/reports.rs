//! `reports`: what people tell the operator about events, rooms and users.

use bytes::Bytes;
use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `reports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number.
    pub report_num: i64,
    /// Who reports; nobody once their home is elsewhere or they are erased, and then nothing of what they wrote is left.
    pub reporter_num: Option<UserNum>,
    /// The room, if it is about one or an event in it.
    pub room_id: Option<String>,
    /// The event's id in stored form, if it is about one.
    pub event_id: Option<Bytes>,
    /// The user, if it is about one or what they sent.
    pub user_id: Option<String>,
    /// What the reporter says.
    pub reason: String,
    /// When, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When the operator dealt with it.
    pub resolved_ts: Option<i64>,
}

fn report(row: &Row) -> Result<Report, StoreError> {
    Ok(Report {
        report_num: row.int(0)?,
        reporter_num: row.opt_num(1)?,
        room_id: row.opt_text(2)?.map(str::to_owned),
        event_id: row.opt_blob(3)?,
        user_id: row.opt_text(4)?.map(str::to_owned),
        reason: row.text(5)?.to_owned(),
        created_ts: row.int(6)?,
        resolved_ts: row.opt_int(7)?,
    })
}

/// The report of a number.
pub async fn one(snapshot: &Snapshot, report_num: i64) -> Result<Option<Report>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT report_num, reporter_num, room_id, event_id, user_id, reason, created_ts, resolved_ts FROM reports
             WHERE report_num = $1",
            &params![report_num],
        )
        .await?;
    row.as_ref().map(report).transpose()
}

/// At most `limit` reports after a number: all of them, or those that wait for the operator.
pub async fn page(snapshot: &Snapshot, after: i64, all: bool, limit: i64) -> Result<Vec<Report>, StoreError> {
    let sql = if all {
        "SELECT report_num, reporter_num, room_id, event_id, user_id, reason, created_ts, resolved_ts FROM reports
         WHERE report_num > $1 ORDER BY report_num LIMIT $2"
    } else {
        "SELECT report_num, reporter_num, room_id, event_id, user_id, reason, created_ts, resolved_ts FROM reports
         WHERE report_num > $1 AND resolved_ts IS NULL ORDER BY report_num LIMIT $2"
    };
    snapshot.query(sql, &params![after, limit]).await?.iter().map(report).collect()
}

/// Adds a report.
pub fn insert(batch: &mut Batch, report: Report) {
    batch.push(
        "INSERT INTO reports (report_num, reporter_num, room_id, event_id, user_id, reason, created_ts)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            report.report_num,
            report.reporter_num,
            report.room_id,
            report.event_id,
            report.user_id,
            report.reason,
            report.created_ts
        ],
    );
}

/// Notes that the operator dealt with a report.
pub fn resolve(batch: &mut Batch, report_num: i64, now_ms: i64) {
    batch.push(
        "UPDATE reports SET resolved_ts = $2 WHERE report_num = $1 AND resolved_ts IS NULL",
        params![report_num, now_ms],
    );
}

/// Removes a report.
pub fn remove(batch: &mut Batch, report_num: i64) {
    batch.push("DELETE FROM reports WHERE report_num = $1", params![report_num]);
}
