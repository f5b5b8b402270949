//! `incidents` with their updates and notices: what happened to the service, and who was told.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The guard of a change: a conflict with this name means that somebody else changed the incident meanwhile.
pub const REVISION_GUARD: &str = "incidents.revision";

/// A row of `incidents`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The number.
    pub incident_num: i64,
    /// What it is about, such as `access:RU`.
    pub sign: String,
    /// The jurisdiction that it concerns; none if it concerns everybody.
    pub code: Option<String>,
    /// What kind of thing happened.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// Whether the status page shows it.
    pub is_public: bool,
    /// The first sign.
    pub began_ts: i64,
    /// When it was over.
    pub resolved_ts: Option<i64>,
    /// Grows with each change.
    pub revision: i64,
}

/// A row of `incident_updates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The number.
    pub update_num: i64,
    /// The incident.
    pub incident_num: i64,
    /// When.
    pub at_ts: i64,
    /// Where the incident stood from then on.
    pub state: String,
    /// Who wrote it: a person, or what noticed it.
    pub who: String,
    /// What the public reads: JSON, by language.
    pub words: Option<String>,
    /// For the operator.
    pub note: Option<String>,
}

fn incident(row: &Row) -> Result<Incident, StoreError> {
    Ok(Incident {
        incident_num: row.int(0)?,
        sign: row.text(1)?.to_owned(),
        code: row.opt_text(2)?.map(str::to_owned),
        kind: row.text(3)?.to_owned(),
        state: row.text(4)?.to_owned(),
        is_public: row.flag(5)?,
        began_ts: row.int(6)?,
        resolved_ts: row.opt_int(7)?,
        revision: row.int(8)?,
    })
}

/// At most `limit` incidents, the newest first.
pub async fn newest(snapshot: &Snapshot, limit: i64) -> Result<Vec<Incident>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision FROM incidents
             ORDER BY incident_num DESC LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(incident).collect()
}

/// The incident of a number.
pub async fn one(snapshot: &Snapshot, incident_num: i64) -> Result<Option<Incident>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision FROM incidents
             WHERE incident_num = $1",
            &params![incident_num],
        )
        .await?;
    row.as_ref().map(incident).transpose()
}

/// The incident about a sign that is not over.
pub async fn open_with_sign(snapshot: &Snapshot, sign: &str) -> Result<Option<Incident>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision FROM incidents
             WHERE sign = $1 AND resolved_ts IS NULL ORDER BY incident_num LIMIT 1",
            &params![sign],
        )
        .await?;
    row.as_ref().map(incident).transpose()
}

/// All incidents that are not over, the oldest first.
pub async fn open(snapshot: &Snapshot) -> Result<Vec<Incident>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision FROM incidents
             WHERE resolved_ts IS NULL ORDER BY incident_num",
            &[],
        )
        .await?;
    rows.iter().map(incident).collect()
}

/// When the last incident about each sign was over; of those of which there was one.
pub async fn last_resolved(snapshot: &Snapshot) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT sign, MAX(resolved_ts) FROM incidents WHERE resolved_ts IS NOT NULL GROUP BY sign ORDER BY sign",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
}

/// Incidents that were over after a time, the oldest first.
pub async fn resolved_after(snapshot: &Snapshot, after_ts: i64) -> Result<Vec<Incident>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision FROM incidents
             WHERE resolved_ts > $1 ORDER BY incident_num",
            &params![after_ts],
        )
        .await?;
    rows.iter().map(incident).collect()
}

/// Adds an incident.
pub fn insert(batch: &mut Batch, incident: Incident) {
    batch.push(
        "INSERT INTO incidents (incident_num, sign, code, kind, state, is_public, began_ts, resolved_ts, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        params![
            incident.incident_num,
            incident.sign,
            incident.code,
            incident.kind,
            incident.state,
            incident.is_public,
            incident.began_ts,
            incident.resolved_ts,
            incident.revision
        ],
    );
}

/// Writes where an incident stands; its revision is the one after what was read. A conflict ([`REVISION_GUARD`]) if somebody was faster.
pub fn update(batch: &mut Batch, incident: &Incident) {
    batch.guard(
        REVISION_GUARD,
        "UPDATE incidents SET state = $2, is_public = $3, resolved_ts = $4, revision = $5
         WHERE incident_num = $1 AND revision = CAST($5 AS BIGINT) - 1",
        params![
            incident.incident_num,
            incident.state.as_str(),
            incident.is_public,
            incident.resolved_ts,
            incident.revision
        ],
    );
}

/// The updates of an incident, the oldest first.
pub async fn updates(snapshot: &Snapshot, incident_num: i64) -> Result<Vec<Update>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT update_num, incident_num, at_ts, state, who, words, note FROM incident_updates WHERE incident_num = $1
             ORDER BY update_num",
            &params![incident_num],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Update {
                update_num: row.int(0)?,
                incident_num: row.int(1)?,
                at_ts: row.int(2)?,
                state: row.text(3)?.to_owned(),
                who: row.text(4)?.to_owned(),
                words: row.opt_text(5)?.map(str::to_owned),
                note: row.opt_text(6)?.map(str::to_owned),
            })
        })
        .collect()
}

/// Adds an update.
pub fn add_update(batch: &mut Batch, update: Update) {
    batch.push(
        "INSERT INTO incident_updates (update_num, incident_num, at_ts, state, who, words, note) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            update.update_num,
            update.incident_num,
            update.at_ts,
            update.state,
            update.who,
            update.words,
            update.note
        ],
    );
}

/// How many people an incident's updates were told in their clients: by update.
pub async fn told(snapshot: &Snapshot, incident_num: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT n.update_num, COUNT(*) FROM incident_notices n JOIN incident_updates u ON u.update_num = n.update_num
             WHERE u.incident_num = $1 GROUP BY n.update_num ORDER BY n.update_num",
            &params![incident_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

/// Whether somebody was told of an update.
pub async fn was_told(snapshot: &Snapshot, update_num: i64, user_num: UserNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT sent_ts FROM incident_notices WHERE update_num = $1 AND user_num = $2",
            &params![update_num, user_num],
        )
        .await?;
    Ok(row.is_some())
}

/// Notes that somebody was told of an update.
pub fn note_told(batch: &mut Batch, update_num: i64, user_num: UserNum, language: &str, now_ms: i64) {
    batch.push(
        "INSERT INTO incident_notices (update_num, user_num, sent_ts, language) VALUES ($1, $2, $3, $4)
         ON CONFLICT (update_num, user_num) DO NOTHING",
        params![update_num, user_num, now_ms, language],
    );
}
