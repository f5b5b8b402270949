//! `profile_fields`: what users say about themselves, each field as JSON.

use domicile_core::ids::UserNum;

use crate::{Snapshot, StoreError, params};

/// All fields of a user: name and JSON.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<(String, String)>, StoreError> {
    let rows = snapshot
        .query("SELECT field, value FROM profile_fields WHERE user_num = $1 ORDER BY field", &params![user_num])
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}
