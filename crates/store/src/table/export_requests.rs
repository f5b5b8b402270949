//! `export_requests`: who asked for everything that is held about a person, and who confirmed it.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `export_requests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// Its id: random letters.
    pub request_id: String,
    /// The person.
    pub user_num: UserNum,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// The public key to which the export is encrypted.
    pub recipient: String,
    /// The file.
    pub file: String,
    /// Who asked.
    pub requested_by: String,
    /// Their account on the machine, if the system told it.
    pub requested_uid: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who confirmed it.
    pub confirmed_by: Option<String>,
    /// When it was confirmed, in milliseconds since the epoch.
    pub confirmed_ts: Option<i64>,
}

fn request(row: &Row) -> Result<ExportRequest, StoreError> {
    Ok(ExportRequest {
        request_id: row.text(0)?.to_owned(),
        user_num: row.num(1)?,
        created_ts: row.int(2)?,
        recipient: row.text(3)?.to_owned(),
        file: row.text(4)?.to_owned(),
        requested_by: row.text(5)?.to_owned(),
        requested_uid: row.opt_int(6)?,
        reason: row.text(7)?.to_owned(),
        confirmed_by: row.opt_text(8)?.map(str::to_owned),
        confirmed_ts: row.opt_int(9)?,
    })
}

/// The request of an id.
pub async fn by_id(snapshot: &Snapshot, request_id: &str) -> Result<Option<ExportRequest>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT request_id, user_num, created_ts, recipient, file, requested_by, requested_uid, reason, confirmed_by, confirmed_ts
             FROM export_requests WHERE request_id = $1",
            &params![request_id],
        )
        .await?;
    row.as_ref().map(request).transpose()
}

/// The latest requests, the newest first.
pub async fn latest(snapshot: &Snapshot, limit: i64) -> Result<Vec<ExportRequest>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT request_id, user_num, created_ts, recipient, file, requested_by, requested_uid, reason, confirmed_by, confirmed_ts
             FROM export_requests ORDER BY created_ts DESC, request_id LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(request).collect()
}

/// Adds a request.
pub fn insert(batch: &mut Batch, request: ExportRequest) {
    batch.push(
        "INSERT INTO export_requests (request_id, user_num, created_ts, recipient, file, requested_by, requested_uid, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            request.request_id,
            request.user_num,
            request.created_ts,
            request.recipient,
            request.file,
            request.requested_by,
            request.requested_uid,
            request.reason
        ],
    );
}

/// Notes who confirmed a request; a conflict if somebody has already.
pub fn confirm(batch: &mut Batch, request_id: &str, by: &str, now_ms: i64) {
    batch.guard(
        "export_requests.confirmed_by",
        "UPDATE export_requests SET confirmed_by = $2, confirmed_ts = $3 WHERE request_id = $1 AND confirmed_by IS NULL",
        params![request_id, by, now_ms],
    );
}
