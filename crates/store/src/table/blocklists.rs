//! `blocklists`, `blocklist_parts`, `blocklist_listings` and `blocklist_alerts`: registers of what is blocked that are watched, and what of the
//! service stands in them.

use bytes::Bytes;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `blocklists`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocklist {
    /// Its name in the configuration.
    pub name: String,
    /// When it was looked at last, in milliseconds since the epoch.
    pub checked_ts: i64,
    /// When it is looked at again.
    pub due_ts: i64,
    /// When all of it was read last.
    pub read_ts: Option<i64>,
    /// When it was changed last.
    pub updated_ts: Option<i64>,
    /// How many entries it had.
    pub entries: i64,
    /// Whether it was whole.
    pub whole: bool,
    /// The hash of what was searched for.
    pub own_hash: Bytes,
}

/// A row of `blocklist_parts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its address or path.
    pub source: String,
    /// What its server calls this version of it.
    pub etag: Option<String>,
    /// When its server says that it was changed.
    pub last_modified: Option<String>,
    /// The SHA-256 of its bytes.
    pub content_hash: Bytes,
    /// What was found in it, as JSON.
    pub found: String,
}

/// A row of `blocklist_listings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The hash of what makes it this listing.
    pub listing_hash: Bytes,
    /// It, as JSON.
    pub listing: String,
    /// When it was found first.
    pub appeared_ts: i64,
    /// When it said something else.
    pub changed_ts: i64,
}

/// A row of `blocklist_alerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The number.
    pub alert_num: i64,
    /// The register.
    pub name: String,
    /// What happened: a word.
    pub kind: String,
    /// What is ours, if it is about something of ours.
    pub own: Option<String>,
    /// More about it, as JSON.
    pub detail: String,
    /// When it began.
    pub created_ts: i64,
    /// When it was over.
    pub ended_ts: Option<i64>,
}

fn blocklist(row: &Row) -> Result<Blocklist, StoreError> {
    Ok(Blocklist {
        name: row.text(0)?.to_owned(),
        checked_ts: row.int(1)?,
        due_ts: row.int(2)?,
        read_ts: row.opt_int(3)?,
        updated_ts: row.opt_int(4)?,
        entries: row.int(5)?,
        whole: row.int(6)? != 0,
        own_hash: row.blob(7)?,
    })
}

fn alert(row: &Row) -> Result<Alert, StoreError> {
    Ok(Alert {
        alert_num: row.int(0)?,
        name: row.text(1)?.to_owned(),
        kind: row.text(2)?.to_owned(),
        own: row.opt_text(3)?.map(str::to_owned),
        detail: row.text(4)?.to_owned(),
        created_ts: row.int(5)?,
        ended_ts: row.opt_int(6)?,
    })
}

/// All registers that have been looked at.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<Blocklist>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT name, checked_ts, due_ts, read_ts, updated_ts, entries, whole, own_hash FROM blocklists ORDER BY name",
            &[],
        )
        .await?;
    rows.iter().map(blocklist).collect()
}

/// Writes a register's row.
pub fn put(batch: &mut Batch, row: &Blocklist) {
    batch.push(
        "INSERT INTO blocklists (name, checked_ts, due_ts, read_ts, updated_ts, entries, whole, own_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (name) DO UPDATE SET checked_ts = excluded.checked_ts, due_ts = excluded.due_ts, read_ts = excluded.read_ts,
         updated_ts = excluded.updated_ts, entries = excluded.entries, whole = excluded.whole, own_hash = excluded.own_hash",
        params![
            row.name.as_str(),
            row.checked_ts,
            row.due_ts,
            row.read_ts,
            row.updated_ts,
            row.entries,
            row.whole,
            row.own_hash.clone()
        ],
    );
}

/// The parts of a register as they were read last.
pub async fn parts(snapshot: &Snapshot, name: &str) -> Result<Vec<Part>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT source, etag, last_modified, content_hash, found FROM blocklist_parts WHERE name = $1 ORDER BY source",
            &params![name],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Part {
                source: row.text(0)?.to_owned(),
                etag: row.opt_text(1)?.map(str::to_owned),
                last_modified: row.opt_text(2)?.map(str::to_owned),
                content_hash: row.blob(3)?,
                found: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// Writes a part of a register.
pub fn put_part(batch: &mut Batch, name: &str, part: &Part) {
    batch.push(
        "INSERT INTO blocklist_parts (name, source, etag, last_modified, content_hash, found) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name, source) DO UPDATE SET etag = excluded.etag, last_modified = excluded.last_modified,
         content_hash = excluded.content_hash, found = excluded.found",
        params![
            name,
            part.source.as_str(),
            part.etag.clone(),
            part.last_modified.clone(),
            part.content_hash.clone(),
            part.found.as_str()
        ],
    );
}

/// Forgets a part of a register, so that it is read again.
pub fn remove_part(batch: &mut Batch, name: &str, source: &str) {
    batch.push("DELETE FROM blocklist_parts WHERE name = $1 AND source = $2", params![name, source]);
}

/// What of ours stands in a register.
pub async fn listings(snapshot: &Snapshot, name: &str) -> Result<Vec<Listing>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT listing_hash, listing, appeared_ts, changed_ts FROM blocklist_listings WHERE name = $1 ORDER BY listing_hash",
            &params![name],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Listing {
                listing_hash: row.blob(0)?,
                listing: row.text(1)?.to_owned(),
                appeared_ts: row.int(2)?,
                changed_ts: row.int(3)?,
            })
        })
        .collect()
}

/// Writes a listing. When it appeared stays as it was.
pub fn put_listing(batch: &mut Batch, name: &str, listing: &Listing) {
    batch.push(
        "INSERT INTO blocklist_listings (name, listing_hash, listing, appeared_ts, changed_ts) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name, listing_hash) DO UPDATE SET listing = excluded.listing, changed_ts = excluded.changed_ts",
        params![
            name,
            listing.listing_hash.clone(),
            listing.listing.as_str(),
            listing.appeared_ts,
            listing.changed_ts
        ],
    );
}

/// Removes a listing.
pub fn remove_listing(batch: &mut Batch, name: &str, listing_hash: &[u8]) {
    batch.push("DELETE FROM blocklist_listings WHERE name = $1 AND listing_hash = $2", params![name, listing_hash]);
}

/// Removes a register that is watched no more, with all that is known of it but the alerts.
pub fn remove(batch: &mut Batch, name: &str, now_ms: i64) {
    batch.push("DELETE FROM blocklists WHERE name = $1", params![name]);
    batch.push("DELETE FROM blocklist_parts WHERE name = $1", params![name]);
    batch.push("DELETE FROM blocklist_listings WHERE name = $1", params![name]);
    batch.push("UPDATE blocklist_alerts SET ended_ts = $2 WHERE name = $1 AND ended_ts IS NULL", params![name, now_ms]);
}

/// The alerts of a register that are not over.
pub async fn open_alerts(snapshot: &Snapshot, name: &str) -> Result<Vec<Alert>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT alert_num, name, kind, own, detail, created_ts, ended_ts FROM blocklist_alerts
             WHERE name = $1 AND ended_ts IS NULL ORDER BY alert_num",
            &params![name],
        )
        .await?;
    rows.iter().map(alert).collect()
}

/// At most `limit` alerts of all registers after a number, the oldest first.
pub async fn alerts(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<Alert>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT alert_num, name, kind, own, detail, created_ts, ended_ts FROM blocklist_alerts
             WHERE alert_num > $1 ORDER BY alert_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(alert).collect()
}

/// Adds an alert. Its number is taken from `Sequence::BlocklistAlert`.
pub fn insert_alert(batch: &mut Batch, alert: &Alert) {
    batch.push(
        "INSERT INTO blocklist_alerts (alert_num, name, kind, own, detail, created_ts, ended_ts) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            alert.alert_num,
            alert.name.as_str(),
            alert.kind.as_str(),
            alert.own.clone(),
            alert.detail.as_str(),
            alert.created_ts,
            alert.ended_ts
        ],
    );
}

/// Ends an alert.
pub fn end_alert(batch: &mut Batch, alert_num: i64, now_ms: i64) {
    batch.push(
        "UPDATE blocklist_alerts SET ended_ts = $2 WHERE alert_num = $1 AND ended_ts IS NULL",
        params![alert_num, now_ms],
    );
}

/// Removes alerts that were over before a time.
pub fn forget_alerts(batch: &mut Batch, before_ms: i64) {
    batch.push("DELETE FROM blocklist_alerts WHERE ended_ts < $1", params![before_ms]);
}
