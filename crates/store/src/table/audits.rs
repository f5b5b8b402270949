//! What an audit reads beside the walk: who people are, whom they meet, and why each room copy is here.

use domicile_core::ids::{RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// A room of which there is a copy here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The number.
    pub room_num: RoomNum,
    /// The Matrix id.
    pub room_id: String,
}

/// Somebody of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The room.
    pub room_num: RoomNum,
    /// Who.
    pub user_num: UserNum,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    pub membership: String,
}

/// Everybody after a number, with their Matrix ids, at most `limit`.
pub async fn people(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<(i64, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, user_id FROM users WHERE user_num > $1 ORDER BY user_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.to_owned()))).collect()
}

/// Those after a number who are in a room of which there is a copy here, were invited to one or knocked; at most `limit`, with the last number
/// that was looked at.
pub async fn met(snapshot: &Snapshot, from: i64, upto: i64) -> Result<Vec<i64>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT m.user_num FROM memberships m JOIN rooms r ON r.room_num = m.room_num
             WHERE m.user_num >= $1 AND m.user_num <= $2 AND m.membership IN ('join', 'invite', 'knock') AND r.has_copy = 1",
            &params![from, upto],
        )
        .await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Room copies after a number, at most `limit`.
pub async fn copies(snapshot: &Snapshot, after: RoomNum, limit: i64) -> Result<Vec<Copy>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_num, room_id FROM rooms WHERE room_num > $1 AND has_copy = 1 ORDER BY room_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok(Copy { room_num: row.num(0)?, room_id: row.text(1)?.to_owned() })).collect()
}

/// Of each room and each kind of membership, the member with the least number among those whose account is ours and who has not forgotten it.
pub async fn first_members(snapshot: &Snapshot, rooms: &[Copy]) -> Result<Vec<Member>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT m.room_num, MIN(m.user_num), m.membership FROM memberships m JOIN users u ON u.user_num = m.user_num
             WHERE m.room_num IN INTS($1) AND u.is_local = 1 AND m.forgotten = 0 GROUP BY m.room_num, m.membership",
            &[int_list(rooms.iter().map(|room| room.room_num.0))],
        )
        .await?;
    rows.iter().map(member).collect()
}

/// Everybody of a room after a number who has not forgotten it, at most `limit`.
pub async fn members(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: UserNum,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_num, user_num, membership FROM memberships
             WHERE room_num = $1 AND user_num > $2 AND forgotten = 0 ORDER BY user_num LIMIT $3",
            &params![room_num, after, limit],
        )
        .await?;
    rows.iter().map(member).collect()
}

fn member(row: &crate::Row) -> Result<Member, StoreError> {
    Ok(Member { room_num: row.num(0)?, user_num: row.num(1)?, membership: row.text(2)?.to_owned() })
}

/// The type of account data by which a canary is told.
pub const CANARY: &str = "org.domicile.canary";

/// Plants a row of the vault of a person whose home is elsewhere, so that an audit can show that it finds it.
pub fn plant(batch: &mut Batch, user_num: UserNum, user_id: &str, now_ms: i64) {
    batch.push(
        "INSERT INTO users (user_num, user_id, is_local, created_ts) VALUES ($1, $2, 0, $3)",
        params![user_num, user_id, now_ms],
    );
    batch.push(
        "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, 0, $2, '{}', 0)",
        params![user_num, CANARY],
    );
}

/// Takes every canary away, those too that an interrupted audit left, together with the people whom it made up.
pub fn unplant(batch: &mut Batch) {
    batch.push(
        "DELETE FROM users WHERE user_num IN (SELECT user_num FROM account_data WHERE kind = $1 AND room_num = 0)
         AND user_id LIKE '@canary-%:%' AND is_local = 0",
        params![CANARY],
    );
    batch.push(
        "DELETE FROM account_data WHERE kind = $1 AND room_num = 0 AND NOT EXISTS
         (SELECT 1 FROM users u WHERE u.user_num = account_data.user_num)",
        params![CANARY],
    );
}
