//! Checking a report: its signature, the chain, the numbers measured anew, rows drawn at random, and a canary.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::error::ErrorKind;
use domicile_residency::directory::{History, Ticket};
use domicile_store::{
    catalogue::{self, Abroad},
    walk::{self, Subject},
};
use ruma::OwnedUserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Audits, Witness,
    audit::{Canary, KIND},
    documents::{self, Chain},
};
use crate::{Result, accounts::Users};

/// Rows that are drawn at most.
const MOST_DRAWN: u32 = 100_000;

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

impl Audits {
    /// Checks a report against what is here now.
    pub async fn verify(&self, wanted: Wanted, users: &Users, witness: &Witness) -> Result<Verdict> {
        let own = self.documents().public_key()?;
        let key = check_signature(&wanted.report, Some(wanted.key.as_deref().unwrap_or(&own)))?;
        if wanted.report["kind"].as_str() != Some(KIND) {
            return Err(ErrorKind::InvalidParam.with("The document is signed, but it is no audit.").into());
        }
        let Chain { documents, mut wrong, .. } = self.documents().chain()?;
        self.check_place(&wanted.report, &mut wrong)?;
        if wanted.report["body"]["passed"].as_bool() != Some(true) {
            wrong.push("the report itself names rows that must not be here".to_owned());
        }
        let measured = self.measure_again().await?;
        if measured.foreign() > 0 {
            wrong.push(format!("{} rows must not be here now; `domicile audit` names them", measured.foreign()));
        }
        let chains = self.parts.access_log.check().await?;
        if !chains.broken.is_empty() {
            wrong.push(format!("the access log of {} people is not whole", chains.broken.len()));
        }
        let reported = wanted.report["body"]["tables"]["all"].as_array().cloned().unwrap_or_default();
        let mut changed = Vec::new();
        for table in &measured.tables {
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
        let counts: Vec<(String, i64)> = measured.tables.into_iter().map(|table| (table.table, table.rows)).collect();
        let (drawn, owners) = self.draw(&counts, wanted.sample.min(MOST_DRAWN), users, &mut wrong).await?;
        let looked_up = self.look_up_homes(owners, &mut wrong).await?;
        let countersigned = witness.check(&wanted.report, &mut wrong).await?;
        let canary = if wanted.canary { Some(self.canary().await?) } else { None };
        if canary.as_ref().is_some_and(|canary| !canary.found || !canary.removed) {
            wrong.push("a canary was planted, and was not found or not removed".to_owned());
        }
        let passed = wrong.is_empty();
        Ok(Verdict { passed, wrong, key, documents, changed, drawn, canary, countersigned, looked_up })
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

    /// Whether the report is the one that stands in the chain.
    fn check_place(&self, report: &Value, wrong: &mut Vec<String>) -> Result<()> {
        let number = report["number"].as_u64().unwrap_or_default();
        let hash = documents::hash(documents::canonical(report)?.as_bytes());
        match self.documents().hash_of(number)? {
            None => wrong.push(format!("the folder has no document {number} any more")),
            Some(found) if found != hash => wrong.push(format!("the folder has another document {number}")),
            Some(_) => {}
        }
        Ok(())
    }

    /// Draws rows of people at random and looks up, one by one and not by the walk, where their home is. Each table has its turn.
    /// Gives how many were drawn, and whose they are.
    async fn draw(
        &self,
        counts: &[(String, i64)],
        sample: u32,
        users: &Users,
        wrong: &mut Vec<String>,
    ) -> Result<(u32, BTreeSet<OwnedUserId>)> {
        let people: Vec<_> = counts
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .filter_map(|(name, rows)| catalogue::table(name).map(|table| (table, *rows)))
            .filter(|(table, _)| {
                walk::statements::subject_kind(table) == walk::statements::SubjectKind::User
                    && catalogue::abroad(table.name) == Abroad::Never
            })
            .collect();
        let (mut drawn, mut owners) = (0, BTreeSet::new());
        for at in 0..sample {
            let Some((table, rows)) = people.get(usize::try_from(at).unwrap_or_default() % people.len().max(1)) else {
                break;
            };
            let Some((subject, named)) = walk::rows::draw(&self.parts.store, table, *rows, &*self.parts.rng).await?
            else {
                continue;
            };
            drawn += 1;
            if let Subject::User(number) = subject {
                let home = users.id(domicile_core::ids::UserNum(number)).await;
                match home {
                    Ok(user_id) if users.is_local(&user_id) => drop(owners.insert(user_id)),
                    _ => wrong.push(format!("{}: {} is not of somebody whose home is here", table.name, named.key)),
                }
            }
        }
        Ok((drawn, owners))
    }
}
