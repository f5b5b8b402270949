//! Everything that is held about a person, for that person: every table is walked by the catalogue, and the file opens with their key only.
//!
//! An administrator needs a reason and a second administrator who confirms with a name of their own. Until there are roles of administrators,
//! the names are what the operators give; the account on the machine stands beside them in the access log, which the person reads.

mod index;
mod own;
mod package;
mod rows;

use std::{path::PathBuf, sync::Arc};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Keystore, Store,
    backup::Recipient,
    table::{
        export_requests::{self, ExportRequest},
        users,
    },
};
use ruma::{OwnedUserId, UserId};
use serde_json::json;

pub use own::OwnKey;

use super::{
    AccessLog, Documents, Signed,
    access_log::{Look, Operator, What, nobody},
};
use crate::{
    Error, Result,
    accounts::{Devices, Users},
    admin::second,
    error::{forbidden, not_found},
    media::Blobs,
};

/// The kind of document that an export leaves.
pub const KIND: &str = "export";
/// Letters of a request's id.
const ID_LENGTH: usize = 12;
/// Requests that are listed.
const LISTED: i64 = 100;

/// What exports are made of.
pub struct ExportsParts {
    /// The database.
    pub store: Store,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// Where media lies.
    pub blobs: Arc<dyn Blobs>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Devices, whose last uses wait in memory.
    pub devices: Arc<Devices>,
    /// Who looks.
    pub access_log: Arc<AccessLog>,
    /// Where receipts go.
    pub documents: Arc<Documents>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Makes exports.
pub struct Exports {
    parts: ExportsParts,
    /// One at a time of those that people ask for themselves: each takes a disk and a core.
    own_turn: tokio::sync::Mutex<()>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// About whom.
    pub user_id: OwnedUserId,
    /// The person's public key, `age1…`.
    pub recipient: String,
    /// The file, which must not be there.
    pub file: PathBuf,
    /// Who asks.
    pub by: Operator,
    /// Why.
    pub reason: String,
}

impl Exports {
    /// Of its parts.
    pub fn new(parts: ExportsParts) -> Self {
        Self { parts, own_turn: tokio::sync::Mutex::default() }
    }

    /// Asks for an export; gives the id with which a second administrator confirms it.
    pub async fn request(&self, wanted: Wanted) -> Result<String> {
        let invalid = |text: String| Error::from(ErrorKind::InvalidParam.with(text));
        if wanted.reason.trim().is_empty() {
            return Err(invalid("Give a reason: the person reads it.".to_owned()));
        }
        let recipient = Recipient::parse(&wanted.recipient).map_err(|error| invalid(error.to_string()))?;
        if !wanted.file.is_absolute() || wanted.file.exists() {
            return Err(invalid(format!("{} must be an absolute path at which nothing is yet", wanted.file.display())));
        }
        let user = self.account(&wanted.user_id).await?;
        let request_id = rng::name(&*self.parts.rng, ID_LENGTH);
        let look = Look { by: wanted.by.clone(), what: What::ExportRequested, reason: Some(wanted.reason.clone()) };
        self.parts.access_log.note(user.user_num, look).await?;
        let row = ExportRequest {
            request_id: request_id.clone(),
            user_num: user.user_num,
            created_ts: self.parts.clock.now_ms(),
            recipient: recipient.to_string(),
            file: wanted.file.display().to_string(),
            requested_by: wanted.by.name,
            requested_uid: wanted.by.uid.map(i64::from),
            reason: wanted.reason,
            confirmed_by: None,
            confirmed_ts: None,
        };
        let mut batch = Batch::new();
        export_requests::insert(&mut batch, row);
        self.parts.store.write(batch).await?;
        Ok(request_id)
    }

    /// The latest requests, with whom they are about.
    pub async fn list(&self) -> Result<Vec<(OwnedUserId, ExportRequest)>> {
        let rows = self.parts.store.read(|snapshot| async move { export_requests::latest(&snapshot, LISTED).await });
        let rows: Vec<ExportRequest> = rows.await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in rows {
            listed.push((self.parts.users.id(row.user_num).await?, row));
        }
        Ok(listed)
    }

    /// Confirms a request with another name than the one that asked, and makes the export.
    pub async fn confirm(&self, request_id: &str, by: Operator) -> Result<Signed> {
        let wanted = request_id.to_owned();
        let row = self
            .parts
            .store
            .read(move |snapshot| async move { export_requests::by_id(&snapshot, &wanted).await })
            .await?;
        let row = row.ok_or_else(|| not_found(format!("There is no request {request_id} for an export.")))?;
        let now_ms = self.parts.clock.now_ms();
        let asked = (row.requested_by.as_str(), row.requested_uid.and_then(|uid| u32::try_from(uid).ok()));
        second::check((asked, row.created_ts), (&by, now_ms), "this export")?;
        let user_id = self.parts.users.id(row.user_num).await?;
        let mut batch = Batch::new();
        export_requests::confirm(&mut batch, request_id, &by.name, now_ms);
        match self.parts.store.write(batch).await {
            Err(error) if error.is_conflict() => {
                return Err(forbidden("The request was confirmed already: ask again."));
            }
            written => written.map(drop)?,
        }
        let look = Look { by: by.clone(), what: What::Exported, reason: Some(row.reason.clone()) };
        self.parts.access_log.note(row.user_num, look).await?;
        self.make(&user_id, row, by).await
    }

    async fn make(&self, user_id: &UserId, row: ExportRequest, by: Operator) -> Result<Signed> {
        // What memory holds of the person comes to the disk first.
        self.parts.devices.write_uses(Some(row.user_num)).await?;
        let filled = self.fill(user_id, &row).await?;
        let body = json!({
            "user": user_id, "requested_by": row.requested_by, "confirmed_by": by, "reason": row.reason,
            "file": row.file, "recipient": row.recipient, "bytes": filled.packed.bytes, "sha256": filled.packed.sha256,
            "tables": filled.tables, "media_files": filled.media_files, "not_included": index::NOT_INCLUDED,
        });
        self.parts.documents.add(KIND, body).await
    }

    async fn account(&self, user_id: &UserId) -> Result<users::User> {
        let wanted = user_id.to_string();
        let row = self.parts.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        row.filter(|row| row.is_local).ok_or_else(|| nobody(user_id))
    }
}
