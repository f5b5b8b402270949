//! `key_incidents`: what was noticed of other cells' people that somebody could have done who has their cell in hand, and who was told.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `key_incidents`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIncident {
    /// With whom.
    pub user_num: UserNum,
    /// What kind of thing happened.
    pub kind: String,
    /// The key, the device or the room; nothing where there were too many to note each.
    pub subject: String,
    /// The cell that was their home.
    pub home: String,
    /// When it happened first.
    pub first_ts: i64,
    /// When it happened last.
    pub last_ts: i64,
    /// How often.
    pub times: i64,
    /// When people are to be told; none if there is nothing to tell.
    pub due_ts: Option<i64>,
    /// When they were told last.
    pub told_ts: Option<i64>,
    /// The last who was told in a round that is not over yet.
    pub told_upto: UserNum,
    /// How many were told.
    pub told: i64,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct NewKeyIncident<'i> {
    /// With whom.
    pub user_num: UserNum,
    /// What kind of thing.
    pub kind: &'i str,
    /// The key, the device or the room.
    pub subject: &'i str,
    /// The cell that is their home.
    pub home: &'i str,
}

fn incident(row: &Row) -> Result<KeyIncident, StoreError> {
    Ok(KeyIncident {
        user_num: row.num(0)?,
        kind: row.text(1)?.to_owned(),
        subject: row.text(2)?.to_owned(),
        home: row.text(3)?.to_owned(),
        first_ts: row.int(4)?,
        last_ts: row.int(5)?,
        times: row.int(6)?,
        due_ts: row.opt_int(7)?,
        told_ts: row.opt_int(8)?,
        told_upto: row.num(9)?,
        told: row.int(10)?,
    })
}

/// At most `limit` incidents of which people are to be told by now, with the Matrix ids of those whom they are about; who waits longest first.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<(KeyIncident, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT k.user_num, k.kind, k.subject, k.home, k.first_ts, k.last_ts, k.times, k.due_ts, k.told_ts, k.told_upto, k.told, u.user_id
             FROM key_incidents k JOIN users u ON u.user_num = k.user_num
             WHERE k.due_ts <= $1 ORDER BY k.due_ts, k.user_num, k.kind, k.subject LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((incident(row)?, row.text(11)?.to_owned()))).collect()
}

/// At most `limit` incidents, the newest first, with the Matrix ids of those whom they are about.
pub async fn newest(snapshot: &Snapshot, limit: i64) -> Result<Vec<(KeyIncident, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT k.user_num, k.kind, k.subject, k.home, k.first_ts, k.last_ts, k.times, k.due_ts, k.told_ts, k.told_upto, k.told, u.user_id
             FROM key_incidents k JOIN users u ON u.user_num = k.user_num
             ORDER BY k.last_ts DESC, k.user_num, k.kind, k.subject LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(|row| Ok((incident(row)?, row.text(11)?.to_owned()))).collect()
}

/// How many there are of each kind.
pub async fn counts(snapshot: &Snapshot) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = snapshot.query("SELECT kind, COUNT(*) FROM key_incidents GROUP BY kind ORDER BY kind", &[]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
}

/// How many there are of a kind with somebody.
pub async fn count_of(snapshot: &Snapshot, user_num: UserNum, kind: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM key_incidents WHERE user_num = $1 AND kind = $2";
    snapshot.query_one(sql, &params![user_num, kind]).await?.int(0)
}

/// When people were told last of something of a kind with somebody.
pub async fn last_told(snapshot: &Snapshot, user_num: UserNum, kind: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT MAX(told_ts) FROM key_incidents WHERE user_num = $1 AND kind = $2";
    snapshot.query_one(sql, &params![user_num, kind]).await?.opt_int(0)
}

/// Notes that something happened, of which people are to be told: what happened before with the same subject happened again.
pub fn note(batch: &mut Batch, new: NewKeyIncident<'_>, now_ms: i64) {
    batch.push(
        "INSERT INTO key_incidents (user_num, kind, subject, home, first_ts, last_ts, times, due_ts, told_upto, told)
         VALUES ($1, $2, $3, $4, $5, $5, 1, $5, 0, 0)
         ON CONFLICT (user_num, kind, subject) DO UPDATE SET home = excluded.home, last_ts = excluded.last_ts,
         times = key_incidents.times + 1, due_ts = COALESCE(key_incidents.due_ts, excluded.due_ts)",
        params![new.user_num, new.kind, new.subject, new.home, now_ms],
    );
}

/// Puts off telling people of what is of a kind with somebody.
pub fn postpone(batch: &mut Batch, user_num: UserNum, kind: &str, due_ts: i64) {
    batch.push(
        "UPDATE key_incidents SET due_ts = $3 WHERE user_num = $1 AND kind = $2 AND due_ts IS NOT NULL",
        params![user_num, kind, due_ts],
    );
}

/// Notes that nobody needs to hear of an incident any more.
pub fn drop_due(batch: &mut Batch, incident: &KeyIncident) {
    batch.push(
        "UPDATE key_incidents SET due_ts = NULL, told_upto = 0 WHERE user_num = $1 AND kind = $2 AND subject = $3 AND last_ts = $4",
        params![incident.user_num, incident.kind.as_str(), incident.subject.as_str(), incident.last_ts],
    );
}

/// Notes how far the telling of an incident has come: `more` were told since.
pub fn reach(batch: &mut Batch, incident: &KeyIncident, upto: UserNum, more: i64) {
    batch.push(
        "UPDATE key_incidents SET told_upto = $4, told = told + $5 WHERE user_num = $1 AND kind = $2 AND subject = $3",
        params![incident.user_num, incident.kind.as_str(), incident.subject.as_str(), upto, more],
    );
}

/// Notes that everybody was told of an incident as it stood. What happened meanwhile is still to be told.
pub fn set_told(batch: &mut Batch, incident: &KeyIncident, now_ms: i64) {
    batch.push(
        "UPDATE key_incidents SET told_ts = $5, told_upto = 0, due_ts = CASE WHEN last_ts = $4 THEN NULL ELSE due_ts END
         WHERE user_num = $1 AND kind = $2 AND subject = $3",
        params![incident.user_num, incident.kind.as_str(), incident.subject.as_str(), incident.last_ts, now_ms],
    );
}

/// Removes what happened last before a time.
pub fn remove_before(batch: &mut Batch, before_ts: i64) {
    batch.push("DELETE FROM key_incidents WHERE last_ts < $1", params![before_ts]);
}
