//! `kept_vaults` and `kept_files`: what is kept of people who have left, sealed for their new home, until that has a backup.

use std::collections::HashSet;

use bytes::Bytes;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `kept_vaults`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVault {
    /// The move with which they left.
    pub move_id: String,
    /// Who.
    pub user_id: String,
    /// Their new home.
    pub cell: String,
    /// When they were let go, in milliseconds since the epoch.
    pub made_ts: i64,
    /// Their vault, which only the new home opens.
    pub sealed: Bytes,
}

/// A vault that is kept, without what is in it: move, user, and when they were let go.
pub type Listed = (String, String, i64);

fn listed(row: &Row) -> Result<Listed, StoreError> {
    Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)?))
}

/// Keeps a vault, with the names of its files.
pub fn insert(batch: &mut Batch, kept: &KeptVault, files: impl IntoIterator<Item = Bytes>) {
    batch.push(
        "INSERT INTO kept_vaults (move_id, user_id, cell, made_ts, sealed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (move_id) DO UPDATE SET made_ts = excluded.made_ts, sealed = excluded.sealed",
        params![kept.move_id.as_str(), kept.user_id.as_str(), kept.cell.as_str(), kept.made_ts, kept.sealed.clone()],
    );
    for hash in files {
        batch.push(
            "INSERT INTO kept_files (move_id, content_hash) VALUES ($1, $2) ON CONFLICT (move_id, content_hash) DO NOTHING",
            params![kept.move_id.as_str(), hash],
        );
    }
}

/// What is kept for a cell after a move's name, in the order of these.
pub async fn of_cell(snapshot: &Snapshot, cell: &str, after: &str, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT move_id, user_id, made_ts FROM kept_vaults WHERE cell = $1 AND move_id > $2 ORDER BY move_id LIMIT $3",
            &params![cell, after, limit],
        )
        .await?;
    rows.iter().map(listed).collect()
}

/// A vault that is kept for a cell, and whose it is.
pub async fn sealed(snapshot: &Snapshot, cell: &str, move_id: &str) -> Result<Option<(String, Bytes)>, StoreError> {
    let row = snapshot
        .query_opt("SELECT user_id, sealed FROM kept_vaults WHERE cell = $1 AND move_id = $2", &params![cell, move_id])
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).transpose()
}

/// Whose vault is kept for a cell by a move, if one is.
pub async fn owner(snapshot: &Snapshot, cell: &str, move_id: &str) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt("SELECT user_id FROM kept_vaults WHERE cell = $1 AND move_id = $2", &params![cell, move_id])
        .await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// The cells for which something is kept.
pub async fn cells(snapshot: &Snapshot) -> Result<Vec<String>, StoreError> {
    let rows = snapshot.query("SELECT DISTINCT cell FROM kept_vaults ORDER BY cell", &[]).await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// The names of the files that are kept with a move.
pub async fn files(snapshot: &Snapshot, move_id: &str) -> Result<HashSet<Bytes>, StoreError> {
    let rows = snapshot.query("SELECT content_hash FROM kept_files WHERE move_id = $1", &params![move_id]).await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Lets a vault go.
pub fn remove(batch: &mut Batch, move_id: &str) {
    batch.push("DELETE FROM kept_vaults WHERE move_id = $1", params![move_id]);
    batch.push("DELETE FROM kept_files WHERE move_id = $1", params![move_id]);
}
