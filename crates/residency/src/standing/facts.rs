//! What is known about this deployment, as far as duties ask for it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    duty::Jurisdiction,
    words::{Audience, Role, Service, Status},
};

/// Facts about the deployment. They come from the configuration, from counts and from dossiers; nothing is guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the service is.
    pub services: BTreeSet<Service>,
    /// Whom it is for.
    pub audience: Audience,
    /// Codes of the countries in which the operator has an establishment.
    pub established_in: BTreeSet<String>,
    /// Codes of the countries in which the disks stand, by the operator's word.
    pub stored_in: BTreeSet<String>,
    /// Codes of the jurisdictions in which the operator runs critical infrastructure.
    pub critical_in: BTreeSet<String>,
    /// Accounts in use by the country that is noted for them.
    pub users: BTreeMap<String, u64>,
    /// Accounts in use for which none is noted.
    pub users_unknown: u64,
    /// Where and how the public reaches the operator: as many ways.
    pub public_contacts: usize,
    /// Dossiers by the jurisdiction's code.
    pub dossiers: BTreeMap<String, DossierFacts>,
    /// Duties that the operator chose not to meet, by whole name.
    pub decisions: BTreeMap<String, Decision>,
    /// Demands of authorities by the jurisdiction's code.
    pub demands: BTreeMap<String, DemandFacts>,
    /// Duties, by whole name, that an authority asked for, and when (in milliseconds since the epoch).
    pub requested: BTreeMap<String, i64>,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
}

/// What a dossier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DossierFacts {
    /// Where it stands.
    pub status: Status,
    /// When the registration ends, in milliseconds since the epoch.
    pub expires_ts: Option<i64>,
    /// For which roles somebody is named with a way to reach them.
    pub roles: BTreeSet<Role>,
    /// The number in the register.
    pub number: Option<String>,
}

/// Demands of one jurisdiction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemandFacts {
    /// Demands that wait for an answer.
    pub open: u64,
    /// Of these, those whose time is over.
    pub late: u64,
}

/// Why a duty is not met on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who decided.
    pub who: String,
    /// When, in milliseconds since the epoch.
    pub when_ts: i64,
    /// Why.
    pub why: String,
}

impl Facts {
    /// A deployment of which nothing is known yet.
    pub fn nothing(now_ms: i64) -> Self {
        Self {
            services: [Service::Messaging].into(),
            audience: Audience::Organisation,
            established_in: BTreeSet::new(),
            stored_in: BTreeSet::new(),
            critical_in: BTreeSet::new(),
            users: BTreeMap::new(),
            users_unknown: 0,
            public_contacts: 0,
            dossiers: BTreeMap::new(),
            decisions: BTreeMap::new(),
            demands: BTreeMap::new(),
            requested: BTreeMap::new(),
            now_ms,
        }
    }

    /// Users of a jurisdiction, its members' among them.
    pub fn users_of(&self, jurisdiction: &Jurisdiction) -> u64 {
        self.users.iter().filter(|(country, _)| jurisdiction.covers(country)).map(|(_, count)| count).sum()
    }

    /// All accounts in use.
    pub fn all_users(&self) -> u64 {
        self.users.values().sum::<u64>() + self.users_unknown
    }

    /// Whether one of some countries is of a jurisdiction.
    pub(super) fn any_in(countries: &BTreeSet<String>, jurisdiction: &Jurisdiction) -> bool {
        countries.iter().any(|country| jurisdiction.covers(country))
    }
}
