//! Erasing a person. The receipt has three lists: what is erased, what nobody can read any more, and what remains, with where, why and until when.
//!
//! It builds on the end of an account, and then walks every table by the catalogue: what belongs to the person is removed, what remains is
//! counted afterwards, not before.

use std::sync::Arc;

use domicile_core::ids::UserNum;
use domicile_store::{
    Batch, Blobs, Keystore, Store, StoreError,
    catalogue::{self, Owner, Table},
    table::{moves, users},
    walk::{self, rows::count_of},
};
use ruma::UserId;
use serde::Serialize;
use serde_json::json;

use super::{
    AccessLog, Documents, Signed,
    access_log::{Look, Operator, What, nobody},
};
use crate::{
    Error, Result, accounts::Accounts, jobs::Jobs, media::removal, moves::departures::unless_let_go, restore::words,
};

/// The kind of document that an erasure leaves.
pub const KIND: &str = "erasure";

/// Rows that belong to the person and stay, with why and until when.
const KEPT: [(&str, &str, &str); 6] = [
    ("users", "the Matrix id must not be given to anybody else", "as long as the deployment has its name"),
    (
        "access_log",
        "others must not be able to hide that they looked; what it says is unreadable",
        "as long as the cell",
    ),
    (
        "restore_words",
        "an older backup that is restored brings the person back, and they are erased again: that they are, and nothing else",
        "other cells keep it, sealed for this one, for 400 days; where there are none, a few seconds",
    ),
    ("device_changes", "others are told that the devices are gone", "30 days"),
    ("device_list_changes", "others are told that the devices are gone", "as long as somebody shares a room's history"),
    ("outgoing_edus", "messages to other people's devices that the person sent and that are on their way", "30 days"),
];

/// Rows about the person that belong to others, with why and until when.
const OTHERS: [(&str, &str, &str); 6] = [
    (
        "events",
        "what was said in a room belongs to its members; the person's name or address may stand in it. Who comes later does not see it",
        "as long as somebody here is in the room",
    ),
    ("memberships", "a room has to know who was in it", "as long as somebody here is in the room"),
    ("thread_replies", "counts of a thread, without text", "as long as somebody here is in the room"),
    ("aliases", "the room's name was made by the person; it is the room's", "until it is removed from the room"),
    ("key_signatures", "others' signatures over the person's keys", "as long as the signer's account"),
    ("device_list_changes", "others' devices of which the person was told", "as long as the other account"),
];

/// What nobody can read any more: the person's key was destroyed.
const UNREADABLE: [(&str, &str); 4] = [
    (
        "names, addresses and last uses of devices, in old pages, logs, standbys and backups",
        "sealed with the person's key",
    ),
    ("addresses for notifications, likewise", "sealed with the person's key"),
    ("uploaded files and their names, in old backups and versions of buckets", "sealed with the person's key"),
    ("who looked at the person's data, and why", "sealed with the person's key; that there was a look remains"),
];

/// What remains beyond the tables.
const BEYOND: [(&str, &str, &str); 9] = [
    (
        "reports to the operator",
        "that something was reported, without who reported it and what they wrote; what others reported about the person names the Matrix id",
        "until the operator deletes it (`domicile report delete`)",
    ),
    (
        "other cells: copies of rooms, receipts, and public keys, also those by which others notice that a key is another one",
        "people there share rooms with the person, and what was said in a room belongs to its members",
        "as long as somebody there is in the room, or as that cell's own rules say",
    ),
    (
        "a cell that was their home before: that they moved, and their vault with the key of its files, sealed for this cell alone",
        "if this cell had lost them before it had a backup, they would have come back; what is sealed is of no use without this cell's key",
        "the move: 400 days. The vault: until this cell has a backup that is confirmed, 90 days at most, also if that cell is not reached",
    ),
    (
        "lists of rooms beside audits (evidence/rooms-….jsonl)",
        "they say which member a copy of a room was here for when the audit was made: the Matrix id with ids of rooms",
        "until the operator deletes them",
    ),
    (
        "backups of the data",
        "a backup cannot be changed; what is not sealed can be read by who has the backup's key",
        "until the backup is deleted",
    ),
    ("other people's servers and devices", "what was sent there is out of this service's hands", "as they decide"),
    (
        "sets of push rules",
        "people with the same rules share one, and it does not say whose it is; a keyword that somebody chose may stand in it",
        "as long as the cell",
    ),
    (
        "the database's own logs and dead rows on PostgreSQL, and its standbys",
        "the engine removes them in its own time",
        "until the next vacuum and log removal",
    ),
    (
        "this receipt and those of earlier exports",
        "they prove what was done; they name the Matrix id",
        "until the operator deletes them",
    ),
];

/// What erasures are made of.
pub struct ErasuresParts {
    /// The database.
    pub store: Store,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// Files.
    pub files: Blobs,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Takes people out of rooms.
    pub jobs: Arc<Jobs>,
    /// Who looks.
    pub access_log: Arc<AccessLog>,
    /// Where receipts go.
    pub documents: Arc<Documents>,
}

/// Erases people.
pub struct Erasures {
    parts: ErasuresParts,
    /// One at a time.
    erasing: tokio::sync::Mutex<()>,
}

/// Rows that are gone.
#[derive(Clone, Debug, Serialize)]
struct Erased {
    table: &'static str,
    about: &'static str,
    class: &'static str,
    rows: i64,
}

/// What is still there.
#[derive(Clone, Debug, Serialize)]
struct Remaining {
    #[serde(rename = "where")]
    place: String,
    why: String,
    until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<i64>,
}

impl Erasures {
    /// Of its parts.
    pub fn new(parts: ErasuresParts) -> Self {
        Self { parts, erasing: tokio::sync::Mutex::default() }
    }

    /// Erases a person, and signs what was done. Done again, it finishes what was interrupted.
    pub async fn erase(&self, user_id: &UserId, by: Operator, reason: String) -> Result<Signed> {
        let _one = self.erasing.lock().await;
        let user = self.account(user_id).await?;
        let user_num = user.user_num;
        // Before anything goes: what somebody takes to another cell would be there as if nothing had been.
        let mut batch = Batch::new();
        users::not_let_go(&mut batch, user_num);
        unless_let_go(self.parts.store.write(batch).await, user_id)?;
        let look = Look { by: by.clone(), what: What::Erased, reason: Some(reason.clone()) };
        self.parts.access_log.note(user_num, look).await?;
        let before = self.counts(user_num).await?;
        if user.deactivated_ts.is_none() {
            self.parts.accounts.deactivate(user_id, true).await?;
        }
        let left = self.parts.jobs.leave_now(user_num).await;
        let media_files = removal::remove_files(&self.parts.store, &self.parts.files, user_num).await?;
        self.remove_rows(user_num, user_id).await?;
        self.parts.keystore.destroy(user_num).await?;
        self.parts.store.empty_log().await?;
        let (erased, remaining) = self.compare(user_num, before, left.err()).await?;
        let unreadable: Vec<_> = UNREADABLE.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
        let body = json!({
            "user": user_id, "by": by, "reason": reason, "media_files": media_files,
            "erased": erased, "unreadable": unreadable, "remaining": remaining,
        });
        self.parts.documents.add(KIND, body).await
    }

    async fn account(&self, user_id: &UserId) -> Result<users::User> {
        let wanted = user_id.to_string();
        let row = self.parts.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        row.filter(|row| row.is_local).ok_or_else(|| nobody(user_id))
    }

    /// The person's rows in each table that belongs to people.
    async fn counts(&self, user_num: UserNum) -> Result<Vec<(&'static Table, i64)>> {
        let mut counts = Vec::new();
        for table in catalogue::tables() {
            if matches!(table.owner, Owner::User(_) | Owner::Through { .. }) {
                counts.push((table, count_of(&self.parts.store, table, user_num, None).await?));
            }
        }
        Ok(counts)
    }

    /// Removes the person's rows, those first whose owner is found through others.
    async fn remove_rows(&self, user_num: UserNum, user_id: &UserId) -> Result<()> {
        let mut batch = Batch::new();
        users::not_let_go(&mut batch, user_num);
        for table in catalogue::tables().into_iter().rev() {
            if !KEPT.iter().any(|(kept, ..)| *kept == table.name) {
                walk::erase::remove(&mut batch, table, user_num);
            }
        }
        moves::remove_of(&mut batch, user_id.as_str());
        users::set_erased(&mut batch, user_num);
        words::note(&mut batch, user_num, words::Kind::Erased, "");
        unless_let_go(self.parts.store.write(batch).await, user_id)?;
        Ok(())
    }

    /// What is gone of what was there, and what is there now.
    async fn compare(
        &self,
        user_num: UserNum,
        before: Vec<(&'static Table, i64)>,
        not_left: Option<Error>,
    ) -> Result<(Vec<Erased>, Vec<Remaining>)> {
        let (mut erased, mut remaining) = (Vec::new(), Vec::new());
        for (table, rows) in before {
            let now = count_of(&self.parts.store, table, user_num, None).await?;
            if rows > now {
                let (table, about, class) = (table.name, table.about, table.class.name());
                erased.push(Erased { table, about, class, rows: rows - now });
            }
            if now > 0 {
                let known = KEPT.iter().find(|(kept, ..)| *kept == table.name);
                let (why, until) =
                    known.map_or(("it came while the person was erased", "erase again"), |kept| (kept.1, kept.2));
                remaining.push(named(table, why, until, Some(now)));
            }
        }
        for table in catalogue::tables() {
            let Some(second) = table.second else { continue };
            let now = match count_of(&self.parts.store, table, user_num, Some(second)).await {
                // A receipt without this number is better than none.
                Err(StoreError::TooLong(_)) => None,
                counted => Some(counted?),
            };
            if now != Some(0) {
                let known = OTHERS.iter().find(|(other, ..)| *other == table.name);
                let (why, until) = known.map_or(("it belongs to others", "as they decide"), |other| (other.1, other.2));
                remaining.push(named(table, why, until, now));
            }
        }
        for (place, why, until) in BEYOND {
            remaining.push(Remaining {
                place: place.to_owned(),
                why: why.to_owned(),
                until: until.to_owned(),
                rows: None,
            });
        }
        if let Some(error) = not_left {
            tracing::warn!(%error, "an erased person could not leave every room yet; a job goes on");
            remaining.push(Remaining {
                place: "rooms that could not be left yet".to_owned(),
                why: "another server did not answer, or the room could not be read; it is tried again".to_owned(),
                until: "the job succeeds".to_owned(),
                rows: None,
            });
        }
        Ok((erased, remaining))
    }
}

/// Without a number of rows where there are too many to be counted.
fn named(table: &Table, why: &str, until: &str, rows: Option<i64>) -> Remaining {
    let place = format!("{} ({})", table.name, table.about);
    Remaining { place, why: why.to_owned(), until: until.to_owned(), rows }
}
