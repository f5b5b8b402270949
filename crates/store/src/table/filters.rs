//! `filters`: what clients stored to name it by a number later.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// The number of a definition that a user stored before, by its hash.
pub async fn by_hash(snapshot: &Snapshot, user_num: UserNum, hash: &[u8]) -> Result<Option<i64>, StoreError> {
    let row = snapshot
        .query_opt("SELECT filter_num FROM filters WHERE user_num = $1 AND hash = $2", &params![user_num, hash])
        .await?;
    row.map(|row| row.int(0)).transpose()
}

/// How many filters a user has.
pub async fn count(snapshot: &Snapshot, user_num: UserNum) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM filters WHERE user_num = $1", &params![user_num]).await?.int(0)
}

/// Adds a filter; a conflict if the number is taken.
pub fn insert(batch: &mut Batch, user_num: UserNum, filter_num: i64, hash: &[u8], definition: &str) {
    batch.push(
        "INSERT INTO filters (user_num, filter_num, hash, definition) VALUES ($1, $2, $3, $4)",
        params![user_num, filter_num, hash, definition],
    );
}
