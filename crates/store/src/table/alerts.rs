//! `alerts`: what the operator is to know.

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `alerts`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about: one alert for each.
    pub subject: String,
    /// What kind it is.
    pub kind: String,
    /// The jurisdiction, if it is about one.
    pub code: Option<String>,
    /// What is the matter, in words.
    pub what: String,
    /// Since when.
    pub raised_ts: i64,
    /// When the operator's webhook took it.
    pub told_ts: Option<i64>,
    /// When the operator's mail server took it.
    pub mailed_ts: Option<i64>,
    /// When its cause was gone.
    pub cleared_ts: Option<i64>,
}

fn alert(row: &Row) -> Result<Alert, StoreError> {
    Ok(Alert {
        subject: row.text(0)?.to_owned(),
        kind: row.text(1)?.to_owned(),
        code: row.opt_text(2)?.map(str::to_owned),
        what: row.text(3)?.to_owned(),
        raised_ts: row.int(4)?,
        told_ts: row.opt_int(5)?,
        mailed_ts: row.opt_int(6)?,
        cleared_ts: row.opt_int(7)?,
    })
}

/// Those whose cause is there, the oldest first.
pub async fn open(snapshot: &Snapshot) -> Result<Vec<Alert>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT subject, kind, code, what, raised_ts, told_ts, mailed_ts, cleared_ts FROM alerts WHERE cleared_ts IS NULL
             ORDER BY raised_ts, subject",
            &[],
        )
        .await?;
    rows.iter().map(alert).collect()
}

/// Raises an alert. One that is raised already keeps its time, and whether it was told, unless it says something else now.
pub fn raise(batch: &mut Batch, alert: Alert) {
    batch.push(
        "INSERT INTO alerts (subject, kind, code, what, raised_ts) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subject) DO UPDATE SET kind = excluded.kind, code = excluded.code, what = excluded.what,
         raised_ts = CASE WHEN alerts.cleared_ts IS NULL THEN alerts.raised_ts ELSE excluded.raised_ts END,
         told_ts = CASE WHEN alerts.cleared_ts IS NULL AND alerts.what = excluded.what THEN alerts.told_ts ELSE NULL END,
         mailed_ts = CASE WHEN alerts.cleared_ts IS NULL AND alerts.what = excluded.what THEN alerts.mailed_ts ELSE NULL END,
         cleared_ts = NULL",
        params![alert.subject, alert.kind, alert.code, alert.what, alert.raised_ts],
    );
}

/// Notes that the operator's webhook took an alert as it was at the time.
pub fn told(batch: &mut Batch, subject: &str, what: &str, now_ms: i64) {
    batch.push("UPDATE alerts SET told_ts = $3 WHERE subject = $1 AND what = $2", params![subject, what, now_ms]);
}

/// Notes that the operator's mail server took an alert as it was at the time.
pub fn mailed(batch: &mut Batch, subject: &str, what: &str, now_ms: i64) {
    batch.push("UPDATE alerts SET mailed_ts = $3 WHERE subject = $1 AND what = $2", params![subject, what, now_ms]);
}

/// Notes that an alert's cause is gone.
pub fn clear(batch: &mut Batch, subject: &str, now_ms: i64) {
    batch.push("UPDATE alerts SET cleared_ts = $2 WHERE subject = $1 AND cleared_ts IS NULL", params![subject, now_ms]);
}
