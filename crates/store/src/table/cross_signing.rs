//! `cross_signing_keys`: each user's master, self-signing and user-signing key.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// A cross-signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossSigningKey {
    /// Whose it is.
    pub user_num: UserNum,
    /// `master`, `self_signing` or `user_signing`.
    pub usage: String,
    /// The key, JSON.
    pub key_data: String,
}

/// All cross-signing keys of some users.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<CrossSigningKey>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, usage, key_data FROM cross_signing_keys WHERE user_num IN INTS($1)",
            &[int_list(users)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(CrossSigningKey {
                user_num: row.num(0)?,
                usage: row.text(1)?.to_owned(),
                key_data: row.text(2)?.to_owned(),
            })
        })
        .collect()
}

/// Adds a key where the user has none of the usage; a conflict if there is one.
pub fn insert(batch: &mut Batch, user_num: UserNum, usage: &str, key_data: &str) {
    batch.push(
        "INSERT INTO cross_signing_keys (user_num, usage, key_data) VALUES ($1, $2, $3)",
        params![user_num, usage, key_data],
    );
}

/// Replaces the key that the writer read. The batch fails if it is another by now.
pub fn replace(batch: &mut Batch, user_num: UserNum, usage: &str, old: &str, key_data: &str) {
    batch.guard(
        "cross_signing_keys.key_data",
        "UPDATE cross_signing_keys SET key_data = $4 WHERE user_num = $1 AND usage = $2 AND key_data = $3",
        params![user_num, usage, old, key_data],
    );
}

/// Removes the key that the writer read. The batch fails if it is another by now.
pub fn remove(batch: &mut Batch, user_num: UserNum, usage: &str, old: &str) {
    batch.guard(
        "cross_signing_keys.key_data",
        "DELETE FROM cross_signing_keys WHERE user_num = $1 AND usage = $2 AND key_data = $3",
        params![user_num, usage, old],
    );
}

/// Sets a key of which this is a copy.
pub fn set(batch: &mut Batch, user_num: UserNum, usage: &str, key_data: &str) {
    batch.push(
        "INSERT INTO cross_signing_keys (user_num, usage, key_data) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, usage) DO UPDATE SET key_data = excluded.key_data",
        params![user_num, usage, key_data],
    );
}

/// Removes a key of which this is a copy.
pub fn unset(batch: &mut Batch, user_num: UserNum, usage: &str) {
    batch.push("DELETE FROM cross_signing_keys WHERE user_num = $1 AND usage = $2", params![user_num, usage]);
}
