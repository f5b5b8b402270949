//! `backups`: the inventory of backups that were made. Whether their files are still where they were put, no program knows.

use serde::Serialize;

use crate::{Batch, Snapshot, StoreError, params};

/// The guard of what is said about a backup.
pub const GUARD: &str = "backups.backup_num";

/// A row of `backups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The number.
    pub backup_num: i64,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// The file with the database and the media.
    pub data: String,
    /// The file with the keys.
    pub keystore: String,
    /// Bytes of both.
    pub byte_size: i64,
    /// When it should be deleted, in milliseconds since the epoch.
    pub expires_ts: Option<i64>,
    /// Where it lies, in the operator's words.
    pub place: String,
    /// The classes of data in it, with commas between them.
    pub classes: String,
    /// When the operator said that it lies there.
    pub confirmed_ts: Option<i64>,
    /// When it was deleted, by the operator's word.
    pub gone_ts: Option<i64>,
}

/// The latest backups, the newest first.
pub async fn latest(snapshot: &Snapshot, limit: i64) -> Result<Vec<Backup>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT backup_num, created_ts, data, keystore, byte_size, expires_ts, place, classes, confirmed_ts, gone_ts FROM backups
             ORDER BY backup_num DESC LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Backup {
                backup_num: row.int(0)?,
                created_ts: row.int(1)?,
                data: row.text(2)?.to_owned(),
                keystore: row.text(3)?.to_owned(),
                byte_size: row.int(4)?,
                expires_ts: row.opt_int(5)?,
                place: row.text(6)?.to_owned(),
                classes: row.text(7)?.to_owned(),
                confirmed_ts: row.opt_int(8)?,
                gone_ts: row.opt_int(9)?,
            })
        })
        .collect()
}

/// When the last backup was made that the operator has confirmed and not deleted, in milliseconds since the epoch.
pub async fn last_confirmed(snapshot: &Snapshot) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT MAX(created_ts) FROM backups WHERE confirmed_ts IS NOT NULL AND gone_ts IS NULL";
    snapshot.query_one(sql, &[]).await?.opt_int(0)
}

/// Notes that a backup lies where it is meant to; a conflict if there is none of that number.
pub fn confirm(batch: &mut Batch, backup_num: i64, place: Option<&str>, now_ms: i64) {
    batch.guard(
        GUARD,
        "UPDATE backups SET confirmed_ts = $2, place = COALESCE($3, place) WHERE backup_num = $1",
        params![backup_num, now_ms, place.map(str::to_owned)],
    );
}

/// Notes that a backup was deleted; a conflict if there is none of that number.
pub fn gone(batch: &mut Batch, backup_num: i64, now_ms: i64) {
    batch.guard(GUARD, "UPDATE backups SET gone_ts = $2 WHERE backup_num = $1", params![backup_num, now_ms]);
}

/// Adds a backup.
pub fn insert(batch: &mut Batch, backup: Backup) {
    batch.push(
        "INSERT INTO backups (backup_num, created_ts, data, keystore, byte_size, expires_ts, place, classes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            backup.backup_num,
            backup.created_ts,
            backup.data,
            backup.keystore,
            backup.byte_size,
            backup.expires_ts,
            backup.place,
            backup.classes
        ],
    );
}
