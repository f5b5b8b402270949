//! `restore_words`: what has to be done again where an older backup is restored, until other cells keep it.

use domicile_core::ids::{Position, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// Adds a word about somebody.
pub fn add(batch: &mut Batch, user_num: UserNum, kind: &str, detail: &str) {
    let position = batch.position();
    batch.push(
        "INSERT INTO restore_words (position, user_num, kind, detail) VALUES ($1, $2, $3, $4)",
        vec![position, user_num.into(), kind.into(), detail.into()],
    );
}

/// The first words that wait: place, Matrix id, kind, detail.
pub async fn first(snapshot: &Snapshot, limit: i64) -> Result<Vec<(Position, String, String, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT w.position, u.user_id, w.kind, w.detail FROM restore_words w JOIN users u ON u.user_num = w.user_num
             ORDER BY w.position LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.num(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned(), row.text(3)?.to_owned())))
        .collect()
}

/// Removes the words up to a place: other cells keep them, or there are none that could.
pub fn remove_upto(batch: &mut Batch, position: Position) {
    batch.push("DELETE FROM restore_words WHERE position <= $1", params![position]);
}

/// Removes the words about somebody, in favour of one that says more.
pub fn forget(batch: &mut Batch, user_num: UserNum) {
    batch.push("DELETE FROM restore_words WHERE user_num = $1", params![user_num]);
}
