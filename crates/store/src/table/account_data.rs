//! `account_data`: what a user keeps for themselves, of no room (number 0) or of one.

use domicile_core::ids::{Position, RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, params};

/// The room number of what belongs to no room.
pub const GLOBAL: RoomNum = RoomNum(0);

/// The content of one type.
pub async fn get(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
    kind: &str,
) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT content FROM account_data WHERE user_num = $1 AND room_num = $2 AND kind = $3",
            &params![user_num, room_num, kind],
        )
        .await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// Everything of a user's about one room that is not empty: type and content.
pub async fn of_room(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
) -> Result<Vec<(String, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT kind, content FROM account_data WHERE user_num = $1 AND room_num = $2 AND content <> '{}' ORDER BY kind",
            &params![user_num, room_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}

/// The content of one type, and the position of its last change.
pub async fn get_at(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
    kind: &str,
) -> Result<Option<(String, Position)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT content, position FROM account_data WHERE user_num = $1 AND room_num = $2 AND kind = $3",
            &params![user_num, room_num, kind],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.num(1)?))).transpose()
}

/// Sets the content of one type if its last change is still the one `before`; a conflict if somebody else changed it.
pub fn replace(
    batch: &mut Batch,
    (user_num, room_num): (UserNum, RoomNum),
    kind: &str,
    content: &str,
    before: Option<Position>,
    position: Value,
) {
    if let Some(before) = before {
        batch.guard(
            "account_data.position",
            "UPDATE account_data SET content = $4, position = $5 WHERE user_num = $1 AND room_num = $2 AND kind = $3 AND position = $6",
            params![user_num, room_num, kind, content, position, before],
        );
    } else {
        batch.push(
            "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, $2, $3, $4, $5)",
            params![user_num, room_num, kind, content, position],
        );
    }
}

/// Sets the content of one type.
pub fn set(batch: &mut Batch, user_num: UserNum, room_num: RoomNum, kind: &str, content: &str, position: Value) {
    batch.push(
        "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_num, room_num, kind) DO UPDATE SET content = excluded.content, position = excluded.position",
        params![user_num, room_num, kind, content, position],
    );
}

/// How many types a user keeps, and their bytes together.
pub async fn size(snapshot: &Snapshot, user_num: UserNum) -> Result<(i64, i64), StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*), CAST(COALESCE(SUM(LENGTH(content)), 0) AS BIGINT) FROM account_data WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    Ok((row.int(0)?, row.int(1)?))
}
