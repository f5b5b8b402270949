//! The operator's API: what `domicile user` and `domicile token` ask of a running server, over a socket that only the operator may open.

mod backups;
mod destinations;
mod reports;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings},
    admin::Backups,
    federation::Outbound,
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
    /// Locks and suspensions.
    pub standings: Arc<Standings>,
    /// Reports.
    pub reports: Arc<Reports>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
}

/// The routes.
pub fn routes(services: AdminServices) -> Router {
    Router::new()
        .merge(backups::routes())
        .merge(destinations::routes())
        .merge(reports::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
