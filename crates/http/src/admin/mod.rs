//! The operator's API: what `domicile user`, `domicile token` and others ask of a running server, over a socket that only the operator may open.

mod backups;
mod demands;
mod destinations;
mod dossiers;
mod federation;
mod incidents;
mod jurisdictions;
mod processing;
mod reports;
mod standing;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings},
    admin::Backups,
    federation::{Check, Outbound, OwnKeys},
    moderation::Reports,
    standing::{Alerts, Demands, Dossiers, Duties, Incidents, Jurisdictions, Notices, Processing, StatusPage},
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
    /// Goes the way to other servers.
    pub check: Arc<Check>,
    /// The server's own keys.
    pub own_keys: Arc<OwnKeys>,
    /// Standing with authorities.
    pub standing: StandingServices,
}

/// The services of standing with authorities, each of which a handler can ask for.
macro_rules! standing_services {
    ($($(#[doc = $doc:literal])+ pub $field:ident: Arc<$service:ty>,)*) => {
        /// What routes about standing ask.
        #[derive(Clone)]
        pub struct StandingServices {
            $($(#[doc = $doc])+ pub $field: Arc<$service>,)*
        }

        $(impl FromRef<AdminServices> for Arc<$service> {
            fn from_ref(services: &AdminServices) -> Self {
                Arc::clone(&services.standing.$field)
            }
        })*
    };
}

standing_services! {
    /// What the law asks, and the answers.
    pub duties: Arc<Duties>,
    /// Where users live.
    pub jurisdictions: Arc<Jurisdictions>,
    /// Registrations with authorities.
    pub dossiers: Arc<Dossiers>,
    /// Demands of authorities.
    pub demands: Arc<Demands>,
    /// What happens to the service.
    pub incidents: Arc<Incidents>,
    /// Tells people in their clients.
    pub notices: Arc<Notices>,
    /// Tells the operator.
    pub alerts: Arc<Alerts>,
    /// Tells everybody.
    pub status: Arc<StatusPage>,
    /// What data protection law asks to be written down.
    pub processing: Arc<Processing>,
}

/// The routes.
pub fn routes(services: AdminServices) -> Router {
    Router::new()
        .merge(backups::routes())
        .merge(demands::routes())
        .merge(destinations::routes())
        .merge(dossiers::routes())
        .merge(federation::routes())
        .merge(incidents::routes())
        .merge(jurisdictions::routes())
        .merge(processing::routes())
        .merge(reports::routes())
        .merge(standing::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
