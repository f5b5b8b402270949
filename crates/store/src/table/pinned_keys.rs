//! `pinned_keys`: the master keys of other cells' people, as this cell came to know them first or last saw them change.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// A row of `pinned_keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedKey {
    /// Whose key.
    pub user_num: UserNum,
    /// Its public half, in base64.
    pub master_key: String,
    /// The cell that was their home when it was pinned.
    pub home: String,
    /// When it was pinned, in milliseconds since the epoch.
    pub since_ts: i64,
}

/// The pinned keys of some users.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<PinnedKey>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, master_key, home, since_ts FROM pinned_keys WHERE user_num IN INTS($1)",
            &[int_list(users)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(PinnedKey {
                user_num: row.num(0)?,
                master_key: row.text(1)?.to_owned(),
                home: row.text(2)?.to_owned(),
                since_ts: row.int(3)?,
            })
        })
        .collect()
}

/// Users whose keys are pinned, after `after`.
pub async fn page(snapshot: &Snapshot, after: UserNum, limit: i64) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num FROM pinned_keys WHERE user_num > $1 ORDER BY user_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Pins a key in place of the one that was pinned before.
pub fn set(batch: &mut Batch, pinned: &PinnedKey) {
    batch.push(
        "INSERT INTO pinned_keys (user_num, master_key, home, since_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_num) DO UPDATE SET master_key = excluded.master_key, home = excluded.home, since_ts = excluded.since_ts",
        params![pinned.user_num, pinned.master_key.as_str(), pinned.home.as_str(), pinned.since_ts],
    );
}

/// Forgets somebody's key.
pub fn remove(batch: &mut Batch, user_num: UserNum) {
    batch.push("DELETE FROM pinned_keys WHERE user_num = $1", params![user_num]);
}
