//! Dossiers: what the operator has filed with an authority, whom it can reach, documents by their hashes, and who did what when.

mod change;
mod contacts;
mod content;
pub mod paper;
mod papers;

use std::sync::Arc;

use domicile_core::{clock::Clock, error::ErrorKind};
use domicile_store::{
    Batch, Keystore, Store,
    numbers::Sequence,
    table::dossiers::{self as rows},
};
use serde::Serialize;

use super::{Duties, Evidence, line};
use crate::{Error, Result, error::not_found};

pub use change::Change;
pub use contacts::{Contact, NewContact, Person};
pub use paper::{Format, Paper};
pub use papers::{Audience, PaperRecord};

/// Entries of a history that are shown.
const HISTORY: i64 = 500;
/// Attempts to write what others change at the same time.
const ATTEMPTS: usize = 5;

/// A dossier as it stands. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dossier {
    /// The jurisdiction's code.
    pub code: String,
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
    /// Whom an authority or the public can reach.
    pub contacts: Vec<Contact>,
}

/// A document of a dossier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// Who attached it.
    pub who: String,
    /// When, in milliseconds since the epoch.
    pub added_ts: i64,
}

/// What was done to a dossier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in milliseconds since the epoch.
    pub at_ts: i64,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
}

/// A dossier with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Whole {
    /// As it stands.
    #[serde(flatten)]
    pub dossier: Dossier,
    /// Its documents.
    pub documents: Vec<Document>,
    /// Its papers.
    pub papers: Vec<PaperRecord>,
    /// What was done, the newest first.
    pub history: Vec<Entry>,
}

/// What the service needs.
pub struct DossierParts {
    /// The database.
    pub store: Store,
    /// Seals what is known about contact persons.
    pub keystore: Arc<Keystore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the law asks.
    pub duties: Arc<Duties>,
    /// On what papers rest.
    pub evidence: Arc<dyn Evidence>,
    /// The deployment's name and the address that clients use.
    pub names: (String, Option<String>),
}

/// Keeps dossiers.
pub struct Dossiers {
    parts: DossierParts,
}

impl Dossiers {
    /// Over a store.
    pub fn new(parts: DossierParts) -> Self {
        Self { parts }
    }

    /// All dossiers as they stand.
    pub async fn list(&self) -> Result<Vec<Dossier>> {
        let (found, contacts) =
            self.parts
                .store
                .read(|snapshot| async move {
                    Ok::<_, Error>((rows::all(&snapshot).await?, rows::contacts(&snapshot).await?))
                })
                .await?;
        found.into_iter().map(|row| self.dossier(row, &contacts)).collect()
    }

    /// One dossier with everything that belongs to it.
    pub async fn get(&self, code: &str) -> Result<Whole> {
        let asked = super::code(code)?;
        let found = self.parts.store.read(move |snapshot| async move {
            let Some(row) = rows::one(&snapshot, &asked).await? else { return Ok(None) };
            let contacts = rows::contacts(&snapshot).await?;
            let documents = rows::documents(&snapshot, &asked).await?;
            let papers = rows::papers(&snapshot, &asked, HISTORY).await?;
            let history = rows::history(&snapshot, &asked, HISTORY).await?;
            Ok::<_, Error>(Some((row, contacts, documents, papers, history)))
        });
        let (row, contacts, documents, papers, history) = found.await?.ok_or_else(|| missing(code))?;
        Ok(Whole {
            dossier: self.dossier(row, &contacts)?,
            documents: documents.into_iter().map(document).collect(),
            papers: papers.into_iter().map(papers::record).collect(),
            history: history
                .into_iter()
                .map(|entry| Entry { at_ts: entry.at_ts, who: entry.who, what: entry.what })
                .collect(),
        })
    }

    /// Changes a dossier, which is begun if there is none, and writes down who did what.
    pub async fn set(&self, code: &str, change: Change, who: &str) -> Result<Whole> {
        let (code, who) = (self.known(code)?, line("The name of who changes it", who)?);
        for _ in 0..ATTEMPTS {
            let asked = code.clone();
            let before =
                self.parts.store.read(move |snapshot| async move { rows::one(&snapshot, &asked).await }).await?;
            let now_ms = self.parts.clock.now_ms();
            let is_new = before.is_none();
            let mut row = before.unwrap_or_else(|| change::begun(&code, now_ms, self.parts.duties.settings()));
            let told = change::apply(&mut row, &change, now_ms, is_new)?;
            if told.is_empty() {
                return self.get(&code).await;
            }
            let mut batch = Batch::new();
            self.note(&mut batch, &code, &who, told.join("; ")).await?;
            if is_new {
                rows::insert(&mut batch, row);
            } else {
                row.revision += 1;
                rows::update(&mut batch, row);
            }
            match self.parts.store.write(batch).await {
                Ok(_) => return self.get(&code).await,
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ErrorKind::LimitExceeded.with("Somebody else changes this dossier all the time: try again.").into())
    }

    /// Attaches a document by its hash. The file stays where the operator keeps it.
    pub async fn attach(&self, code: &str, name: &str, sha256: &str, bytes: i64, who: &str) -> Result<Whole> {
        let (code, who) = (self.begun(code).await?, line("The name of who attaches it", who)?);
        let name = line("The document's name", name)?;
        let hash = unhex(sha256).ok_or_else(|| {
            Error::from(ErrorKind::InvalidParam.with("A document is known by its SHA-256: 64 hexadecimal digits."))
        })?;
        let mut batch = Batch::new();
        let added_ts = self.parts.clock.now_ms();
        self.note(&mut batch, &code, &who, format!("attached {name} ({sha256})")).await?;
        rows::add_document(
            &mut batch,
            rows::Document { code: code.clone(), sha256: hash.into(), name, bytes: bytes.max(0), who, added_ts },
        );
        match self.parts.store.write(batch).await {
            Ok(_) => self.get(&code).await,
            Err(error) if error.is_conflict() => {
                Err(ErrorKind::InvalidParam.with("This very document is attached already.").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A jurisdiction's code, if the catalogue has it.
    fn known(&self, code: &str) -> Result<String> {
        let code = super::code(code)?;
        if self.parts.duties.settings().catalogue.jurisdiction(&code).is_none() {
            let what = format!(
                "The catalogue has no jurisdiction {code}: add a file for it to the folder that standing.jurisdictions names."
            );
            return Err(not_found(what));
        }
        Ok(code)
    }

    /// A code for which there is a dossier.
    async fn begun(&self, code: &str) -> Result<String> {
        let code = super::code(code)?;
        let asked = code.clone();
        let found = self.parts.store.read(move |snapshot| async move { rows::one(&snapshot, &asked).await }).await?;
        found.map(|_| code.clone()).ok_or_else(|| missing(&code))
    }

    /// Adds an entry to the history.
    async fn note(&self, batch: &mut Batch, code: &str, who: &str, what: String) -> Result<()> {
        let entry_num = self.parts.store.number(Sequence::DossierEntry).await?;
        let at_ts = self.parts.clock.now_ms();
        rows::add_entry(batch, rows::Entry { entry_num, code: code.to_owned(), at_ts, who: who.to_owned(), what });
        Ok(())
    }

    fn dossier(&self, row: rows::Dossier, contacts: &[rows::Contact]) -> Result<Dossier> {
        let of = contacts.iter().filter(|contact| contact.code == row.code);
        let contacts = of.map(|contact| contacts::open(&self.parts.keystore, contact)).collect::<Result<_>>()?;
        Ok(Dossier {
            code: row.code,
            status: row.status,
            status_ts: row.status_ts,
            legal_entity: row.legal_entity,
            authority: row.authority,
            register: row.register,
            number: row.number,
            note: row.note,
            filed_ts: row.filed_ts,
            registered_ts: row.registered_ts,
            expires_ts: row.expires_ts,
            next_action: row.next_action,
            next_due_ts: row.next_due_ts,
            contacts,
        })
    }
}

fn document(row: rows::Document) -> Document {
    Document { name: row.name, sha256: hex(&row.sha256), bytes: row.bytes, who: row.who, added_ts: row.added_ts }
}

fn missing(code: &str) -> Error {
    not_found(format!("There is no dossier for {code}: `domicile dossier set {code} --status draft` begins one."))
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The 32 bytes of 64 hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_text() {
        let bytes: Vec<u8> = (0..32).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"g".repeat(64)), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
