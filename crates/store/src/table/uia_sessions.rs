//! `uia_sessions`: user-interactive authentications that are under way.

use bytes::Bytes;
use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// A row of `uia_sessions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiaSession {
    /// A hash of the session's id, which only the client has.
    pub session_id: String,
    /// What is to be done, and to what.
    pub operation: String,
    /// Who is to do it; nobody at registration.
    pub user_num: UserNum,
    /// From which device.
    pub device_id: Option<String>,
    /// A keyed hash of the request's body without its `auth`.
    pub body_hash: Bytes,
    /// The stages that are done, separated by spaces.
    pub completed: String,
    /// The registration token of the stage that asks for one.
    pub registration_token: Option<String>,
    /// When it began, in milliseconds since the epoch.
    pub created_ts: i64,
}

/// One session.
pub async fn by_id(snapshot: &Snapshot, session_id: &str) -> Result<Option<UiaSession>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT session_id, operation, user_num, device_id, body_hash, completed, registration_token, created_ts
             FROM uia_sessions WHERE session_id = $1",
            &params![session_id],
        )
        .await?;
    row.map(|row| {
        Ok(UiaSession {
            session_id: row.text(0)?.to_owned(),
            operation: row.text(1)?.to_owned(),
            user_num: row.num(2)?,
            device_id: row.opt_text(3)?.map(str::to_owned),
            body_hash: row.blob(4)?,
            completed: row.text(5)?.to_owned(),
            registration_token: row.opt_text(6)?.map(str::to_owned),
            created_ts: row.int(7)?,
        })
    })
    .transpose()
}

/// Adds a session.
pub fn insert(batch: &mut Batch, session: &UiaSession) {
    batch.push(
        "INSERT INTO uia_sessions (session_id, operation, user_num, device_id, body_hash, completed, registration_token, created_ts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            session.session_id.as_str(),
            session.operation.as_str(),
            session.user_num,
            session.device_id.clone(),
            session.body_hash.clone(),
            session.completed.as_str(),
            session.registration_token.clone(),
            session.created_ts
        ],
    );
}

/// Notes what is done; a conflict if somebody else noted something since `before`.
pub fn complete(batch: &mut Batch, session: &UiaSession, before: &str) {
    batch.guard(
        "uia_sessions.completed",
        "UPDATE uia_sessions SET completed = $2, registration_token = $3 WHERE session_id = $1 AND completed = $4",
        params![session.session_id.as_str(), session.completed.as_str(), session.registration_token.clone(), before],
    );
}

/// Removes a session; a conflict if it is gone, so that it serves once.
pub fn remove(batch: &mut Batch, session_id: &str) {
    batch.guard("uia_sessions.session_id", "DELETE FROM uia_sessions WHERE session_id = $1", params![session_id]);
}

/// Removes the sessions that began before `created_ts`.
pub fn remove_older(batch: &mut Batch, created_ts: i64) {
    batch.push("DELETE FROM uia_sessions WHERE created_ts < $1", params![created_ts]);
}
