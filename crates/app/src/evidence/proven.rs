//! Whose home is here, by what an auditor has in hand: the signed report of a server that is alone, or the tickets of the directory, each checked by the
//! deployment document with the root key. No table is believed that says it.

use std::collections::HashSet;

use domicile_core::locality::{CellName, Locality};
use domicile_residency::{
    deployment::{Deployment, PublicKey},
    directory::History,
};
use domicile_store::Store;
use ruma::{OwnedServerName, OwnedUserId, ServerName, UserId};
use serde::Serialize;
use serde_json::Value;

use super::audit::Whereabouts;
use crate::residency::{Tickets, answers_for, locality_of};

/// A cell among others, as an auditor knows it.
#[derive(Debug)]
pub struct AuditedCell {
    /// Its name.
    pub name: CellName,
    /// The deployment document, which the root key signed.
    pub document: Deployment,
    /// The public half of the root key.
    pub root: PublicKey,
}

/// Why a report cannot be checked by what the auditor gives.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The report names no server, or no cell where it should.
    #[error("the report does not say of which server or cell it is")]
    NoServer,
    /// The report is of a cell among others.
    #[error(
        "the report is of the cell {0}, which is one of several: whose home is there, the tickets of the directory say, and these need --document \
         (the signed deployment document), --root-key (the public half of the root key) and --cell {0}"
    )]
    AmongCells(String),
    /// The report is of a server that is alone.
    #[error("the report is of a server that is alone: leave out --document, --root-key and --cell")]
    Alone,
    /// The report is of another cell.
    #[error("the report is of the cell {found}, and --cell is {given}")]
    OtherCell {
        /// Whose it is.
        found: String,
        /// What the auditor says.
        given: String,
    },
    /// The document is of another deployment.
    #[error("the report is of {found}, and the deployment document is of {given}")]
    OtherServer {
        /// Whose it is.
        found: String,
        /// Whose the document is.
        given: String,
    },
    /// The document has no such cell at work.
    #[error("the deployment document has no cell {0} at work")]
    NoCell(String),
    /// The document is too old.
    #[error("the report was made by deployment document {found}, and this one is {given}: take the newest")]
    OlderDocument {
        /// By which the report was made.
        found: u64,
        /// What the auditor has.
        given: u32,
    },
}

/// People whose tickets were checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TicketCounts {
    /// People with tickets.
    pub people: usize,
    /// Those whose home is here.
    pub at_home: usize,
    /// Those whose tickets the document does not bear out, and who are at home nowhere by them.
    pub not_counted: usize,
}

/// Where people's homes are.
pub(super) struct Proven {
    server_name: OwnedServerName,
    cell: Option<AuditedCell>,
    at_home: HashSet<OwnedUserId>,
    counts: TicketCounts,
}

impl Proven {
    /// Compares what the auditor gives with what the report says of itself.
    pub(super) fn of(report: &Value, cell: Option<AuditedCell>) -> Result<Self, Unproven> {
        let server_name = report["server_name"].as_str().and_then(|name| ServerName::parse(name).ok());
        let server_name = server_name.ok_or(Unproven::NoServer)?;
        let said = &report["body"]["cell"];
        match (said["name"].as_str(), &cell) {
            (None, _) if !said.is_null() => return Err(Unproven::NoServer),
            (None, None) => {}
            (Some(name), None) => return Err(Unproven::AmongCells(name.to_owned())),
            (None, Some(_)) => return Err(Unproven::Alone),
            (Some(found), Some(AuditedCell { name, document, .. })) => {
                if found != name.as_str() {
                    let (found, given) = (found.to_owned(), name.as_str().to_owned());
                    return Err(Unproven::OtherCell { found, given });
                }
                if document.server_name != server_name {
                    let (found, given) = (server_name.to_string(), document.server_name.to_string());
                    return Err(Unproven::OtherServer { found, given });
                }
                if !document.cells.contains_key(name) {
                    return Err(Unproven::NoCell(name.as_str().to_owned()));
                }
                let made_by = said["document_serial"].as_u64().unwrap_or_default();
                if made_by > u64::from(document.serial) {
                    return Err(Unproven::OlderDocument { found: made_by, given: document.serial });
                }
            }
        }
        Ok(Self { server_name, cell, at_home: HashSet::new(), counts: TicketCounts::default() })
    }

    /// The cell, if there are others.
    pub(super) fn cell(&self) -> Option<&AuditedCell> {
        self.cell.as_ref()
    }

    /// What the tickets gave.
    pub(super) fn counts(&self) -> TicketCounts {
        self.counts
    }

    /// Reads the tickets of the database and checks each. Gives whether others are at home here than before. For a server that is alone they say nothing,
    /// and are counted.
    pub(super) async fn read(&mut self, store: &Store) -> crate::Result<bool> {
        let stored = Tickets::stored(store).await?;
        let (mut at_home, mut counts) =
            (HashSet::new(), TicketCounts { people: stored.len(), ..TicketCounts::default() });
        if let Some(AuditedCell { name, document, root }) = &self.cell {
            for (user_id, tickets) in stored {
                let history = History::check(tickets, document, root).ok().flatten();
                let Some(home) = history.and_then(|history| history.home()) else {
                    counts.not_counted += 1;
                    continue;
                };
                if answers_for(home, name, document) == *name {
                    at_home.insert(user_id);
                }
            }
        }
        counts.at_home = at_home.len();
        let others = at_home != self.at_home;
        (self.at_home, self.counts) = (at_home, counts);
        Ok(others)
    }
}

impl Whereabouts for Proven {
    fn of(&self, user_id: &UserId) -> Locality {
        let home = |cell: &AuditedCell| self.at_home.contains(user_id).then(|| cell.name.clone());
        locality_of(user_id, &self.server_name, self.cell.as_ref().map(|cell| (&cell.name, || home(cell))))
    }
}
