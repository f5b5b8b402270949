//! What the operator says about the service.

use std::{collections::BTreeSet, sync::Arc};

use domicile_residency::standing::{
    Catalogue,
    words::{Audience, Service},
};

/// What the operator says about the service.
#[derive(Clone, Debug)]
pub struct StandingSettings {
    /// The law, with what the operator corrected.
    pub catalogue: Arc<Catalogue>,
    /// The legal entity that runs the service.
    pub operator: Option<String>,
    /// What the service is.
    pub services: BTreeSet<Service>,
    /// Whom it is for.
    pub audience: Audience,
    /// Countries in which the operator has an establishment.
    pub established_in: BTreeSet<String>,
    /// Countries in which the disks stand.
    pub stored_in: BTreeSet<String>,
    /// Countries in which the operator runs critical infrastructure.
    pub critical_in: BTreeSet<String>,
    /// Ways to reach the operator that the configuration makes public.
    pub public_contacts: usize,
}

#[cfg(test)]
impl StandingSettings {
    /// The catalogue, and nothing said about the service.
    pub(crate) fn nothing() -> Self {
        Self {
            catalogue: Arc::new(Catalogue::embedded()),
            operator: None,
            services: [Service::Messaging].into(),
            audience: Audience::Organisation,
            established_in: BTreeSet::new(),
            stored_in: BTreeSet::new(),
            critical_in: BTreeSet::new(),
            public_contacts: 0,
        }
    }
}
