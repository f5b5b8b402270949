//! `outgoing_edus`: what goes to one destination only, until it is taken there.

use domicile_core::ids::{DestinationNum, Position, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, params, value::int_list};

/// A message to devices; the content is that of an EDU of this type.
pub const DIRECT_TO_DEVICE: &str = "m.direct_to_device";

/// Something that waits for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingEdu {
    /// Its number.
    pub edu_num: i64,
    /// Where it stands in the stream: what is told after it may rest on it.
    pub position: Position,
    /// The type of EDU.
    pub kind: String,
    /// The content, JSON.
    pub content: String,
}

/// Adds something for a destination. Its number is taken from `Sequence::OutgoingEdu`; it is told in the order of positions, and of one position
/// in the order of numbers, and no event of a later position is told before it.
pub fn insert(
    batch: &mut Batch,
    edu_num: i64,
    destination_num: DestinationNum,
    user_num: UserNum,
    kind: &str,
    content: String,
    position: Value,
) {
    batch.push(
        "INSERT INTO outgoing_edus (edu_num, destination_num, user_num, kind, content, position) VALUES ($1, $2, $3, $4, $5, $6)",
        params![edu_num, destination_num, user_num, kind, content, position],
    );
}

/// At most `limit` that wait for a destination, in the order in which they are told.
pub async fn page(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    limit: i64,
) -> Result<Vec<OutgoingEdu>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT edu_num, position, kind, content FROM outgoing_edus WHERE destination_num = $1
             ORDER BY position, edu_num LIMIT $2",
            &params![destination_num, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OutgoingEdu {
                edu_num: row.int(0)?,
                position: row.num(1)?,
                kind: row.text(2)?.to_owned(),
                content: row.text(3)?.to_owned(),
            })
        })
        .collect()
}

/// How many wait for a destination.
pub async fn count(snapshot: &Snapshot, destination_num: DestinationNum) -> Result<i64, StoreError> {
    snapshot
        .query_one("SELECT COUNT(*) FROM outgoing_edus WHERE destination_num = $1", &params![destination_num])
        .await?
        .int(0)
}

/// Removes what was taken.
pub fn remove(batch: &mut Batch, edu_nums: impl IntoIterator<Item = i64>) {
    batch.push("DELETE FROM outgoing_edus WHERE edu_num IN INTS($1)", vec![int_list(edu_nums)]);
}

/// Removes what waits for destinations that have not been reached since before a time in milliseconds since the epoch.
pub fn remove_for_unreached(batch: &mut Batch, before_ms: i64) {
    batch.push(
        "DELETE FROM outgoing_edus WHERE destination_num IN (SELECT destination_num FROM destinations WHERE failing_since_ts < $1)",
        params![before_ms],
    );
}

/// Whether something of a user's still waits for a cell, or for another server that is not known to be out of reach: another cell takes it from their
/// home alone, and another server from wherever they are.
pub async fn any_of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM outgoing_edus o JOIN destinations d ON d.destination_num = o.destination_num
             WHERE o.user_num = $1 AND (d.failing_since_ts IS NULL OR d.destination LIKE '=%') LIMIT 1",
            &params![user_num],
        )
        .await?;
    Ok(row.is_some())
}
