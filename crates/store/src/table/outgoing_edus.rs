//! `outgoing_edus`: what goes to one destination only, until it is taken there.

use domicile_core::ids::{DestinationNum, UserNum};

use crate::{Batch, Value, params};

/// A message to devices; the content is that of an EDU of this type.
pub const DIRECT_TO_DEVICE: &str = "m.direct_to_device";

/// Adds something for a destination. Its number is taken from `Sequence::OutgoingEdu`, and it is told in the order of the numbers,
/// before the events after `position`.
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
        "INSERT INTO outgoing_edus (edu_num, destination_num, user_num, kind, content, position)
         VALUES ($1, $2, $3, $4, $5, $6)",
        params![edu_num, destination_num, user_num, kind, content, position],
    );
}
