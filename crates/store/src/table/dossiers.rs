//! `dossiers` with their contacts, documents, history and papers: registrations with authorities.

use bytes::Bytes;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The guard of a change: a conflict with this name means that somebody else changed the dossier meanwhile.
pub const REVISION_GUARD: &str = "dossiers.revision";

/// A row of `dossiers`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossier {
    /// The jurisdiction's code.
    pub code: String,
    /// Grows with each change.
    pub revision: i64,
    /// Where it stands.
    pub status: String,
    /// Since when.
    pub status_ts: i64,
    /// The legal entity.
    pub legal_entity: Option<String>,
    /// The authority.
    pub authority: Option<String>,
    /// The register.
    pub register: Option<String>,
    /// The number in it.
    pub number: Option<String>,
    /// For the operator.
    pub note: Option<String>,
    /// When it was filed.
    pub filed_ts: Option<i64>,
    /// When it was registered.
    pub registered_ts: Option<i64>,
    /// When the registration ends.
    pub expires_ts: Option<i64>,
    /// What is to be done next.
    pub next_action: Option<String>,
    /// Until when.
    pub next_due_ts: Option<i64>,
}

/// A row of `dossier_contacts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The jurisdiction's code.
    pub code: String,
    /// The role.
    pub role: String,
    /// The role's address.
    pub address: String,
    /// Whether the public may see the address.
    pub is_public: bool,
    /// The person behind it, sealed.
    pub sealed: Option<Bytes>,
}

/// A row of `dossier_documents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The jurisdiction's code.
    pub code: String,
    /// SHA-256 of the file.
    pub sha256: Bytes,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// Who attached it.
    pub who: String,
    /// When.
    pub added_ts: i64,
}

/// A row of `dossier_history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number.
    pub entry_num: i64,
    /// The jurisdiction's code.
    pub code: String,
    /// When.
    pub at_ts: i64,
    /// Who.
    pub who: String,
    /// What was done.
    pub what: String,
}

/// A row of `dossier_papers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// The number.
    pub paper_num: i64,
    /// The jurisdiction's code.
    pub code: String,
    /// SHA-256 of what it says.
    pub sha256: Bytes,
    /// What it says, sealed.
    pub sealed: Bytes,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_ts: i64,
    /// Who looked at it besides, and when.
    pub reviewed: Option<(String, i64)>,
    /// Who sent it, and when.
    pub sent: Option<(String, i64)>,
}

fn dossier(row: &Row) -> Result<Dossier, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.opt_text(column)?.map(str::to_owned));
    Ok(Dossier {
        code: row.text(0)?.to_owned(),
        revision: row.int(1)?,
        status: row.text(2)?.to_owned(),
        status_ts: row.int(3)?,
        legal_entity: text(4)?,
        authority: text(5)?,
        register: text(6)?,
        number: text(7)?,
        note: text(8)?,
        filed_ts: row.opt_int(9)?,
        registered_ts: row.opt_int(10)?,
        expires_ts: row.opt_int(11)?,
        next_action: text(12)?,
        next_due_ts: row.opt_int(13)?,
    })
}

/// All dossiers, by code.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<Dossier>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT code, revision, status, status_ts, legal_entity, authority, register, number, note, filed_ts, registered_ts,
             expires_ts, next_action, next_due_ts FROM dossiers ORDER BY code",
            &[],
        )
        .await?;
    rows.iter().map(dossier).collect()
}

/// The dossier of a code.
pub async fn one(snapshot: &Snapshot, code: &str) -> Result<Option<Dossier>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT code, revision, status, status_ts, legal_entity, authority, register, number, note, filed_ts, registered_ts,
             expires_ts, next_action, next_due_ts FROM dossiers WHERE code = $1",
            &params![code],
        )
        .await?;
    row.as_ref().map(dossier).transpose()
}

/// Adds a dossier; a conflict if there is one.
pub fn insert(batch: &mut Batch, dossier: Dossier) {
    batch.push(
        "INSERT INTO dossiers (code, revision, status, status_ts, legal_entity, authority, register, number, note, filed_ts,
         registered_ts, expires_ts, next_action, next_due_ts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        values(dossier),
    );
}

/// Writes a dossier whose revision is the one after what was read; a conflict ([`REVISION_GUARD`]) if somebody was faster.
pub fn update(batch: &mut Batch, dossier: Dossier) {
    batch.guard(
        REVISION_GUARD,
        "UPDATE dossiers SET revision = $2, status = $3, status_ts = $4, legal_entity = $5, authority = $6, register = $7,
         number = $8, note = $9, filed_ts = $10, registered_ts = $11, expires_ts = $12, next_action = $13, next_due_ts = $14
         WHERE code = $1 AND revision = CAST($2 AS BIGINT) - 1",
        values(dossier),
    );
}

fn values(dossier: Dossier) -> Vec<crate::Value> {
    params![
        dossier.code,
        dossier.revision,
        dossier.status,
        dossier.status_ts,
        dossier.legal_entity,
        dossier.authority,
        dossier.register,
        dossier.number,
        dossier.note,
        dossier.filed_ts,
        dossier.registered_ts,
        dossier.expires_ts,
        dossier.next_action,
        dossier.next_due_ts
    ]
}

/// All contacts, by code and role.
pub async fn contacts(snapshot: &Snapshot) -> Result<Vec<Contact>, StoreError> {
    let sql = "SELECT code, role, address, is_public, sealed FROM dossier_contacts ORDER BY code, role";
    let rows = snapshot.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Contact {
                code: row.text(0)?.to_owned(),
                role: row.text(1)?.to_owned(),
                address: row.text(2)?.to_owned(),
                is_public: row.flag(3)?,
                sealed: row.opt_blob(4)?,
            })
        })
        .collect()
}

/// Names somebody for a role, in the place of who was named before.
pub fn set_contact(batch: &mut Batch, contact: Contact) {
    batch.push(
        "INSERT INTO dossier_contacts (code, role, address, is_public, sealed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (code, role) DO UPDATE SET address = excluded.address, is_public = excluded.is_public, sealed = excluded.sealed",
        params![contact.code, contact.role, contact.address, contact.is_public, contact.sealed],
    );
}

/// Names nobody for a role.
pub fn remove_contact(batch: &mut Batch, code: &str, role: &str) {
    batch.push("DELETE FROM dossier_contacts WHERE code = $1 AND role = $2", params![code, role]);
}

/// The documents of a dossier, the oldest first.
pub async fn documents(snapshot: &Snapshot, code: &str) -> Result<Vec<Document>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT code, sha256, name, bytes, who, added_ts FROM dossier_documents WHERE code = $1 ORDER BY added_ts, name",
            &params![code],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Document {
                code: row.text(0)?.to_owned(),
                sha256: row.blob(1)?,
                name: row.text(2)?.to_owned(),
                bytes: row.int(3)?,
                who: row.text(4)?.to_owned(),
                added_ts: row.int(5)?,
            })
        })
        .collect()
}

/// Attaches a document; a conflict if the same one is attached already.
pub fn add_document(batch: &mut Batch, document: Document) {
    batch.push(
        "INSERT INTO dossier_documents (code, sha256, name, bytes, who, added_ts) VALUES ($1, $2, $3, $4, $5, $6)",
        params![document.code, document.sha256, document.name, document.bytes, document.who, document.added_ts],
    );
}

/// What was done to a dossier, the newest first, at most `limit` entries.
pub async fn history(snapshot: &Snapshot, code: &str, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT entry_num, code, at_ts, who, what FROM dossier_history WHERE code = $1 ORDER BY entry_num DESC LIMIT $2",
            &params![code, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                entry_num: row.int(0)?,
                code: row.text(1)?.to_owned(),
                at_ts: row.int(2)?,
                who: row.text(3)?.to_owned(),
                what: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// Adds an entry to the history.
pub fn add_entry(batch: &mut Batch, entry: Entry) {
    batch.push(
        "INSERT INTO dossier_history (entry_num, code, at_ts, who, what) VALUES ($1, $2, $3, $4, $5)",
        params![entry.entry_num, entry.code, entry.at_ts, entry.who, entry.what],
    );
}

fn paper(row: &Row) -> Result<Paper, StoreError> {
    Ok(Paper {
        paper_num: row.int(0)?,
        code: row.text(1)?.to_owned(),
        sha256: row.blob(2)?,
        sealed: row.blob(3)?,
        made_by: row.text(4)?.to_owned(),
        made_ts: row.int(5)?,
        reviewed: row.opt_text(6)?.map(str::to_owned).zip(row.opt_int(7)?),
        sent: row.opt_text(8)?.map(str::to_owned).zip(row.opt_int(9)?),
    })
}

/// The papers of a dossier, the newest first.
pub async fn papers(snapshot: &Snapshot, code: &str, limit: i64) -> Result<Vec<Paper>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT paper_num, code, sha256, sealed, made_by, made_ts, reviewed_by, reviewed_ts, sent_by, sent_ts FROM dossier_papers
             WHERE code = $1 ORDER BY paper_num DESC LIMIT $2",
            &params![code, limit],
        )
        .await?;
    rows.iter().map(paper).collect()
}

/// The paper of a number.
pub async fn one_paper(snapshot: &Snapshot, paper_num: i64) -> Result<Option<Paper>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT paper_num, code, sha256, sealed, made_by, made_ts, reviewed_by, reviewed_ts, sent_by, sent_ts FROM dossier_papers
             WHERE paper_num = $1",
            &params![paper_num],
        )
        .await?;
    row.as_ref().map(paper).transpose()
}

/// Adds a paper.
pub fn add_paper(batch: &mut Batch, paper: Paper) {
    batch.push(
        "INSERT INTO dossier_papers (paper_num, code, sha256, sealed, made_by, made_ts) VALUES ($1, $2, $3, $4, $5, $6)",
        params![paper.paper_num, paper.code, paper.sha256, paper.sealed, paper.made_by, paper.made_ts],
    );
}

/// Notes who looked at a paper besides its maker; a conflict if somebody has.
pub fn review_paper(batch: &mut Batch, paper_num: i64, who: &str, now_ms: i64) {
    batch.guard(
        "dossier_papers.reviewed_by",
        "UPDATE dossier_papers SET reviewed_by = $2, reviewed_ts = $3
         WHERE paper_num = $1 AND reviewed_by IS NULL AND made_by <> $2",
        params![paper_num, who, now_ms],
    );
}

/// Notes that a paper was sent; a conflict if nobody has looked at it besides its maker, or if it was sent already.
pub fn send_paper(batch: &mut Batch, paper_num: i64, who: &str, now_ms: i64) {
    batch.guard(
        "dossier_papers.sent_by",
        "UPDATE dossier_papers SET sent_by = $2, sent_ts = $3
         WHERE paper_num = $1 AND reviewed_by IS NOT NULL AND sent_by IS NULL",
        params![paper_num, who, now_ms],
    );
}
