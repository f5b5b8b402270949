//! `cuts` and `cut_notices`: when other cells were not reached, what waited for them, and who was told.

use domicile_core::ids::{DestinationNum, Position, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, params, value::text_list};

/// How much of what waits for a cell is of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// People whom somebody else took out of a room, without banning them.
    pub removals: i64,
    /// People who were banned.
    pub bans: i64,
    /// Devices that were signed out.
    pub sign_outs: i64,
    /// Other events.
    pub messages: i64,
}

/// A row of `cuts`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number.
    pub cut_num: i64,
    /// The cell that is not reached.
    pub cell: String,
    /// Since when.
    pub since_ts: i64,
    /// Since when people are told.
    pub declared_ts: Option<i64>,
    /// Since when it is reached again.
    pub whole_ts: Option<i64>,
    /// When it was over.
    pub ended_ts: Option<i64>,
    /// Up to where the cell had been told everything.
    pub from_position: Position,
    /// Up to where what waits for it is counted.
    pub counted_position: Position,
    /// What waited for it.
    pub counts: Counts,
    /// What it said had waited there, JSON.
    pub there: Option<String>,
    /// Devices there that are new since then, JSON, until people have been told.
    pub devices: Option<String>,
}

fn cut(row: &Row) -> Result<Cut, StoreError> {
    Ok(Cut {
        cut_num: row.int(0)?,
        cell: row.text(1)?.to_owned(),
        since_ts: row.int(2)?,
        declared_ts: row.opt_int(3)?,
        whole_ts: row.opt_int(4)?,
        ended_ts: row.opt_int(5)?,
        from_position: row.num(6)?,
        counted_position: row.num(7)?,
        counts: Counts { removals: row.int(8)?, bans: row.int(9)?, sign_outs: row.int(10)?, messages: row.int(11)? },
        there: row.opt_text(12)?.map(str::to_owned),
        devices: row.opt_text(13)?.map(str::to_owned),
    })
}

/// Cuts that are not over.
pub async fn open(snapshot: &Snapshot) -> Result<Vec<Cut>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT cut_num, cell, since_ts, declared_ts, whole_ts, ended_ts, from_position, counted_position, removals, bans, sign_outs,
             messages, there, devices FROM cuts WHERE ended_ts IS NULL ORDER BY cell",
            &[],
        )
        .await?;
    rows.iter().map(cut).collect()
}

/// Cuts that were over after a time in milliseconds since the epoch: at most `limit`, the newest first.
pub async fn ended_after(snapshot: &Snapshot, after_ms: i64, limit: i64) -> Result<Vec<Cut>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT cut_num, cell, since_ts, declared_ts, whole_ts, ended_ts, from_position, counted_position, removals, bans, sign_outs,
             messages, there, devices FROM cuts WHERE ended_ts > $1 ORDER BY ended_ts DESC, cut_num DESC LIMIT $2",
            &params![after_ms, limit],
        )
        .await?;
    rows.iter().map(cut).collect()
}

/// The cut of a number.
pub async fn by_num(snapshot: &Snapshot, cut_num: i64) -> Result<Option<Cut>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT cut_num, cell, since_ts, declared_ts, whole_ts, ended_ts, from_position, counted_position, removals, bans, sign_outs,
             messages, there, devices FROM cuts WHERE cut_num = $1",
            &params![cut_num],
        )
        .await?;
    row.as_ref().map(cut).transpose()
}

/// Adds a cut; a conflict if there is one of that cell that is not over.
pub fn insert(batch: &mut Batch, cut: &Cut) {
    batch.push(
        "INSERT INTO cuts (cut_num, cell, since_ts, declared_ts, whole_ts, ended_ts, from_position, counted_position, removals, bans,
         sign_outs, messages, there, devices) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        params![
            cut.cut_num,
            cut.cell.as_str(),
            cut.since_ts,
            cut.declared_ts,
            cut.whole_ts,
            cut.ended_ts,
            cut.from_position,
            cut.counted_position,
            cut.counts.removals,
            cut.counts.bans,
            cut.counts.sign_outs,
            cut.counts.messages,
            cut.there.clone(),
            cut.devices.clone()
        ],
    );
}

/// Writes what can change of a cut.
pub fn update(batch: &mut Batch, cut: &Cut) {
    batch.push(
        "UPDATE cuts SET declared_ts = $2, whole_ts = $3, ended_ts = $4, counted_position = $5, removals = $6, bans = $7, sign_outs = $8,
         messages = $9, there = $10, devices = $11 WHERE cut_num = $1",
        params![
            cut.cut_num,
            cut.declared_ts,
            cut.whole_ts,
            cut.ended_ts,
            cut.counted_position,
            cut.counts.removals,
            cut.counts.bans,
            cut.counts.sign_outs,
            cut.counts.messages,
            cut.there.clone(),
            cut.devices.clone()
        ],
    );
}

/// Forgets a cut, and who was told of it.
pub fn remove(batch: &mut Batch, cut_num: i64) {
    batch.push("DELETE FROM cut_notices WHERE cut_num = $1", params![cut_num]);
    batch.push("DELETE FROM cuts WHERE cut_num = $1", params![cut_num]);
}

/// Forgets the cuts that were over before a time in milliseconds since the epoch, and who was told of them.
pub fn remove_before(batch: &mut Batch, before_ms: i64) {
    batch.push(
        "DELETE FROM cut_notices WHERE cut_num IN (SELECT cut_num FROM cuts WHERE ended_ts < $1)",
        params![before_ms],
    );
    batch.push("DELETE FROM cuts WHERE ended_ts < $1", params![before_ms]);
}

/// At most `limit` people whose accounts are here, who share a room with people of a destination, and who were not told of a cut.
pub async fn untold(
    snapshot: &Snapshot,
    cut_num: i64,
    destination_num: DestinationNum,
    limit: i64,
) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT m.user_num FROM destination_rooms r CROSS JOIN memberships m CROSS JOIN users u
             WHERE r.destination_num = $2 AND r.until_position IS NULL AND m.room_num = r.room_num AND m.membership = 'join'
             AND u.user_num = m.user_num AND u.is_local = 1 AND u.deactivated_ts IS NULL
             AND NOT EXISTS (SELECT 1 FROM cut_notices n WHERE n.cut_num = $1 AND n.user_num = m.user_num)
             ORDER BY m.user_num LIMIT $3",
            &params![cut_num, destination_num, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// At most `limit` people, with the cut, who were told of a cut that is over and have not been told that. Those whose accounts are here no more
/// are left out.
pub async fn end_untold(snapshot: &Snapshot, limit: i64) -> Result<Vec<(i64, UserNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT n.cut_num, n.user_num FROM cuts c CROSS JOIN cut_notices n CROSS JOIN users u
             WHERE c.ended_ts IS NOT NULL AND n.cut_num = c.cut_num AND n.end_told_ts IS NULL
             AND u.user_num = n.user_num AND u.is_local = 1 AND u.deactivated_ts IS NULL ORDER BY n.cut_num, n.user_num LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.num(1)?))).collect()
}

/// Notes that somebody was told of a cut.
pub fn note_told(batch: &mut Batch, cut_num: i64, user_num: UserNum, now_ms: i64) {
    batch.push(
        "INSERT INTO cut_notices (cut_num, user_num, told_ts) VALUES ($1, $2, $3) ON CONFLICT (cut_num, user_num) DO NOTHING",
        params![cut_num, user_num, now_ms],
    );
}

/// Notes that somebody was told that a cut is over.
pub fn note_end_told(batch: &mut Batch, cut_num: i64, user_num: UserNum, now_ms: i64) {
    batch.push(
        "UPDATE cut_notices SET end_told_ts = $3 WHERE cut_num = $1 AND user_num = $2",
        params![cut_num, user_num, now_ms],
    );
}

/// Forgets the devices of cuts that are over, where nobody is left to be told.
pub fn forget_devices(batch: &mut Batch) {
    batch.push(
        "UPDATE cuts SET devices = NULL WHERE devices IS NOT NULL AND ended_ts IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cut_notices n
         JOIN users u ON u.user_num = n.user_num AND u.is_local = 1 AND u.deactivated_ts IS NULL
         WHERE n.cut_num = cuts.cut_num AND n.end_told_ts IS NULL)",
        Vec::new(),
    );
}

/// How many people were told of a cut, and how many that it is over.
pub async fn told(snapshot: &Snapshot, cut_num: i64) -> Result<(i64, i64), StoreError> {
    let row = snapshot
        .query_one("SELECT COUNT(*), COUNT(end_told_ts) FROM cut_notices WHERE cut_num = $1", &params![cut_num])
        .await?;
    Ok((row.int(0)?, row.int(1)?))
}

/// Those of some people with whom somebody shares a room.
pub async fn sharing(
    snapshot: &Snapshot,
    user_num: UserNum,
    user_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<String>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT u.user_id FROM users u WHERE u.user_id IN TEXTS($2) AND EXISTS (SELECT 1 FROM memberships m CROSS JOIN memberships o
             WHERE m.user_num = u.user_num AND m.membership = 'join' AND o.room_num = m.room_num AND o.user_num = $1 AND o.membership = 'join')",
            &[user_num.into(), text_list(user_ids)],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}
