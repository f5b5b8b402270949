//! `one_time_keys` and `fallback_keys`: what a session with a device is begun with.
//!
//! A one-time key that was handed out leaves its id behind, with a negative ordinal and without the key: a client that did not hear that its
//! upload had arrived sends it again, and a key that somebody has must not come back. The last [`HANDED_OUT`] of them are remembered.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::text_list};

/// Ids of keys that were handed out, remembered for each device and algorithm.
pub const HANDED_OUT: i64 = 200;

/// A key under its id. `key_id` is what stands after the colon of `signed_curve25519:AAAAHQ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The algorithm.
    pub algorithm: String,
    /// The id.
    pub key_id: String,
    /// The key, JSON; empty if it was handed out.
    pub key_data: String,
}

/// One-time keys of a device with any of these ids.
pub async fn with_ids(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
    key_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<Key>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT algorithm, key_id, key_data FROM one_time_keys WHERE user_num = $1 AND device_id = $2 AND key_id IN TEXTS($3)",
            &[user_num.into(), device_id.into(), text_list(key_ids)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Key {
                algorithm: row.text(0)?.to_owned(),
                key_id: row.text(1)?.to_owned(),
                key_data: row.text(2)?.to_owned(),
            })
        })
        .collect()
}

/// How many one-time keys a device has left, by algorithm.
pub async fn counts(snapshot: &Snapshot, user_num: UserNum, device_id: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT algorithm, COUNT(*) FROM one_time_keys WHERE user_num = $1 AND device_id = $2 AND ordinal > 0 GROUP BY algorithm",
            &params![user_num, device_id],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
}

/// The one-time key that was uploaded first: id and key.
pub async fn first(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
    algorithm: &str,
) -> Result<Option<(String, String)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT key_id, key_data FROM one_time_keys WHERE user_num = $1 AND device_id = $2 AND algorithm = $3
             AND ordinal > 0 ORDER BY ordinal LIMIT 1",
            &params![user_num, device_id, algorithm],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).transpose()
}

/// Adds a one-time key; a conflict if the device has one of that id.
pub fn insert(batch: &mut Batch, user_num: UserNum, device_id: &str, key: &Key, ordinal: i64) {
    batch.push(
        "INSERT INTO one_time_keys (user_num, device_id, algorithm, key_id, key_data, ordinal) VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            user_num,
            device_id,
            key.algorithm.as_str(),
            key.key_id.as_str(),
            key.key_data.as_str(),
            ordinal
        ],
    );
}

/// Takes a one-time key away, so that nobody gets it again. The batch fails if somebody else took it first.
pub fn take(batch: &mut Batch, user_num: UserNum, device_id: &str, algorithm: &str, key_id: &str) {
    batch.guard(
        "one_time_keys.key_id",
        "UPDATE one_time_keys SET ordinal = -ordinal, key_data = '' WHERE user_num = $1 AND device_id = $2 AND algorithm = $3
         AND key_id = $4 AND ordinal > 0",
        params![user_num, device_id, algorithm, key_id],
    );
}

/// Forgets the ids of keys that were handed out before the last [`HANDED_OUT`].
pub fn forget_handed_out(batch: &mut Batch, user_num: UserNum, device_id: &str, algorithm: &str) {
    batch.push(
        "DELETE FROM one_time_keys WHERE user_num = $1 AND device_id = $2 AND algorithm = $3 AND ordinal < 0 AND ordinal >
         (SELECT o.ordinal FROM one_time_keys o WHERE o.user_num = $1 AND o.device_id = $2 AND o.algorithm = $3 AND o.ordinal < 0
         ORDER BY o.ordinal LIMIT 1 OFFSET $4)",
        params![user_num, device_id, algorithm, HANDED_OUT - 1],
    );
}

/// The fallback key of an algorithm: id, key, whether it was used.
pub async fn fallback(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
    algorithm: &str,
) -> Result<Option<(String, String, bool)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT key_id, key_data, used FROM fallback_keys WHERE user_num = $1 AND device_id = $2 AND algorithm = $3",
            &params![user_num, device_id, algorithm],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.flag(2)?))).transpose()
}

/// Algorithms of a device's fallback keys, and whether each was used.
pub async fn fallback_algorithms(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
) -> Result<Vec<(String, bool)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT algorithm, used FROM fallback_keys WHERE user_num = $1 AND device_id = $2 ORDER BY algorithm",
            &params![user_num, device_id],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.flag(1)?))).collect()
}

/// Sets the fallback key of an algorithm, unused.
pub fn set_fallback(batch: &mut Batch, user_num: UserNum, device_id: &str, key: &Key) {
    batch.push(
        "INSERT INTO fallback_keys (user_num, device_id, algorithm, key_id, key_data, used) VALUES ($1, $2, $3, $4, $5, 0)
         ON CONFLICT (user_num, device_id, algorithm)
         DO UPDATE SET key_id = excluded.key_id, key_data = excluded.key_data, used = 0",
        params![user_num, device_id, key.algorithm.as_str(), key.key_id.as_str(), key.key_data.as_str()],
    );
}

/// Marks a fallback key as used. The batch fails if the device has replaced it.
pub fn use_fallback(batch: &mut Batch, user_num: UserNum, device_id: &str, algorithm: &str, key_id: &str) {
    batch.guard(
        "fallback_keys.key_id",
        "UPDATE fallback_keys SET used = 1 WHERE user_num = $1 AND device_id = $2 AND algorithm = $3 AND key_id = $4",
        params![user_num, device_id, algorithm, key_id],
    );
}
