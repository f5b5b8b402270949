//! `remote_keys` and `remote_key_lists`: the keys with which other servers sign, and the lists in which they say so.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// A key of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKey {
    /// Its id, with `ed25519:`.
    pub key_id: String,
    /// Its public half.
    pub public_key: Bytes,
    /// Until when it may be believed without asking again, in milliseconds.
    pub valid_until_ts: i64,
    /// When its use ended.
    pub expired_ts: Option<i64>,
    /// When the server last told it.
    pub fetched_ts: i64,
}

/// The last list of a server.
pub struct RemoteKeyList {
    /// The list as the server signed it, JSON.
    pub list: String,
    /// Until when it is good.
    pub valid_until_ts: i64,
    /// When it came.
    pub fetched_ts: i64,
}

/// All keys of a server.
pub async fn of(snapshot: &Snapshot, server_name: &str) -> Result<Vec<RemoteKey>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT key_id, public_key, valid_until_ts, expired_ts, fetched_ts FROM remote_keys WHERE server_name = $1 ORDER BY key_id",
            &params![server_name],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RemoteKey {
                key_id: row.text(0)?.to_owned(),
                public_key: row.blob(1)?,
                valid_until_ts: row.int(2)?,
                expired_ts: row.opt_int(3)?,
                fetched_ts: row.int(4)?,
            })
        })
        .collect()
}

/// Writes a key, over an older word about it.
pub fn put(batch: &mut Batch, server_name: &str, key: &RemoteKey) {
    batch.push(
        "INSERT INTO remote_keys (server_name, key_id, public_key, valid_until_ts, expired_ts, fetched_ts) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (server_name, key_id) DO UPDATE SET public_key = excluded.public_key, valid_until_ts = excluded.valid_until_ts,
         expired_ts = excluded.expired_ts, fetched_ts = excluded.fetched_ts",
        params![
            server_name,
            key.key_id.as_str(),
            key.public_key.clone(),
            key.valid_until_ts,
            key.expired_ts,
            key.fetched_ts
        ],
    );
}

/// Forgets a key.
pub fn remove(batch: &mut Batch, server_name: &str, key_id: &str) {
    batch.push("DELETE FROM remote_keys WHERE server_name = $1 AND key_id = $2", params![server_name, key_id]);
}

/// The last list of a server.
pub async fn list(snapshot: &Snapshot, server_name: &str) -> Result<Option<RemoteKeyList>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT list, valid_until_ts, fetched_ts FROM remote_key_lists WHERE server_name = $1",
            &params![server_name],
        )
        .await?;
    row.map(|row| {
        Ok(RemoteKeyList { list: row.text(0)?.to_owned(), valid_until_ts: row.int(1)?, fetched_ts: row.int(2)? })
    })
    .transpose()
}

/// Writes the list of a server, over an older one.
pub fn put_list(batch: &mut Batch, server_name: &str, list: &RemoteKeyList) {
    batch.push(
        "INSERT INTO remote_key_lists (server_name, list, valid_until_ts, fetched_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (server_name) DO UPDATE SET list = excluded.list, valid_until_ts = excluded.valid_until_ts, fetched_ts = excluded.fetched_ts",
        params![server_name, list.list.as_str(), list.valid_until_ts, list.fetched_ts],
    );
}

/// Of how many servers keys are known.
pub async fn servers(snapshot: &Snapshot) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM remote_key_lists", &[]).await?.int(0)
}

/// The `limit` servers whose keys came longest ago, without those that have members in rooms here.
pub async fn oldest(snapshot: &Snapshot, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT l.server_name FROM remote_key_lists l WHERE NOT EXISTS (SELECT 1 FROM destinations d
             JOIN destination_rooms r ON r.destination_num = d.destination_num WHERE d.destination = l.server_name)
             ORDER BY l.fetched_ts LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// Forgets all keys of a server.
pub fn forget(batch: &mut Batch, server_name: &str) {
    batch.push("DELETE FROM remote_keys WHERE server_name = $1", params![server_name]);
    batch.push("DELETE FROM remote_key_lists WHERE server_name = $1", params![server_name]);
}
