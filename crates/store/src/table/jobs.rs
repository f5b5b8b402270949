//! `jobs`: work that a change left behind, written in the same batch as the change. A crash repeats a job and never loses it.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// Leaves every room of the user whose number is the subject: the account was deactivated.
pub const LEAVE_ALL_ROOMS: &str = "leave_all_rooms";

/// Removes what the user whose number is the subject has uploaded: they wanted to be erased with their account.
pub const ERASE_FILES: &str = "erase_files";

/// Removes the addresses of devices that have been kept long enough: once a day.
pub const FORGET_ADDRESSES: &str = "forget_addresses";

/// Removes the transactions of devices that no client repeats any more: once a day.
pub const FORGET_TRANSACTIONS: &str = "forget_transactions";

/// Removes the copies of devices of people who share no room with anybody here any more: once a day.
pub const FORGET_DEVICE_LISTS: &str = "forget_device_lists";

/// Removes what other servers were told, and what is too old for it: once a day.
pub const PURGE_OUTGOING: &str = "purge_outgoing";

/// Removes files of other servers that have been in the cache long enough: once a day.
pub const FORGET_REMOTE_MEDIA: &str = "forget_remote_media";

/// Work that is done again and again: kind and number. Numbers of other jobs are positive.
pub const STANDING: [(&str, i64); 5] = [
    (FORGET_ADDRESSES, -1),
    (FORGET_TRANSACTIONS, -2),
    (FORGET_DEVICE_LISTS, -3),
    (PURGE_OUTGOING, -4),
    (FORGET_REMOTE_MEDIA, -5),
];

/// A row of `jobs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The number.
    pub job_num: i64,
    /// What is to be done: a constant of this file.
    pub kind: String,
    /// To what: a number whose meaning the kind tells.
    pub subject: i64,
    /// When, in milliseconds since the epoch.
    pub due_ts: i64,
    /// How often it was tried.
    pub attempts: i64,
}

impl Job {
    /// The subject of a job about a user.
    pub fn user(&self) -> UserNum {
        UserNum(self.subject)
    }
}

fn job(row: &Row) -> Result<Job, StoreError> {
    Ok(Job {
        job_num: row.int(0)?,
        kind: row.text(1)?.to_owned(),
        subject: row.int(2)?,
        due_ts: row.int(3)?,
        attempts: row.int(4)?,
    })
}

/// The jobs that are due, the oldest first.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<Job>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT job_num, kind, subject, due_ts, attempts FROM jobs WHERE due_ts <= $1 ORDER BY due_ts, job_num LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(job).collect()
}

/// Adds a job. Its number is taken from `Sequence::Job`.
pub fn insert(batch: &mut Batch, job_num: i64, kind: &str, subject: i64, due_ts: i64) {
    batch.push(
        "INSERT INTO jobs (job_num, kind, subject, due_ts, attempts) VALUES ($1, $2, $3, $4, 0)",
        params![job_num, kind, subject, due_ts],
    );
}

/// Adds a job that is done again and again, unless it is there.
pub fn ensure(batch: &mut Batch, job_num: i64, kind: &str, due_ts: i64) {
    batch.push(
        "INSERT INTO jobs (job_num, kind, subject, due_ts, attempts) VALUES ($1, $2, 0, $3, 0) ON CONFLICT (job_num) DO NOTHING",
        params![job_num, kind, due_ts],
    );
}

/// Lets a job that is done be done again later.
pub fn repeat(batch: &mut Batch, job_num: i64, due_ts: i64) {
    batch.push("UPDATE jobs SET due_ts = $2, attempts = 0 WHERE job_num = $1", params![job_num, due_ts]);
}

/// Puts a job off that did not succeed.
pub fn postpone(batch: &mut Batch, job_num: i64, due_ts: i64) {
    batch.push("UPDATE jobs SET due_ts = $2, attempts = attempts + 1 WHERE job_num = $1", params![job_num, due_ts]);
}

/// Removes a job that is done.
pub fn remove(batch: &mut Batch, job_num: i64) {
    batch.push("DELETE FROM jobs WHERE job_num = $1", params![job_num]);
}
