//! The operator's API: what `domicile user`, `domicile token` and others ask of a running server, over a socket that only the operator may open.

mod audits;
mod backups;
mod destinations;
mod federation;
mod reports;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings, Users},
    admin::Backups,
    evidence::Audits,
    federation::{Check, Outbound, OwnKeys},
    moderation::Reports,
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
    /// Audits.
    pub audits: Arc<Audits>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Locks and suspensions.
    pub standings: Arc<Standings>,
    /// Reports.
    pub reports: Arc<Reports>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Goes the way to other servers.
    pub check: Arc<Check>,
    /// The server's own keys.
    pub own_keys: Arc<OwnKeys>,
}

/// The routes.
pub fn routes(services: AdminServices) -> Router {
    Router::new()
        .merge(audits::routes())
        .merge(backups::routes())
        .merge(destinations::routes())
        .merge(federation::routes())
        .merge(reports::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
