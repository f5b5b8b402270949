//! Checking a report: its signature, the chain, the numbers measured anew, rows drawn at random, and a canary.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::error::ErrorKind;
use domicile_residency::directory::{History, Ticket};
use domicile_store::Store;
use ruma::OwnedUserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AccessLog, Audits, Witness,
    access_log::Chains,
    audit::{Canary, KIND, TableCount},
    documents,
    folder::{Chain, Folder},
};
use crate::Result;

/// What to check.
#[derive(Clone, Debug, Deserialize)]
pub struct Wanted {
    /// The report.
    pub report: Value,
    /// The public key that must have signed it, in unpadded Base64. Without it, it is the key of this cell.
    #[serde(default)]
    pub key: Option<String>,
    /// Rows to draw at random.
    #[serde(default)]
    pub sample: u32,
    /// Whether to plant a canary.
    #[serde(default)]
    pub canary: bool,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Whether all is well.
    pub passed: bool,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
    /// The key that signed the report.
    pub key: String,
    /// Documents of the chain, and how many of them the report is followed by.
    pub documents: u64,
    /// Tables whose number of rows is another one now.
    pub changed: Vec<Changed>,
    /// Rows that were drawn.
    pub drawn: u32,
    /// The canary.
    pub canary: Option<Canary>,
    /// Other cells that have countersigned the report.
    pub countersigned: Vec<Value>,
    /// People whose homes were looked up in the directory.
    pub looked_up: u32,
}

/// A table whose number of rows is another one than a report says. That is no mistake: people write.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The table.
    pub table: String,
    /// As the report has it.
    pub reported: i64,
    /// Now.
    pub now: i64,
}

/// Checks a document's signature alone: for who has the report and no server. Gives the key that signed it.
pub fn check_signature(report: &Value, key: Option<&str>) -> Result<String> {
    let signer = documents::signer(report)?;
    match key {
        Some(key) if key != signer => {
            Err(ErrorKind::InvalidSignature.with(format!("The document is signed by another key: {signer}")).into())
        }
        _ => Ok(signer),
    }
}

/// An error unless a signed document is an audit.
pub(super) fn check_kind(report: &Value) -> Result<()> {
    match report["kind"].as_str() {
        Some(KIND) => Ok(()),
        _ => Err(ErrorKind::InvalidParam.with("The document is signed, but it is no audit.").into()),
    }
}

/// Whether the report is the one that stands in the chain.
pub(super) fn check_place(folder: &Folder, report: &Value, wrong: &mut Vec<String>) -> Result<()> {
    let number = report["number"].as_u64().unwrap_or_default();
    let hash = documents::hash(documents::canonical(report)?.as_bytes());
    match folder.hash_of(number)? {
        None => wrong.push(format!("the folder has no document {number} any more")),
        Some(found) if found != hash => wrong.push(format!("the folder has another document {number}")),
        Some(_) => {}
    }
    Ok(())
}

/// Whether the report says that nothing is here that must not be.
pub(super) fn check_passed(report: &Value, wrong: &mut Vec<String>) {
    if report["body"]["passed"].as_bool() != Some(true) {
        wrong.push("the report itself names rows that must not be here".to_owned());
    }
}

/// Whether all access logs are whole.
pub(super) async fn check_access_log(store: &Store, wrong: &mut Vec<String>) -> Result<Chains> {
    let chains = AccessLog::check_in(store).await?;
    if !chains.broken.is_empty() {
        wrong.push(format!("the access log of {} people is not whole", chains.broken.len()));
    }
    Ok(chains)
}

/// The tables whose number of rows is another one than the report says.
pub(super) fn compare(report: &Value, tables: &[TableCount], wrong: &mut Vec<String>) -> Vec<Changed> {
    let reported = report["body"]["tables"]["all"].as_array().map_or(&[][..], Vec::as_slice);
    let mut changed = Vec::new();
    for table in tables {
        match reported.iter().find(|entry| entry["table"].as_str() == Some(&table.table)) {
            None => wrong.push(format!("the report says nothing of the table {}", table.table)),
            Some(entry) => {
                let said = entry["rows"].as_i64().unwrap_or_default();
                if said != table.rows {
                    changed.push(Changed { table: table.table.clone(), reported: said, now: table.rows });
                }
            }
        }
    }
    changed
}

impl Audits {
    /// Checks a report against what is here now.
    pub async fn verify(&self, wanted: Wanted, witness: &Witness) -> Result<Verdict> {
        let own = self.documents().public_key()?;
        let key = check_signature(&wanted.report, Some(wanted.key.as_deref().unwrap_or(&own)))?;
        check_kind(&wanted.report)?;
        let folder = self.documents().in_folder();
        let Chain { documents, mut wrong, .. } = folder.chain()?;
        check_place(folder, &wanted.report, &mut wrong)?;
        check_passed(&wanted.report, &mut wrong);
        let measured = self.measure_again().await?;
        if measured.foreign() > 0 {
            wrong.push(format!("rows that must not be here now: {}; `domicile audit` names them", measured.foreign()));
        }
        check_access_log(&self.parts.store, &mut wrong).await?;
        let changed = compare(&wanted.report, &measured.tables, &mut wrong);
        let drawn = self.walk().draw(&measured.tables, wanted.sample, &*self.parts.rng).await?;
        wrong.extend(drawn.elsewhere.into_iter().map(|(_, told)| told));
        let looked_up = self.look_up_homes(drawn.owners, &mut wrong).await?;
        let countersigned = witness.check(&wanted.report, &mut wrong).await?;
        let canary = if wanted.canary { Some(self.canary().await?) } else { None };
        if canary.as_ref().is_some_and(|canary| !canary.found || !canary.removed) {
            wrong.push("a canary was planted, and was not found or not removed".to_owned());
        }
        let passed = wrong.is_empty();
        Ok(Verdict { passed, wrong, key, documents, changed, drawn: drawn.rows, canary, countersigned, looked_up })
    }

    /// Asks the directory, which is another cell's in most, whether the owners of rows that were drawn are at home here: this cell's own tickets are not
    /// believed. Gives of how many it said so.
    async fn look_up_homes(&self, owners: BTreeSet<OwnedUserId>, wrong: &mut Vec<String>) -> Result<u32> {
        let Some(cells) = self.parts.localities.cells() else { return Ok(0) };
        let asked: Vec<OwnedUserId> = owners.into_iter().collect();
        let tickets = match cells.names.of_own(&asked).await {
            Ok(tickets) => tickets,
            Err(error) => {
                wrong.push(format!("the directory could not be asked for the homes of those who were drawn: {error}"));
                return Ok(0);
            }
        };
        let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
        }
        let mut looked_up = 0;
        for user_id in asked {
            let own = by_user.remove(&user_id).unwrap_or_default();
            let history = History::check(own, cells.own.document(), cells.own.root()).ok().flatten();
            if history.and_then(|history| history.home()).as_ref() == Some(cells.own.name()) {
                looked_up += 1;
            } else {
                wrong.push(format!("{user_id} is not at home here by the directory"));
            }
        }
        Ok(looked_up)
    }
}
