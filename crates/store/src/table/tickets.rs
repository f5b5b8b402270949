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
