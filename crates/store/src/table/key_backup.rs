//! `key_backup_versions` and `key_backup_keys`: message keys that a user's clients sealed and left here.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params, value::text_list};

/// A version of a user's backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub version: i64,
    /// How its keys are sealed.
    pub algorithm: String,
    /// What clients need to seal for it, JSON.
    pub auth_data: String,
    /// Grows with every change of the keys.
    pub etag: i64,
    /// How many keys it holds.
    pub key_count: i64,
}

/// A sealed key with what the server must know to choose the better of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The room.
    pub room_id: String,
    /// The session.
    pub session_id: String,
    /// The first message that the key opens.
    pub first_message_index: i64,
    /// How often it was passed on.
    pub forwarded_count: i64,
    /// Whether it came from a verified device.
    pub is_verified: bool,
    /// The sealed key, JSON.
    pub session_data: String,
}

fn version(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: row.int(0)?,
        algorithm: row.text(1)?.to_owned(),
        auth_data: row.text(2)?.to_owned(),
        etag: row.int(3)?,
        key_count: row.int(4)?,
    })
}

fn key(row: &Row) -> Result<Key, StoreError> {
    Ok(Key {
        room_id: row.text(0)?.to_owned(),
        session_id: row.text(1)?.to_owned(),
        first_message_index: row.int(2)?,
        forwarded_count: row.int(3)?,
        is_verified: row.flag(4)?,
        session_data: row.text(5)?.to_owned(),
    })
}

/// The user's current version.
pub async fn current(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<Version>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT version, algorithm, auth_data, etag, key_count FROM key_backup_versions
             WHERE user_num = $1 AND deleted = 0 ORDER BY version DESC LIMIT 1",
            &params![user_num],
        )
        .await?;
    row.as_ref().map(version).transpose()
}

/// One version, unless it was deleted.
pub async fn by_number(snapshot: &Snapshot, user_num: UserNum, number: i64) -> Result<Option<Version>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT version, algorithm, auth_data, etag, key_count FROM key_backup_versions
             WHERE user_num = $1 AND version = $2 AND deleted = 0",
            &params![user_num, number],
        )
        .await?;
    row.as_ref().map(version).transpose()
}

/// The number of the user's last version, deleted or not; 0 if there was none. A number is never used again.
pub async fn last_number(snapshot: &Snapshot, user_num: UserNum) -> Result<i64, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT version FROM key_backup_versions WHERE user_num = $1 ORDER BY version DESC LIMIT 1",
            &params![user_num],
        )
        .await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Adds a version; a conflict if the number is taken.
pub fn insert_version(batch: &mut Batch, user_num: UserNum, number: i64, algorithm: &str, auth_data: &str) {
    batch.push(
        "INSERT INTO key_backup_versions (user_num, version, algorithm, auth_data, etag, key_count) VALUES ($1, $2, $3, $4, 0, 0)",
        params![user_num, number, algorithm, auth_data],
    );
}

/// Replaces what clients need to seal for a version.
pub fn set_auth_data(batch: &mut Batch, user_num: UserNum, number: i64, auth_data: &str) {
    batch.guard(
        "key_backup_versions.version",
        "UPDATE key_backup_versions SET auth_data = $3 WHERE user_num = $1 AND version = $2 AND deleted = 0",
        params![user_num, number, auth_data],
    );
}

/// Marks a version as deleted. Its number stays.
pub fn delete_version(batch: &mut Batch, user_num: UserNum, number: i64) {
    batch.guard(
        "key_backup_versions.version",
        "UPDATE key_backup_versions SET deleted = 1, auth_data = '{}', key_count = 0 WHERE user_num = $1 AND version = $2 AND deleted = 0",
        params![user_num, number],
    );
}

/// Notes that the keys of a version change. The batch fails if somebody else changed them since `read` was read.
pub fn advance(batch: &mut Batch, user_num: UserNum, read: &Version, key_count: i64) {
    batch.guard(
        "key_backup_versions.etag",
        "UPDATE key_backup_versions SET etag = etag + 1, key_count = $4 WHERE user_num = $1 AND version = $2 AND etag = $3
         AND deleted = 0",
        params![user_num, read.version, read.etag, key_count],
    );
}

/// Keys of one room with any of these session ids.
pub async fn sessions(
    snapshot: &Snapshot,
    user_num: UserNum,
    number: i64,
    room_id: &str,
    session_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<Key>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM key_backup_keys
             WHERE user_num = $1 AND version = $2 AND room_id = $3 AND session_id IN TEXTS($4)",
            &[user_num.into(), number.into(), room_id.into(), text_list(session_ids)],
        )
        .await?;
    rows.iter().map(key).collect()
}

/// Keys of one room.
pub async fn of_room(
    snapshot: &Snapshot,
    user_num: UserNum,
    number: i64,
    room_id: &str,
) -> Result<Vec<Key>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM key_backup_keys
             WHERE user_num = $1 AND version = $2 AND room_id = $3 ORDER BY session_id",
            &params![user_num, number, room_id],
        )
        .await?;
    rows.iter().map(key).collect()
}

/// All keys of a version.
pub async fn all(snapshot: &Snapshot, user_num: UserNum, number: i64) -> Result<Vec<Key>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM key_backup_keys
             WHERE user_num = $1 AND version = $2 ORDER BY room_id, session_id",
            &params![user_num, number],
        )
        .await?;
    rows.iter().map(key).collect()
}

/// How many keys one room has.
pub async fn count_of_room(
    snapshot: &Snapshot,
    user_num: UserNum,
    number: i64,
    room_id: &str,
) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*) FROM key_backup_keys WHERE user_num = $1 AND version = $2 AND room_id = $3",
            &params![user_num, number, room_id],
        )
        .await?;
    row.int(0)
}

/// Sets a key.
pub fn set_key(batch: &mut Batch, user_num: UserNum, number: i64, key: &Key) {
    batch.push(
        "INSERT INTO key_backup_keys (user_num, version, room_id, session_id, first_message_index, forwarded_count, is_verified,
         session_data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_num, version, room_id, session_id) DO UPDATE SET
         first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
         is_verified = excluded.is_verified, session_data = excluded.session_data",
        params![
            user_num,
            number,
            key.room_id.as_str(),
            key.session_id.as_str(),
            key.first_message_index,
            key.forwarded_count,
            key.is_verified,
            key.session_data.as_str()
        ],
    );
}

/// Removes all keys of a version.
pub fn remove_all(batch: &mut Batch, user_num: UserNum, number: i64) {
    batch.push("DELETE FROM key_backup_keys WHERE user_num = $1 AND version = $2", params![user_num, number]);
}

/// Removes the keys of a room.
pub fn remove_room(batch: &mut Batch, user_num: UserNum, number: i64, room_id: &str) {
    batch.push(
        "DELETE FROM key_backup_keys WHERE user_num = $1 AND version = $2 AND room_id = $3",
        params![user_num, number, room_id],
    );
}

/// Removes one key.
pub fn remove_session(batch: &mut Batch, user_num: UserNum, number: i64, room_id: &str, session_id: &str) {
    batch.push(
        "DELETE FROM key_backup_keys WHERE user_num = $1 AND version = $2 AND room_id = $3 AND session_id = $4",
        params![user_num, number, room_id, session_id],
    );
}

/// A deleted version that still has keys.
pub async fn leftover(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<i64>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT v.version FROM key_backup_versions v WHERE v.user_num = $1 AND v.deleted = 1 AND EXISTS
             (SELECT 1 FROM key_backup_keys k WHERE k.user_num = v.user_num AND k.version = v.version) LIMIT 1",
            &params![user_num],
        )
        .await?;
    row.map(|row| row.int(0)).transpose()
}

/// Removes some of a version's keys, few enough that nobody waits for it.
pub fn remove_some(batch: &mut Batch, user_num: UserNum, number: i64) {
    batch.push(
        "DELETE FROM key_backup_keys WHERE user_num = $1 AND version = $2 AND (room_id, session_id) IN
         (SELECT room_id, session_id FROM key_backup_keys WHERE user_num = $1 AND version = $2 LIMIT 500)",
        params![user_num, number],
    );
}
