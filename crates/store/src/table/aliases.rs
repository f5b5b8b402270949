//! `aliases`: names of rooms in this deployment.

use domicile_core::ids::{RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// The room of an alias, and who made the alias.
pub async fn by_alias(snapshot: &Snapshot, alias: &str) -> Result<Option<(RoomNum, UserNum)>, StoreError> {
    let row = snapshot.query_opt("SELECT room_num, creator_num FROM aliases WHERE alias = $1", &params![alias]).await?;
    row.map(|row| Ok((row.num(0)?, row.num(1)?))).transpose()
}

/// The aliases of a room.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<String>, StoreError> {
    let rows =
        snapshot.query("SELECT alias FROM aliases WHERE room_num = $1 ORDER BY alias", &params![room_num]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// The aliases of a room, each with who made it.
pub async fn with_creators(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<(String, UserNum)>, StoreError> {
    let rows = snapshot
        .query("SELECT alias, creator_num FROM aliases WHERE room_num = $1 ORDER BY alias", &params![room_num])
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.num(1)?))).collect()
}

/// Aliases after one, in their order. Not more than `limit`.
pub async fn after(snapshot: &Snapshot, alias: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = snapshot
        .query("SELECT alias FROM aliases WHERE alias > $1 ORDER BY alias LIMIT $2", &params![alias, limit])
        .await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Adds an alias; a conflict if it is taken.
pub fn insert(batch: &mut Batch, alias: &str, room_num: RoomNum, creator_num: UserNum) {
    remove_freed(batch, alias);
    batch.push(
        "INSERT INTO aliases (alias, room_num, creator_num) VALUES ($1, $2, $3)",
        params![alias, room_num, creator_num],
    );
}

/// Lets all aliases of a room lead to another.
pub fn move_all(batch: &mut Batch, from: RoomNum, to: RoomNum) {
    batch.push("UPDATE aliases SET room_num = $2 WHERE room_num = $1", params![from, to]);
}

/// Removes an alias.
pub fn remove(batch: &mut Batch, alias: &str) {
    batch.push("DELETE FROM aliases WHERE alias = $1", params![alias]);
}

/// Notes that an alias was removed of which the directory has not heard yet.
pub fn insert_freed(batch: &mut Batch, alias: &str, freed_ts: i64) {
    batch.push(
        "INSERT INTO freed_aliases (alias, freed_ts) VALUES ($1, $2) ON CONFLICT (alias) DO NOTHING",
        params![alias, freed_ts],
    );
}

/// Aliases of whose removal the directory has not heard yet, those first that wait longest. Not more than `limit`.
pub async fn freed(snapshot: &Snapshot, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows =
        snapshot.query("SELECT alias FROM freed_aliases ORDER BY freed_ts, alias LIMIT $1", &params![limit]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// The directory has heard of it, or the alias is here again.
pub fn remove_freed(batch: &mut Batch, alias: &str) {
    batch.push("DELETE FROM freed_aliases WHERE alias = $1", params![alias]);
}
