//! `user_words`: the words by which people are found.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// What comes after everything that begins with `word`.
fn end(word: &str) -> String {
    format!("{word}\u{10ffff}")
}

/// At most `limit` people one of whose words begins with `word`, those first whose word it is. Somebody may stand there twice.
pub async fn beginning_with(snapshot: &Snapshot, word: &str, limit: i64) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT word, user_num FROM user_words WHERE word >= $1 AND word < $2 ORDER BY word, user_num LIMIT $3",
            &params![word, end(word), limit],
        )
        .await?;
    rows.iter().map(|row| row.num(1)).collect()
}

/// Those of `users` one of whose words begins with `word`.
pub async fn among(snapshot: &Snapshot, users: &[UserNum], word: &str) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT user_num FROM user_words WHERE user_num IN INTS($1) AND word >= $2 AND word < $3",
            &[int_list(users.iter().copied()), word.into(), end(word).into()],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Replaces somebody's words.
pub fn replace(batch: &mut Batch, user_num: UserNum, words: &[String]) {
    batch.push("DELETE FROM user_words WHERE user_num = $1", params![user_num]);
    for word in words {
        batch.push("INSERT INTO user_words (word, user_num) VALUES ($1, $2)", params![word.as_str(), user_num]);
    }
}
