//! `state_keys` and `state_nodes`: interned state keys, and the shared nodes of the state trees.

use bytes::Bytes;
use domicile_core::ids::{KeyNum, NodeNum};

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// The number of a pair of state event type and state key.
pub async fn key(snapshot: &Snapshot, kind: &str, state_key: &str) -> Result<Option<KeyNum>, StoreError> {
    let row = snapshot
        .query_opt("SELECT key_num FROM state_keys WHERE kind = $1 AND state_key = $2", &params![kind, state_key])
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// The pairs of numbers: number, type, state key.
pub async fn keys(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = KeyNum>,
) -> Result<Vec<(KeyNum, String, String)>, StoreError> {
    let rows = snapshot
        .query("SELECT key_num, kind, state_key FROM state_keys WHERE key_num IN INTS($1)", &[int_list(nums)])
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned()))).collect()
}

/// Those of the numbers that are of one type: number and state key.
pub async fn keys_of_kind(
    snapshot: &Snapshot,
    kind: &str,
    nums: impl IntoIterator<Item = KeyNum>,
) -> Result<Vec<(KeyNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT key_num, state_key FROM state_keys WHERE key_num IN INTS($1) AND kind = $2",
            &[int_list(nums), kind.into()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// Adds a pair; a conflict if it is there.
pub fn insert_key(batch: &mut Batch, key_num: KeyNum, kind: &str, state_key: &str) {
    batch.push(
        "INSERT INTO state_keys (key_num, kind, state_key) VALUES ($1, $2, $3)",
        params![key_num, kind, state_key],
    );
}

/// Nodes by their numbers.
pub async fn nodes(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = NodeNum>,
) -> Result<Vec<(NodeNum, Bytes)>, StoreError> {
    let rows =
        snapshot.query("SELECT node_num, data FROM state_nodes WHERE node_num IN INTS($1)", &[int_list(nums)]).await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.blob(1)?))).collect()
}

/// Adds a node.
pub fn insert_node(batch: &mut Batch, node_num: NodeNum, data: Bytes) {
    batch.push("INSERT INTO state_nodes (node_num, data) VALUES ($1, $2)", params![node_num, data]);
}
