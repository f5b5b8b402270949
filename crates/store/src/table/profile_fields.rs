//! `profile_fields`: what users say about themselves, each field as JSON.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// All fields of a user: name and JSON.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<(String, String)>, StoreError> {
    let rows = snapshot
        .query("SELECT field, value FROM profile_fields WHERE user_num = $1 ORDER BY field", &params![user_num])
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}

/// Sets a field.
pub fn set(batch: &mut Batch, user_num: UserNum, field: &str, value: &str) {
    batch.push(
        "INSERT INTO profile_fields (user_num, field, value) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, field) DO UPDATE SET value = excluded.value",
        params![user_num, field, value],
    );
}

/// Removes a field.
pub fn remove(batch: &mut Batch, user_num: UserNum, field: &str) {
    batch.push("DELETE FROM profile_fields WHERE user_num = $1 AND field = $2", params![user_num, field]);
}
