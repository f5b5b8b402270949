//! Removing what belongs to a person, table by table.

use domicile_core::ids::{RoomNum, UserNum};

use super::statements;
use crate::{Batch, catalogue::Table, params};

/// Removes the rows that belong to a person in a table, or makes them nobody's; `false` if they were nobody's. What others find their owner through goes last:
/// call it in the reverse of the order of copying.
pub fn remove(batch: &mut Batch, table: &Table, user_num: UserNum) -> bool {
    let Some(sql) = statements::remove_of(table) else { return false };
    batch.push(sql, params![user_num]);
    true
}

/// Removes the rows of a room copy in a table; `false` if its rows belong to no room. What finds its room through events goes first.
pub fn remove_room(batch: &mut Batch, table: &Table, room_num: RoomNum) -> bool {
    let Some(sql) = statements::remove_of_room(table) else { return false };
    batch.push(sql, params![room_num]);
    true
}
