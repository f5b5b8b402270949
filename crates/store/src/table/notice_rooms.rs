//! `notice_rooms`: the room in which the server tells somebody something.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// The room of a user.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT room_id FROM notice_rooms WHERE user_num = $1", &params![user_num]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Notes the room of a user, in the place of an older one.
pub fn set(batch: &mut Batch, user_num: UserNum, room_id: &str) {
    batch.push(
        "INSERT INTO notice_rooms (user_num, room_id) VALUES ($1, $2)
         ON CONFLICT (user_num) DO UPDATE SET room_id = excluded.room_id",
        params![user_num, room_id],
    );
}
