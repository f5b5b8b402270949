//! The operator's API: what `domicile user`, `domicile token` and others ask of a running server, over a socket that only the operator may open.

mod access_log;
mod audits;
mod backups;
mod blocklists;
mod destinations;
mod erasures;
mod exports;
mod federation;
mod ledger;
pub mod operator;
mod probes;
mod reports;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings, Users},
    admin::Backups,
    blocklists::Blocklists,
    evidence::{AccessLog, Audits, Erasures, Exports, Ledger},
    federation::{Check, Outbound, OwnKeys},
    moderation::Reports,
    probes::Probes,
};

/// What can be checked about data, and what is done with all that is held about a person.
#[derive(Clone)]
pub struct Evidence {
    /// Audits.
    pub audits: Arc<Audits>,
    /// Who looked at whose data.
    pub access_log: Arc<AccessLog>,
    /// All that is held about somebody, for them.
    pub exports: Arc<Exports>,
    /// Removes people.
    pub erasures: Arc<Erasures>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
}

/// What these routes ask.
#[derive(Clone, FromRef)]
pub struct AdminServices {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Registration tokens.
    pub registration_tokens: Arc<RegistrationTokens>,
    /// Backups.
    pub backups: Arc<Backups>,
    /// What can be checked.
    pub evidence: Evidence,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Locks and suspensions.
    pub standings: Arc<Standings>,
    /// Reports.
    pub reports: Arc<Reports>,
    /// Whether somebody interferes with the ways to this deployment.
    pub probes: Arc<Probes>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Goes the way to other servers.
    pub check: Arc<Check>,
    /// The server's own keys.
    pub own_keys: Arc<OwnKeys>,
    /// Registers of what is blocked.
    pub blocklists: Arc<Blocklists>,
}

/// The routes.
pub fn routes(services: AdminServices) -> Router {
    Router::new()
        .merge(access_log::routes())
        .merge(audits::routes())
        .merge(backups::routes())
        .merge(blocklists::routes())
        .merge(destinations::routes())
        .merge(erasures::routes())
        .merge(exports::routes())
        .merge(federation::routes())
        .merge(probes::routes())
        .merge(ledger::routes())
        .merge(reports::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
