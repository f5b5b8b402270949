//! Checking a report in an auditor's own program: the database is read with a role, or from a file, that can only be read, and no running server is asked.

use std::path::PathBuf;

use domicile_core::{locality::Locality, rng::Rng};
use domicile_store::{KeyOwners, KeystorePlace, Store, StoreOptions};
use ruma::OwnedUserId;
use serde::Serialize;
use serde_json::Value;

pub use super::proven::{AuditedCell, TicketCounts, Unproven};
use super::{
    Folder,
    access_log::Chains,
    audit::{Drawn, Finding, Homes, Keys, List, Measured, Walk, Whereabouts},
    proven::Proven,
    verify::{self, Verdict},
    witness,
};
use crate::{Error, Result};

/// What an auditor has.
pub struct Auditor {
    /// The report.
    pub report: Value,
    /// The public key that must have signed it, in unpadded Base64.
    pub key: String,
    /// The database.
    pub database: StoreOptions,
    /// The keystore.
    pub keystore: KeystorePlace,
    /// The cell whose report it is, where that is one of several.
    pub cell: Option<AuditedCell>,
    /// The folder of signed documents.
    pub evidence: Option<PathBuf>,
    /// Rows to draw at random.
    pub sample: u32,
}

/// Something that was not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

/// What an auditor's check found.
#[derive(Debug, Serialize)]
pub struct Reading {
    /// What was not checked. The first thing that is said.
    pub not_checked: Vec<Gap>,
    /// The same as a running server gives.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Rows that must not be here now: the first of them, by name.
    pub foreign: Vec<Finding>,
    /// People by where their home is.
    pub homes: Homes,
    /// The tickets by which that is known, where there are several cells.
    pub tickets: Option<TicketCounts>,
    /// Keys of people's own in the keystore, if it could be read.
    pub keystore_keys: Option<i64>,
    /// Those of people who are on the way here by the database, and not at home here yet.
    pub keys_of_coming: i64,
    /// The access logs.
    pub access_log: Chains,
    /// The keys that signed the documents of the folder, in the order of their first use.
    pub chain_keys: Vec<String>,
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// What the auditor gives does not fit the report.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The report is none, or the database failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<domicile_store::StoreError> for ReadingError {
    fn from(error: domicile_store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Checks a report against a database that is only read. `rng` draws the rows.
pub async fn read(auditor: Auditor, rng: &dyn Rng) -> Result<Reading, ReadingError> {
    let Auditor { report, key, database, keystore, cell, evidence, sample } = auditor;
    let key = verify::check_signature(&report, Some(&key))?;
    verify::check_kind(&report)?;
    let mut proven = Proven::of(&report, cell)?;
    let evidence = evidence.map(Folder::new);
    let mut wrong = Vec::new();
    let (documents, chain_keys, countersigned) = match &evidence {
        Some(folder) => in_folder(folder, &report, &proven, &mut wrong)?,
        None => <(u64, Vec<String>, Vec<Value>)>::default(),
    };
    verify::check_passed(&report, &mut wrong);

    let store = Store::open_reading(database).await?;
    proven.read(&store).await?;
    if proven.cell().is_none() && proven.counts().people > 0 {
        wrong.push("the report is of a server that is alone, and the database has tickets of a directory".to_owned());
    }
    let keys = KeyOwners::open_reading(keystore).await;
    let unseen = keys.as_ref().err().map(ToString::to_string);
    let keys = keys.ok();
    let measured = measure(&store, &mut proven, keys.as_ref()).await?;
    if measured.foreign() > 0 {
        wrong.push(format!("rows that must not be here now: {}", measured.foreign()));
    }
    let access_log = verify::check_access_log(&store, &mut wrong).await?;
    let changed = verify::compare(&report, &measured.tables, &mut wrong);
    let drawn = draw(&store, &mut proven, (&measured, sample, rng), &mut wrong).await?;
    store.close().await;

    let not_checked = not_checked(proven.cell().is_some(), evidence.is_some(), unseen.as_deref());
    let passed = wrong.is_empty();
    let (canary, looked_up) = (None, 0);
    let verdict = Verdict { passed, wrong, key, documents, changed, drawn, canary, countersigned, looked_up };
    Ok(Reading {
        not_checked,
        verdict,
        homes: measured.homes,
        tickets: proven.cell().is_some().then(|| proven.counts()),
        keystore_keys: keys.is_some().then_some(measured.keys),
        keys_of_coming: measured.findings.keys_coming,
        foreign: measured.findings.named,
        access_log,
        chain_keys,
    })
}

/// How many documents the folder has, who signed them, and who has countersigned the report.
fn in_folder(
    folder: &Folder,
    report: &Value,
    proven: &Proven,
    wrong: &mut Vec<String>,
) -> Result<(u64, Vec<String>, Vec<Value>)> {
    let chain = folder.chain()?;
    wrong.extend(chain.wrong);
    verify::check_place(folder, report, wrong)?;
    let countersigned = match proven.cell() {
        Some(cell) => witness::countersignatures(folder, Some(&cell.document), report, wrong)?,
        None => Vec::new(),
    };
    Ok((chain.documents, chain.keys, countersigned))
}

fn walk<'w>(store: &'w Store, proven: &'w Proven, keys: Option<&'w KeyOwners>) -> Walk<'w> {
    Walk::doubting(store, proven, keys.map_or(Keys::Unseen, Keys::Read))
}

/// Walks everything; once more if rows are found that must not be here and somebody's home has become this one, or another one, meanwhile.
async fn measure(store: &Store, proven: &mut Proven, keys: Option<&KeyOwners>) -> Result<Measured> {
    let measured = walk(store, proven, keys).measure(List::nowhere()).await?;
    if measured.foreign() > 0 && proven.read(store).await? {
        return walk(store, proven, keys).measure(List::nowhere()).await;
    }
    Ok(measured)
}

/// Draws rows; gives how many. Whoever seems to be at home elsewhere is looked for again among the tickets: they may have come just now.
async fn draw(
    store: &Store,
    proven: &mut Proven,
    (measured, sample, rng): (&Measured, u32, &dyn Rng),
    wrong: &mut Vec<String>,
) -> Result<u32> {
    let Drawn { rows, elsewhere, .. } = walk(store, proven, None).draw(&measured.tables, sample, rng).await?;
    if !elsewhere.is_empty() {
        proven.read(store).await?;
    }
    let is_here = |user: Option<&OwnedUserId>| user.is_some_and(|user_id| proven.of(user_id) == Locality::Here);
    wrong.extend(elsewhere.into_iter().filter(|(user, _)| !is_here(user.as_ref())).map(|(_, told)| told));
    Ok(rows)
}

/// What is not checked without the running server.
fn not_checked(among_cells: bool, has_folder: bool, keystore: Option<&str>) -> Vec<Gap> {
    let mut gaps = vec![
        Gap {
            what: "What no audit can tell",
            why: "It stands at the head of the report.".to_owned(),
        },
        Gap {
            what: "Whether this is the database that the server uses",
            why: "The operator says so. Whoever has the machine can show another one.".to_owned(),
        },
        Gap {
            what: "The program",
            why: "The running server was not asked. The SHA-256 of its file, which the report has, was compared with nothing.".to_owned(),
        },
        Gap {
            what: "A canary",
            why: "Planting one writes. The running server plants one: `domicile audit verify --canary` without --database.".to_owned(),
        },
    ];
    if among_cells {
        gaps.push(Gap {
            what: "The directory",
            why: "Homes are those of the tickets in this database, each checked by the deployment document. A ticket that was kept out of it is not known: \
                  somebody who has moved away would still seem to be at home here."
                .to_owned(),
        });
    } else {
        gaps.push(Gap {
            what: "That the server is alone",
            why: "The report says so. Everybody under its name counts as at home in its database.".to_owned(),
        });
    }
    if !has_folder {
        gaps.push(Gap {
            what: "The chain of reports, and the report's place in it",
            why: "No folder of documents was given (--evidence).".to_owned(),
        });
    }
    if among_cells {
        let why = if has_folder {
            "Those that lie in the folder were checked. The other cells were not asked which report they countersigned last, nor what they see."
        } else {
            "They lie in the folder of documents, and the other cells were not asked."
        };
        gaps.push(Gap { what: "Other cells and their countersignatures", why: why.to_owned() });
    }
    if let Some(why) = keystore {
        gaps.push(Gap { what: "Whose keys are in the keystore", why: format!("It could not be read: {why}.") });
    }
    gaps.push(Gap {
        what: "What was written meanwhile",
        why: "The tables are walked in steps. A row that came or went meanwhile may be counted or not.".to_owned(),
    });
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_is_said() {
        let whats = |cells, folder, keystore| -> Vec<&str> {
            not_checked(cells, folder, keystore).iter().map(|gap| gap.what).collect()
        };
        let most = whats(true, false, Some("no such file"));
        for what in ["The directory", "The chain of reports", "Other cells", "Whose keys"] {
            assert!(most.iter().any(|gap| gap.starts_with(what)), "{what}: {most:?}");
        }
        let least = whats(false, true, None);
        assert!(least.contains(&"That the server is alone") && least.len() == most.len() - 3, "{least:?}");
    }
}
