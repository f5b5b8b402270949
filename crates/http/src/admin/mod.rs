//! The operator's API: what `domicile user`, `domicile token` and others ask of a running server, over a socket that only the operator may open.

mod backups;
mod blocklists;
mod destinations;
mod federation;
mod probes;
mod reports;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings},
    admin::Backups,
    blocklists::Blocklists,
    federation::{Check, Outbound, OwnKeys},
    moderation::Reports,
    probes::Probes,
};

/// What these routes ask.
#[derive(Clone, FromRef)]
pub struct AdminServices {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Registration tokens.
    pub registration_tokens: Arc<RegistrationTokens>,
    /// Backups.
    pub backups: Arc<Backups>,
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
        .merge(backups::routes())
        .merge(blocklists::routes())
        .merge(destinations::routes())
        .merge(federation::routes())
        .merge(probes::routes())
        .merge(reports::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
