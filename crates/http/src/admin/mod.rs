//! The operator's API: what `domicile user`, `domicile token` and others ask of a running server, over a socket that only the operator may open.

mod access_log;
mod addresses;
mod audits;
mod backups;
mod blocklists;
mod demands;
mod deployment;
mod destinations;
mod directory;
mod dossiers;
mod erasures;
mod exports;
mod federation;
mod fence;
mod homes;
mod incidents;
mod jurisdictions;
mod ledger;
mod moves;
mod noted;
pub mod operator;
mod operators;
mod probes;
mod processing;
mod reports;
mod standing;
mod tokens;
mod users;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use domicile_app::{
    accounts::{Accounts, RegistrationTokens, Standings, Users},
    admin::{Backups, OperatorSessions, Operators},
    blocklists::Blocklists,
    entrance::Entrance,
    evidence::{AccessLog, Audits, Erasures, Exports, Ledger, Witness},
    federation::{Check, Completion, Outbound, OwnKeys},
    moderation::Reports,
    moves::Moves,
    probes::Probes,
    residency::{Cuts, Homes},
    restore::Restorer,
    standing::{
        Addresses, Alerts, CutNotices, Demands, Dossiers, Duties, Incidents, Jurisdictions, KeyNotices, MoveNotices,
        Notices, Processing, RegionNotices, Signs, StatusPage,
    },
};
use domicile_core::clock::Clock;

/// What can be checked about data, and what is done with all that is held about a person.
#[derive(Clone)]
pub struct Evidence {
    /// Audits.
    pub audits: Arc<Audits>,
    /// Other cells as witnesses, and this one as theirs.
    pub witness: Arc<Witness>,
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
    /// Where people come in.
    pub entrance: Arc<Entrance>,
    /// Backups.
    pub backups: Arc<Backups>,
    /// What can be checked.
    pub evidence: Evidence,
    /// Locks and suspensions.
    pub standings: Arc<Standings>,
    /// Reports.
    pub reports: Arc<Reports>,
    /// Whether somebody interferes with the ways to this deployment.
    pub probes: Arc<Probes>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Makes rooms whole that were joined without their members.
    pub completion: Arc<Completion>,
    /// Goes the way to other servers.
    pub check: Arc<Check>,
    /// The server's own keys.
    pub own_keys: Arc<OwnKeys>,
    /// Registers of what is blocked.
    pub blocklists: Arc<Blocklists>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Where people's homes are and should be.
    pub homes: Arc<Homes>,
    /// Moves people between cells.
    pub moves: Arc<Moves>,
    /// Brings a restored cell to where the others are.
    pub restorer: Arc<Restorer>,
    /// Standing with authorities.
    pub standing: StandingServices,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Those who may use the console.
    pub operators: Arc<Operators>,
    /// Their sessions.
    pub operator_sessions: Arc<OperatorSessions>,
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
    /// Tells people of their moves.
    pub move_notices: Arc<MoveNotices>,
    /// Tells people what was noticed of the keys of others.
    pub key_notices: Arc<KeyNotices>,
    /// Tells people of the first copies of their rooms in other regions.
    pub region_notices: Arc<RegionNotices>,
    /// Other cells that are not reached.
    pub cuts: Arc<Cuts>,
    /// Tells people of them.
    pub cut_notices: Arc<CutNotices>,
    /// Opens and ends incidents by itself.
    pub signs: Arc<Signs>,
    /// Where else the service is reached.
    pub addresses: Arc<Addresses>,
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
        .merge(access_log::routes())
        .merge(addresses::routes())
        .merge(audits::routes())
        .merge(backups::routes())
        .merge(blocklists::routes())
        .merge(destinations::routes())
        .merge(erasures::routes())
        .merge(exports::routes())
        .merge(deployment::routes())
        .merge(directory::routes())
        .merge(federation::routes())
        .merge(fence::routes())
        .merge(homes::routes())
        .merge(operators::routes())
        .merge(probes::routes())
        .merge(ledger::routes())
        .merge(moves::routes())
        .merge(demands::routes())
        .merge(dossiers::routes())
        .merge(incidents::routes())
        .merge(jurisdictions::routes())
        .merge(processing::routes())
        .merge(reports::routes())
        .merge(standing::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .with_state(services)
}
