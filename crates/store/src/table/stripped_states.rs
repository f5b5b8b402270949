//! `stripped_states`: what an invited user is shown of a room of which there is no copy here.

use domicile_core::ids::{RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// The events that a user is shown: a list as JSON.
pub async fn get(snapshot: &Snapshot, user_num: UserNum, room_num: RoomNum) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT events FROM stripped_states WHERE user_num = $1 AND room_num = $2",
            &params![user_num, room_num],
        )
        .await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Sets what a user is shown.
pub fn set(batch: &mut Batch, user_num: UserNum, room_num: RoomNum, events: String) {
    batch.push(
        "INSERT INTO stripped_states (user_num, room_num, events) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, room_num) DO UPDATE SET events = excluded.events",
        params![user_num, room_num, events],
    );
}

/// Removes what users were shown of a room: there is a copy of it now, or nobody is invited any more.
pub fn remove_of_room(batch: &mut Batch, room_num: RoomNum) {
    batch.push("DELETE FROM stripped_states WHERE room_num = $1", params![room_num]);
}

/// Removes what one user was shown.
pub fn remove(batch: &mut Batch, user_num: UserNum, room_num: RoomNum) {
    batch.push("DELETE FROM stripped_states WHERE user_num = $1 AND room_num = $2", params![user_num, room_num]);
}
