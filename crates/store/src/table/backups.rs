//! `backups`: the inventory of backups that were made. Whether their files are still where they were put, no program knows.

use serde::Serialize;

use crate::{Batch, Snapshot, StoreError, params};

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
}

/// The latest backups, the newest first.
pub async fn latest(snapshot: &Snapshot, limit: i64) -> Result<Vec<Backup>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT backup_num, created_ts, data, keystore, byte_size, expires_ts FROM backups ORDER BY backup_num DESC LIMIT $1",
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
            })
        })
        .collect()
}

/// Adds a backup.
pub fn insert(batch: &mut Batch, backup: Backup) {
    batch.push(
        "INSERT INTO backups (backup_num, created_ts, data, keystore, byte_size, expires_ts) VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            backup.backup_num,
            backup.created_ts,
            backup.data,
            backup.keystore,
            backup.byte_size,
            backup.expires_ts
        ],
    );
}
