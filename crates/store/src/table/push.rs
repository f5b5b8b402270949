//! `push_classes`, `own_counts` and `read_state`: what exact unread counts need beside a room's running totals.

use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, params};

/// The number of a class.
pub async fn class(snapshot: &Snapshot, hash: &[u8]) -> Result<Option<i64>, StoreError> {
    let row = snapshot.query_opt("SELECT class_num FROM push_classes WHERE hash = $1", &params![hash]).await?;
    row.map(|row| row.int(0)).transpose()
}

/// Adds a class; a conflict if it is there.
pub fn insert_class(batch: &mut Batch, class_num: i64, hash: &[u8], rules: &str) {
    batch
        .push("INSERT INTO push_classes (class_num, hash, rules) VALUES ($1, $2, $3)", params![class_num, hash, rules]);
}

/// The joined members of a room who changed their push rules, with those rules.
pub async fn changed_rules(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<(UserNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT a.user_num, a.content FROM memberships m JOIN account_data a
             ON a.user_num = m.user_num AND a.room_num = 0 AND a.kind = 'm.push_rules'
             WHERE m.room_num = $1 AND m.membership = 'join'",
            &params![room_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// The joined members of a room who ignore somebody, with whom.
pub async fn ignoring(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<(UserNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT a.user_num, a.content FROM memberships m JOIN account_data a
             ON a.user_num = m.user_num AND a.room_num = 0 AND a.kind = 'm.ignored_user_list'
             WHERE m.room_num = $1 AND m.membership = 'join'",
            &params![room_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// Notes that an event counts differently for a user than for their class.
pub fn insert_own(
    batch: &mut Batch,
    user_num: UserNum,
    room_num: RoomNum,
    position: Value,
    thread_num: Option<EventNum>,
    counts: (i64, i64),
) {
    batch.push(
        "INSERT INTO own_counts (user_num, room_num, position, thread_num, notify, highlight) VALUES ($1, $2, $3, $4, $5, $6)",
        params![user_num, room_num, position, thread_num.map_or(0, |num| num.0), counts.0, counts.1],
    );
}

/// What a user's own counts add up to with `after < position <= upto`: notifications, highlights, and both of threads alone.
pub async fn own(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
    after: Position,
    upto: Position,
) -> Result<[i64; 4], StoreError> {
    let row = snapshot
        .query_one(
            "SELECT CAST(COALESCE(SUM(notify), 0) AS BIGINT), CAST(COALESCE(SUM(highlight), 0) AS BIGINT),
             CAST(COALESCE(SUM(CASE WHEN thread_num <> 0 THEN notify ELSE 0 END), 0) AS BIGINT),
             CAST(COALESCE(SUM(CASE WHEN thread_num <> 0 THEN highlight ELSE 0 END), 0) AS BIGINT)
             FROM own_counts WHERE user_num = $1 AND room_num = $2 AND position > $3 AND position <= $4",
            &params![user_num, room_num, after, upto],
        )
        .await?;
    Ok([row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?])
}

/// Whether an event was counted as less for a user than for their class: they ignored its sender, or their own rules muted it.
pub async fn was_muted(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
    position: Position,
) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM own_counts WHERE user_num = $1 AND room_num = $2 AND position = $3 AND notify < 0",
            &params![user_num, room_num, position],
        )
        .await?;
    Ok(row.is_some())
}

/// Notes that a user has read up to what they sent themselves.
pub fn sent(batch: &mut Batch, user_num: UserNum, room_num: RoomNum, position: Position) {
    batch.push(
        "INSERT INTO read_state (user_num, room_num, read_position) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, room_num) DO UPDATE SET read_position = excluded.read_position
         WHERE excluded.read_position > read_state.read_position",
        params![user_num, room_num, position],
    );
}

/// Where a user wrote last among a room's last `window` events up to a position.
pub async fn written_lately(
    snapshot: &Snapshot,
    room_num: RoomNum,
    user_num: UserNum,
    upto: Position,
    window: i64,
) -> Result<Option<Position>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT position FROM (SELECT position, sender_num, key_num FROM events WHERE room_num = $1 AND position <= $2
             ORDER BY position DESC LIMIT $4) AS recent WHERE sender_num = $3 AND key_num IS NULL ORDER BY position DESC LIMIT 1",
            &params![room_num, upto, user_num, window],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// Where a user has read to by sending, and by receipts: thread ('' for the whole room) and position.
pub async fn read_to(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
) -> Result<Vec<(String, Position)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT thread, event_position FROM receipts WHERE room_num = $1 AND user_num = $2
             UNION ALL SELECT '', read_position FROM read_state WHERE user_num = $2 AND room_num = $1",
            &params![room_num, user_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.num(1)?))).collect()
}

/// The running totals of a room after its last event up to a position.
pub async fn totals_at(
    snapshot: &Snapshot,
    room_num: RoomNum,
    position: Position,
) -> Result<Option<bytes::Bytes>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT totals FROM events WHERE room_num = $1 AND position <= $2 ORDER BY position DESC LIMIT 1",
            &params![room_num, position],
        )
        .await?;
    match row {
        Some(row) => row.opt_blob(0),
        None => Ok(None),
    }
}

/// One of a user's own counts, of an event in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnInThread {
    /// The thread's root.
    pub thread_num: EventNum,
    /// Where the event stands.
    pub position: Position,
    /// The difference in notifications.
    pub notify: i64,
    /// The difference in highlights.
    pub highlight: i64,
}

/// A user's own counts of events in threads with `after < position <= upto`.
pub async fn own_in_threads(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
    after: Position,
    upto: Position,
) -> Result<Vec<OwnInThread>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT thread_num, position, notify, highlight FROM own_counts
             WHERE user_num = $1 AND room_num = $2 AND position > $3 AND position <= $4 AND thread_num <> 0",
            &params![user_num, room_num, after, upto],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OwnInThread {
                thread_num: row.num(0)?,
                position: row.num(1)?,
                notify: row.int(2)?,
                highlight: row.int(3)?,
            })
        })
        .collect()
}
