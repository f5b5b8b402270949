//! `tickets`: whose home is where, as the directory signed it.

use crate::{Batch, Snapshot, StoreError, params};

/// Tickets after a user, in the order of users and epochs: user and ticket. Not more than `limit`.
pub async fn page(
    snapshot: &Snapshot,
    (user_id, epoch): (&str, i64),
    limit: i64,
) -> Result<Vec<(String, i64, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_id, epoch, ticket FROM tickets WHERE (user_id, epoch) > ($1, $2) ORDER BY user_id, epoch LIMIT $3",
            &params![user_id, epoch, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.text(2)?.to_owned()))).collect()
}

/// Writes a ticket, over one of the same epoch that another decider signed.
pub fn put(batch: &mut Batch, user_id: &str, epoch: u32, ticket: &str) {
    batch.push(
        "INSERT INTO tickets (user_id, epoch, ticket) VALUES ($1, $2, $3)
         ON CONFLICT (user_id, epoch) DO UPDATE SET ticket = excluded.ticket",
        params![user_id, i64::from(epoch), ticket],
    );
}

/// People after `after` of whom there are tickets and nothing else, in the order of their ids. Not more than `limit`.
pub async fn strangers(snapshot: &Snapshot, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = snapshot
        .query(
            "SELECT t.user_id FROM tickets t WHERE t.user_id > $1 AND t.epoch = 1
             AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = t.user_id) ORDER BY t.user_id LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// Removes the tickets of one of them, unless they are somebody by now.
pub fn remove_stranger(batch: &mut Batch, user_id: &str) {
    batch.push(
        "DELETE FROM tickets WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = $1)",
        params![user_id],
    );
}
