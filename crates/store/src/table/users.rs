//! `users`: everybody this cell knows, its own people and those of other servers.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, Value, params, value::text_list};

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub user_num: UserNum,
    /// The Matrix id.
    pub user_id: String,
    /// Whether the account is ours.
    pub is_local: bool,
    /// When the row was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// Argon2id, in PHC form.
    pub password_hash: Option<String>,
    /// When the account was deactivated.
    pub deactivated_ts: Option<i64>,
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        user_num: row.num(0)?,
        user_id: row.text(1)?.to_owned(),
        is_local: row.flag(2)?,
        created_ts: row.int(3)?,
        password_hash: row.opt_text(4)?.map(str::to_owned),
        deactivated_ts: row.opt_int(5)?,
    })
}

/// The user with a Matrix id.
pub async fn by_id(snapshot: &Snapshot, user_id: &str) -> Result<Option<User>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num, user_id, is_local, created_ts, password_hash, deactivated_ts FROM users WHERE user_id = $1",
            &params![user_id],
        )
        .await?;
    row.as_ref().map(user).transpose()
}

/// The user with a number.
pub async fn by_num(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<User>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num, user_id, is_local, created_ts, password_hash, deactivated_ts FROM users WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    row.as_ref().map(user).transpose()
}

/// Numbers of those of `user_ids` whom this cell knows.
pub async fn nums(snapshot: &Snapshot, user_ids: impl IntoIterator<Item = &str>) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot.query("SELECT user_num FROM users WHERE user_id IN TEXTS($1)", &[text_list(user_ids)]).await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Those of `user_ids` whom this cell knows: numbers and Matrix ids.
pub async fn by_ids(
    snapshot: &Snapshot,
    user_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<(UserNum, String)>, StoreError> {
    let rows = snapshot
        .query("SELECT user_num, user_id FROM users WHERE user_id IN TEXTS($1)", &[text_list(user_ids)])
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// Numbers of those of `user_ids` who have, or had, an account here.
pub async fn local_by_ids(
    snapshot: &Snapshot,
    user_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<(UserNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, user_id FROM users WHERE user_id IN TEXTS($1) AND is_local = 1",
            &[text_list(user_ids)],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// Numbers of those of `user_ids` who are known here, and whether they have, or had, an account here.
pub async fn known_by_ids(
    snapshot: &Snapshot,
    user_ids: impl IntoIterator<Item = &str>,
) -> Result<Vec<(UserNum, String, bool)>, StoreError> {
    let rows = snapshot
        .query("SELECT user_num, user_id, is_local FROM users WHERE user_id IN TEXTS($1)", &[text_list(user_ids)])
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned(), row.flag(2)?))).collect()
}

/// Local users in the order of their numbers, after `after`.
pub async fn page(snapshot: &Snapshot, after: UserNum, limit: i64) -> Result<Vec<User>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, user_id, is_local, created_ts, password_hash, deactivated_ts FROM users
             WHERE user_num > $1 AND is_local = 1 ORDER BY user_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(user).collect()
}

/// Adds a user; a conflict if the id is there already.
pub fn insert(batch: &mut Batch, user: &User) {
    batch.push(
        "INSERT INTO users (user_num, user_id, is_local, created_ts, password_hash) VALUES ($1, $2, $3, $4, $5)",
        params![user.user_num, user.user_id.as_str(), user.is_local, user.created_ts, user.password_hash.clone()],
    );
}

/// Replaces the password.
pub fn set_password(batch: &mut Batch, user_num: UserNum, password_hash: Option<String>) {
    batch.push("UPDATE users SET password_hash = $2 WHERE user_num = $1", params![user_num, password_hash]);
}

/// Whether somebody was erased.
pub async fn is_erased(snapshot: &Snapshot, user_id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM users WHERE user_id = $1 AND is_local = 1 AND erased = 1";
    Ok(snapshot.query_opt(sql, &params![user_id]).await?.is_some())
}

/// Since when an account is locked, and since when it is suspended.
pub async fn standing(snapshot: &Snapshot, user_num: UserNum) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let row =
        snapshot.query_one("SELECT locked_ts, suspended_ts FROM users WHERE user_num = $1", &params![user_num]).await?;
    Ok((row.opt_int(0)?, row.opt_int(1)?))
}

/// Locks an account from a time on, or unlocks it.
pub fn set_locked(batch: &mut Batch, user_num: UserNum, since: Option<i64>) {
    batch.push("UPDATE users SET locked_ts = $2 WHERE user_num = $1", params![user_num, since]);
}

/// Suspends an account from a time on, or ends its suspension.
pub fn set_suspended(batch: &mut Batch, user_num: UserNum, since: Option<i64>) {
    batch.push("UPDATE users SET suspended_ts = $2 WHERE user_num = $1", params![user_num, since]);
}

/// Marks an account as deactivated and forgets its password.
pub fn deactivate(batch: &mut Batch, user_num: UserNum, now_ms: i64, erase: bool) {
    batch.push(
        "UPDATE users SET deactivated_ts = $2, erased = $3, password_hash = NULL WHERE user_num = $1",
        params![user_num, now_ms, erase],
    );
}

/// Marks an account that was deactivated before as one whose owner wants to be erased.
pub fn set_erased(batch: &mut Batch, user_num: UserNum) {
    batch.push(
        "UPDATE users SET erased = 1, password_hash = NULL, locked_ts = NULL, suspended_ts = NULL WHERE user_num = $1",
        params![user_num],
    );
}

/// Removes what an account kept here and nobody else needs: credentials' helpers, profile, account data, filters, keys and key backup.
/// Devices go with [`super::devices::remove`].
pub fn remove_belongings(batch: &mut Batch, user_num: UserNum) {
    for sql in [
        "DELETE FROM uia_sessions WHERE user_num = $1",
        "DELETE FROM login_tokens WHERE user_num = $1",
        "DELETE FROM openid_tokens WHERE user_num = $1",
        "DELETE FROM profile_fields WHERE user_num = $1",
        "DELETE FROM user_words WHERE user_num = $1",
        "DELETE FROM account_data WHERE user_num = $1",
        "DELETE FROM filters WHERE user_num = $1",
        "DELETE FROM pushers WHERE user_num = $1",
        "DELETE FROM cross_signing_keys WHERE user_num = $1",
        "DELETE FROM key_signatures WHERE signer_num = $1",
        "DELETE FROM key_signatures WHERE target_num = $1",
        "DELETE FROM key_backup_keys WHERE user_num = $1",
        "DELETE FROM key_backup_versions WHERE user_num = $1",
        "DELETE FROM dehydrated_devices WHERE user_num = $1",
        "DELETE FROM user_jurisdictions WHERE user_num = $1",
        "DELETE FROM incident_notices WHERE user_num = $1",
        "DELETE FROM cut_notices WHERE user_num = $1",
        "DELETE FROM notice_rooms WHERE user_num = $1",
    ] {
        batch.push(sql, params![user_num]);
    }
}

/// Notes that somebody's account is in another cell now: what is left is their Matrix id.
pub fn leave(batch: &mut Batch, user_num: UserNum) {
    batch.push(
        "UPDATE users SET is_local = 0, password_hash = NULL, deactivated_ts = NULL, erased = 0, locked_ts = NULL, suspended_ts = NULL
         WHERE user_num = $1",
        params![user_num],
    );
}

/// The guard of [`stays`].
pub const STAYS_GUARD: &str = "users.is_local";

/// Lets a batch fail if somebody's account is not in this cell any more.
pub fn stays(batch: &mut Batch, user_num: UserNum) {
    let sql = "UPDATE users SET is_local = 1 WHERE user_num = $1 AND is_local = 1";
    batch.guard(STAYS_GUARD, sql, params![user_num]);
}

/// The guard of [`not_let_go`].
pub const LET_GO_GUARD: &str = "users.let_go";

/// Lets a batch fail if somebody's account is not in this cell any more, or was let go for another one. Where their vault is being handed over at the same
/// time, it is that which fails.
pub fn not_let_go(batch: &mut Batch, user_num: UserNum) {
    // The move's row first: whoever writes it waits here for the other, and the look at its state is after that.
    batch.push(
        "UPDATE moves SET revision = revision + 1
         WHERE ended_ts IS NULL AND user_id = (SELECT user_id FROM users WHERE user_num = $1)",
        params![user_num],
    );
    let sql = "UPDATE users SET is_local = 1 WHERE user_num = $1 AND is_local = 1 AND NOT EXISTS (SELECT 1 FROM moves m
               WHERE m.user_id = users.user_id AND m.ended_ts IS NULL AND m.state IN ('handed_over', 'issued'))";
    batch.guard(LET_GO_GUARD, sql, params![user_num]);
}

/// Notes that somebody's account is in this cell now. Their credentials and standing come with the rest of their rows.
pub fn arrive(batch: &mut Batch, user_num: UserNum) {
    batch.push("UPDATE users SET is_local = 1 WHERE user_num = $1", params![user_num]);
}

/// Sets an account's credentials and standing to those of a row of another cell, its columns in the catalogue's order.
pub fn take_over(batch: &mut Batch, user_num: UserNum, row: &[Value]) {
    let at = |index: usize| row.get(index).cloned().unwrap_or(Value::Null);
    batch.push(
        "UPDATE users SET created_ts = $2, password_hash = $3, deactivated_ts = $4, erased = $5, locked_ts = $6, suspended_ts = $7
         WHERE user_num = $1",
        vec![user_num.into(), at(3), at(4), at(5), at(6), at(7), at(8)],
    );
}
